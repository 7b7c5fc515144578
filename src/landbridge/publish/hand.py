"""Threads that make calls: as many as are needed up to a bound, kept for the next call, never in the way of an end."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Hands:
    """Runs jobs in threads of its own. A job raises nothing."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.lock = threading.Lock()
        self.count = self.idle = self.queued = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job run as soon as there is a thread for it."""
        with self.lock:
            self.queued += 1
            if self.queued > self.idle and self.count < self.most:
                self.count += 1
                self.idle += 1
                threading.Thread(target=self.work, name=f"{self.name}-{self.count}", daemon=True).start()
        self.jobs.put(job)

    def work(self) -> None:
        while (job := self.jobs.get()) is not None:
            with self.lock:
                self.idle -= 1
                self.queued -= 1
            job()
            with self.lock:
                self.idle += 1

    def close(self) -> None:
        """Send the threads home once they are free."""
        with self.lock:
            count = self.count
        for _ in range(count):
            self.jobs.put(None)

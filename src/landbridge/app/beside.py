"""The serving process's hold on the worker beside it: start it, ask it, start it again, end it."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from landbridge import errors
from landbridge.errors import Failed, LandbridgeError

LOG = logging.getLogger("landbridge.serve")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds until a worker that died is started again
CALM = 60.0  # seconds after which a worker counts as well
ENDING = 20.0  # seconds that a worker has to end by itself
LINE = 64 << 20  # bytes of one answer


class Beside:
    """The worker process. `news` is called with each message that is no answer."""

    def __init__(self, folder: Path, news: Callable[[Mapping[str, Any]], None]) -> None:
        self.folder = folder
        self.news = news
        self.process: asyncio.subprocess.Process | None = None
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.asked = 0
        self.ready = False
        self.leaving = asyncio.Event()
        self.trouble: str | None = None  # what the worker said when it could not start

    async def run(self) -> None:
        """Keep a worker running until `close`."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while not self.leaving.is_set():
            began = loop.time()
            await self.once()
            if self.leaving.is_set():
                return
            pause = FIRST_PAUSE if loop.time() - began > CALM else min(2 * pause, LONGEST_PAUSE)
            LOG.error("The worker has ended; it is started again in %.0f s.", pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), pause)

    async def once(self) -> None:
        """Start one worker and listen to it until it ends."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "landbridge.app.worker", str(self.folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE,
        )  # fmt: skip
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                self.heard(line)
        finally:
            self.ready = False
            await self.process.wait()
            for waiting in self.answers.values():
                if not waiting.done():
                    waiting.set_exception(Failed("The worker ended before it answered.", hint="Try again in a moment."))
            self.answers.clear()

    def heard(self, line: bytes) -> None:
        """Take one message of the worker."""
        try:
            message = json.loads(line)
        except ValueError:
            LOG.warning("The worker says something that is no message: %.200r", line)
            return
        if "answer" in message:
            waiting = self.answers.pop(message["answer"], None)
            if waiting is not None and not waiting.done():
                if "error" in message:
                    waiting.set_exception(raised(message))
                else:
                    waiting.set_result(message["said"])
            return
        self.ready = self.ready or message.get("news") == "ready"
        self.trouble = str(raised(message)) if message.get("news") == "wrong" else None
        if self.trouble:
            LOG.error("The worker cannot work. %s", self.trouble)
        self.news(message)

    async def ask(self, order: Mapping[str, Any], seconds: float = 600.0) -> Any:
        """Have the worker do something and give its answer; raises what it raises, Failed where it is not there."""
        if self.process is None or self.process.stdin is None or not self.ready:
            raise Failed(self.trouble or "The worker is not ready yet.", hint="Try again in a moment.")
        self.asked += 1
        number = self.asked
        waiting = self.answers[number] = asyncio.get_running_loop().create_future()
        try:
            self.process.stdin.write(json.dumps({**order, "id": number}).encode() + b"\n")
            await self.process.stdin.drain()
            return await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            raise Failed("The worker does not answer in time.", hint="Look at the source's page in a moment.") from None
        except (OSError, RuntimeError):
            raise Failed("The worker has just ended.", hint="Try again in a moment.") from None
        finally:
            self.answers.pop(number, None)

    async def close(self) -> None:
        """End the worker: by closing its input, else by TERM, else by force."""
        self.leaving.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for end in (process.terminate, process.kill):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDING)
                return
            with contextlib.suppress(ProcessLookupError):
                end()
        await process.wait()


def raised(message: Mapping[str, Any]) -> LandbridgeError:
    """The worker's error, to be raised here."""
    kind = getattr(errors, str(message["error"]), Failed)
    error: LandbridgeError = kind(message["message"], where=message.get("where"), hint=message.get("hint"))
    return error

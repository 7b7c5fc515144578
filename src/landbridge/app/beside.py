"""The serving process's hold on one beside it, the worker or the historian: start it, ask it, start it again, end it.

Orders go there as lines of JSON. Messages come back as lines of JSON too; one that says a `size` is followed by so many
bytes, which are its answer as it is.
"""

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
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds until one that died is started again
CALM = 60.0  # seconds after which it counts as well
ENDING = 20.0  # seconds that it has to end by itself
LINE = 64 << 20  # bytes of one line


class Beside:
    """A process that runs a module; `name` is for people. `news` is called with each message that is no answer."""

    def __init__(self, folder: Path, module: str, name: str, news: Callable[[Mapping[str, Any]], None]) -> None:
        self.folder = folder
        self.module = module
        self.name = name
        self.news = news
        self.process: asyncio.subprocess.Process | None = None
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.asked = 0
        self.ready = False
        self.leaving = asyncio.Event()
        self.trouble: str | None = None  # what it said when it could not start

    async def run(self) -> None:
        """Keep it running until `close`."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while not self.leaving.is_set():
            began = loop.time()
            await self.once()
            if self.leaving.is_set():
                return
            pause = FIRST_PAUSE if loop.time() - began > CALM else min(2 * pause, LONGEST_PAUSE)
            LOG.error("The %s has ended; it is started again in %.0f s.", self.name, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), pause)

    async def once(self) -> None:
        """Start it once and listen to it until it ends."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, str(self.folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE,
        )  # fmt: skip
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                size = self.heard(line)
                if size is not None:
                    self.answered(line, await self.process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ValueError):  # it ended within a message, or a line is too long
            LOG.warning("The %s broke off in the middle of a message.", self.name)
        finally:
            self.ready = False
            await self.process.wait()
            for waiting in self.answers.values():
                if not waiting.done():
                    waiting.set_exception(self.failed("ended before it answered"))
            self.answers.clear()

    def heard(self, line: bytes) -> int | None:
        """Take one message; how many bytes follow that are its answer, None where none do."""
        try:
            message = json.loads(line)
        except ValueError:
            LOG.warning("The %s says something that is no message: %.200r", self.name, line)
            return None
        if "size" in message:
            return int(message["size"])
        if "answer" in message:
            waiting = self.answers.pop(message["answer"], None)
            if waiting is not None and not waiting.done():
                if "error" in message:
                    waiting.set_exception(raised(message))
                else:
                    waiting.set_result(message["said"])
            return None
        self.ready = self.ready or message.get("news") == "ready"
        self.trouble = str(raised(message)) if message.get("news") == "wrong" else None
        if self.trouble:
            LOG.error("The %s cannot work. %s", self.name, self.trouble)
        self.news(message)
        return None

    def answered(self, line: bytes, body: bytes) -> None:
        """Hand on an answer of bytes."""
        waiting = self.answers.pop(json.loads(line)["answer"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

    def failed(self, what: str) -> Failed:
        return Failed(f"The {self.name} {what}.", hint="Try again in a moment.")

    async def ask(self, order: Mapping[str, Any], seconds: float = 600.0) -> Any:
        """Have it do something and give its answer, maybe as bytes; raises what it raises, Failed where it is gone."""
        if self.process is None or self.process.stdin is None or not self.ready:
            raise (
                Failed(self.trouble, hint="Try again in a moment.") if self.trouble else self.failed("is not ready yet")
            )
        self.asked += 1
        number = self.asked
        waiting = self.answers[number] = asyncio.get_running_loop().create_future()
        try:
            self.process.stdin.write(json.dumps({**order, "id": number}).encode() + b"\n")
            await self.process.stdin.drain()
            return await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            raise self.failed("does not answer in time") from None
        except (OSError, RuntimeError):
            raise self.failed("has just ended") from None
        finally:
            self.answers.pop(number, None)

    async def close(self) -> None:
        """End it: by closing its input, else by TERM, else by force."""
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
    """Its error, to be raised here."""
    kind = getattr(errors, str(message["error"]), Failed)
    error: LandbridgeError = kind(message["message"], where=message.get("where"), hint=message.get("hint"))
    return error

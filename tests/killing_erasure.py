"""An erasure in a process of its own, which kills itself when it has come to a step: killing_erasure.py DIR STEP."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from landbridge.app.erase import eraser_of
from landbridge.model.erasure import Subject
from landbridge.pool.erase import Eraser, Order
from landbridge.store.erased import UnderWay
from remembering import ID, opened

ORDER = Order(Subject("", entity=ID), "The keeper asked for it.", "maria")


class Killed(Eraser):
    """Ends like a lost machine once a step is on the disk; `after` is the step that follows, "end" the very last."""

    after = ""

    def note(self, row: UnderWay) -> None:
        super().note(row)
        if row.step == self.after:
            os.kill(os.getpid(), signal.SIGKILL)

    def begin(self, order: Order) -> Any:
        work = super().begin(order)
        if self.after == "look":
            os.kill(os.getpid(), signal.SIGKILL)
        return work


def main(folder: Path, step: str) -> None:
    with opened(folder) as city:
        plain = eraser_of(city)
        eraser = Killed(plain.store, plain.claims, plain.actor, plain.history, plain.keys, plain.waiting)
        eraser.after = step
        eraser.erase(ORDER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

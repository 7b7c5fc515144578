"""The largest memory that a process has had, for tests that measure a child: `python -c` code imports this file.

`ru_maxrss` survives the start of a program, so a child of a large test process would report its parent's.
"""

import resource
from pathlib import Path


def peak_kilobytes() -> int:
    """Peak of this program's own memory, in KiB."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

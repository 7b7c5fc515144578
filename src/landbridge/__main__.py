"""`python -m landbridge` is the command `landbridge`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("landbridge.cli", run_name="__main__", alter_sys=True)

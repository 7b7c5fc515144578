"""How long the first example takes to be joined: what `make demo` does before it opens the console.

python benchmarks/demo.py
"""

import argparse
import tempfile
from pathlib import Path

import process

LIMIT = "20 s"
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "binhai"


def main() -> None:
    """Join the example in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="another example, which is smaller")
    example = EXAMPLE.with_name("redding") if parser.parse_args().quick else EXAMPLE
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        words = ("demo", str(example), "--folder", f"{name}/{example.name}", "--fresh", "--no-serve")
        took = process.run([*process.LANDBRIDGE, *words])
    print(f"{'case':<34}{'s':>8}{'CPU s':>8}{'peak MB':>9}   limit")
    print(f"{'joining examples/' + example.name:<34}{took.seconds:>8.1f}{took.cpu:>8.1f}{took.peak:>9,.0f}   {LIMIT}")


if __name__ == "__main__":
    main()

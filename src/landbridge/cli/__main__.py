"""`python -m landbridge.cli`, which `python -m landbridge` runs."""

from landbridge.cli import main

if __name__ == "__main__":
    main()

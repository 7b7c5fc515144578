"""What a run did not test, one line for each reason, said before pytest's closing line."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each part that was left out, with how many tests it has."""
    skipped = Counter(reason(report) for report in terminalreporter.getreports("skipped"))
    for why, count in sorted(skipped.items()):
        terminalreporter.write_line(f"Not tested ({count}): {why}")


def reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, without file and line."""
    place = report.longrepr
    return (place[2] if isinstance(place, tuple) else str(place)).removeprefix("Skipped: ")

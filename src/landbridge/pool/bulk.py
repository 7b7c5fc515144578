"""Many rows at once: state and journal of a whole delivery made a column at a time."""

import pyarrow as pa

from landbridge.pool.phrase import AttributePlan


def fits(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> bool:
    """Whether columns can say all that these rows say."""
    return False


def write(*given: object) -> None:
    """Write nothing."""

"""The marks of means (see `history.rollup`) in the lake's columns, for whoever reads many lines at once."""

import polars as pl

from landbridge.history.rollup import OPENING

ROLLED = pl.col("rest").fill_null("").str.starts_with(OPENING)


def mark(name: str) -> pl.Expr:
    """A number of a mean's mark."""
    return pl.col("rest").str.json_path_match(f"$.rollup.json.{name}").cast(pl.Float64)

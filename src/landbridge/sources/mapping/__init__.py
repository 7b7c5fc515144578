"""Every mapping is a SELECT: a source's rows become entities' attributes in SQL, in a locked DuckDB of a child process.

Needs nothing but the declaration's folder; docs/mapping.md is what its author reads. `mapper` is the parent's side and
`child` the other: this package itself imports neither, so that the child loads only what it needs.
"""

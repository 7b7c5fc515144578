"""Every mapping is a SELECT: a source's rows become entities' attributes in SQL, in a locked DuckDB of a child process.

Needs nothing but the declaration's folder; docs/mapping.md is what its author reads.
"""

from landbridge.sources.mapping.mapper import (
    Mapped,
    Mapper,
    MappingFile,
    Rejected,
    mapping_paths,
    open_mapper,
    read_mappings,
)

__all__ = ["Mapped", "Mapper", "MappingFile", "Rejected", "mapping_paths", "open_mapper", "read_mappings"]

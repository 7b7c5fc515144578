"""Landbridge: joins a district's islands of data into one pool and serves it through open standards.

    >>> import landbridge
    >>> with landbridge.open(city) as district:
    ...     record = district.pull("parks")
    ...     district.query("Park", q="area>100")[0]["name"]
    'Riverside'

What `open` gives is a `landbridge.app.library.District`. Its module has the heavy engines, so it is loaded by the call
and not by `import landbridge`, with which the serving process begins too.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from landbridge.app.library import District

__all__ = ["open"]


def open(folder: Path | str) -> "District":
    """Open a district's folder to read, write and pull from Python.

    Gives a District, a context manager. Raises Missing, InvalidSettings or Damaged.

        >>> district = landbridge.open(city)
        >>> district.pull("parks").state
        'done'
        >>> [park["id"] for park in district.query("Park", q="area>100")]
        ['urn:ngsi-ld:Park:1']
        >>> district.query("Park").polars().select("name", "area").rows()
        [('Riverside', 120.5), ('Old Mill', 80.0)]
        >>> district.create({"id": "urn:ngsi-ld:Park:9", "type": "Park", "name": "New"})
        >>> district.get("urn:ngsi-ld:Park:9")
        {'id': 'urn:ngsi-ld:Park:9', 'type': 'Park', 'name': 'New'}
        >>> district.explain("urn:ngsi-ld:Park:1", "area")[0].place
        'parks.csv line 2'
        >>> district.close()
    """
    library = importlib.import_module("landbridge.app.library")
    return cast("District", library.open_district(folder))

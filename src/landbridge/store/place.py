"""Where: geometry conditions as SQL. Columns and cells answer for single points in `location`, all else is opened.

Candidates come from the cells (points) and the R*Tree (boxes around shapes); what is left is decided exactly.
"""

from landbridge.errors import InvalidQuery
from landbridge.model.geometry import Box, bounds, check_geometry, geometry_text, widened
from landbridge.model.query import Near, Spatial
from landbridge.store.cell import covering
from landbridge.store.fragment import ALWAYS, Fragment, every, json_path, put, some

LOCATION = "location"
RELATIONS = ("within", "contains", "intersects", "overlaps", "disjoint", "equals")


def located(geo: Near | Spatial) -> Fragment:
    """Lying as asked to the query's geometry (NGSI-LD 4.10)."""
    check_geometry(geo.geometry, where="the query's geometry", kind=InvalidQuery)
    opened = put(
        "EXISTS (SELECT 1 FROM json_each(doc, {}) AS i WHERE i.value ->> '$.type' = 'GeoProperty' AND {})",
        json_path("attrs", geo.geoproperty),
        decided(geo, Fragment("i.value -> '$.value'")),
    )
    if geo.geoproperty != LOCATION:
        return opened
    exact = put("CASE WHEN lon IS NOT NULL THEN {} ELSE {} END", decided(geo, None), opened)
    box = around(geo)
    return exact if box is None else every([candidates(box), exact])


def around(geo: Near | Spatial) -> Box | None:
    """The box that every match touches, None where matches can be anywhere."""
    if isinstance(geo, Spatial):
        return None if geo.relation == "disjoint" else bounds(geo.geometry)
    return None if geo.at_most is None else widened(bounds(geo.geometry), geo.at_most)


def candidates(box: Box) -> Fragment:
    """The keys of points in the cells of a box, and of shapes whose own box touches it."""
    cells = some(put("cell BETWEEN {} AND {}", first, last) for first, last in covering(box))
    west, south, east, north = box
    return put(
        "entity.key IN (SELECT key FROM entity WHERE {}"
        " UNION ALL SELECT key FROM shape WHERE maxx >= {} AND minx <= {} AND maxy >= {} AND miny <= {})",
        *(cells, west, east, south, north),
    )


def decided(geo: Near | Spatial, shape: Fragment | None) -> Fragment:
    """The exact condition on a shape's GeoJSON, or (None) on the row's point."""
    name, where = ("point", Fragment("lon, lat")) if shape is None else ("shape", shape)
    reference = geometry_text(geo.geometry)
    if isinstance(geo, Spatial):
        if geo.relation not in RELATIONS:
            raise InvalidQuery(f"'{geo.relation}' is no relation.", hint=f"Use near or {', '.join(RELATIONS)}.")
        return put(f"{name}_relates({{}}, {{}}, {{}})", geo.relation, reference, where)
    metres = put(f"{name}_metres({{}}, {{}})", reference, where)
    bounds_ = []
    if geo.at_most is not None:
        bounds_.append(put("{} <= {}", metres, float(geo.at_most)))
    if geo.at_least is not None:
        bounds_.append(put("{} > {}", metres, float(geo.at_least)))
    return every(bounds_) if bounds_ else put("{} IS NOT NULL", metres) if shape else ALWAYS

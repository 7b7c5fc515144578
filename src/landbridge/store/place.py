"""Where: geometry conditions as SQL. Columns and cells answer for single points in `location`, all else is opened.

Candidates come from the cells (points) and the R*Tree (boxes around shapes); what is left is decided exactly.
"""

from landbridge.errors import InvalidQuery
from landbridge.model.geometry import Box, bounds, check_geometry, geometry_text, widened
from landbridge.model.query import Near, Spatial
from landbridge.store.cell import covering
from landbridge.store.fragment import ALWAYS, Fragment, every, json_path, put, separated, some

LOCATION = "location"
RELATIONS = ("within", "contains", "intersects", "overlaps", "disjoint", "equals")


def located(geo: Near | Spatial, by_place: bool = True) -> Fragment:
    """Lying as asked to the query's geometry (NGSI-LD 4.10). `by_place`: begin with what lies in the cells around."""
    check(geo)
    opened = put(
        "EXISTS (SELECT 1 FROM json_each(doc, {}) AS i WHERE i.value ->> '$.type' = 'GeoProperty' AND {})",
        json_path("attrs", geo.geoproperty),
        decided(geo, Fragment("i.value -> '$.value'")),
    )
    if geo.geoproperty != LOCATION:
        return opened
    box = around(geo)
    inside = Fragment("lon IS NOT NULL") if box is None else in_box(box)
    # OR and AND as conditions, not CASE: inside CASE SQLite would call the function for every row
    exact = some([every([inside, decided(geo, None)]), every([Fragment("lon IS NULL"), opened])])
    return every([candidates(box), exact]) if box is not None and by_place else exact


def check(geo: Near | Spatial) -> None:
    """Raise InvalidQuery for a geometry that cannot be asked about."""
    check_geometry(geo.geometry, where="the query's geometry", kind=InvalidQuery)


def in_box(box: Box) -> Fragment:
    west, south, east, north = box
    return put("lon BETWEEN {} AND {} AND lat BETWEEN {} AND {}", west, east, south, north)


def in_cells(box: Box) -> Fragment:
    """The SELECT of the keys of points whose cell is one of those that cover the box."""
    ranges = covering(box)
    return separated(
        " UNION ALL ",
        [put("SELECT key FROM entity WHERE cell BETWEEN {} AND {}", first, last) for first, last in ranges],
    )


def around(geo: Near | Spatial) -> Box | None:
    """The box that every match touches, None where matches can be anywhere."""
    if isinstance(geo, Spatial):
        return None if geo.relation == "disjoint" else bounds(geo.geometry)
    return None if geo.at_most is None else widened(bounds(geo.geometry), geo.at_most)


def candidates(box: Box) -> Fragment:
    """The keys of points in the cells of a box, and of shapes whose own box touches it."""
    west, south, east, north = box
    return put(
        "entity.key IN ({}"
        " UNION ALL SELECT key FROM shape WHERE maxx >= {} AND minx <= {} AND maxy >= {} AND miny <= {})",
        *(in_cells(box), west, east, south, north),
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

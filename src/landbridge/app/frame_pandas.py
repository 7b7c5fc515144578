"""Entities as a pandas frame or a GeoDataFrame. Loaded only where it is asked for: both are extras of the package."""

from collections.abc import Sequence

import pandas
import shapely
from geopandas.geodataframe import GeoDataFrame

from landbridge.app.frame import Name, arrow
from landbridge.model.answer import Document


def pandas_frame(documents: Sequence[Document], name: Name) -> pandas.DataFrame:
    """Entities as a pandas frame."""
    found: pandas.DataFrame = arrow(documents, name).to_pandas()
    return found


def geo_frame(documents: Sequence[Document], name: Name, geometry: str) -> GeoDataFrame:
    """Entities as a GeoDataFrame in WGS 84, with the attribute `geometry` as its geometry; None where one has none."""
    frame = pandas_frame(documents, name)
    texts = frame[geometry] if geometry in frame else pandas.Series([None] * len(frame), dtype=object)
    shapes = [shapely.from_geojson(text) if isinstance(text, str) else None for text in texts]
    return GeoDataFrame(frame.drop(columns=geometry, errors="ignore"), geometry=shapes, crs="EPSG:4326")

"""Cells: one integer for a place, so that places near each other lie in few ranges of numbers (Morton order).

Longitude and latitude become 31-bit numbers whose bits alternate. A box is covered by a bounded count of ranges
over an ordinary index, which costs a fifth of an R*Tree's row; only shapes with an extent go to the R*Tree.
"""

from heapq import heapify, heappop, heappush
from typing import Any

BITS = 31
SIDE = 1 << BITS
MOST_RANGES = 24
SPREADS = (
    (32, 0x00000000FFFFFFFF),
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)

Box = tuple[float, float, float, float]


def cell(lon: float, lat: float) -> int:
    """The cell of a place given in degrees, a number from 0 to 2^62 - 1."""
    return int(interleave(column(lon), row(lat)))


def interleave(x: Any, y: Any) -> Any:
    """Alternate the bits of two 31-bit numbers, x lowest. Also for numpy arrays of int64, a column at a time."""
    return spread(x) | spread(y) << 1


def spread(number: Any) -> Any:
    for shift, mask in SPREADS:
        number = (number | number << shift) & mask
    return number


def column(lon: float) -> int:
    return min(max(int((lon + 180.0) / 360.0 * SIDE), 0), SIDE - 1)


def row(lat: float) -> int:
    return min(max(int((lat + 90.0) / 180.0 * SIDE), 0), SIDE - 1)


def cells(lons: Any, lats: Any) -> Any:
    """The cells of many places: numpy arrays of degrees to an array of int64, equal to `cell` of each."""
    x = ((lons + 180.0) / 360.0 * SIDE).astype("int64").clip(0, SIDE - 1)
    y = ((lats + 90.0) / 180.0 * SIDE).astype("int64").clip(0, SIDE - 1)
    return interleave(x, y)


def covering(box: Box, most: int = MOST_RANGES) -> list[tuple[int, int]]:
    """Ranges of cells (first, last) that hold every place of a box (west, south, east, north), `most` at most.

    Quarters that stick out of the box are cut further, the largest first, until there would be too many.
    """
    west, south, east, north = column(box[0]), row(box[1]), column(box[2]), row(box[3])
    inside: list[tuple[int, int]] = []
    pending = [(-BITS, 0, 0)]  # (minus the level, x, y) of quarters that touch the box
    while pending and len(inside) + len(pending) + 3 <= most:
        level, x, y = heappop(pending)
        half = 1 << (-level - 1)
        for left, low in ((x, y), (x + half, y), (x, y + half), (x + half, y + half)):
            right, high = left + half - 1, low + half - 1
            if left > east or right < west or low > north or high < south:
                continue
            if half == 1 or (left >= west and right <= east and low >= south and high <= north):
                inside.append(quarter(left, low, half))
            else:
                heappush(pending, (level + 1, left, low))
    heapify(pending)
    return joined(inside + [quarter(x, y, 1 << -level) for level, x, y in pending])


def quarter(x: int, y: int, side: int) -> tuple[int, int]:
    first = int(interleave(x, y))
    return first, first + side * side - 1


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and found[-1][1] + 1 >= first:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found

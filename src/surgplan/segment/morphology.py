"""Growing, shrinking and closing by lengths in millimetres, whatever the shape of the voxels."""

from __future__ import annotations

import math

from surgplan.segment.combine import intersect
from surgplan.segment.packed import Row, dilated, eroded, packed, unpacked
from surgplan.segment.region import Region

ROUNDING = 1e-9
"""A voxel whose centre lies on the ellipsoid's surface counts as covered."""

Radii = tuple[float, float, float]


def ellipsoid(radii_mm: Radii, spacing_kji: tuple[float, float, float]) -> list[Row]:
    """The voxels whose centres lie in an ellipsoid with these half axes along k, j, i, as rows along i."""
    ak, aj, ai = (radius / step for radius, step in zip(radii_mm, spacing_kji, strict=True))
    rows = []
    for dk in range(-_whole(ak), _whole(ak) + 1):
        for dj in range(-_whole(aj), _whole(aj) + 1):
            left = 1.0 - (dk / ak if dk else 0.0) ** 2 - (dj / aj if dj else 0.0) ** 2
            if left > -ROUNDING:
                rows.append((dk, dj, _whole(ai * math.sqrt(max(left, 0.0)))))
    return rows


def _whole(length: float) -> int:
    return math.floor(length + ROUNDING)


def _reach(rows: list[Row]) -> tuple[int, int, int]:
    return max(row[0] for row in rows), max(row[1] for row in rows), max(row[2] for row in rows)


def grow(region: Region, radius_mm: float) -> Region:
    """Every voxel whose centre is at most `radius_mm` from the centre of one of the region's; not beyond the scan."""
    rows = ellipsoid((radius_mm,) * 3, region.spacing_kji)
    margin = _reach(rows)
    larger = region.grown(margin)
    words = dilated(packed(larger.mask, margin), rows)
    return larger.with_mask(unpacked(words, margin, larger.box.shape))


def shrink(region: Region, radius_mm: float) -> Region:
    """Only the voxels with no voxel of the background at `radius_mm` or nearer; the scan's end is background."""
    rows = ellipsoid((radius_mm,) * 3, region.spacing_kji)
    margin = _reach(rows)
    words = eroded(packed(region.mask, margin), rows)
    return region.with_mask(unpacked(words, margin, region.box.shape))


def close_gaps(region: Region, gap_mm: float) -> Region:
    """Close gaps and clefts up to `gap_mm` wide; because voxels are whole, one up to a voxel wider may close too.

    This is the morphological closing by an ellipsoid that is `gap_mm` and one voxel across in each direction: a gap of
    n voxels, n × spacing wide, then closes when that is at most `gap_mm`; along an axis whose voxels are larger than
    that, nothing changes. What lies beyond the scan counts as empty, so nothing is added at its ends, and a closing
    never leaves the box of the structure.
    """
    radii = tuple((gap_mm + step) / 2 for step in region.spacing_kji)
    rows = ellipsoid((radii[0], radii[1], radii[2]), region.spacing_kji)
    margin = _reach(rows)
    if margin == (0, 0, 0):
        return region
    words = packed(region.mask, margin)
    words = eroded(dilated(words, rows), rows)
    return region.with_mask(unpacked(words, margin, region.box.shape))


def cut_thin(region: Region, thinnest_mm: float) -> Region:
    """Only what belongs to places at least `thinnest_mm` thick, with the region's own voxels round them.

    The morphological opening by a ball of that diameter, grown by a voxel within the region: thin shells and bridges
    go, and the boundary of what stays is where it was.
    """
    core = ellipsoid((thinnest_mm / 2,) * 3, region.spacing_kji)
    ak, aj, ai = (thinnest_mm / 2 + 1.5 * step for step in region.spacing_kji)
    back = ellipsoid((ak, aj, ai), region.spacing_kji)
    margin = _reach(back)
    words = dilated(eroded(packed(region.mask, margin), core), back)
    return region.with_mask(region.mask & unpacked(words, margin, region.box.shape))


def open_bridges(region: Region, width_mm: float) -> Region:
    """The morphological opening by a ball of that diameter: what is thinner goes, and edges get round."""
    return intersect(grow(shrink(region, width_mm / 2), width_mm / 2), region)

"""The patient's body: without the table, the headrest and the air of the room, and with the air inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.params import Params
from surgplan.segment.coarse import averaged, coarse_grid, refined_labels, steps_for
from surgplan.segment.components import Rule, keep_parts
from surgplan.segment.given import Found, Scene
from surgplan.segment.morphology import close_gaps, grow, open_bridges
from surgplan.segment.otsu import otsu_cuts
from surgplan.segment.region import Box, Region
from surgplan.segment.slicewise import fill_slices
from surgplan.segment.threshold import threshold

SKIN_HU = -250.0
"""Half way between air and the outermost layer of skin and fat, whatever the blur."""

WORKING_MM = 3.0
LEAST_MM3 = 50_000.0


class BodyParams(Params):
    """The body with all that is in it; its surface is the skin."""

    level: float | None = Field(
        None, description="intensity at the skin; without it, -250 HU in CT, and from the histogram in MR"
    )
    table_mm: float = Field(12.0, ge=0, le=60, description="cut off table and tubes that touch it, thinner than this")
    close_mm: float = Field(6.0, ge=0, le=60, description="close nostrils, ears and dark gaps up to this wide, in mm")
    hollow: bool = Field(False, description="leave the cavities inside open")


def body(scene: Scene, name: str, params: BodyParams) -> Found:
    """The body in one piece.

    Raises
    ------
    EmptyLabel
        No part of 50 cm³ passes the level.
    """
    region, level = body_region(scene.volume, params, name)
    fills = scene.volume.modality is not Modality.CT
    told = Finding("skin", Level.NOTE, f"the body ends at an intensity of {level:g}", subject=name)
    return Found(region, None if fills else level, (told,))


def body_mask(volume: Volume) -> Region:
    """The body by the default parameters, with the air inside."""
    return body_region(volume, BodyParams(), "body")[0]


def skin_level(volume: Volume) -> float:
    """The intensity at the skin: fixed in CT; in MR, a third of the way from the room's noise to tissue."""
    if volume.modality is Modality.MR:
        values = volume.array.reshape(-1)
        values = values[:: max(1, len(values) // 500_000)]
        cut = otsu_cuts(values, 2)[0]
        dark, bright = np.median(values[values < cut]), np.median(values[values >= cut])
        return float(dark + (bright - dark) / 4)
    return SKIN_HU


def body_region(volume: Volume, params: BodyParams, name: str) -> tuple[Region, float]:
    """The body, and the level at its skin."""
    level = skin_level(volume) if params.level is None else params.level
    found = threshold(volume, level, float("inf"))
    steps = steps_for(volume.grid, WORKING_MM)
    grid = coarse_grid(volume.grid, steps)
    means = averaged(volume.array, steps, -1024, max(1000.0, 4 * level))
    core = rough_body(grid, means, level, params.table_mm)[0]
    if core.volume_mm3 < LEAST_MM3:
        measured = f"the largest part above {level:g} has {core.volume_mm3 / 1000:.3g} cm³"
        raise EmptyLabel(f"structure `{name}`", measured, "50 cm³", "Check the scan's intensities, or set `level`")
    near = grow(core, max(params.table_mm / 2, 2 * max(core.spacing_kji)))
    whole = np.zeros(grid.shape, dtype=np.uint8)
    whole[near.box.slices] = near.mask
    near_fine = refined_labels(whole, steps, found.box).view(np.bool_)
    region = found.with_mask(found.mask & near_fine)
    region, _, _ = keep_parts(volume, region.trimmed(), Rule(largest=1))
    if params.close_mm:
        region = close_gaps(region, params.close_mm)
    if not params.hollow:
        region = fill_slices(region)
    return region, level


def rough_body(
    grid: Grid, values: NDArray[Any], level: float = SKIN_HU, table_mm: float = 12.0
) -> tuple[Region, float]:
    """The largest part above a level, without what is thinner than `table_mm`, and its share of all above the level."""
    rough = Region(grid, Box((0, 0, 0), grid.shape), values >= level).trimmed()
    core = open_bridges(rough, table_mm) if table_mm else rough
    core = keep_parts(volume_of(grid, values), core, Rule(largest=1))[0]
    return core, core.voxels / max(rough.voxels, 1)


def volume_of(grid: Grid, values: NDArray[Any]) -> Volume:
    """A coarse copy as a volume."""
    return Volume(grid, values)

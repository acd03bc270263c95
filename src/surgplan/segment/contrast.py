"""Contrast-filled heart, vessels and kidneys: thick and even like no bone, since no cortex surrounds them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from surgplan.errors import EmptyLabel
from surgplan.params import Params
from surgplan.segment.coarse import averaged, coarse_grid, refined_labels, steps_for
from surgplan.segment.depth import depth, distance_to, numbered, restored
from surgplan.segment.given import Found, Scene
from surgplan.segment.region import Box, Mask, Region

WORKING_MM = 2.0
"""Averages over so large a block leave little noise, and every vessel that counts is thicker."""

SHELL_MM = 4.0
"""How deep the shell of a part is looked at: a cortex and the blur round it."""


class ContrastParams(Params):
    """Blood and organs that contrast makes as bright as bone."""

    blood_hu: tuple[float, float] = Field((140, 3071), description="intensities of contrast-filled blood, in HU")
    thick_mm: float = Field(7.0, gt=1, le=30, description="thinner parts are left to the bone, in mm")
    cortex_hu: float = Field(100.0, gt=0, description="a bone's shell is so much brighter than its middle, in HU")
    cortex_share: float = Field(0.1, gt=0, lt=1, description="parts of whose shell more is so bright are bone")
    solid_hu: float = Field(
        600.0,
        description="parts whose middle is so bright are contrast, whatever their shell: no spongy bone is, in HU",
    )
    least_mm3: float = Field(4000.0, ge=0, description="smaller parts are left to the bone, in mm³")
    pure_hu: float = Field(1500.0, description="what is so bright and 4 mm thick is undiluted contrast or metal, in HU")


def contrast(scene: Scene, name: str, params: ContrastParams) -> Found:
    """All contrast-filled blood and organs, as one region.

    Raises
    ------
    EmptyLabel
        There is none.
    """
    volume = scene.volume
    steps = steps_for(volume.grid, WORKING_MM)
    grid = coarse_grid(volume.grid, steps)
    spacing = (float(grid.spacing[2]), float(grid.spacing[1]), float(grid.spacing[0]))
    means = averaged(volume.array, steps, -200, 3000)
    blood = _blood(means, spacing, params) | _pure(means, spacing, params)
    if not blood.any():
        raise EmptyLabel(f"structure `{name}`", "no contrast-filled part was found", advice="Set optional = true")
    box = Box((0, 0, 0), volume.grid.shape)
    fine = refined_labels(blood.view(np.uint8), steps, box).view(np.bool_)
    return Found(Region(volume.grid, box, fine).trimmed(), None)


def _blood(means: np.ndarray, spacing: tuple[float, float, float], params: ContrastParams) -> Mask:
    radius = params.thick_mm / 2
    mask = (means >= params.blood_hu[0]) & (means <= params.blood_hu[1])
    parts, voxels = numbered(depth(mask, spacing) > radius)
    if len(voxels) < 2:
        return np.zeros_like(mask)
    core = parts > 0
    owned = restored(core, mask, radius, spacing)
    nearest = _nearest_part(parts, spacing)
    middle = np.zeros(len(voxels), dtype=np.float32)
    order = np.argsort(parts[core], kind="stable")
    for number, values in enumerate(np.split(means[core][order], np.cumsum(voxels[1:-1])), start=1):
        middle[number] = np.median(values)
    shell = owned & (depth(owned, spacing) <= SHELL_MM)
    around = np.bincount(nearest[shell], minlength=len(voxels))
    brighter = shell & (means > middle[nearest] + params.cortex_hu)
    bright = np.bincount(nearest[brighter], minlength=len(voxels))
    bone = (bright > params.cortex_share * np.maximum(around, 1)) & (middle < params.solid_hu)
    volumes = np.bincount(nearest[owned], minlength=len(voxels)) * np.prod(spacing)
    bone |= volumes < params.least_mm3
    bone[0] = True
    blood: Mask = owned & ~bone[nearest]
    return blood


def _pure(means: np.ndarray, spacing: tuple[float, float, float], params: ContrastParams) -> Mask:
    mask = means >= params.pure_hu
    core = depth(mask, spacing) > 2.0
    near: Mask = distance_to(core, spacing) <= 4.0
    return near


def _nearest_part(parts: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """(k, j, i) the number of the nearest numbered voxel."""
    from scipy.ndimage import distance_transform_edt

    index = distance_transform_edt(parts == 0, sampling=spacing, return_distances=False, return_indices=True)
    return np.asarray(parts[tuple(index)])

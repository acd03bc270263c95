"""Thresholds with a second look: two levels at once (hysteresis), or a level that follows the surroundings."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from surgplan.params import Params
from surgplan.segment.checks import empty
from surgplan.segment.components import keep_near, keep_touching
from surgplan.segment.given import Found, Scene
from surgplan.segment.morphology import grow
from surgplan.segment.region import Region
from surgplan.segment.threshold import between, threshold


class HysteresisParams(Params):
    """All that passes `threshold_hu` and hangs on something surely of the structure."""

    sure_hu: float = Field(description="from this intensity on a voxel surely belongs to it, in HU")


class LocalParams(Params):
    """Thin and porous bone: what is brighter than its surroundings, though below the threshold."""

    least_hu: float = Field(0.0, description="what is darker never belongs to it, in HU")
    contrast_hu: float = Field(60.0, gt=0, description="how much brighter than the mean around it, in HU")
    around_mm: float = Field(4.0, gt=0.5, le=30, description="how far around a voxel the mean is taken, in mm")
    reach_mm: float = Field(10.0, gt=0, le=50, description="how far from what passes the threshold, in mm")


def hysteresis(scene: Scene, name: str, params: HysteresisParams, limits: tuple[float, float]) -> Found:
    """The connected parts between the thresholds that hold a voxel at `sure_hu` or above.

    Raises
    ------
    EmptyLabel
        None does.
    """
    low, high = limits
    sure = threshold(scene.volume, params.sure_hu, high)
    weak = threshold(scene.volume, low, high)
    if not sure.voxels:
        raise empty(scene.volume, name, params.sure_hu, high)
    return Found(keep_touching(weak, sure).trimmed(), low)


def local(scene: Scene, name: str, params: LocalParams, limits: tuple[float, float]) -> Found:
    """What passes the threshold, and what near it is brighter than its own surroundings and hangs on it.

    A wall thinner than the scanner's blur never reaches a global threshold, but it is still brighter than the air,
    fat or muscle on both of its sides: the walls of the orbit and of the sinuses, porous cortex, trabeculae.

    Raises
    ------
    EmptyLabel
        Nothing passes the threshold.
    """
    from scipy.ndimage import uniform_filter1d

    low, high = limits
    sure = threshold(scene.volume, low, high)
    if not sure.voxels:
        raise empty(scene.volume, name, low, high)
    near = grow(sure, params.reach_mm)
    size = [2 * max(1, round(params.around_mm / step)) + 1 for step in near.spacing_kji]
    margin = (size[0] // 2, size[1] // 2, size[2] // 2)
    block = near.box.grown(margin, near.grid.shape)
    values = scene.volume.array[block.slices].clip(-1024, 2000).astype(np.float32)
    share = (~sure.within(block).mask).astype(np.float32)  # beside thick bone, the mean is that of what is no bone
    mean = values * share
    for axis, count in enumerate(size):
        for filtered in (mean, share):
            uniform_filter1d(filtered, count, axis=axis, output=filtered, mode="nearest")
    mean /= np.maximum(share, 1e-3)
    bright = values > mean + params.contrast_hu
    bright &= between(scene.volume.array[block.slices], params.least_hu, high)
    bright &= near.within(block).mask
    bright |= sure.within(block).mask
    found = keep_near(Region(near.grid, block, bright), sure, 0.0)[0]
    return Found(found.trimmed(), None)

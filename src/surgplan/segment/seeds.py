"""Growing from landmarks: within an intensity range, against competing seeds, never out of the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.model.frames import Array
from surgplan.model.volume import Modality, Volume
from surgplan.params import Params
from surgplan.segment.coarse import averaged, coarse_grid, coarsened, refined_labels, steps_for
from surgplan.segment.components import keep_touching
from surgplan.segment.crop import ball
from surgplan.segment.depth import depth
from surgplan.segment.given import Found, Scene
from surgplan.segment.leaks import lies_outside
from surgplan.segment.region import Mask, Region
from surgplan.segment.territories import bone_speed, territories
from surgplan.segment.threshold import threshold

SEED_MM = 3.0
"""A point set by hand counts as meant for tissue this far away."""

AIR_HU = -700.0
WORKING_MM = 1.5


class GrowParams(Params):
    """What hangs on seeds within `threshold_hu`, up to where other seeds come first."""

    landmarks: tuple[str, ...] = Field(min_length=1, description="landmarks of the case file that lie in it")
    against: tuple[str, ...] = Field((), description="landmarks in structures that it must not run into")
    most_mm3: float | None = Field(None, gt=0, description="a larger volume is a leak and is refused, in mm³")


class SplitParams(Params):
    """One of several bones that touch, parted where seeds' fronts meet."""

    of: str = Field(description="the structure, found before, that holds them all")
    landmarks: tuple[str, ...] = Field(min_length=1, description="landmarks of the case file that lie in this one")
    against: tuple[str, ...] = Field(min_length=1, description="landmarks that lie in the others")
    by: str = Field(
        "shape", pattern="^(shape|intensity)$", description="parted where it is narrow (shape), or dark (intensity)"
    )


def grow_from(scene: Scene, name: str, params: GrowParams, limits: tuple[float, float]) -> Found:
    """The connected parts within the limits that the seeds lie in.

    Raises
    ------
    BadInput
        A seed lies outside of the body or in another tissue, or the region is larger than `most_mm3`.
    """
    region = threshold(scene.volume, *limits)
    own = [seed_in(scene, name, each, region, limits) for each in params.landmarks]
    rivals = [seed_in(scene, name, each, region, limits) for each in params.against]
    found = region
    for number, seed in enumerate(own):
        part = keep_touching(region, seed)
        found = part if number == 0 else found.with_mask(found.mask | part.mask)
    if rivals:
        found = _compete(scene, found, own, rivals, "intensity")
    found = found.trimmed()
    if params.most_mm3 is not None and found.volume_mm3 > params.most_mm3:
        measured = f"it has grown to {found.volume_mm3 / 1000:.4g} cm³: it has leaked into what touches it"
        advice = "Narrow threshold_hu, or name landmarks in the neighbours under `against`"
        raise BadInput(f"structure `{name}`", measured, f"at most {params.most_mm3 / 1000:.4g} cm³", advice)
    return Found(found, limits[0] if np.isfinite(limits[0]) else None)


def split(scene: Scene, name: str, params: SplitParams) -> Found:
    """The part of a structure that the own seeds' fronts reach before the others'.

    Raises
    ------
    BadInput
        A seed lies outside of the body, or not in the structure.
    """
    whole = scene.structure(params.of, name)
    own = [seed_in(scene, name, each, whole, None) for each in params.landmarks]
    rivals = [seed_in(scene, name, each, whole, None) for each in params.against]
    return Found(_compete(scene, whole, own, rivals, params.by).trimmed(), None)


def seed_in(scene: Scene, name: str, landmark: str, region: Region, limits: tuple[float, float] | None) -> Region:
    """The voxels of the region at a landmark.

    Raises
    ------
    BadInput
        The landmark lies outside of the body or in the air, or no voxel of the region is near.
    """
    point = scene.landmark(landmark, name)
    place = "({:.1f}, {:.1f}, {:.1f}) mm LPS".format(*point)
    if lies_outside(scene, point):
        advice = "Check its frame (LPS or RAS) and place it again"
        raise BadInput(f"landmark `{landmark}`", f"lies outside of the body, at {place}", f"a seed of `{name}`", advice)
    here = _intensity(scene.volume, point)
    spot = ball(region.grid, point, max(SEED_MM, *region.spacing_kji))
    near = spot.with_mask(spot.mask & _of(region, spot))
    if near.voxels:
        return near
    if scene.volume.modality is Modality.CT and here < AIR_HU:
        advice = "Check its frame (LPS or RAS) and place it again"
        raise BadInput(f"landmark `{landmark}`", f"lies in air ({here:g} HU) at {place}", f"a seed of `{name}`", advice)
    wanted = f"{limits[0]:g} to {limits[1]:g} HU" if limits else f"a place in the structure that `{name}` is part of"
    found = f"lies in another tissue ({here:g} HU) at {place}"
    advice = f"Move it to a place in `{name}`" + (", or change threshold_hu" if limits else "")
    raise BadInput(f"landmark `{landmark}`", found, wanted, advice)


def _of(region: Region, spot: Region) -> Mask:
    from surgplan.segment.combine import intersect

    both = intersect(spot, region)
    return both.within(spot.box).mask if both.box != spot.box else both.mask


def _intensity(volume: Volume, point: Array) -> float:
    i, j, k = np.rint(volume.grid.ijk_from_lps.apply(point)).astype(int)
    return float(volume.array[k, j, i])


def _compete(scene: Scene, whole: Region, own: Sequence[Region], rivals: Sequence[Region], by: str) -> Region:
    """The voxels that the own seeds reach first; worked out on voxels of about `WORKING_MM`."""
    steps = steps_for(whole.grid, WORKING_MM)
    small = coarsened(whole, steps, 0.3)
    grid = coarse_grid(whole.grid, steps)
    seeds = {}
    for number, regions in ((1, own), (2, rivals)):
        mask = np.zeros(grid.shape, dtype=np.bool_)
        for region in regions:
            mask |= coarsened(region, steps, 1e-6).mask
        seeds[number] = mask & small.mask
    spacing = small.spacing_kji
    if by == "shape":
        deep = depth(small.mask, spacing)
        speed = (deep / max(float(deep.max()), 1e-6)).clip(0.02, 1.0) ** 2
    else:
        speed = bone_speed(averaged(scene.volume.array, steps, -200, 1000))
    owner = territories(speed.astype(np.float32), small.mask, seeds, spacing, until=1e6)
    fine = refined_labels(owner, steps, whole.box)
    return whole.with_mask(whole.mask & (fine != 2))

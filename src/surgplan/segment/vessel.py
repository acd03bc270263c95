"""Vessels: a lumen parted from the heart at its neck, a second lumen beside it, and thin vessels by their shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.volume import Grid
from surgplan.params import Params
from surgplan.segment.coarse import averaged, coarse_grid, coarsened, refined_labels, steps_for
from surgplan.segment.depth import depth, distance_to, numbered, restored
from surgplan.segment.given import Found, Scene
from surgplan.segment.morphology import close_gaps
from surgplan.segment.region import Box, Mask, Region
from surgplan.segment.seeds import seed_in
from surgplan.segment.threshold import between, threshold
from surgplan.segment.wall import follow_wall

WORKING_MM = 1.5
Spacing = tuple[float, float, float]
Floats = NDArray[np.float32]


class VesselParams(Params):
    """The contrast-filled lumen round a seed, as far as it is wide, and what belongs to its wall."""

    landmarks: tuple[str, ...] = Field(min_length=1, description="landmarks of the case file that lie in the lumen")
    neck_mm: float = Field(9.0, gt=0, le=40, description="what hangs on it by a neck thinner than this stays out")
    second_hu: tuple[float, float] | None = Field(
        None, description="intensities of a second, fainter lumen beside it (dissection), in HU"
    )
    second_neck_mm: float = Field(6.0, gt=0, le=40, description="the same as neck_mm, for the second lumen")
    wall_mm: float = Field(0.0, ge=0, le=40, description="close clefts up to this wide: flap, stent, clot")
    follow_wall: bool = Field(
        False, description="follow the wall of a dissected descending aorta down, where clot or unmixed blood fills it"
    )


class TubesParams(Params):
    """Thin bright vessels, by their tubular shape."""

    radii_mm: tuple[float, ...] = Field((1.0, 2.0, 3.0), min_length=1, max_length=6, description="radii looked for")
    least: float = Field(0.1, gt=0, lt=1, description="how tubular a place must be, as a share of the most tubular")


def vessel(scene: Scene, name: str, params: VesselParams, limits: tuple[float, float]) -> Found:
    """One vessel from its seeds.

    The lumen within the limits is shrunk by half of `neck_mm`, which parts it from the heart and from vessels that
    touch it by a narrow place; the parts that hold a seed are grown back. Of a second, fainter range the parts that
    touch the lumen most are added, and then what goes on from both as a narrow bright lumen, clear of the heart.

    Raises
    ------
    BadInput
        A seed lies outside of the lumen, or where it is narrower than `neck_mm`.
    """
    volume = scene.volume
    whole = threshold(volume, *limits)
    seeds = [seed_in(scene, name, each, whole, limits) for each in params.landmarks]
    steps = steps_for(volume.grid, WORKING_MM)
    grid = coarse_grid(volume.grid, steps)
    spacing = (float(grid.spacing[2]), float(grid.spacing[1]), float(grid.spacing[0]))
    means = averaged(volume.array, steps, -1024, 3071)
    lumen, others = _lumen(means, limits, [coarsened(seed, steps, 1e-6).mask for seed in seeds], params, spacing)
    if not lumen.any():
        found = f"lies where the lumen is narrower than neck_mm = {params.neck_mm:g} mm"
        raise BadInput(f"landmark `{params.landmarks[0]}`", found, advice="Move it to the middle, or lower neck_mm")
    findings: tuple[Finding, ...] = ()
    if params.second_hu is not None:
        lumen, findings = _dissected(means, grid, lumen, others, limits, name, params)
    box = Box((0, 0, 0), volume.grid.shape)
    lumen = _closed(lumen, grid, params.wall_mm)
    fine = Region(volume.grid, box, refined_labels(lumen.view(np.uint8), steps, box).view(np.bool_)).trimmed()
    plain = params.second_hu is None and not params.wall_mm
    if plain:  # the coarse lumen says which voxels; the threshold says where it ends
        block = fine.grown((steps[0], steps[1], steps[2]))
        fine = block.with_mask(block.mask & between(volume.array[block.box.slices], *limits)).trimmed()
    return Found(fine, limits[0] if plain else None, findings)


CLEAR_MM = 3.0
"""A narrow lumen is followed only so far away from the heart and from other wide vessels."""

SURER_HU = 50.0
"""It must be so much brighter than the lower limit: where walls are thin, the blur between two lumens passes that."""


LEAST_RIVAL_MM3 = 300.0


def _lumen(
    means: Floats, limits: tuple[float, float], seeds: list[Mask], params: VesselParams, spacing: Spacing
) -> tuple[Mask, Mask]:
    """The wide parts of the lumen that the seeds lie in, and the other wide parts: heart, other vessels."""
    mask = (means >= limits[0]) & (means <= limits[1])
    radius = params.neck_mm / 2
    parts, voxels = numbered(depth(mask, spacing) > radius)
    own: set[int] = set()
    for seed in seeds:
        near = parts[(distance_to(seed, spacing) <= params.neck_mm) & mask]
        near = near[near > 0]
        if len(near):
            own.add(int(np.bincount(near).argmax()))
    rivals = voxels * np.prod(spacing) > LEAST_RIVAL_MM3
    rivals[[0, *own]] = False
    lumen = restored(np.isin(parts, list(own)), mask, radius, spacing)
    return lumen, restored(rivals[parts], mask, radius, spacing) & ~lumen


def _closed(mask: Mask, grid: Grid, gap_mm: float) -> Mask:
    if not gap_mm:
        return mask
    whole = Box((0, 0, 0), grid.shape)
    return close_gaps(Region(grid, whole, mask), gap_mm).within(whole).mask


def _dissected(
    means: Floats,
    grid: Grid,
    lumen: Mask,
    others: Mask,
    limits: tuple[float, float],
    name: str,
    params: VesselParams,
) -> tuple[Mask, tuple[Finding, ...]]:
    """The lumen with a second one beside it, the narrow lumen that goes on from both, and what the wall holds below."""
    spacing = (float(grid.spacing[2]), float(grid.spacing[1]), float(grid.spacing[0]))
    faint = params.second_hu or limits
    clear = distance_to(others, spacing) > CLEAR_MM
    second = _alongside(between(means, *faint), lumen, params.second_neck_mm, spacing)
    told = f"second lumen: {np.count_nonzero(second) * grid.voxel_volume_mm3 / 1000:.4g} cm³ beside the first"
    findings = (Finding("second lumen", Level.NOTE, told, subject=name),)
    wide = lumen | second
    narrow = _alongside(clear & (means >= limits[0] + SURER_HU), wide, spacing[0] / 2, spacing)
    if not params.follow_wall:
        return wide | narrow, findings
    known = _closed(wide, grid, params.wall_mm)
    towards = {"S": -1, "I": 1}.get(grid.orientation_code()[2])
    bright = clear & (means >= limits[0])
    wall = follow_wall(means, known, bright, faint[0], spacing, towards) if towards else np.zeros_like(known)
    followed = wall.any(axis=(1, 2))
    narrow[~followed] &= distance_to(wide, spacing)[~followed] <= params.neck_mm / 2
    narrow[followed] &= wall[followed]  # arteries that leave the aorta are no part of it
    return wide | narrow | wall, (*findings, _told_wall(name, np.count_nonzero(followed) * spacing[0]))


def _told_wall(name: str, length_mm: float) -> Finding:
    if length_mm:
        measured = f"below the lumen that fills it, the wall was followed over {length_mm:.0f} mm"
        return Finding("vessel wall", Level.NOTE, measured, subject=name)
    measured = "no slice across it shows a round lumen that fills it: its wall was not followed"
    advice = "Look whether clot or unmixed blood is missing below; slices must lie across the body"
    return Finding("vessel wall", Level.WARN, measured, advice=advice, subject=name)


MOST_CONTACT = 0.3
"""Parts beside a lumen count when they touch it this much, as a share of the one that does most."""


def _alongside(mask: Mask, lumen: Mask, neck_mm: float, spacing: Spacing) -> Mask:
    """Of a mask the parts, without what hangs on them by a neck, that lie along the lumen."""
    mask = mask & ~lumen
    parts, voxels = numbered(depth(mask, spacing) > neck_mm / 2)
    near = distance_to(lumen, spacing) <= neck_mm / 2 + 4.0
    contact = np.bincount(parts[near], minlength=len(voxels))
    contact[0] = 0
    chosen = (contact > 0) & (contact >= MOST_CONTACT * contact.max())
    return restored(chosen[parts], mask, neck_mm / 2, spacing) if chosen.any() else np.zeros_like(mask)


def tubes(scene: Scene, name: str, params: TubesParams, limits: tuple[float, float]) -> Found:
    """What is tubular and within the limits.

    Source: Frangi et al., "Multiscale vessel enhancement filtering", MICCAI 1998.
    """
    import SimpleITK as sitk

    region = threshold(scene.volume, *limits)
    block = region.grown((4, 4, 4)).box
    values = scene.volume.array[block.slices].clip(-200, 800).astype(np.float32)
    best = np.zeros(values.shape, dtype=np.float32)
    for radius in params.radii_mm:
        image = sitk.GetImageFromArray(values)
        image.SetSpacing([float(step) for step in scene.volume.grid.spacing])
        blurred = sitk.SmoothingRecursiveGaussian(image, radius / np.sqrt(2))
        found = sitk.GetArrayFromImage(
            sitk.ObjectnessMeasure(blurred, objectDimension=1, brightObject=True, scaleObjectnessMeasure=True)
        )
        np.maximum(best, found * radius, out=best)
    mask = region.within(block).mask & (best >= params.least * best.max())
    return Found(Region(scene.volume.grid, block, mask).trimmed(), limits[0])

"""A mask from elsewhere on the scan's own grid: moved voxel by voxel where the grids coincide, else resampled and told.

A mask that does not lie in the scan's frame is refused: a structure in the wrong place is worse than none.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.masks import NamedMask
from surgplan.model.volume import SAME_GRID_MM, Grid, Volume
from surgplan.segment.region import Box, Mask, Region

MOST_OUTSIDE = 0.02
"""A mask drawn on this scan lies in it; more of it outside than a voxel's rounding means that it belongs to another."""

GRAVE_CHANGE = 0.05
"""Resampling that changes a volume by this share has lost or thickened thin parts."""

FINEST = 4
"""Sub-voxels along each axis at which a finer mask is looked at."""

SUB_VOXELS = 1 << 24
"""How many of them are looked at in one go."""

MADE_ON_IT = "Make the mask on this very scan, or pass the scan that it was made on"


def place(mask: NamedMask, volume: Volume) -> tuple[Region, tuple[Finding, ...]]:
    """The mask's voxels on the scan's grid, in the smallest box, and what was done to bring them there.

    Where both grids have their voxels at the same places, in whatever order of axes, each voxel is moved as it is.
    Otherwise a scan's voxel belongs to the structure where the mask, interpolated linearly, is at least one half: of
    the methods tried on balls and plates, this keeps volumes best.

    Raises
    ------
    BadInput
        The mask has another frame of reference, is a mirror image, or lies outside of the scan.
    """
    _check_frame_of_reference(mask, volume)
    grid = volume.grid
    _check_mirrored(mask, grid)
    if not mask.voxels:
        return Region(grid, Box((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1), dtype=np.bool_)), ()
    step = _same_voxels(mask.block_grid, grid)
    return _resampled(mask, grid) if step is None else _moved(mask, grid, step)


def _check_frame_of_reference(mask: NamedMask, volume: Volume) -> None:
    theirs, ours = mask.frame_of_reference, volume.frame_of_reference
    if theirs and ours and theirs != ours:
        found = f"has the frame of reference …{theirs[-12:]}, the scan …{ours[-12:]}"
        advice = "Positions of the two cannot be compared: register them first, or make the mask on this scan"
        raise BadInput(_subject(mask), found, "the same", advice)


def _subject(mask: NamedMask) -> str:
    return f"mask `{mask.name}`" + (f" of {mask.source}" if mask.source and mask.source != mask.name else "")


@dataclass(frozen=True)
class _Step:
    """How a block's axes lie along the scan's: `axes[b]` is the scan's axis of the block's axis b (i, j, k), `signs[b]`
    its direction, `start` the scan's voxel (i, j, k) of the block's first one."""

    axes: tuple[int, ...]
    signs: tuple[int, ...]
    start: tuple[int, ...]


def _same_voxels(block: Grid, grid: Grid) -> _Step | None:
    """How to move the block's voxels onto the grid's, or None when they do not have the same places."""
    matrix = (grid.ijk_from_lps @ block.lps_from_ijk).matrix
    linear, offset = np.rint(matrix[:3, :3]), np.rint(matrix[:3, 3])
    if any((np.abs(linear).sum(axis=axis) != 1).any() for axis in (0, 1)):
        return None  # no mere exchange of axes
    ends = np.array(list(itertools.product(*[(0, count - 1) for count in block.size])), dtype=np.float64)
    apart = (ends @ (matrix[:3, :3] - linear).T + (matrix[:3, 3] - offset)) * grid.spacing
    if np.abs(apart).max() >= SAME_GRID_MM:
        return None
    axes = tuple(int(np.abs(column).argmax()) for column in linear.T)
    signs = tuple(int(linear[axis, b]) for b, axis in enumerate(axes))
    return _Step(axes, signs, tuple(int(at) for at in offset))


def _moved(mask: NamedMask, grid: Grid, step: _Step) -> tuple[Region, tuple[Finding, ...]]:
    voxels = mask.array.transpose(2, 1, 0)[tuple(slice(None, None, sign) for sign in step.signs)]
    voxels = voxels.transpose(np.argsort(step.axes))  # now along the scan's i, j, k
    start = list(step.start)
    for b, axis in enumerate(step.axes):
        if step.signs[b] < 0:
            start[axis] -= mask.array.shape[2 - b] - 1
    low = [max(0, first) for first in start]
    high = [min(size, first + count) for size, first, count in zip(grid.size, start, voxels.shape, strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise _outside(mask, grid, 1.0)
    inner = voxels[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]
    box = Box((low[2], low[1], low[0]), (high[2], high[1], high[0]))
    region = Region(grid, box, np.ascontiguousarray(inner.transpose(2, 1, 0))).trimmed()
    lost = mask.voxels - region.voxels
    if not region.voxels:
        raise _outside(mask, grid, 1.0)
    return region, _told_cut(mask, lost)


def _told_cut(mask: NamedMask, lost: int) -> tuple[Finding, ...]:
    """The scan is a part of the one that the mask was made on: its voxels are the same, but some are not there."""
    if not lost:
        return ()
    measured = f"{100 * lost / mask.voxels:.1f} % of the mask lie beyond the scan's ends and are left out"
    advice = "Take the whole scan if that part is needed"
    return (Finding("mask beyond the scan", Level.WARN, measured, "0 %", advice, subject=mask.name),)


def _resampled(mask: NamedMask, grid: Grid) -> tuple[Region, tuple[Finding, ...]]:
    box = _box_around(mask, grid)
    outside = _share_outside(mask, grid)
    if box is None or outside > MOST_OUTSIDE:
        raise _outside(mask, grid, outside)
    fine = tuple(_subdivision(mask.block_grid, grid, axis) for axis in range(3))
    region = Region(grid, box, _sampled(mask, grid, box, fine)).trimmed()
    before, after = mask.volume_mm3, region.volume_mm3
    change = after / before - 1
    how = "linear interpolation at one half" + (f", {'×'.join(map(str, fine))} points a voxel" if max(fine) > 1 else "")
    sizes = " → ".join(" × ".join(f"{step:.3g}" for step in each.spacing) for each in (mask.grid, grid))
    measured = f"resampled from another grid ({sizes} mm) by {how}; "
    measured += f"volume {before:.4g} → {after:.4g} mm³ ({100 * change:+.1f} %)"
    grave = abs(change) >= GRAVE_CHANGE
    level = Level.WARN if grave else Level.NOTE
    advice = "Thin parts may be lost or thickened: make the mask on the scan's own grid" if grave else ""
    return region, (Finding("mask resampled", level, measured, f"{100 * GRAVE_CHANGE:g} %", advice, subject=mask.name),)


def _share_outside(mask: NamedMask, grid: Grid) -> float:
    """Which part of the mask's voxel centres lie outside of the scan; told from at most some 100,000 of them."""
    ijk = np.argwhere(mask.array)[:, ::-1]
    ijk = ijk[:: max(1, len(ijk) // 100_000)]
    return 1.0 - float(np.mean(grid.contains(mask.block_grid.lps_from_ijk.apply(ijk))))


def _outside(mask: NamedMask, grid: Grid, share: float) -> BadInput:
    places = [_reach(mask.block_grid), _reach(grid)]
    found = f"{100 * share:.0f} % of it lie outside of the scan: it reaches {places[0]}, the scan {places[1]} mm LPS"
    return BadInput(_subject(mask), found, f"at most {100 * MOST_OUTSIDE:g} %", MADE_ON_IT)


def _reach(grid: Grid) -> str:
    low, high = grid.corners.min(axis=0), grid.corners.max(axis=0)
    return ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))


def _check_mirrored(mask: NamedMask, grid: Grid) -> None:
    """Whether the mask would lie on the scan's own voxels if only some of the world's axes were turned round."""
    if _coincide(mask.grid, grid, np.ones(3)):
        return
    for signs in itertools.product((1.0, -1.0), repeat=3):
        if _coincide(mask.grid, grid, np.array(signs)):
            turned = " and ".join(axis for axis, sign in zip("xyz", signs, strict=True) if sign < 0)
            off = float(np.linalg.norm(mask.grid.centre - grid.centre))
            found = f"its grid is the scan's with {turned} negated; as it stands, the centres lie {off:.1f} mm apart"
            odd = np.prod(signs) < 0
            why = "left and right are exchanged in it" if odd else "one of the two took LPS for RAS"
            raise BadInput(_subject(mask), found, "the scan's own frame", f"Export it again: {why}")


def _coincide(one: Grid, other: Grid, signs: Array) -> bool:
    """Whether the corners of one grid, their coordinates multiplied with the signs, are those of the other."""
    mirrored, corners = one.corners * signs, other.corners
    apart = np.linalg.norm(mirrored[:, None] - corners[None], axis=2)
    return bool(apart.min(axis=1).max() < SAME_GRID_MM and sorted(one.size) == sorted(other.size))


def _subdivision(block: Grid, grid: Grid, axis: int) -> int:
    """Into how many parts the scan's voxel is divided along one of its axes, so that no finer mask voxel is missed."""
    along = np.abs(block.direction.T @ grid.direction[:, axis])
    theirs = float(1 / np.max(along / block.spacing))
    return int(np.clip(np.ceil(grid.spacing[axis] / theirs - 0.1), 1, FINEST))


def _box_around(mask: NamedMask, grid: Grid) -> Box | None:
    """The part of the scan's grid that the mask's block touches."""
    ijk = grid.ijk_from_lps.apply(mask.block_grid.corners)
    low = np.maximum(np.floor(ijk.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(ijk.max(axis=0)).astype(int) + 1, grid.size)
    if np.any(low >= high):
        return None
    return Box((int(low[2]), int(low[1]), int(low[0])), (int(high[2]), int(high[1]), int(high[0])))


def _sampled(mask: NamedMask, grid: Grid, box: Box, fine: tuple[int, ...]) -> Mask:
    """Which voxels of the box lie at least half within the mask; (k, j, i). Layer by layer, to bound the memory."""
    import SimpleITK as sitk

    block = mask.block_grid
    image = sitk.GetImageFromArray(np.pad(mask.array, 1).astype(np.float32))
    _set_grid(image, block.cropped((-1, -1, -1), np.array(block.size) + 2))
    k, j, i = box.shape
    at_once = max(1, SUB_VOXELS // (j * i * int(np.prod(fine))))
    layers = []
    for first in range(0, k, at_once):
        count = min(at_once, k - first)
        part = grid.cropped((box.start[2], box.start[1], box.start[0] + first), (i, j, count))
        out = _divided(part, fine)
        found = sitk.Resample(image, out, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        parts = sitk.GetArrayViewFromImage(found).reshape(count, fine[2], j, fine[1], i, fine[0])
        layers.append(parts.mean(axis=(1, 3, 5)) >= 0.5)
    return np.concatenate(layers)


def _divided(grid: Grid, fine: tuple[int, ...]) -> object:
    """An image whose voxels are those of the grid, each divided along i, j, k."""
    import SimpleITK as sitk

    parts = np.array(fine)
    out = sitk.Image([int(count) for count in np.array(grid.size) * parts], sitk.sitkUInt8)
    first = grid.lps_from_ijk.apply((1 / parts - 1) / 2)
    _set_grid(out, Grid(out.GetSize(), grid.spacing / parts, first, grid.direction))
    return out


def _set_grid(image: Any, grid: Grid) -> None:
    image.SetSpacing(grid.spacing.tolist())
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(grid.direction.ravel().tolist())

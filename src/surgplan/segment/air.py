"""Air in the patient: the airway and the lungs, found from the scan alone and checked for leaks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput, EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.params import Params
from surgplan.segment.body import body_mask
from surgplan.segment.coarse import averaged, coarse_grid, coarsened, refined_labels, steps_for
from surgplan.segment.crop import keep_side
from surgplan.segment.depth import numbered
from surgplan.segment.given import Found, Scene
from surgplan.segment.middle import known_middle
from surgplan.segment.morphology import close_gaps
from surgplan.segment.region import Box, Mask, Region
from surgplan.segment.slicewise import fill_slices

WORKING_MM = 2.0
LUNG_HU = -400.0
AIRWAY_HU = -900.0
TRACHEA_MM = (6.0, 36.0)
"""Width of a trachea, from a small child's to a large man's."""

LEVELS_HU = np.arange(-950.0, -599.0, 25.0)
LEAK = 1.6
"""An airway that grows by this factor from one level to the next has leaked into the lung."""


class AirwayParams(Params):
    """Trachea and bronchi, as far as they can be followed without a leak into the lungs."""

    most_hu: float = Field(-600.0, le=-300, description="the brightest level that is tried, in HU")


class LungParams(Params):
    """Both lungs, or one."""

    side: Literal["both", "left", "right"] = Field("both", description="which lung, of the patient")
    close_mm: float = Field(8.0, ge=0, le=30, description="close vessels in the lung up to this wide, in mm")


Floats = NDArray[np.float32]


def airway(scene: Scene, name: str, params: AirwayParams) -> Found:
    """The largest airway that does not leak: the level is raised until the volume jumps.

    Raises
    ------
    EmptyLabel
        No trachea is found in the upper slices.
    BadInput
        Already at the darkest level it leaks.
    """
    volume = scene.volume
    steps = steps_for(volume.grid, 1.0)
    grid = coarse_grid(volume.grid, steps)
    means = averaged(volume.array, steps, -1024, 200)
    inside = _inside(scene)
    seed = _trachea(means, inside, grid.spacing[::-1], grid.orientation_code())
    if seed is None:
        advice = "Take a scan that shows the windpipe, or set optional = true"
        raise EmptyLabel(f"structure `{name}`", "no windpipe was found in the scan's upper slices", advice=advice)
    kept: Mask | None = None
    level = last = 0.0
    for hu in LEVELS_HU[params.most_hu >= LEVELS_HU]:
        parts, voxels = numbered(inside & (means <= hu))
        own = parts[seed]
        size = float(voxels[own]) * grid.voxel_volume_mm3 if own else 0.0
        if kept is not None and size > LEAK * last:
            break
        if size > 400_000:
            break
        if own:
            kept, level, last = parts == own, float(hu), size
    if kept is None:
        raise BadInput(
            f"structure `{name}`",
            "the windpipe leaks into the lungs at every level",
            "closed walls",
            "Take thinner slices, or segment it by `grow` with landmarks",
        )
    box = Box((0, 0, 0), volume.grid.shape)
    fine = refined_labels(kept.view(np.uint8), steps, box).view(np.bool_)
    told = f"followed up to {level:g} HU without a leak: {last / 1000:.4g} cm³"
    finding = Finding("airway", Level.NOTE, told, f"growth by {LEAK:g} times from one level to the next", subject=name)
    return Found(Region(volume.grid, box, fine).trimmed(), None, (finding,))


def _inside(scene: Scene) -> Mask:
    """The body with the air in it, on the grid of 1 mm blocks."""
    steps = steps_for(scene.volume.grid, 1.0)
    return coarsened(body_mask(scene.volume), steps, 0.5).mask


def _trachea(
    means: NDArray[np.float32], inside: Mask, spacing: NDArray[np.float64], code: str
) -> tuple[int, int, int] | None:
    """A voxel in the windpipe: a round dark spot near the middle that goes on through several slices from the top."""
    axis = next(2 - n for n, letter in enumerate(code) if letter in "SI")
    if axis != 0:
        return None
    order = range(means.shape[0] - 1, -1, -1) if code[2] == "S" else range(means.shape[0])
    area = float(spacing[1] * spacing[2])
    low, high = (np.pi / 4 * width**2 for width in TRACHEA_MM)
    best: tuple[float, tuple[int, int, int]] | None = None
    run: dict[tuple[int, int], int] = {}
    for k in list(order)[: max(1, int(120 / spacing[0]))]:
        dark = inside[k] & (means[k] < AIRWAY_HU)
        parts, pixels = numbered(dark[None])
        body = np.argwhere(inside[k])
        if not len(body):
            continue
        middle = body.mean(axis=0)
        width = np.ptp(body[:, 1]) * spacing[2]
        following: dict[tuple[int, int], int] = {}
        for number in np.flatnonzero(pixels[1:] * area >= low) + 1:
            if pixels[number] * area > high:
                continue
            j, i = np.argwhere(parts[0] == number).mean(axis=0)
            if abs(i - middle[1]) * spacing[2] > 0.15 * width:
                continue
            before = max((n for (a, b), n in run.items() if np.hypot(a - j, b - i) * spacing[1] < 8), default=0)
            following[(round(j), round(i))] = before + 1
            where = np.argwhere(parts[0] == number)
            nearest = where[np.abs(where - (j, i)).sum(axis=1).argmin()]
            score = (before + 1) * spacing[0]
            if best is None or score > best[0]:
                best = (score, (k, int(nearest[0]), int(nearest[1])))
        run = following
    return best[1] if best is not None and best[0] >= 15.0 else None


def lung(scene: Scene, name: str, params: LungParams) -> Found:
    """The lungs: the two large parts of air in the chest, without the airway's trunk, vessels closed in.

    Raises
    ------
    EmptyLabel
        There is no part of half a litre, or not on that side.
    BadInput
        The air in the body is open to the room: the body's outline is not closed.
    """
    volume = scene.volume
    steps = steps_for(volume.grid, WORKING_MM)
    grid = coarse_grid(volume.grid, steps)
    means = averaged(volume.array, steps, -1024, 200)
    body = coarsened(body_mask(volume), steps, 0.5)
    parts, voxels = numbered(body.mask & (means <= LUNG_HU))
    volumes = voxels * grid.voxel_volume_mm3
    volumes[0] = 0
    large = np.flatnonzero(volumes >= 300_000)
    if not len(large):
        raise EmptyLabel(
            f"structure `{name}`",
            f"no air of 300 cm³ in the body; the largest has {volumes.max() / 1000:.4g} cm³",
            advice="Take a scan of the chest",
        )
    largest = sorted(large, key=lambda n: -volumes[n])[:2]
    region = Region(grid, Box((0, 0, 0), grid.shape), np.isin(parts, largest))
    if params.close_mm:
        region = fill_slices(close_gaps(region, params.close_mm), 400.0)
    box = Box((0, 0, 0), volume.grid.shape)
    whole = np.zeros(grid.shape, dtype=np.uint8)
    whole[region.box.slices] = region.mask
    fine = Region(volume.grid, box, refined_labels(whole, steps, box).view(np.bool_)).trimmed()
    if params.side != "both":
        fine = keep_side(fine, params.side, known_middle(volume)).trimmed()
    return Found(fine, None)

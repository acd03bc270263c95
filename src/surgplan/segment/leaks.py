"""Has a structure leaked out of the patient: into the table, a headrest, or the air of the room?"""

from __future__ import annotations

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.segment.body import LEAST_MM3, WORKING_MM, rough_body
from surgplan.segment.coarse import Steps, steps_for
from surgplan.segment.given import Scene
from surgplan.segment.morphology import grow
from surgplan.segment.region import Box, Mask, Region
from surgplan.segment.slicewise import fill_slices

AIR_HU = -700.0
"""Darker than this is air, or foam."""

ROUND_BODY_MM = 12.0
"""So far around the body's thick parts is body too: ears, nose, fingers on the belly, skin that was rounded off."""

GRAVE_MM3, GRAVE_SHARE = 1000.0, 0.01
"""More than both of this outside of the body is told."""

LEAST_SOLID = 0.5
"""Of all that is no air, a patient on a table is at least this share; of a hollow phantom, no part is thick."""

LOST_SHARE = 0.5
"""A structure grown from seeds that lies outside of the body to this share is no part of the patient."""


def outside_body(scene: Scene, region: Region) -> tuple[float, float] | None:
    """How much of a region lies outside of the body, mm³, and the median of its intensities; None without a body.

    Both are told from every few voxels, about `WORKING_MM` apart. Only a CT tells body from air by intensities.
    """
    volume = scene.volume
    k, j, i = steps = steps_for(volume.grid, WORKING_MM)
    body = _known_body(scene)
    if body is None:
        return None
    first = [-(-start // step) for start, step in zip(region.box.start, steps, strict=True)]
    offset = [at * step - start for at, step, start in zip(first, steps, region.box.start, strict=True)]
    own = region.mask[offset[0] :: k, offset[1] :: j, offset[2] :: i]
    at = tuple(slice(a, a + n) for a, n in zip(first, own.shape, strict=True))
    outside = own & ~body[at]
    values = volume.array[::k, ::j, ::i][at][outside]
    size = k * j * i * volume.grid.voxel_volume_mm3
    return len(values) * size, float(np.median(values)) if len(values) else 0.0


def lies_outside(scene: Scene, point: Array) -> bool:
    """Whether a place, (3,) LPS mm, certainly lies outside of the body."""
    body = _known_body(scene)
    if body is None:
        return False
    steps = steps_for(scene.volume.grid, WORKING_MM)
    kji = np.rint(scene.volume.grid.ijk_from_lps.apply(point)[::-1] / steps).astype(int)
    k, j, i = np.clip(kji, 0, np.array(body.shape) - 1)
    return not body[k, j, i]


def _known_body(scene: Scene) -> Mask | None:
    if "body" not in scene.memory:
        volume = scene.volume
        scene.memory["body"] = (
            None if volume.modality is Modality.MR else _body(volume, steps_for(volume.grid, WORKING_MM))
        )
    body: Mask | None = scene.memory["body"]
    return body


def _body(volume: Volume, steps: Steps) -> Mask | None:
    """The body on every few voxels, with what is near; None where no part is as large and solid as a patient."""
    k, j, i = steps
    values = volume.array[::k, ::j, ::i]
    grid = Grid(values.shape[::-1], volume.grid.spacing * (i, j, k), volume.grid.origin, volume.grid.direction)
    core, share = rough_body(grid, values)
    if core.volume_mm3 < LEAST_MM3 or share < LEAST_SOLID:
        return None
    near = fill_slices(grow(core, ROUND_BODY_MM))
    return near.within(Box((0, 0, 0), grid.shape)).mask


def check_leak(scene: Scene, name: str, region: Region, seeded: bool) -> list[Finding]:
    """A warning about what lies outside of the body.

    Raises
    ------
    BadInput
        That is mostly air of the room; or the structure was grown from seeds, and most of it lies there.
    """
    found = outside_body(scene, region)
    if found is None:
        return []
    volume_mm3, median = found
    share = volume_mm3 / region.volume_mm3
    if volume_mm3 < GRAVE_MM3 or share < GRAVE_SHARE:
        return []
    measured = f"{volume_mm3 / 1000:.4g} cm³ of it ({100 * share:.0f} %) lie outside of the body"
    if median < AIR_HU:
        advice = "Raise the lower limit of threshold_hu, or use a method that stays in the body: airway, lung"
        raise BadInput(f"structure `{name}`", f"has leaked into the air of the room: {measured}", advice=advice)
    if seeded and share > LOST_SHARE:
        advice = "Move the landmarks into the patient, or narrow threshold_hu"
        raise BadInput(f"structure `{name}`", f"has leaked into the table or lies there: {measured}", advice=advice)
    advice = "Look whether it is table, headrest or a hand; then set keep_largest or dense_hu, or intersect with a body"
    limit = f"{100 * GRAVE_SHARE:g} %"
    return [Finding("outside the body", Level.WARN, measured, limit, advice, subject=name)]

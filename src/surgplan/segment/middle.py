"""Where the plane lies that parts a body's left from its right, found in a CT; or why nobody can tell.

A whole trunk, a head or both legs have their middle where their tissue has. A single limb has none, and a scan whose
field cuts a flank off shows its middle only when its bones are alike on both sides of a plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import Refused
from surgplan.model.frames import Array
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.segment.threshold import between

STEP_MM = 4.0
"""So fine a grid is enough to find the middle of a body."""
TISSUE_HU = -300.0
"""Above this is tissue, below it air and most foam."""
BONE_HU, DENSE_HU = 200.0, 1000.0
"""Bone from here on; all that is denser counts the same, metal too."""
BLUR = 2.0
"""Bones of the two sides need to match within this many steps."""
SAME_BODY = 0.1
"""Parts of at least this share of the largest one are body too: the other leg, an arm; not cushions."""
CUT_SHARE = 0.4
"""A scan whose left or right end holds this share of the tissue of its fullest layer cuts deep into the body."""
NO_LIMB_MM = 230.0
"""No single limb is wider: thighs of adults measure 150 to 220 mm."""
ALIKE = 0.75
"""Bones at least so alike on both sides have a middle between them. Measured: whole heads 0.97, trunks and spines cut
by the field 0.70 to 0.96, halves of a pelvis and single thighs up to 0.58."""
ALIKE_CUT = 0.7
BONE_BOTH_SIDES = 0.3
SAME_PLANE = 0.05
"""In a head, bones mirror where the tissue has its middle, within this share of the width; in a lower leg they mirror
at the shin bone, beside it."""
SPAN = 0.6
"""Bones of a head or trunk span at least this share of its width."""


@dataclass(frozen=True)
class Middle:
    """The middle of a body: `x_mm` in LPS, or None when nobody can tell, and why; `width_mm` from side to side.

    Nearer to it than `near_mm`, a structure has no clear side.
    """

    x_mm: float | None
    width_mm: float
    reason: str

    @property
    def near_mm(self) -> float:
        """10 mm, or more in a wide body."""
        return max(10.0, 0.06 * self.width_mm)


def known_middle(volume: Volume) -> float:
    """LPS x of the body's middle, mm.

    Raises
    ------
    Refused
        Nobody can tell where it is.
    """
    found = middle_of(volume)
    if found.x_mm is None:
        advice = "Name a landmark that lies in the middle of the body"
        raise Refused("scan", f"the middle of the body cannot be told: {found.reason}", advice=advice)
    return found.x_mm


def middle_of(volume: Volume) -> Middle:
    """The middle of the body in a CT; others have none, because only there tissue differs from air for certain."""
    if volume.modality is Modality.MR:
        return Middle(None, 0.0, "the middle of a body is found in a CT only")
    x, values, inside = _along_lps(volume)
    body = _body((values > TISSUE_HU) & inside)
    layers = np.count_nonzero(body, axis=(1, 2))
    if not layers.any():
        return Middle(None, 0.0, "no body is in the scan")
    spread = np.repeat(x, layers)
    low, high = np.quantile(spread, (0.005, 0.995))
    mean, width = float(spread.mean()), float(high - low)
    bone = np.where(body, np.clip(values, BONE_HU, DENSE_HU) - BONE_HU, 0)
    plane, alike = _mirror(x, bone, mean, width)
    if _is_cut(layers, inside):
        sure = alike >= ALIKE_CUT and _both_sides(x, bone, plane)
        return Middle(plane if sure else None, width, "" if sure else "the scan cuts deep into the body's flank")
    in_middle = alike >= ALIKE and abs(plane - mean) <= SAME_PLANE * width
    if width >= NO_LIMB_MM or (in_middle and _span(x, bone) >= SPAN * width):
        return Middle(mean, width, "")
    return Middle(None, width, f"what is in the scan is {width:.0f} mm wide and may be one limb")


def _along_lps(volume: Volume) -> tuple[Array, NDArray[np.float32], NDArray[np.bool_]]:
    """The scan on a coarse grid along the axes of LPS, (x, y, z): places along x, values, and what the scan covers."""
    from scipy import ndimage

    strides = np.maximum(1, np.round(STEP_MM / volume.grid.spacing)).astype(int)
    i, j, k = strides
    values = volume.array[::k, ::j, ::i].astype(np.float32)
    grid = Grid(values.shape[::-1], volume.grid.spacing * strides, volume.grid.origin, volume.grid.direction)
    low, high = grid.corners.min(axis=0), grid.corners.max(axis=0)
    count = np.maximum(1, np.ceil((high - low) / STEP_MM)).astype(int)
    axes = [low[axis] + (np.arange(count[axis]) + 0.5) * STEP_MM for axis in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    ijk = grid.ijk_from_lps.apply(points.reshape(-1, 3)).reshape(points.shape)
    found = ndimage.map_coordinates(values, np.moveaxis(ijk[..., ::-1], -1, 0), order=1, mode="nearest")
    inside = np.all((ijk >= -0.5) & (ijk <= np.array(grid.size) - 0.5), axis=-1)
    return axes[0], found, inside


def _body(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest parts of the tissue, once thin things such as the table's shell have gone."""
    from scipy import ndimage

    opened = ndimage.binary_opening(tissue)
    parts, count = ndimage.label(opened)
    if not count:
        return np.zeros_like(tissue)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= max(1.0, SAME_BODY * sizes.max()))[parts]
    return kept


def _is_cut(layers: NDArray[Any], inside: NDArray[np.bool_]) -> bool:
    """Whether the scan's left or right end goes through the thick of the body."""
    covered = np.flatnonzero(inside.any(axis=(1, 2)))
    ends = (layers[covered[0] : covered[0] + 3], layers[covered[-1] - 2 : covered[-1] + 1])
    return bool(max(end.max() for end in ends) > CUT_SHARE * layers.max())


def _mirror(x: Array, bone: NDArray[np.float32], mean: float, width: float) -> tuple[float, float]:
    """The sagittal plane about which the bones are most alike, and how much: 1 for a perfect mirror image."""
    from scipy import ndimage

    soft = ndimage.gaussian_filter(bone, BLUR).reshape(len(x), -1)
    power = (soft**2).sum(axis=1)
    best = (mean, 0.0)
    for plane in np.arange(mean - 0.2 * width, mean + 0.2 * width + 1e-6, STEP_MM / 2):
        at = (2 * plane - x - x[0]) / STEP_MM
        below = np.floor(at).astype(int)
        part = (at - below).astype(np.float32)
        whole = (below >= 0) & (below + 1 < len(x))
        if not whole.any():
            continue
        first = below[whole]
        mirrored = soft[first] * (1 - part[whole])[:, None] + soft[first + 1] * part[whole][:, None]
        both = float((soft[whole] * mirrored).sum())
        alike = 2 * both / max(float(power.sum() + (mirrored**2).sum()), 1e-9)
        if alike > best[1]:
            best = (float(plane), alike)
    return best


def _both_sides(x: Array, bone: NDArray[np.float32], plane: float) -> bool:
    masses = bone.sum(axis=(1, 2))
    share = float(masses[x > plane].sum() / max(float(masses.sum()), 1e-9))
    return BONE_BOTH_SIDES <= share <= 1 - BONE_BOTH_SIDES


def _span(x: Array, bone: NDArray[np.float32]) -> float:
    layers = np.flatnonzero(between(bone.max(axis=(1, 2)), 1.0, float("inf")))
    return float(x[layers[-1]] - x[layers[0]]) if len(layers) else 0.0

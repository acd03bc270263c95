"""Measurements in LPS mm: distances, angles, what a surface holds, intensities within a structure, and symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.model.frames import LPS, Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume

MOST_STEPS, STILL_MM = 60, 1e-4
SAMPLES = 20_000
KEPT = 0.7
"""The plane is sought by the best 70 of 100 places: what differs between the sides must not turn it."""

LARGEST_TURN_DEG = 30.0
"""A plane farther from sagittal than this was not found: the body is symmetric otherwise, or not at all."""


def angle_deg(one: Array, two: Array) -> float:
    """Angle between two directions, (3,), 0 to 180°; exact also near 0 and 180, where a cosine is not.

    Raises
    ------
    BadInput
        A direction has no length.
    """
    if not one.any() or not two.any():
        raise BadInput("angle", "two of its points coincide", "three different places", "Name other points")
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two)), one @ two)))


def plane_normal(places: Array) -> Array:
    """(3,) unit normal of the plane through three places, (3, 3); `BadInput` when they lie on a line."""
    normal = np.cross(places[1] - places[0], places[2] - places[0])
    size = np.linalg.norm(normal)
    reach = np.linalg.norm(places - places.mean(axis=0), axis=1).max()
    if size <= 1e-3 * reach**2:
        raise BadInput("plane", "its three points lie on a line", "a triangle", "Name other points")
    return np.asarray(normal / size)


@dataclass(frozen=True)
class Statistics:
    """Intensities of the voxels of a structure (HU in CT) and its volume by counting voxels."""

    structure: str
    voxels: int
    volume_mm3: float
    mean: float
    standard_deviation: float
    minimum: float
    p5: float
    median: float
    p95: float
    maximum: float


def intensities(volume: Volume, labels: LabelMap, label: Label) -> Statistics:
    """Statistics of one structure.

    Raises
    ------
    BadInput
        Volume and labels lie on different grids, or the structure has no voxels.
    """
    if not volume.grid.matches(labels.grid):
        raise BadInput("labels", "lie on another grid than the scan", advice="Use both from one case")
    values = volume.array[labels.array == label.value].astype(np.float64)
    if not values.size:
        raise BadInput(label.name, "has no voxels", advice="Check the segmentation")
    low, middle, high = np.percentile(values, [5, 50, 95]).tolist()
    each = volume.grid.voxel_volume_mm3
    spread = (float(values.mean()), float(values.std()), float(values.min()))
    return Statistics(label.name, values.size, values.size * each, *spread, low, middle, high, float(values.max()))


@dataclass(frozen=True)
class Symmetry:
    """How the two sides of a surface differ.

    The mirror plane holds the places x with `normal` · x = `offset_mm`; the normal points to the patient's left.
    Differences are distances of one side's places, mirrored, to the surface, by place over both sides alike, mm.
    """

    normal: tuple[float, float, float]
    offset_mm: float
    mean_mm: float
    p95_mm: float
    maximum_mm: float
    worst_at_mm: tuple[float, float, float]


def compare_sides(surface: Surface) -> Symmetry:
    """Find the mirror plane of a surface near the sagittal one, and how far its sides differ.

    The surface is mirrored and registered to itself (iterative closest points, trimmed), from the sagittal plane
    through its middle; the best mirroring is sought directly. Source of the idea: Benz et al., "The symmetry of faces",
    VMV 2002. Differences are measured at `SAMPLES` places.

    Raises
    ------
    BadInput
        The surface does not lie in LPS, has no triangles, or no plane was found.
    """
    if surface.frame != LPS or not len(surface.triangles):
        raise BadInput(surface.label.name, "is empty or does not lie in LPS", "a surface in LPS")
    places = _places(surface)
    normal, offset = _plane(surface, places)
    turned = angle_deg(normal, np.array([1.0, 0, 0]))
    if turned > LARGEST_TURN_DEG:
        advice = "Compare a body that has a left and a right half"
        raise BadInput(surface.label.name, f"the mirror plane lies {turned:.0f}° from sagittal", "30° at most", advice)
    from surgplan.surface.ruler import Ruler

    mirrored = places - 2 * (places @ normal - offset)[:, None] * normal
    away = Ruler(surface.vertices, surface.triangles)(mirrored)
    worst = places[int(away.argmax())].tolist()
    n, at = normal.tolist(), (worst[0], worst[1], worst[2])
    p95 = float(np.percentile(away, 95))
    return Symmetry((n[0], n[1], n[2]), float(offset), float(away.mean()), p95, float(away.max()), at)


def _places(surface: Surface) -> Array:
    """(n, 3) places spread over the surface by area."""
    corners = surface.corners
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    share = (np.arange(SAMPLES) + 0.5) / SAMPLES
    picked = np.minimum(np.searchsorted(np.cumsum(areas) / areas.sum(), share), len(corners) - 1)
    return np.asarray(corners[picked].mean(axis=1))


def _plane(surface: Surface, places: Array) -> tuple[Array, float]:
    """Normal and offset of the mirror plane: Gauss-Newton on distances along the surface's normals."""
    from scipy.spatial import cKDTree

    a, b, c = surface.corners.transpose(1, 0, 2)
    dense, across = (a + b + c) / 3, np.cross(b - a, c - a)
    facing = across / np.maximum(np.linalg.norm(across, axis=1), 1e-300)[:, None]
    tree, middle = cKDTree(dense), places.mean(axis=0)
    normal, offset = np.array([1.0, 0, 0]), 0.0
    centred = places - middle
    for _ in range(MOST_STEPS):
        height = centred @ normal - offset
        mirrored = centred - 2 * height[:, None] * normal
        away, number = tree.query(mirrored + middle)
        near = away <= np.quantile(away, KEPT)
        along = facing[number[near]]
        left = (along * (mirrored[near] + middle - dense[number[near]])).sum(axis=1)
        step = _step(centred[near], height[near], normal, along, left)
        normal = normal + step[:3]
        normal, offset = normal / np.linalg.norm(normal), offset + float(step[3])
        if np.linalg.norm(step[:3]) * np.abs(centred).max() + abs(step[3]) < STILL_MM:
            break
    return normal, offset + float(normal @ middle)


def _step(places: Array, height: Array, normal: Array, along: Array, left: Array) -> Array:
    """(4,) change of normal and offset that lowers distances `left` (n,) along directions (n, 3) most."""
    sides = np.linalg.svd(normal[None])[2][1:]
    shares = (along * normal).sum(axis=1)
    columns = [-2 * ((places @ side) * shares + height * (along @ side)) for side in sides]
    found = np.linalg.lstsq(np.stack([*columns, 2 * shares], axis=1), -left, rcond=None)[0]
    return np.concatenate([found[:2] @ sides, found[2:]])

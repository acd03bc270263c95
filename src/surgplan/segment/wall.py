"""The outer wall of a vessel, followed from slice to slice where its lumen is clotted, faint or unmixed.

A descending aorta is round, and from one slice to the next it hardly changes. So from a slice where the lumen fills it,
the wall is followed downwards: where fat, lung or bone show an edge near by, along that; elsewhere, as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.segment.depth import numbered
from surgplan.segment.region import Mask

Floats = NDArray[np.float32]

ANGLES = 48
EDGE_MM = 1.5
"""An edge is told by what lies so far inside and outside of it."""

MOST_STEP_MM = 2.5
"""So much the wall may move from one slice to the next."""

STIFF = 4.0
"""What an edge must gain, HU, for each square millimetre that it lies away from where the wall was."""

SOFT_HU = (-100.0, 40.0)
"""Clot is as bright as this, fat as dark: what lies beyond makes no edge, so that none is seen within the vessel."""

BONE_HU = 250.0
LEAST_MM2 = 150.0
LEAST_ROUND = 0.65
"""Area of a cross-section as a share of the circle round it; less is an arch cut lengthwise, or a branch."""

ALIKE = 0.85
"""A cross-section is whole when it has this share of those in the next 20 mm above it."""

ALIVE = 0.05
"""Where less of the cross-section than this is bright, the vessel is followed no further."""


@dataclass(frozen=True, eq=False)
class Section:
    """A cross-section: its centre (row, column) and the wall's distance from it at each of `ANGLES`, in mm."""

    centre: Array
    radii: Array


def follow_wall(
    means: Floats, known: Mask, lumen: Mask, bright_hu: float, spacing: tuple[float, float, float], down: int
) -> Mask:
    """The voxels within the wall, below the lowest slice in which `known` is whole; none where there is no such slice.

    Parameters
    ----------
    means:
        (k, j, i) intensities, HU.
    known:
        (k, j, i) the lumens that were found, in slices across the vessel.
    lumen:
        (k, j, i) contrast-filled blood, but that of the heart and of other wide vessels.
    bright_hu:
        From this intensity on, blood holds contrast.
    down:
        1 when slices count towards the feet, else -1.
    """
    from scipy.ndimage import gaussian_filter

    within = np.zeros_like(known)
    chain = _chain(known, spacing, down)
    start = _whole(chain, spacing)
    if start is None:
        return within
    k, section = start, _section(chain[start], spacing)
    while 0 <= (k := k + down) < len(means):
        plane = gaussian_filter(means[k].clip(-200, 800), 0.7)
        section = _moved(plane, section, lumen[k], spacing)
        disc = _drawn(section, plane.shape, spacing)
        if np.count_nonzero(disc & (plane >= bright_hu)) < ALIVE * np.count_nonzero(disc):
            break
        within[k] = disc & (plane > SOFT_HU[0] / 2)
    return within


def _chain(known: Mask, spacing: tuple[float, float, float], down: int) -> dict[int, Mask]:
    """Slice → the cross-section that hangs on the lowest one, as far up as it stays one vessel cut across."""
    order = range(len(known) - 1, -1, -1) if down > 0 else range(len(known))
    area = spacing[1] * spacing[2]
    chain: dict[int, Mask] = {}
    last: Mask | None = None
    for k in order:
        parts, pixels = numbered(known[k][None])
        if last is None:
            if len(pixels) < 2 or pixels[1:].max() * area < LEAST_MM2:
                continue
            number = int(pixels[1:].argmax()) + 1
        else:
            touching = np.bincount(parts[0][last], minlength=len(pixels))[1:]
            if not touching.any():
                break
            number = int(touching.argmax()) + 1
            if pixels[number] > 2 * np.count_nonzero(last):
                break
        last = parts[0] == number
        chain[k] = last
    return chain


def _whole(chain: dict[int, Mask], spacing: tuple[float, float, float]) -> int | None:
    """The lowest slice whose cross-section is round, and as large as those above it."""
    order = list(chain)
    areas = np.array([np.count_nonzero(chain[k]) for k in order], dtype=float)
    ahead = max(1, round(20 / spacing[0]))
    for number, k in enumerate(order[: -ahead or None]):
        above = np.median(areas[number + 1 : number + 1 + ahead])
        if areas[number] >= ALIKE * above and _roundness(chain[k], spacing) >= LEAST_ROUND:
            return k
    return None


def _roundness(mask: Mask, spacing: tuple[float, float, float]) -> float:
    ji = np.argwhere(mask) * spacing[1:]
    farthest = np.linalg.norm(ji - ji.mean(axis=0), axis=1).max() + max(spacing[1:]) / 2
    return float(len(ji) * spacing[1] * spacing[2] / (np.pi * farthest**2))


def _directions() -> Array:
    turn = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    return np.stack([np.sin(turn), np.cos(turn)], axis=1)


def _section(mask: Mask, spacing: tuple[float, float, float]) -> Section:
    """The wall of a cross-section: its outermost voxels in each direction."""
    centre = np.argwhere(mask).mean(axis=0) * spacing[1:]
    return Section(centre, _reach(mask, centre, spacing))


def _reach(mask: Mask, centre: Array, spacing: tuple[float, float, float]) -> Array:
    """How far a mask reaches from a centre at each angle, mm; 0 where it has nothing."""
    away = np.argwhere(mask) * np.array(spacing[1:]) - centre
    if not len(away):
        return np.zeros(ANGLES)
    along = away @ _directions().T
    aside = np.sqrt(np.maximum((away**2).sum(axis=1)[:, None] - along**2, 0))
    near = np.where(aside <= max(spacing[1:]), along + min(spacing[1:]) / 2, 0.0)
    return np.asarray(np.maximum(near.max(axis=0), 0.0), dtype=np.float64)


def _moved(plane: Floats, section: Section, lumen: Mask, spacing: tuple[float, float, float]) -> Section:
    """The wall in the next slice, with the lumen that lies in it for the most part."""
    from scipy.ndimage import gaussian_filter1d, map_coordinates

    steps = np.arange(-MOST_STEP_MM, MOST_STEP_MM + 0.1, 0.5)
    radii = section.radii[:, None] + steps

    def at(distance: Array) -> Array:
        places = section.centre + distance[..., None] * _directions()[:, None, :]
        values: Array = map_coordinates(plane, np.moveaxis(places, -1, 0) / _step(spacing), order=1, mode="nearest")
        return values

    inside, outside = at(radii - EDGE_MM), at(radii + EDGE_MM)
    edge = np.clip(inside, *SOFT_HU) - np.clip(outside, *SOFT_HU)
    edge = np.where(outside >= BONE_HU, np.abs(edge), edge)
    gain = gaussian_filter1d(edge, 1.0, axis=0, mode="wrap") - STIFF * steps**2
    found = gaussian_filter1d(radii[np.arange(ANGLES), gain.argmax(axis=1)], 1.5, mode="wrap")
    own = _mostly_in(lumen, _drawn(section, plane.shape, spacing))
    found = np.maximum(found, _reach(own, section.centre, spacing))
    corners = section.centre + found[:, None] * _directions()
    centre = section.centre + (corners.mean(axis=0) - section.centre) / 2
    return Section(centre, _radii_from(corners, centre))


def _mostly_in(lumen: Mask, disc: Mask) -> Mask:
    """The connected parts of a lumen of which more than half lies in a disc."""
    parts, pixels = numbered(lumen[None])
    shared = np.bincount(parts[0][disc], minlength=len(pixels))
    shared[0] = 0
    return np.asarray((shared > pixels / 2)[parts[0]])


def _step(spacing: tuple[float, float, float]) -> Array:
    return np.array(spacing[1:])[:, None, None]


def _radii_from(corners: Array, centre: Array) -> Array:
    """The wall's distance from another centre at each angle."""
    away = corners - centre
    turn = np.unwrap(np.arctan2(away[:, 0], away[:, 1]))
    wanted = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radii: Array = np.interp(wanted, turn, np.linalg.norm(away, axis=1), period=2 * np.pi)
    return radii


def _drawn(section: Section, shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Mask:
    """The pixels within the wall."""
    j, i = np.ogrid[: shape[0], : shape[1]]
    down, across = j * spacing[1] - section.centre[0], i * spacing[2] - section.centre[1]
    turn = np.arctan2(down, across)
    wanted = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radius = np.interp(turn, wanted, section.radii, period=2 * np.pi)
    return np.asarray(np.hypot(down, across) <= radius)

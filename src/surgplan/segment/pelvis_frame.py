"""Where a pelvis lies: its hip joints and its lumbosacral disc, found from the shape of the bone alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.volume import Grid
from surgplan.segment.crop import places
from surgplan.segment.region import Box, Mask

Floats = NDArray[np.float32]

JOINT_DEPTH_MM = 12.0
"""Head and socket of a hip together are at least this deep, measured from their surface to their middle."""

JOINTS_APART_MM = (110.0, 240.0)
"""Distance of the two hip joints in children of school age to large adults."""

JOINTS_LEVEL = 0.25
"""How far one joint may lie above or before the other, as a share of their distance."""

ABOVE_KNEES_MM = 250.0
"""Knees are as deep as hips: of two pairs that lie so far one above the other, the upper one is the hips."""

MIRRORED = 4_000
"""Voxels of bone whose mirror images are looked up."""

MOST_SHIFT = 0.2
"""How far the middle may lie from half way between the joints, in half distances of these."""

DISC_RADIUS_MM, DISC_SIDE_MM = 14.0, 8.0
"""Of a lumbar disc the inner part is looked at, and the vertebrae this far above and below its middle."""

DISC_NEAR, DISC_FAR = 0.75, 1.5
"""How far the lumbosacral disc lies from the middle between the hip joints, in half distances of these."""

DISC_STRONG = 0.75
"""A disc counts when its contrast is this share of the best one's; the lowest of them is the lumbosacral one."""


@dataclass(frozen=True, eq=False)
class PelvisFrame:
    """Axes of a pelvis: origin half way between the hip joints, x to the patient's left, y to the back, z to the head.

    Parameters
    ----------
    left, right:
        (3,) middles of the hip joints, LPS mm.
    """

    left: Array
    right: Array

    @property
    def origin(self) -> Array:
        """(3,) LPS mm."""
        return (self.left + self.right) / 2

    @property
    def half(self) -> float:
        """Half the distance of the joints, mm."""
        return float(np.linalg.norm(self.left - self.right)) / 2

    @property
    def axes(self) -> Array:
        """(3, 3), rows are x, y and z in LPS."""
        x = (self.left - self.right) / (2 * self.half)
        z = np.array([0.0, 0.0, 1.0]) - x[2] * x
        z /= np.linalg.norm(z)
        return np.stack([x, np.cross(z, x), z])

    def of_voxels(self, grid: Grid, box: Box) -> list[Floats]:
        """x, y and z of the voxels' centres in this frame, mm: three arrays of the box's shape."""
        lps = places(grid, box)
        return [
            sum((axis[n] * (lps[n] - self.origin[n]) for n in range(3)), np.zeros(box.shape, np.float32))
            for axis in self.axes.astype(np.float32)
        ]

    def to_lps(self, points: Array) -> Array:
        """(n, 3) points of this frame in LPS, mm."""
        return points @ self.axes + self.origin


def find_joints(grid: Grid, filled: Mask) -> PelvisFrame | None:
    """The pair of hip joints: deep places of the filled bone that lie level with each other, at a hip's distance.

    Parameters
    ----------
    filled:
        (k, j, i) bone with its marrow, on the whole grid, with voxels of about 3 mm.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter

    spacing = grid.spacing[::-1]
    depth: Floats = gaussian_filter(distance_transform_edt(filled, sampling=spacing).astype(np.float32), 2.0 / spacing)
    size = [2 * max(1, round(12.0 / step)) + 1 for step in spacing]
    peaks = np.argwhere((depth == maximum_filter(depth, size=size)) & (depth > JOINT_DEPTH_MM * 0.8))
    depths = depth[tuple(peaks.T)]
    points = grid.lps_from_ijk.apply(peaks[:, ::-1].astype(float))
    pairs = []
    for a, b in combinations(range(len(peaks)), 2):
        apart = np.abs(points[a] - points[b])
        if JOINTS_APART_MM[0] <= apart[0] <= JOINTS_APART_MM[1] and max(apart[1:]) <= JOINTS_LEVEL * apart[0]:
            pairs.append((float(min(depths[a], depths[b])), a, b))
    if not pairs or max(pairs)[0] < JOINT_DEPTH_MM:
        return None
    height = {pair: (points[pair[1]][2] + points[pair[2]][2]) / 2 for pair in pairs}
    deepest = max(pairs)
    higher = [pair for pair in pairs if height[pair] > height[deepest] + ABOVE_KNEES_MM and pair[0] >= JOINT_DEPTH_MM]
    best = max(higher, default=deepest)
    left, right = sorted(best[1:], key=lambda n: -points[n][0])
    return PelvisFrame(points[left], points[right])


def centred(frame: PelvisFrame, grid: Grid, bone: Mask) -> PelvisFrame:
    """The frame moved along x and rolled round y until the bone is most like its mirror image: a joint may be ill."""
    x, y, z = frame.of_voxels(grid, Box((0, 0, 0), grid.shape))
    pelvis = bone & (np.abs(x) < 1.8 * frame.half) & (np.abs(y) < 1.5 * frame.half) & (z > 0) & (z < 1.6 * frame.half)
    points = np.stack([value[pelvis] for value in (x, y, z)], axis=1)[:: max(1, int(pelvis.sum()) // MIRRORED)]
    best, chosen = -1, (0.0, 0.0)
    for roll in np.deg2rad(np.arange(-12, 12.1, 2)):
        normal = np.array([np.cos(roll), 0.0, np.sin(roll)])
        for shift in np.arange(-MOST_SHIFT * frame.half, MOST_SHIFT * frame.half + 0.5, 2.0):
            mirrored = points - 2 * np.outer(points @ normal - shift, normal)
            index = np.rint(grid.ijk_from_lps.apply(frame.to_lps(mirrored))).astype(int)
            i, j, k = index[((index >= 0) & (index < grid.size)).all(axis=1)].T
            hits = int(np.count_nonzero(bone[k, j, i]))
            if hits > best:
                best, chosen = hits, (float(roll), float(shift))
    roll, shift = chosen
    across = frame.half * (np.array([np.cos(roll), 0.0, np.sin(roll)]) @ frame.axes)
    middle = frame.origin + shift / frame.half * across
    return PelvisFrame(middle + across, middle - across)


@dataclass(frozen=True, eq=False)
class Disc:
    """A disc between vertebrae, in the pelvis's frame: centre (y, z), and the tilt of its upper side to the front."""

    y: float
    z: float
    tilt: float
    contrast: float

    def above(self, y: Any, z: Any) -> Any:
        """How far places lie above its plane, mm."""
        return (z - self.z) * np.cos(self.tilt) - (y - self.y) * np.sin(self.tilt)

    def behind(self, y: Any, z: Any) -> Any:
        """How far places lie behind its middle, along its plane, mm."""
        return (z - self.z) * np.sin(self.tilt) + (y - self.y) * np.cos(self.tilt)


def find_disc(grid: Grid, intensities: Floats, frame: PelvisFrame) -> Disc | None:
    """The lumbosacral disc: the lowest place in the middle plane where a flat dark layer lies between bright bone.

    Source of where to look: the distance from the hip axis to the sacral endplate, 100 to 120 mm in adults whatever the
    tilt of the pelvis (Duval-Beaupère et al., Annals of Biomedical Engineering 20, 1992).
    """
    from scipy.ndimage import map_coordinates

    clamped = np.clip(intensities, -50, 300)
    side = np.arange(-DISC_RADIUS_MM, DISC_RADIUS_MM + 1, 2.8)
    a, b = (value[np.hypot(*np.meshgrid(side, side)) <= DISC_RADIUS_MM] for value in np.meshgrid(side, side))

    def mean(y: float, z: float, tilt: float, above: float) -> tuple[float, float]:
        points = np.stack(
            [
                b,
                y + a * np.cos(tilt) - above * np.sin(tilt),
                z + a * np.sin(tilt) + above * np.cos(tilt),
            ],
            axis=1,
        )
        ijk = grid.ijk_from_lps.apply(frame.to_lps(points))
        values = map_coordinates(clamped, ijk.T[::-1], order=1, mode="nearest")
        return float(values.mean()), float((values > 70).mean())

    found = []
    for far in np.arange(DISC_NEAR * frame.half, DISC_FAR * frame.half, 2.5):
        for angle in np.deg2rad(np.arange(-30, 61, 4)):
            y, z = far * np.sin(angle), far * np.cos(angle)
            for tilt in np.deg2rad(np.arange(0, 66, 8)):
                upper, lower = mean(y, z, tilt, DISC_SIDE_MM), mean(y, z, tilt, -DISC_SIDE_MM)
                bright = min(upper[0], lower[0])
                if bright >= 100 and min(upper[1], lower[1]) >= 0.85:
                    middle = (mean(y, z, tilt, -1.0)[0] + mean(y, z, tilt, 1.0)[0]) / 2
                    found.append(Disc(y, z, tilt, bright - middle))
    found = [disc for disc in found if disc.contrast > 30]
    if not found:
        return None
    strong = [disc for disc in found if disc.contrast >= DISC_STRONG * max(each.contrast for each in found)]
    lowest = min(strong, key=lambda disc: np.hypot(disc.y, disc.z))
    near = [disc for disc in strong if np.hypot(disc.y - lowest.y, disc.z - lowest.z) < 12.0]
    return max(near, key=lambda disc: disc.contrast)

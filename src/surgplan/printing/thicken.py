"""Thickening of thin walls, there only: balls as wide as the wall shall be, all along the middle of what is too thin.

All else keeps its triangles. What is added is at most half of what was missing on each side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid
from surgplan.printing.context import Context, Done, modified, note
from surgplan.printing.operations import Thicken
from surgplan.printing.solids import Solid, built, united
from surgplan.printing.thickness import walls
from surgplan.surface.clean import compact
from surgplan.surface.isosurface import isosurface
from surgplan.surface.regions import Region
from surgplan.surface.topology import bodies, body_volumes

PER_WALL = 0.15
"""Balls stand so many walls apart."""
AROUND = 1.5
"""Triangles within so many distances of samples of a thin one are looked at closely."""
STEPS = 5.0
"""Voxels in the thickness of the wall."""
MOST_VOXELS = 12_000_000
MOST_BALLS = 400_000
SIMPLER = 0.02
"""What is added may be this share of the wall off."""
MORE = 1.03
"""Balls are so much wider than the wall: between two of them it would be thinner."""


def thicken(part: Part, operation: Thicken, context: Context) -> Done:
    """The part with its thin walls made as thick as told; unchanged, with a note, where there are none."""
    wall = context.life(operation.wall_mm)
    middles, area = thin_middles(part.surface, wall, context.life(1) ** 2 * operation.smallest_mm2)
    if not len(middles):
        return Done((part,), (note("thicken", f"no wall is thinner than {operation.wall_mm:g} mm", part),))
    added = balls(middles, MORE * wall / 2, wall / STEPS, part.surface.label)
    solid = Solid.of_surface(part.surface)
    (made,) = built(
        [united([solid, *(Solid.of_surface(each).simplified(SIMPLER * wall) for each in added)])], part.name
    )
    surface = made.surface(part.surface)
    shares = [walls(each).below(wall * 0.95)[0] / each.area_mm2 for each in (part.surface, surface)]
    measured = {"thin_area_mm2": area * context.scale**2, "thin_share_before": shares[0], "thin_share_after": shares[1]}
    measured["added_mm3"] = (surface.volume_mm3 - part.surface.volume_mm3) * context.scale**3
    what = f"walls thinner than {operation.wall_mm:g} mm thickened to that"
    changed, wrong = modified(part, surface, "thicken", what, measured, [_near(middles, 0.75 * wall)])
    told = f"{what}: {area * context.scale**2:.0f} mm² of the surface, {measured['added_mm3']:.0f} mm³ added"
    advice = "Look at the places: what is printed there is thicker than the anatomy"
    return Done((changed,), (note("thicken", told, part, Level.WARN, advice=advice), *wrong))


def _near(middles: Array, reach: float) -> Region:
    """All points near a middle."""
    from scipy.spatial import cKDTree

    tree = cKDTree(middles)
    return lambda points: np.asarray(tree.query(points, distance_upper_bound=reach)[0] <= reach)


def thin_middles(surface: Surface, wall: float, smallest_mm2: float) -> tuple[Array, float]:
    """(n, 3) points in the middle of walls that are too thin, densely, and how much of the surface bounds them, mm²."""
    from scipy.spatial import cKDTree

    coarse = walls(surface)
    with np.errstate(invalid="ignore"):
        thin = coarse.thickness < wall
    if not thin.any():
        return np.empty((0, 3)), 0.0
    reach = AROUND * float(np.sqrt(coarse.sample_mm2))
    group = groups(coarse.points[thin], reach)
    large = np.bincount(group) * coarse.sample_mm2 >= smallest_mm2
    if not large.any():
        return np.empty((0, 3)), 0.0
    chosen = coarse.points[thin][large[group]]
    centres = surface.corners.mean(axis=1)
    size = np.linalg.norm(surface.corners - centres[:, None], axis=2).max(axis=1)
    near = cKDTree(chosen).query(centres)[0] <= reach + size
    return _middles(surface, near, wall), float(len(chosen) * coarse.sample_mm2)


def _middles(surface: Surface, near: NDArray[np.bool_], wall: float) -> Array:
    """(n, 3) middles of the walls under densely spread points of some of the triangles, where they are too thin."""
    from surgplan.printing.thickness import thickness_at
    from surgplan.surface.fidelity import spread

    some = surface.with_mesh(*compact(surface.vertices, surface.triangles[near]))
    count = int(min(some.area_mm2 / (PER_WALL * wall) ** 2 + 100, MOST_BALLS))
    points, owners = spread(some, count)
    thickness, inward = thickness_at(surface, points, np.flatnonzero(near)[owners])
    with np.errstate(invalid="ignore"):
        thin = thickness < wall
    return np.asarray(points[thin] + 0.5 * thickness[thin, None] * inward[thin])


def balls(middles: Array, radius: float, pitch: float, label: Label) -> list[Surface]:
    """Closed surfaces round balls at the middles, one for each group of balls that overlap widely."""
    group = groups(middles, radius)
    return [_round(middles[group == number], radius, pitch, label) for number in range(int(group.max()) + 1)]


def groups(points: Array, reach: float) -> NDArray[np.int32]:
    """(n,) the number of the group of each point: neighbours are no farther apart than `reach`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), np.int8), pairs.T), shape=(len(points), len(points)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _round(middles: Array, radius: float, pitch: float, label: Label) -> Surface:
    """The closed surface of balls that touch, from the distance to their middles."""
    from scipy.ndimage import maximum_filter
    from scipy.spatial import cKDTree

    room = radius + 2 * pitch
    size = np.ptp(middles, axis=0) + 2 * room
    pitch = max(pitch, float(np.cbrt(size.prod() / MOST_VOXELS)))
    start = middles.min(axis=0) - room - pitch
    count = np.ceil((middles.max(axis=0) + room + pitch - start) / pitch).astype(int) + 1
    grid = Grid((int(count[0]), int(count[1]), int(count[2])), (pitch,) * 3, start)
    near = np.zeros(grid.shape, np.uint8)
    i, j, k = np.rint((middles - start) / pitch).astype(int).T
    near[k, j, i] = 1
    there = np.nonzero(maximum_filter(near, 2 * int(np.ceil(radius / pitch + 2)) + 1))
    field = np.full(grid.shape, -4 * radius, np.float32)
    field[there] = radius - cKDTree(middles).query(start + pitch * np.column_stack(there[::-1]), workers=2)[0]
    whole = isosurface(field, grid, label)
    body = bodies(whole.vertices, whole.triangles)
    solid = body_volumes(whole.vertices, whole.triangles, body) > 0
    return whole.with_mesh(*compact(whole.vertices, whole.triangles[solid[body]]))

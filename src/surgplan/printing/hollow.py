"""Hollowing: a cavity as far below the surface as the wall is thick, and drain holes into it.

The cavity is where the distance to the surface is larger than the wall. That distance is known within a thousandth of
a millimetre near the cavity's boundary, from points spread densely over the surface; elsewhere a coarse one will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid
from surgplan.printing.context import Context, Done, modified, note
from surgplan.printing.operations import Hollow
from surgplan.printing.rays import Rays
from surgplan.printing.shapes import rod
from surgplan.printing.shells import shells
from surgplan.printing.solids import Solid, built, united
from surgplan.surface.clean import compact
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.finish import untangled
from surgplan.surface.isosurface import isosurface
from surgplan.surface.mask_field import Field
from surgplan.surface.regions import Region
from surgplan.surface.ruler import Ruler
from surgplan.surface.simplify import simplify
from surgplan.surface.solid import NotManifold
from surgplan.surface.topology import bodies, body_volumes

STEPS = 3.0
"""Voxels in the thickness of the wall."""
MOST_VOXELS = 14_000_000
"""A larger part is looked at in coarser voxels."""
COARSEST = 1.0
"""Voxels larger than this share of the wall are refused: the cavity would be a guess."""
BAND = 1.8
"""Within so many voxels of the cavity's boundary distances are measured: a coarse one is off by one."""
DENSE = 0.17
"""Points on the surface are this share of the wall apart: a distance is too long by half a percent at most."""
MOST_POINTS = 6_000_000
SIMPLER = 0.1
"""Tolerance of the cavity's faces as a share of the wall; steps of a fifth to two fifths of it are taken."""
WORKERS = 2
INTO = 0.25
"""A drain reaches so many of its diameters into the cavity, and twice that out of the part."""
FREE = 3.0
"""Before a drain's mouth so many of its diameters are free."""


@dataclass(frozen=True, eq=False)
class Drain:
    """A hole from the cavity's surface to the outside, both (3,) mm, and its solid."""

    inner: Array
    outer: Array
    solid: Solid
    radius: float


def hollow(part: Part, operation: Hollow, context: Context) -> Done:
    """The part with cavities and drains.

    Raises
    ------
    BadInput
        The wall is thicker than the part, or too thin for its size.
    """
    wall = context.life(operation.wall_mm)
    outer, voids = without_voids(part.surface)
    cavity = cavities(outer, wall, context.life(1) ** 3 * operation.smallest_mm3, part.name)
    if not len(cavity.triangles):
        found = f"a wall of {operation.wall_mm:g} mm leaves no cavity of {operation.smallest_mm3:g} mm³ in it"
        raise BadInput(part.name, found, advice="Choose a thinner wall, or leave it solid")
    hole = context.life(operation.drain_mm or context.printer.drain_hole_mm or 4.0)
    drains = drains_of(cavity, outer, hole / 2, operation.drains)
    void = Solid.of_surface(cavity)
    tools = [void, *(drain.solid for drain in drains)]
    made, alone = built([Solid.of_surface(outer) - united(tools), void], part.name)
    surface = made.surface(part.surface)
    thin = Ruler(outer.vertices, outer.triangles)(alone.vertices[:: 1 + len(alone.vertices) // 20_000])
    measured = {
        "wall_mm": float(thin.min()) * context.scale,
        "wall_95_mm": float(np.quantile(thin, 0.95)) * context.scale,
    }
    measured |= {"cavity_mm3": alone.volume_mm3 * context.scale**3, "drains": float(len(drains))}
    what = f"hollowed with a wall of {operation.wall_mm:g} mm"
    what += f" and {len(drains)} drains of {hole * context.scale:g} mm" if drains else ", without drains"
    changed, wrong = modified(part, surface, "hollow", what, measured, _intended(cavity, drains, wall, voids))
    return Done((changed,), (*_findings(part, what, alone.volume_mm3, outer, surface, operation, len(voids)), *wrong))


def _intended(cavity: Surface, drains: list[Drain], wall: float, voids: list[Surface]) -> list[Region]:
    """Where the surface may change: at the cavity, at the drains, and at voids that were there before."""
    places: list[Region] = [near(cavity, 0.45 * wall), *(near(each, 1e-3) for each in voids)]
    return [*places, *(_around(drain) for drain in drains)]


def near(surface: Surface, within_mm: float) -> Region:
    """All points within a distance of a surface."""
    ruler = Ruler(surface.vertices, surface.triangles)
    return lambda points: np.asarray(ruler(points) <= within_mm)


def _around(drain: Drain) -> Region:
    along = (drain.outer - drain.inner) / np.linalg.norm(drain.outer - drain.inner)

    def holds(points: Array) -> NDArray[np.bool_]:
        offset = points - drain.inner
        across = offset - np.outer(offset @ along, along)
        reach = np.linalg.norm(drain.outer - drain.inner) + 2 * drain.radius
        inside = (np.linalg.norm(across, axis=1) <= 1.01 * drain.radius) & (np.abs(offset @ along) <= reach)
        return np.asarray(inside)

    return holds


def without_voids(surface: Surface) -> tuple[Surface, list[Surface]]:
    """The surface without cavities that nothing leads into, which nobody sees, and these."""
    body = bodies(surface.vertices, surface.triangles)
    inward = np.flatnonzero(body_volumes(surface.vertices, surface.triangles, body) < 0)
    if not len(inward):
        return surface, []
    voids = [surface.with_mesh(*compact(surface.vertices, surface.triangles[body == number])) for number in inward]
    return surface.with_mesh(*compact(surface.vertices, surface.triangles[~np.isin(body, inward)])), voids


def cavities(surface: Surface, wall: float, smallest_mm3: float, name: str) -> Surface:
    """What lies deeper than the wall, as a closed surface that faces away from it; empty when nothing does.

    Raises
    ------
    BadInput
        The wall is too thin for the size of the part.
    """
    size = surface.bounds[1] - surface.bounds[0] + 4 * wall
    pitch = max(wall / STEPS, float(np.cbrt(size.prod() / MOST_VOXELS)))
    if pitch > COARSEST * wall:
        found = f"a wall of {wall:.2f} mm is too thin to hollow a part of {size.max():.0f} mm"
        raise BadInput(
            name, found, f"at least {pitch / COARSEST:.2f} mm", "Cut the part first, or choose a thicker wall"
        )
    start = surface.bounds[0] - 2 * pitch
    count = np.ceil((surface.bounds[1] + 2 * pitch - start) / pitch).astype(int) + 1
    grid = Grid((int(count[0]), int(count[1]), int(count[2])), (pitch,) * 3, start)
    field = _depth(surface, grid, wall)
    field -= np.float32(wall)
    _drop_small(field, smallest_mm3 / pitch**3)
    whole = isosurface(field, grid, surface.label)
    if not len(whole.triangles):
        return whole
    try:
        simple = simplify(whole, SIMPLER * wall, lambda made: made)
    except NotManifold:
        simple = whole
    # where the cavity is thin, simplifying may make its two sides cross
    return untangled(simple, SIMPLER * wall, whole.vertices, whole.vertices)[0]


def _depth(surface: Surface, grid: Grid, wall: float) -> Field:
    """(k, j, i) how deep each voxel lies in the solid, mm: exact where that is near the wall, coarse elsewhere."""
    import SimpleITK as sitk
    from scipy.spatial import cKDTree

    pitch = float(grid.spacing[0])
    inside = voxels_of(surface, grid)
    image = sitk.GetImageFromArray(inside.view(np.uint8))
    away = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False, useImageSpacing=False)
    field = np.asarray(sitk.GetArrayFromImage(away), np.float32) * np.float32(pitch)
    there = np.nonzero(np.abs(field - wall) <= BAND * pitch)
    apart = DENSE * wall
    points = surface_samples(surface, int(min(surface.area_mm2 / apart**2 + 1000, MOST_POINTS)))
    places = grid.lps_from_ijk.apply(np.column_stack(there[::-1]))
    field[there], _ = cKDTree(points, balanced_tree=False, compact_nodes=False).query(places, workers=WORKERS)
    return field


def voxels_of(surface: Surface, grid: Grid) -> NDArray[np.bool_]:
    """(k, j, i) which voxels' centres lie inside a closed surface."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

    from surgplan.surface.vtk_mesh import to_polydata

    voxels = grid.ijk_from_lps.apply(surface.vertices)
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(to_polydata(voxels, surface.triangles, precise=True))
    stencil.SetOutputWholeExtent(0, grid.size[0] - 1, 0, grid.size[1] - 1, 0, grid.size[2] - 1)
    stencil.SetTolerance(0.0)
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    return np.asarray(vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(grid.shape) > 0)


def _drop_small(field: Field, voxels: float) -> None:
    """Make solid, in place, what is hollow in fewer voxels."""
    from scipy.ndimage import label

    number, count = label(field > 0)
    sizes = np.bincount(number.ravel(), minlength=count + 1)
    small = sizes < voxels
    small[0] = False
    if small.any():
        gone = small[number]
        field[gone] = -np.abs(field[gone]) - np.float32(1e-3)


def drains_of(cavity: Surface, outer: Surface, radius: float, count: int) -> list[Drain]:
    """Up to `count` holes for each cavity: the lowest place first, then far from the others, with a free mouth."""
    if not count:
        return []
    rays = Rays(outer)
    body = bodies(cavity.vertices, cavity.triangles)
    volumes = body_volumes(cavity.vertices, cavity.triangles, body)
    found = []
    for number in np.flatnonzero(volumes > 0):
        own, triangles = compact(cavity.vertices, cavity.triangles[body == number])
        found += _drains(cavity.with_mesh(own, triangles), rays, radius, count)
    return found


def _drains(cavity: Surface, rays: Rays, radius: float, count: int) -> list[Drain]:
    """Drains of one cavity, straight out of places from which the way out is short and free."""
    from surgplan.surface.fidelity import spread

    points, owners = spread(cavity, 400)
    a, b, c = cavity.corners[owners].transpose(1, 0, 2)
    out = np.cross(b - a, c - a)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    length, _ = rays.first(points, out)
    mouths = points + (length[:, None] + 1e-3) * out
    ok = np.isfinite(length) & (length < 2 * np.nanmedian(length))
    free = np.zeros(len(points))
    beyond, _ = rays.first(mouths[ok], out[ok])
    free[ok] = np.where(np.isnan(beyond), np.inf, beyond)
    ok &= free >= FREE * 2 * radius
    chosen: list[int] = []
    away = np.where(ok, points[:, 2].max() - points[:, 2] + 1e-6, -1.0)
    while len(chosen) < count and away.max() > (3 * radius if chosen else 0):
        chosen.append(int(away.argmax()))
        reach = np.where(ok, np.linalg.norm(points - points[chosen[-1]], axis=1), -1.0)
        away = reach if len(chosen) == 1 else np.minimum(away, reach)
    holes = []
    for n in chosen:
        inner, outside = points[n] - 2 * INTO * radius * out[n], mouths[n] + 4 * INTO * radius * out[n]
        holes.append(Drain(inner, outside, rod(inner, outside, radius), radius))
    return holes


def _findings(
    part: Part, what: str, cavity_mm3: float, outer: Surface, surface: Surface, operation: Hollow, voids: int
) -> list[Finding]:
    share = cavity_mm3 / outer.volume_mm3
    told = [note("hollow", f"{what}; {share:.0%} of its volume is saved", part)]
    if voids:
        told.append(note("hollow", f"{voids} closed cavities within became part of the wall or the hollow", part))
    closed = shells(surface)[1]
    if closed and operation.drains:
        advice = "Choose a smaller drain_mm, or a printer whose material stays inside"
        told.append(note("drains", f"{closed} cavities found no way out for a drain", part, Level.WARN, "0", advice))
    elif closed:
        told.append(note("drains", f"{closed} cavities are closed: nothing can flow out", part, Level.WARN, "0"))
    return told

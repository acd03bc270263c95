"""A body as a stack of layers on a raster: what begins in the air, what spans a gap, what cannot get out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.pack import Cells

MOST_CELLS = 1_500_000
FINEST_MM = 0.3
SAME_LAYER = np.array([[[0, 0, 0]] * 3, [[1, 1, 1]] * 3, [[0, 0, 0]] * 3])
"""Neighbours within a layer, corners included."""


TRIED = 20
"""So many of the widest overhangs are looked at, whether they are held on two sides."""
WIDEST_GAP = 1.25 * np.pi
"""Seen from its middle, a span is held in directions that leave no wider gap: two opposite sides leave a half turn."""


@dataclass(frozen=True, eq=False)
class Layers:
    """Which cells are solid, (k, j, i), the side of a cell, and the corner of the first one, (3,) mm PRINT.

    There is one empty cell on all sides, but none below what stands on the plate.
    """

    solid: Cells
    cell_mm: float
    corner: Array

    def centre(self, kji: Sequence[int]) -> Array:
        """(3,) the middle of a cell, mm PRINT."""
        return np.asarray(self.corner + self.cell_mm * (np.array(kji[::-1]) + 0.5))


@dataclass(frozen=True)
class Found:
    """The worst place of its kind: its measure (mm, mm² or mm³), where it is in PRINT, and how many there are."""

    value: float
    place: Array
    count: int


def layers_of(surfaces: Sequence[Surface]) -> Layers:
    """Closed surfaces in PRINT coordinates that stand on the plate, as layers; a cell is solid where its middle is."""
    ends = np.array([each.bounds for each in surfaces])
    low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
    cell = max(FINEST_MM, float(np.cbrt(np.prod(high - low) / MOST_CELLS)))
    corner = np.array([low[0] - cell, low[1] - cell, low[2]])
    size = np.ceil((high - corner) / cell).astype(int) + 1
    solid = np.zeros(size[::-1], bool)
    for each in surfaces:
        solid |= _filled(each, corner + cell / 2, cell, size)
    return Layers(solid, cell, corner)


def _filled(surface: Surface, first: Array, cell: float, size: NDArray[np.int_]) -> Cells:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

    from surgplan.surface.vtk_mesh import to_polydata

    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(to_polydata(surface.vertices, surface.triangles, precise=True))
    stencil.SetOutputOrigin(*first.tolist())
    stencil.SetOutputSpacing(cell, cell, cell)
    stencil.SetOutputWholeExtent(0, int(size[0]) - 1, 0, int(size[1]) - 1, 0, int(size[2]) - 1)
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetOutputScalarType(VTK_UNSIGNED_CHAR)
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.Update()
    cells = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(size[::-1])
    return np.asarray(cells, bool)


def islands(layers: Layers) -> Found | None:
    """Where the print begins in the air: pieces of a layer with nothing below; the largest one's area, mm²."""
    from scipy.ndimage import binary_dilation, label

    solid = layers.solid
    number, count = label(solid[1:], SAME_LAYER)
    held = np.zeros(count + 1, bool)
    held[number[binary_dilation(solid[:-1], SAME_LAYER) & solid[1:]]] = True
    held[0] = True
    loose = np.flatnonzero(~held)
    if not len(loose):
        return None
    cells = np.bincount(number.ravel(), minlength=count + 1)
    largest = loose[cells[loose].argmax()]
    place = np.argwhere(number == largest).mean(axis=0)
    place[0] += 1
    return Found(float(cells[largest]) * layers.cell_mm**2, layers.centre(place.tolist()), len(loose))


def longest_span(layers: Layers, overhang_deg: float, limit_mm: float = 0.0) -> Found | None:
    """The widest gap above the limit that a layer spans between two sides that hold it, mm; within two cells.

    What leans less than the limit of overhangs is held.
    """
    from scipy.ndimage import binary_dilation, find_objects, label

    solid, cell = layers.solid, layers.cell_mm
    reach = max(1, round(float(np.tan(np.radians(overhang_deg)))))
    held = np.zeros_like(solid)
    held[0] = solid[0]
    held[1:] = solid[1:] & binary_dilation(solid[:-1], SAME_LAYER, iterations=reach)
    number, _ = label(solid & ~held, SAME_LAYER)
    # a piece spans no more than its shorter side, and what leans from each side is part of the gap
    sides = [
        (min(rows.stop - rows.start, columns.stop - columns.start), each, (layer.start, rows, columns))
        for each, (layer, rows, columns) in enumerate(find_objects(number), 1)
    ]
    wide = sorted(side for side in sides if (side[0] + 2 * reach) * cell > limit_mm)[::-1][:TRIED]
    found = [_span(number == each, held, place, reach, layers) for _, each, place in wide]
    spans = [each for each in found if each is not None and each.value > limit_mm]
    return max(spans, key=lambda each: each.value) if spans else None


def _span(own: Cells, held: Cells, place: tuple[int, slice, slice], reach: int, layers: Layers) -> Found | None:
    """The width of one hanging piece where it is held on opposite sides of its middle."""
    from scipy.ndimage import distance_transform_edt

    layer, rows, columns = place
    window = (layer, slice(max(0, rows.start - 2), rows.stop + 2), slice(max(0, columns.start - 2), columns.stop + 2))
    if not held[window].any():
        return None
    away = np.where(own[window], distance_transform_edt(~held[window]), 0.0)
    middle = np.unravel_index(int(away.argmax()), away.shape)
    there = np.argwhere(held[window]) - np.array(middle)
    near = there[np.linalg.norm(there, axis=1) <= away[middle] + 1.5]
    angles = np.sort(np.arctan2(near[:, 0], near[:, 1]))
    if float(np.diff(np.append(angles, angles[0] + 2 * np.pi)).max()) > WIDEST_GAP:
        return None  # a balcony: held on one side
    at = (layer, window[1].start + int(middle[0]), window[2].start + int(middle[1]))
    # from the middle of the farthest cell to the middles of those that hold it, on both sides, less a cell
    return Found((2 * float(away[middle]) - 1 + 2 * reach) * layers.cell_mm, layers.centre(at), 1)


def trapped(layers: Layers, hole_mm: float) -> Found | None:
    """Cavities that a ball of the drain hole's diameter fits into and cannot leave: their volume, mm³, all together."""
    from scipy.ndimage import distance_transform_edt, label

    radius = hole_mm / 2
    pad = int(np.ceil(radius / layers.cell_mm)) + 2
    free = np.pad(~layers.solid, pad, constant_values=True)
    # the middle of an empty cell is half a cell farther from what is solid than from the next solid middle
    room = distance_transform_edt(free) * layers.cell_mm - layers.cell_mm / 2
    number, count = label(room >= radius, np.ones((3, 3, 3)))
    inside = [each for each in range(1, count + 1) if each != number[0, 0, 0]]
    if not inside:
        return None
    sizes = np.bincount(number.ravel(), minlength=count + 1)[inside]
    held = np.isin(number, inside)
    filled = (distance_transform_edt(~held) * layers.cell_mm <= radius) & free
    place = np.argwhere(number == inside[int(sizes.argmax())]).mean(axis=0) - pad
    return Found(float(np.count_nonzero(filled)) * layers.cell_mm**3, layers.centre(place.tolist()), len(inside))

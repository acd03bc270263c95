"""Which parts share a plate, and where each of them stands on it.

On a plate a part may turn about the vertical; nothing lies above anything else. In a powder bed parts may lie in any of
the turns that keep their axes along the bed's, and above each other. What was packed is then measured: no two parts are
nearer to each other than the spacing (`apart.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from surgplan.model.frames import PRINT, Array, Transform
from surgplan.model.plate import Assembly
from surgplan.printing.pack import Cells, Slot, pack
from surgplan.printing.printers import Printer
from surgplan.printing.shadow import cells_of, grown, outline_of, voxels_of

FINEST_MM = 0.5
CELLS_ALONG = 250
"""So many cells along a flat plate: 1 mm for most printers."""
CELLS_IN_BED = 200_000
"""So many in a powder bed: 6 mm for the largest ones."""
TURNS = 8
"""Turns about the vertical that are tried: each eighth of a circle from the one with the smallest rectangle."""
BED_TURNS = tuple(
    np.array(rows, np.float64)
    for rows in (
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
        ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
        ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
        ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    )
)
"""Each of the body's axes up, in both turns: proper turns, so that left stays left."""


@dataclass(frozen=True, eq=False)
class _Form:
    """An assembly as the packer sees it: its cells in each turn, and what carries LPS to where they begin."""

    cells: tuple[Cells, ...]
    places: tuple[Transform, ...]


def nest(
    assemblies: Sequence[Assembly], copies: Sequence[int], printer: Printer, spacing_mm: float
) -> tuple[list[list[Assembly]], list[Assembly]]:
    """The assemblies of each plate, and those that fit on none.

    Each assembly has one place, which tells how it is turned and scaled, not where it stands; of each there shall be so
    many `copies`. The same input gives the same plates.
    """
    cell = _cell(printer)
    flat = not printer.stacks
    forms = [_flat_form(each, cell, spacing_mm) if flat else _bed_form(each, cell, spacing_mm) for each in assemblies]
    owners = [number for number, count in enumerate(copies) for _ in range(count)]
    # half of the spacing hangs over each edge of the plate: what counts there is the part itself
    room_mm = np.array(printer.build_volume_mm) + spacing_mm
    room = tuple(int(length // cell) for length in (room_mm[1::-1] if flat else room_mm[::-1]))
    slots = pack([forms[owner].cells for owner in owners], room)
    alone = [in_the_middle(each, printer) for each in assemblies]
    plates: list[dict[int, list[Transform]]] = []
    lost: dict[int, None] = {}
    lonely: list[int] = []
    for owner, slot in zip(owners, slots, strict=True):
        if slot is None and fits(alone[owner], printer):
            lonely.append(owner)  # it fills the plate: no room is left for the margins of cells
            continue
        if slot is None or not _low_enough(assemblies[owner], printer):
            lost[owner] = None
            continue
        while len(plates) <= slot.box:
            plates.append({})
        plates[slot.box].setdefault(owner, []).append(_placed(forms[owner], slot, cell, spacing_mm, flat))
    found = [
        [replace(assemblies[owner], places=tuple(places)) for owner, places in sorted(plate.items())]
        for plate in plates
        if plate
    ]
    found += [[alone[owner]] for owner in lonely]
    return found, [assemblies[owner] for owner in lost]


def fits(assembly: Assembly, printer: Printer) -> bool:
    """Whether the box round the assembly, at its first place, is no larger than the build volume."""
    size = np.ptp(assembly.bounds(assembly.places[0]), axis=0)
    return bool((size <= np.array(printer.build_volume_mm) + 1e-6).all())


def in_the_middle(assembly: Assembly, printer: Printer) -> Assembly:
    """The assembly in the middle of the plate; turned by a quarter about the vertical where it only fits so."""
    turned = replace(assembly, places=(moved(about_vertical(90.0), np.zeros(3)) @ assembly.places[0],))
    if not fits(assembly, printer) and fits(turned, printer):
        assembly = turned
    low, high = assembly.bounds(assembly.places[0])
    middle = np.array(printer.build_volume_mm[:2]) / 2
    shift = np.array([*(middle - (low + high)[:2] / 2), -low[2]])
    return replace(assembly, places=(moved(np.eye(3), shift) @ assembly.places[0],))


def _cell(printer: Printer) -> float:
    """Side of a cell, mm: as fine as the room allows."""
    if printer.stacks:
        return max(FINEST_MM, float(np.cbrt(np.prod(printer.build_volume_mm) / CELLS_IN_BED)))
    return max(FINEST_MM, max(printer.build_volume_mm[:2]) / CELLS_ALONG)


def _low_enough(assembly: Assembly, printer: Printer) -> bool:
    if printer.stacks:
        return True  # the packer has seen the height
    low, high = assembly.bounds(assembly.places[0])
    return bool(high[2] - low[2] <= printer.build_volume_mm[2])


def _flat_form(assembly: Assembly, cell: float, spacing: float) -> _Form:
    place = assembly.places[0]
    outline = outline_of([place @ each for each in assembly.objects])
    floor = assembly.bounds(place)[0][2]
    first = smallest_rectangle_deg(np.vstack([np.asarray(each) for each in outline.to_polygons()]))
    cells, places = [], []
    for step in range(TURNS):
        turn = first + 360.0 * step / TURNS
        # grown by the diagonal too, so that two that share no cell are the spacing apart
        taken, corner = cells_of(grown(outline.rotate(turn), spacing / 2 + cell * np.sqrt(0.5)), cell)
        cells.append(taken)
        shift = np.array([-corner[0], -corner[1], -floor])
        places.append(moved(about_vertical(turn), np.zeros(3)) @ place)
        places[-1] = moved(np.eye(3), shift) @ places[-1]
    return _Form(tuple(cells), tuple(places))


def _bed_form(assembly: Assembly, cell: float, spacing: float) -> _Form:
    place = assembly.places[0]
    taken, corner = voxels_of([place @ each for each in assembly.objects], cell, spacing / 2)
    size = cell * np.array(taken.shape[::-1])
    cells, places = [], []
    for turn in BED_TURNS:
        ends = np.array([turn @ corner, turn @ (corner + size)])
        cells.append(np.ascontiguousarray(_turned(taken, turn)))
        places.append(moved(turn, -ends.min(axis=0)) @ place)
    return _Form(tuple(cells), tuple(places))


def _turned(taken: Cells, turn: Array) -> Cells:
    """Cells, (k, j, i), after a turn that maps axes to axes."""
    source = np.abs(turn).argmax(axis=1)  # the axis x, y, z that each new axis was
    axes = [2 - int(source[2 - axis]) for axis in range(3)]
    flips = tuple(axis for axis in range(3) if turn[2 - axis, source[2 - axis]] < 0)
    return np.flip(np.transpose(taken, axes), flips)


def _placed(form: _Form, slot: Slot, cell: float, spacing: float, flat: bool) -> Transform:
    """Where the copy stands: its cells' first corner is brought to the slot's, and the hanging half spacing back."""
    start = cell * np.array(slot.offset[::-1], np.float64)
    margin = spacing / 2
    shift = np.array([*start, 0.0]) - [margin, margin, 0.0] if flat else start - margin
    return moved(np.eye(3), shift) @ form.places[slot.turn]


def moved(turn: Array, shift: Array) -> Transform:
    """A turn, (3, 3), and then a shift, (3,) mm, on the build plate."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, shift
    return Transform(PRINT, PRINT, matrix)


def about_vertical(degrees: float) -> Array:
    """(3, 3) turn about the vertical, counter-clockwise seen from above."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def smallest_rectangle_deg(points: Array) -> float:
    """The turn, degrees, after which the upright rectangle round points, (n, 2), is smallest, and wider than deep."""
    from scipy.spatial import ConvexHull

    hull = points[ConvexHull(points).vertices]
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.round(np.degrees(-np.arctan2(edges[:, 1], edges[:, 0])) % 90.0, 6))
    best = (np.inf, 0.0)
    for angle in angles:
        turned = hull @ about_vertical(angle)[:2, :2].T
        wide, deep = np.ptp(turned, axis=0)
        best = min(best, (round(wide * deep, 6), float(angle) + (90.0 if deep > wide else 0.0)))
    return best[1]

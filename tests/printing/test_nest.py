"""Nesting against a shelf packer, and against the distances between the parts' own triangles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.plate import Plate
from surgplan.printing.apart import gaps
from surgplan.printing.nest import about_vertical, nest, smallest_rectangle_deg
from surgplan.printing.pack import pack
from surgplan.printing.printers import find_printer
from surgplan.printing.shadow import cells_of, outline_of
from tests.printing.shapes import body, box, mixed_parts, unplaced

FDM, BED = find_printer("generic-fdm"), find_printer("mjf")


def shelves(sizes: Sequence[tuple[float, float]], wide: float, deep: float, gap: float) -> list[float]:
    """How deep each plate is filled by a first-fit shelf packer of decreasing depth, long sides along the shelf.

    Source: Coffman, Garey, Johnson and Tarjan, "Performance bounds for level-oriented two-dimensional packing
    algorithms", SIAM Journal on Computing 9(4), 1980.
    """
    plates: list[list[list[float]]] = []
    for length, depth in sorted(((max(each), min(each)) for each in sizes), key=lambda each: (-each[1], -each[0])):
        for plate in plates:
            open_shelf = next((shelf for shelf in plate if shelf[0] + length <= wide and depth <= shelf[1]), None)
            used = sum(shelf[1] + gap for shelf in plate)
            if open_shelf is not None:
                open_shelf[0] += length + gap
            elif used + depth <= deep:
                plate.append([length + gap, depth])
            else:
                continue
            break
        else:
            plates.append([[length + gap, depth]])
    return [sum(shelf[1] + gap for shelf in plate) - gap for plate in plates]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_forty_mixed_parts_lie_at_least_as_densely_as_on_shelves(seed: int) -> None:
    parts = mixed_parts(40, seed, 0.6)
    plates, lost = nest(unplaced(parts), [1] * 40, FDM, 6.0)
    assert not lost
    [assemblies] = plates
    plate = Plate("x", tuple(assemblies))
    low, high = plate.bounds
    sizes = []
    for each in parts:
        points = np.vstack(
            [
                np.asarray(p)
                for p in outline_of([body(trimesh.Trimesh(each.vertices, each.triangles), "y", PRINT)]).to_polygons()
            ]
        )
        sizes.append(tuple(np.ptp(points @ about_vertical(smallest_rectangle_deg(points))[:2, :2].T, axis=0)))
    [depth] = shelves(sizes, *FDM.build_volume_mm[:2], 6.0)  # type: ignore[arg-type]
    assert high[1] - low[1] <= depth
    assert (low[:2] >= 0).all()
    assert (high <= FDM.build_volume_mm).all()
    # nothing overlaps: measured between triangles, and no outline comes nearer to another than the spacing
    assert not list(gaps(plate, 6.0 - 1e-3))
    shadows = [outline_of([place @ each for each in assembly.objects]) for assembly, _, place in plate.standing()]
    grown = [each.offset(2.99) for each in shadows]
    assert sum((grown[a] ^ grown[b]).area() for a in range(40) for b in range(a)) == 0


def test_a_powder_bed_is_filled_in_its_height_too() -> None:
    parts = mixed_parts(12, 4, 3.0)
    plates, lost = nest(unplaced(parts), [1] * 12, BED, 5.0)
    assert not lost
    [assemblies] = plates
    plate = Plate("x", tuple(assemblies))
    low, high = plate.bounds
    assert (low >= 0).all()
    assert (high <= BED.build_volume_mm).all()
    assert not list(gaps(plate, 5.0 - 1e-3))
    heights = [assembly.bounds(place)[0][2] for assembly, _, place in plate.standing()]
    assert max(heights) > 60, "some lie above others"
    for _, _, place in plate.standing():
        assert np.linalg.det(place.linear) == pytest.approx(1.0)


def test_the_same_parts_are_nested_the_same() -> None:
    parts = unplaced(mixed_parts(5, 5))
    one, two = (nest(parts, [2] * 5, FDM, 6.0)[0] for _ in range(2))
    assert [[p.matrix.tolist() for a in plate for p in a.places] for plate in one] == [
        [p.matrix.tolist() for a in plate for p in a.places] for plate in two
    ]
    assert sum(len(a.places) for plate in one for a in plate) == 10


def test_what_fits_on_no_plate_is_handed_back() -> None:
    parts = [
        body(box((0, 0, 0), (300, 20, 20)), "long"),
        body(box((0, 0, 0), (20, 20, 230)), "tall"),
        body(box((0, 0, 0), (249, 209, 20)), "wide"),
    ]
    plates, lost = nest(unplaced(parts), [1, 1, 1], FDM, 6.0)
    assert [each.name for each in lost] == ["long", "tall"]
    assert [[each.name for each in plate] for plate in plates] == [["wide"]]
    low, high = Plate("x", tuple(plates[0])).bounds
    assert (low[:2] >= -1e-6).all()
    assert (high[:2] <= np.array(FDM.build_volume_mm[:2]) + 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_boxes_are_packed_without_sharing_a_cell(sizes: list[tuple[int, int]]) -> None:
    shapes = [[np.ones(size, bool), np.ones(size[::-1], bool)] for size in sizes]
    taken: dict[int, np.ndarray] = {}
    for shape, slot in zip(shapes, pack(shapes, (12, 10)), strict=True):
        assert slot is not None
        cells = shape[slot.turn]
        window = tuple(slice(o, o + s) for o, s in zip(slot.offset, cells.shape, strict=True))
        box = taken.setdefault(slot.box, np.zeros((12, 10), bool))
        assert box[window].shape == cells.shape
        assert not box[window].any()
        box[window] = True


def test_an_outline_is_rastered_at_the_middles_of_its_cells() -> None:
    ring = body(trimesh.creation.annulus(6, 10, 5, sections=64), "ring", PRINT)
    cells, corner = cells_of(outline_of([ring]), 0.25)
    assert cells.sum() * 0.25**2 == pytest.approx(outline_of([ring]).area(), rel=0.01)
    assert corner == pytest.approx([-10, -10], abs=1e-3)
    assert not cells[cells.shape[0] // 2, cells.shape[1] // 2]


def test_parts_that_overlap_or_come_too_near_are_told() -> None:
    ball = body(trimesh.creation.icosphere(3, 10), "ball")
    other = body(trimesh.creation.icosphere(3, 10), "other")
    for away, told in ((25.0, []), (20.3, [0.3]), (15.0, [0.0])):
        places = [Transform(PRINT, LPS, np.eye(4)), Transform.translation(PRINT, LPS, (away, 0, 0))]
        plate = Plate(
            "x", tuple(a for a in (unplaced([ball])[0], type(unplaced([ball])[0])("other", (other,), (places[1],))))
        )
        assert [each.gap_mm for each in gaps(plate, 1.0)] == pytest.approx(told, abs=0.02)

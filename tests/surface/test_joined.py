"""Structures that touch: one wall between two, the same triangles in both, and nothing left over or counted twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Volume
from surgplan.surface import contour as contouring
from surgplan.surface.joined import parting_of, touching
from surgplan.surface.prepared import prepared_together
from surgplan.surface.solid import as_solid
from surgplan.surface.stage import SurfaceParams, SurfaceResult, make_surfaces
from surgplan.surface.tetrahedra import CHAINS, CODES, walls
from surgplan.surface.topology import topology
from surgplan.surface.walls import Walls, wall_contour
from tests.surface.shapes import BONE, halves

RADIUS, TUMOUR = 8.0, 140.0
BALL = 4 / 3 * np.pi * RADIUS**3
NAMES = ("one", "two", "three")


def labels_of(array: NDArray[np.integer], levels: tuple[float | None, ...], grid: Grid | None = None) -> LabelMap:
    grid = grid or Grid(array.shape[::-1], (0.7, 0.9, 1.2), (3.0, -4.0, 5.0))
    labels = tuple(Label(n + 1, NAMES[n], level=level) for n, level in enumerate(levels))
    return LabelMap(grid, array.astype(np.uint8), labels)


def raw_walls(volume: Volume | None, labels: LabelMap) -> Walls:
    scans, whole = prepared_together(volume, labels, labels.labels, "level")
    return wall_contour(parting_of(volume, whole, labels.labels, scans))


def winding(surface: Surface, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) how often the surface goes round each point (van Oosterom and Strackee, IEEE TBME 30, 1983)."""
    a, b, c = (surface.corners[None, :, n] - points[:, None] for n in range(3))
    la, lb, lc = (np.linalg.norm(each, axis=2) for each in (a, b, c))
    over = np.einsum("pti,pti->pt", a, np.cross(b, c))
    under = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
    return np.asarray(np.arctan2(over, under).sum(axis=1) / (2 * np.pi))


def shared_faces(one: Surface, two: Surface) -> int:
    """How many triangles the one has that the other has too, facing the other way."""

    def faces(surface: Surface) -> set[bytes]:
        corners = np.round(surface.corners, 9)
        first = np.lexsort(corners.transpose(2, 0, 1))[:, 0]
        order = (first[:, None] + np.arange(3)) % 3
        return {each.tobytes() for each in np.take_along_axis(corners, order[..., None], axis=1)}

    return len(faces(one) & faces(two.with_mesh(two.vertices, two.triangles[:, ::-1])))


@settings(max_examples=40)
@given(arrays(np.uint8, st.tuples(*[st.integers(1, 4)] * 3), elements=st.integers(0, 3)))
def test_whatever_touches_what_each_structure_is_closed_and_holds_its_own_voxels(inner: NDArray[np.uint8]) -> None:
    array = np.pad(inner, 1)
    present = [value for value in (1, 2, 3) if (inner == value).any()]
    if not present:
        return
    labels = labels_of(array, (None,) * 3)
    labels = LabelMap(labels.grid, array, tuple(label for label in labels.labels if label.value in present))
    made = raw_walls(None, labels)
    places = labels.grid.lps_from_ijk.apply(np.argwhere(array >= 0)[:, ::-1])
    for label in labels.labels:
        surface = made.surface(label)
        told = topology(surface.vertices, surface.triangles)
        assert told.ok, (label.name, told)
        np.testing.assert_allclose(winding(surface, places), (array == label.value).ravel(), atol=1e-6)


def test_every_layout_of_a_tetrahedron_parts_each_pair_of_its_structures() -> None:
    pairs = {1: 0, 2: 1, 3: 3, 4: 6}
    triangles = {1: {0}, 2: {1, 2}, 3: {5}, 4: {12}}
    seen = set()
    for chain in range(len(CHAINS)):
        for number in range(CODES):
            found = walls(chain, number)
            if number and not found:
                continue  # no labels have this code
            count = max((n for n, wanted in pairs.items() if wanted == len({wall[:2] for wall in found})), default=1)
            assert len(found) in triangles[count]
            seen.add(number)
    assert len(seen) == 15  # Bell's number for four


@pytest.mark.parametrize(
    ("spacing", "second", "level"),
    [
        ((0.7, 0.7, 1.0), TUMOUR, 90.0),
        ((0.8, 0.8, 2.0), BONE, 540.0),
        pytest.param((0.7, 0.7, 1.0), BONE, 540.0, marks=pytest.mark.slow),
        pytest.param((0.8, 0.8, 2.0), TUMOUR, 90.0, marks=pytest.mark.slow),
    ],
)
def test_two_halves_of_a_ball_are_the_ball(spacing: tuple[float, float, float], second: float, level: float) -> None:
    volume, labels = halves(spacing, second, level, RADIUS)
    made = make_surfaces(volume, labels, SurfaceParams(joined=True, tolerance_mm=0.1))
    one, two = made.surfaces
    assert all(told.topology.ok for told in made.measures)
    assert one.volume_mm3 + two.volume_mm3 == pytest.approx(BALL, rel=3 * 0.05 / RADIUS)  # 0.05 mm all round
    assert (as_solid(one) ^ as_solid(two)).volume() == pytest.approx(0, abs=1e-3)
    shared = shared_faces(one, two)
    assert 20 < shared == shared_faces(two, one)
    assert all(
        max(way.maximum for way in (told.fidelity.to_contour, told.fidelity.from_contour)) <= 0.1
        for told in made.measures
    )
    outside = np.linalg.norm(one.vertices, axis=1)[one.vertices[:, 0] > 1.5]
    assert abs(outside - RADIUS).mean() < 0.08
    # between bone and tumour the scan tells the wall; between bone and bone only the voxels do
    wall = np.isin(one.vertices, two.vertices).all(axis=1) & (np.linalg.norm(one.vertices, axis=1) < RADIUS - 2)
    limit = 0.5 * max(spacing[:2]) if second == BONE else 0.1
    assert np.abs(one.vertices[wall, 0]).mean() < limit


@pytest.mark.slow
def test_touching_bones_for_themselves_overlap_and_that_is_what_joined_is_for() -> None:
    volume, labels = halves((0.8, 0.8, 1.2), BONE, 540.0, RADIUS)
    made = make_surfaces(volume, labels, SurfaceParams())
    one, two = made.surfaces
    assert (as_solid(one) ^ as_solid(two)).volume() > 0.01 * BALL
    told = [finding for finding in made.findings if finding.check == "touching"]
    assert [(finding.subject, finding.measured.split(":")[0]) for finding in told] == [("one", "touches two")]


@pytest.mark.slow
def test_the_local_level_of_bone_is_not_taken_from_the_bone_beside_it() -> None:
    volume, labels = halves((0.7, 0.7, 1.0), BONE, 540.0, RADIUS)
    made = make_surfaces(volume, labels, SurfaceParams(joined=True, boundary="local-half-maximum", tolerance_mm=0.1))
    one, two = (surface.vertices for surface in made.surfaces)
    away = np.linalg.norm(one[~np.isin(one, two).all(axis=1)], axis=1)
    assert (RADIUS - away).max() < 0.25  # 0.35 mm with it, beside the seam


def made_in_pieces(volume: Volume | None, labels: LabelMap, voxels: int, monkeypatch: pytest.MonkeyPatch) -> Walls:
    monkeypatch.setattr(contouring, "SLAB_VOXELS", voxels)
    return raw_walls(volume, labels)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.2), (1.0, 1.0, 2.0)])
def test_slabs_give_what_one_piece_gives(spacing: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    volume, labels = halves(spacing, TUMOUR, 90.0, RADIUS)
    whole = made_in_pieces(volume, labels, 10**9, monkeypatch)
    pieces = made_in_pieces(volume, labels, 1, monkeypatch)
    np.testing.assert_allclose(pieces.vertices, whole.vertices, atol=1e-9)
    assert {tuple(face) for face in pieces.triangles} == {tuple(face) for face in whole.triangles}


def blocks(*boxes: tuple[int, slice, slice, slice]) -> NDArray[np.uint8]:
    array = np.zeros((14, 16, 18), np.uint8)
    for value, k, j, i in boxes:
        array[k, j, i] = value
    return array


MIDDLE = slice(3, 11)
TWO = ((1, MIDDLE, MIDDLE, slice(2, 9)), (2, MIDDLE, MIDDLE, slice(9, 16)))


def joined(array: NDArray[np.uint8], **more: object) -> SurfaceResult:
    levels = (None,) * int(array.max())
    return make_surfaces(None, labels_of(array, levels), SurfaceParams.model_validate({"joined": True, **more}))


def test_a_speck_goes_to_what_it_shares_most_with_and_is_told() -> None:
    array = blocks(*TWO)
    array[6, 6, 4] = 2
    made = joined(array)
    assert [told.topology.bodies for told in made.measures] == [1, 1]
    plain = joined(blocks(*TWO))
    assert [surface.volume_mm3 for surface in made.surfaces] == pytest.approx(
        [surface.volume_mm3 for surface in plain.surfaces], rel=0.02
    )
    assert any(finding.check == "specks" and finding.subject == "two" for finding in made.findings)


def test_what_the_scan_cuts_off_ends_flat_at_its_edge() -> None:
    array = blocks(*TWO)[3:11]
    labels = labels_of(array, (None, None))
    k = labels.grid.ijk_from_lps.apply(raw_walls(None, labels).vertices)[:, 2]
    assert k.min() == pytest.approx(-0.5, abs=1e-9)
    assert k.max() == pytest.approx(7.5, abs=1e-9)
    assert not (((k > -0.499) & (k < 0)) | ((k > 7) & (k < 7.499))).any()


@pytest.mark.slow
def test_the_price_of_few_triangles_is_told() -> None:
    made = joined(blocks(*TWO), max_triangles=200)
    assert all(told.topology.ok for told in made.measures)
    assert max(len(surface.triangles) for surface in made.surfaces) < 600
    told = {finding.subject: finding for finding in made.findings if finding.check == "triangles"}
    for surface in made.surfaces:
        count = len(surface.triangles)
        assert (surface.label.name in told) == (count > 200)
        assert count <= 200 or told[surface.label.name].measured == f"{count} triangles are left"
    assert told
    assert sum(len(surface.triangles) for surface in joined(blocks(*TWO)).surfaces) > 1200


def test_what_touches_nothing_is_made_as_if_for_itself() -> None:
    apart = blocks((1, MIDDLE, MIDDLE, slice(2, 7)), (2, MIDDLE, MIDDLE, slice(9, 16)))
    assert [[label.name for label in group] for group in touching(labels_of(apart, (None, None)))] == [["one"], ["two"]]
    for one, other in zip(joined(apart).surfaces, joined(apart, joined=False).surfaces, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)
        np.testing.assert_array_equal(one.triangles, other.triangles)


def test_the_walls_shared_are_told() -> None:
    made = joined(blocks(*TWO))
    told = {finding.subject: finding.measured for finding in made.findings if finding.check == "joined"}
    area = 8 * 8 * 0.9 * 1.2
    assert set(told) == {"one", "two"}
    assert float(told["one"].split("shared: ")[1].split(" mm²")[0]) == pytest.approx(area, rel=0.1)


def test_the_same_input_gives_the_same_walls() -> None:
    once, again = (joined(blocks(*TWO)) for _ in range(2))
    for one, two in zip(once.surfaces, again.surfaces, strict=True):
        assert one.vertices.tobytes() == two.vertices.tobytes()
        assert one.triangles.tobytes() == two.triangles.tobytes()

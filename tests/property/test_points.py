"""Any list of points, through each format and through each frame."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written
from surgplan.formats.markups import read_points, write_fcsv, write_mrk_json
from surgplan.model.frames import LPS, LPS_FROM_RAS, RAS, RAS_FROM_LPS
from surgplan.model.points import Landmark, PointSet
from tests.property.strategies import names, point_sets, positions


@pytest.mark.parametrize(("write", "ending"), [(write_mrk_json, ".mrk.json"), (write_fcsv, ".fcsv")])
@given(points=point_sets())
def test_points_come_back_from_a_file(
    write: Callable[[Path, PointSet], Written], ending: str, points: PointSet
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"points{ending}"
        write(path, points)
        found = read_points(path)
    assert [point.name for point in found] == [point.name for point in points]
    assert_allclose(found.positions, points.positions, atol=1e-9)


@given(points=point_sets())
def test_a_file_that_says_ras_is_turned_to_lps(points: PointSet) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.mrk.json"
        write_mrk_json(path, points)
        stored = json.loads(path.read_text("utf-8"))
        stored["markups"][0]["coordinateSystem"] = "RAS"
        path.write_text(json.dumps(stored), "utf-8")
        found = read_points(path)
        with pytest.raises(BadInput):
            read_points(path, LPS)
    assert_allclose(found.positions, points.positions * [-1, -1, 1], atol=1e-9)
    assert found.frame == LPS


@given(point_sets(RAS))
def test_ras_to_lps_and_back_is_the_same(points: PointSet) -> None:
    turned = LPS_FROM_RAS @ points
    assert_allclose(turned.positions, points.positions * [-1, -1, 1], atol=0)
    assert_allclose((RAS_FROM_LPS @ turned).positions, points.positions, atol=0)


@given(names, positions, positions)
def test_a_name_names_one_point(name: str, one: object, other: object) -> None:
    with pytest.raises(ValueError, match="two landmarks are named"):
        PointSet([Landmark(name, one), Landmark(name, other)])  # type: ignore[arg-type]


@given(st.binary(max_size=300), st.sampled_from([".fcsv", ".mrk.json"]))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"points{ending}"
        path.write_bytes(data)
        try:
            read_points(path, LPS)
        except BadInput as error:
            assert "points" in error.message  # noqa: PT017


@given(point_sets(), st.data())
def test_a_file_that_is_cut_or_changed_is_read_or_refused(points: PointSet, data: st.DataObject) -> None:
    """Never anything but points or `BadInput`."""
    with tempfile.TemporaryDirectory() as folder:
        for write, ending in ((write_mrk_json, ".mrk.json"), (write_fcsv, ".fcsv")):
            path = Path(folder) / f"points{ending}"
            write(path, points)
            whole = bytearray(path.read_bytes())
            at = data.draw(st.integers(0, len(whole) - 1))
            whole[at] = data.draw(st.integers(0, 255))
            path.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
            try:
                read_points(path)
            except BadInput as error:
                assert "points" in error.message  # noqa: PT017

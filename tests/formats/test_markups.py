"""3D Slicer's point lists: what is written, what is read, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.formats.markups import LARGEST_FILE, LONGEST_LINE, read_points, write_fcsv, write_mrk_json
from surgplan.model.frames import IJK, LPS, RAS, RAS_FROM_LPS, Frame
from surgplan.model.points import Landmark, PointSet

WRITERS = {".mrk.json": write_mrk_json, ".fcsv": write_fcsv}
HEADER = "# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n"
COLUMNS = "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
ROW = "1,10.5,-20.25,30.0,0,0,0,1,1,1,0,nasion,found by hand,\n"

ODD_NAMES = [
    "comma, in the name",
    'with "quotes"',
    '"',
    "'single'",
    "Höhe ∅ 鼻根点",
    "#hash",
    "; semi|colon",
    "  spaces  around  ",
    "1.5,2.5",
    "=SUM(A1)",
    "N" * 200,
]


def points(*names: str) -> PointSet:
    rng = np.random.default_rng(len(names))
    return PointSet(Landmark(name, rng.normal(scale=90.0, size=3), description=f"of {name}") for name in names)


def mrk(control: Any = None, **fields: Any) -> str:
    point = {"id": "1", "label": "nasion", "position": [10.5, -20.25, 30.0]}
    controls = [point] if control is None else control
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls, **fields}
    return json.dumps({"@schema": "x", "markups": [markup]})


def written(folder: Path, text: str, name: str = "points.mrk.json") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("ending", WRITERS)
def test_names_of_every_kind_come_back(ending: str, tmp_path: Path) -> None:
    given = points(*ODD_NAMES)
    WRITERS[ending](tmp_path / f"points{ending}", given)
    found = read_points(tmp_path / f"points{ending}")
    assert found.frame == LPS
    assert [point.name for point in found] == ODD_NAMES
    for point, meant in zip(found, given, strict=True):
        assert point.description.split() == meant.description.split()
    np.testing.assert_array_equal(found.positions, given.positions)


@pytest.mark.parametrize("ending", WRITERS)
def test_an_empty_list_is_a_list(ending: str, tmp_path: Path) -> None:
    WRITERS[ending](tmp_path / f"points{ending}", PointSet(()))
    assert len(read_points(tmp_path / f"points{ending}")) == 0


@pytest.mark.parametrize("ending", WRITERS)
def test_same_points_same_bytes_and_no_negative_zero(ending: str, tmp_path: Path) -> None:
    given = PointSet([Landmark("a", (-0.0, 0.1 + 0.2, 1e-7))])
    one, other = (WRITERS[ending](tmp_path / f"{name}{ending}", given) for name in "ab")
    assert one.sha256 == other.sha256
    assert "-0.0" not in one.path.read_text()


@pytest.mark.parametrize("ending", WRITERS)
def test_points_of_another_frame_are_not_written(ending: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in RAS"):
        WRITERS[ending](tmp_path / f"points{ending}", RAS_FROM_LPS @ points("a"))
    assert not list(tmp_path.iterdir())


def test_the_json_is_what_slicer_s_schema_asks_for(tmp_path: Path) -> None:
    """The parts of markups-schema-v1.0.3.json that concern lists of points."""
    import jsonschema

    write_mrk_json(tmp_path / "points.mrk.json", points("nasion", "inion"))
    numbers = {"type": "array", "items": {"type": "number"}}
    control = {
        "type": "object",
        "properties": {
            **{key: {"type": "string"} for key in ("id", "label", "description", "associatedNodeID")},
            "position": {**numbers, "minItems": 3, "maxItems": 3},
            "orientation": {**numbers, "minItems": 9, "maxItems": 9},
            **{key: {"const": True} for key in ("selected", "locked", "visibility")},
            "positionStatus": {"const": "defined"},
        },
        "required": ["id", "label", "position", "visibility"],
        "additionalProperties": False,
    }
    markup = {
        "type": "object",
        "required": ["type", "coordinateSystem", "coordinateUnits", "controlPoints"],
        "properties": {
            "type": {"const": "Fiducial"},
            "coordinateSystem": {"const": "LPS"},
            "coordinateUnits": {"const": "mm"},
            **{key: {"type": "boolean"} for key in ("locked", "fixedNumberOfControlPoints")},
            "labelFormat": {"type": "string"},
            "lastUsedControlPointNumber": {"type": "integer"},
            "controlPoints": {"type": "array", "items": control, "minItems": 2},
        },
        "additionalProperties": False,
    }
    stored = json.loads((tmp_path / "points.mrk.json").read_text("utf-8"))
    jsonschema.validate(stored["markups"], {"type": "array", "items": markup, "minItems": 1, "maxItems": 1})
    # Slicer's own reader takes a file only when its schema ends like this
    assert stored["@schema"].lower().endswith("markups-schema-v1.0.3.json#")
    assert [point["id"] for point in stored["markups"][0]["controlPoints"]] == ["1", "2"]


def test_the_fcsv_is_what_slicer_reads_line_by_line(tmp_path: Path) -> None:
    given = PointSet([Landmark("nasion", (10.5, -20.25, 30.0), description="two\nlines, and\x0bmore\u2028of them")])
    write_fcsv(tmp_path / "points.fcsv", given)
    lines = (tmp_path / "points.fcsv").read_text("utf-8").split("\n")
    assert lines[:3] == [*HEADER.format(system="LPS").splitlines(), COLUMNS.strip()]
    assert lines[3:] == ['1,10.5,-20.25,30.0,0,0,0,1,1,1,1,nasion,"two lines, and more of them",', ""]


def test_slicer_s_line_buffer_is_respected(tmp_path: Path) -> None:
    """Its reader stops silently at a line of 1024 bytes: the points after it would be lost."""
    long = PointSet([Landmark("a", (0, 0, 0), description='Ö"' * 5000), Landmark("b", (1, 2, 3))])
    write_fcsv(tmp_path / "points.fcsv", long)
    lines = (tmp_path / "points.fcsv").read_bytes().split(b"\n")
    assert max(map(len, lines)) <= LONGEST_LINE
    assert len(lines[3]) > LONGEST_LINE / 2
    with pytest.raises(BadInput, match=r"points\.fcsv: the name of point 1 has 2400 bytes"):
        write_fcsv(tmp_path / "points.fcsv", points("€" * 800))


@pytest.mark.parametrize(
    ("system", "frame"), [("LPS", LPS), ("1", LPS), ("RAS", RAS), ("0", RAS), ("ras", RAS)], ids=str
)
def test_old_and_new_headers_tell_the_frame(system: str, frame: Frame, tmp_path: Path) -> None:
    path = written(tmp_path, HEADER.format(system=system) + COLUMNS + ROW, "points.fcsv")
    sign = 1 if frame == LPS else -1
    np.testing.assert_array_equal(read_points(path)["nasion"].position, [sign * 10.5, sign * -20.25, 30.0])
    assert read_points(path, frame)["nasion"].description == "found by hand"
    with pytest.raises(BadInput, match="says that it lies in"):
        read_points(path, RAS if frame == LPS else LPS)


@pytest.mark.parametrize("name", ["points.fcsv", "points.mrk.json"])
def test_a_file_without_a_frame_is_refused_unless_it_is_stated(name: str, tmp_path: Path) -> None:
    text = "# Markups fiducial file version = 4.11\n" + COLUMNS + ROW
    stored = json.loads(mrk())
    del stored["markups"][0]["coordinateSystem"]
    path = written(tmp_path, text if name.endswith("fcsv") else json.dumps(stored), name)
    with pytest.raises(BadInput, match="does not say its coordinate system, expected LPS or RAS"):
        read_points(path)
    assert read_points(path, LPS)["nasion"].position[0] == 10.5
    assert read_points(path, RAS)["nasion"].position[0] == -10.5
    with pytest.raises(BadInput, match="cannot be read in the frame IJK"):
        read_points(path, IJK)


def test_slicer_3_s_columns_are_read(tmp_path: Path) -> None:
    text = "# name = Fiducials\n# numPoints = 1\n# columns = label,x,y,z,sel,vis\nnasion,-10.5,20.25,30,1,1\n"
    path = written(tmp_path, text, "old.fcsv")
    np.testing.assert_array_equal(read_points(path, RAS)["nasion"].position, [10.5, -20.25, 30.0])


def test_windows_line_ends_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "points.fcsv"
    text = "\ufeff" + HEADER.format(system="LPS") + COLUMNS + ROW
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert read_points(path)["nasion"].position[2] == 30.0


def test_points_that_slicer_has_not_set_are_left_out(tmp_path: Path) -> None:
    controls = [
        {"label": "set", "position": [1, 2, 3], "positionStatus": "defined"},
        {"label": "planned", "position": [0, 0, 0], "positionStatus": "undefined"},
        {"label": "missing", "positionStatus": "missing"},
        {"label": "", "position": [4, 5, 6]},
    ]
    found = read_points(written(tmp_path, mrk(controls, coordinateUnits=["mm", "UCUM", "millimeter"])))
    assert [point.name for point in found] == ["set", "P-4"]


BROKEN_JSON = {
    "empty": ("", "no JSON"),
    "cut short": (mrk()[:90], "cut short"),
    "a list": ("[]", "no list `markups`"),
    "a number": ("12", "no list `markups`"),
    "no markups": ('{"markups": []}', "no list `markups`"),
    "markups of text": ('{"markups": ["a"]}', "cannot be read"),
    "nested": ("[" * 100_000, "RecursionError"),
    "NaN": (mrk([{"label": "a", "position": [1, 2, float("nan")]}]), "NaN where a number belongs"),
    "infinite": (mrk([{"label": "a", "position": [1, 2, 1e308]}]).replace("1e+308", "1e999"), "three finite"),
    "huge integer": (mrk([{"label": "a", "position": [1, 2, 3]}]).replace("3]", "9" * 400 + "]"), "OverflowError"),
    "longer integer": (mrk([{"label": "a", "position": [1, 2, 3]}]).replace("3]", "9" * 5000 + "]"), "limit"),
    "two numbers": (mrk([{"label": "a", "position": [1, 2]}]), "three finite numbers"),
    "text for numbers": (mrk([{"label": "a", "position": ["1", "2", "3"]}]), "not a list of numbers"),
    "truth for numbers": (mrk([{"label": "a", "position": [True, 2, 3]}]), "not a list of numbers"),
    "no position": (mrk([{"label": "a"}]), "KeyError"),
    "null": (mrk([None]), "AttributeError"),
    "line break in a name": (mrk([{"label": "a\nb", "position": [1, 2, 3]}]), "printable name"),
    "two of one name": (mrk([{"label": "a", "position": [1, 2, 3]}] * 2), "2 points named 'a'"),
    "another system": (mrk(coordinateSystem="IJK"), "coordinate system `IJK`"),
    "micrometres": (mrk(coordinateUnits="um"), "unit `um`"),
    "a region": (mrk(type="ROI"), "type `ROI`"),
    "no type": (mrk(type=""), "type ``"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        read_points(written(tmp_path, text))
    assert "points.mrk.json" in caught.value.message


def test_lists_of_two_systems_in_one_file_are_refused(tmp_path: Path) -> None:
    one, other = json.loads(mrk()), json.loads(mrk(coordinateSystem="RAS"))
    one["markups"] += other["markups"]
    with pytest.raises(BadInput, match="mixes the coordinate systems LPS and RAS"):
        read_points(written(tmp_path, json.dumps(one)))


HEAD = HEADER.format(system="LPS") + COLUMNS
BROKEN_FCSV = {
    "empty": ("", "no header"),
    "plain table": ("label,x,y,z\na,1,2,3\n", "no header"),
    "no label column": ("# CoordinateSystem = LPS\n# columns = id,x,y,z\n1,1,2,3\n", "no header"),
    "cut in a row": (HEAD + ROW + ROW.replace("nasion", "inion")[:20], "point 2 has 5 columns, expected 14"),
    "bare comma": (HEAD + ROW.replace("nasion", "a,b"), "15 columns"),
    "open quote": (HEAD + ROW.replace("nasion", '"nasion') + ROW.replace("nasion", "inion"), "point 1 has 12 columns"),
    "decimal comma": (HEAD + ROW.replace("10.5", "10,5"), "15 columns"),
    "words": (HEAD + ROW.replace("10.5", "left"), "could not convert"),
    "nan": (HEAD + ROW.replace("10.5", "nan"), "three finite numbers"),
    "inf": (HEAD + ROW.replace("10.5", "1e999"), "three finite numbers"),
    "two of one name": (HEAD + ROW + ROW, "2 points named 'nasion'"),
    "voxels": (HEADER.format(system="2") + COLUMNS + ROW, "coordinate system `2`"),
    "zero byte": (HEAD + ROW.replace("nasion", "na\0sion"), "points.fcsv"),
    "long field": (HEAD + ROW.replace("nasion", "n" * 200_000), "Error"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN_FCSV.values(), ids=BROKEN_FCSV)
def test_broken_fcsv_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        read_points(written(tmp_path, text, "points.fcsv"))
    assert "points.fcsv" in caught.value.message


def test_half_characters_do_not_come_back(tmp_path: Path) -> None:
    text = mrk([{"label": "a", "description": "x", "position": [1, 2, 3]}]).replace('"x"', '"\\ud800"')
    found = read_points(written(tmp_path, text))
    write_mrk_json(tmp_path / "again.mrk.json", found)
    assert len(read_points(tmp_path / "again.mrk.json")) == 1


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends in `\.csv`"):
        read_points(written(tmp_path, ROW, "points.csv"))
    with pytest.raises(BadInput, match="cannot be read as text"):
        read_points(tmp_path / "missing.fcsv")
    (tmp_path / "binary.fcsv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadInput, match="cannot be read as text"):
        read_points(tmp_path / "binary.fcsv")
    with (tmp_path / "huge.fcsv").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(BadInput, match="bytes"):
        read_points(tmp_path / "huge.fcsv")

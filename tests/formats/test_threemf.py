"""3MF against the consortium's own library and schema, and against hostile archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgplan.errors import BadInput
from surgplan.formats.threemf import MODEL, read_threemf, write_threemf
from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.labels import Label
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface

NAMES = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=64)


def plate(names: tuple[str, str] = ("skull", "tumour"), scale: float = 1.0) -> Plate:
    outer, inner = (trimesh.creation.icosphere(subdivisions=s, radius=r) for s, r in ((4, 40), (3, 9)))
    matrix = np.diag([scale, scale, scale, 1.0])
    matrix[:3, 3] = [120, 100, 40 * scale]
    objects = (
        Surface(Label(1, names[0], (232, 220, 192)), outer.vertices, outer.faces),
        Surface(Label(2, names[1], (200, 60, 60), "left"), inner.vertices + np.array([10.0, 5.0, 3.0]), inner.faces),  # type: ignore[arg-type]
    )
    return Plate("demo", objects, Transform(PRINT, LPS, matrix), "generic-fdm", {"case": "demo"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_threemf(tmp_path / "model.3mf", plate()).path


def test_it_comes_back_as_it_was(path: Path) -> None:
    found, findings = read_threemf(path)
    assert findings == ()
    meant = plate()
    assert [each.label.name for each in found.objects] == ["skull", "tumour"]
    assert [each.label.color for each in found.objects] == [(232, 220, 192), (200, 60, 60)]
    assert found.objects[1].label.side == "left"
    assert found.bounds == pytest.approx(meant.bounds, abs=1e-4)
    for one, two in zip(found.objects, meant.objects, strict=True):
        assert np.abs(one.vertices - two.vertices).max() < 1e-5
        assert np.array_equal(one.triangles, two.triangles)


def test_the_same_plate_gives_the_same_bytes(tmp_path: Path) -> None:
    assert len({write_threemf(tmp_path / f"{n}.3mf", plate()).sha256 for n in range(2)}) == 1


def test_lib3mf_reads_it_in_strict_mode_without_a_warning(path: Path) -> None:
    lib3mf = pytest.importorskip("lib3mf")
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    meshes = model.GetMeshObjects()
    found = {}
    while meshes.MoveNext():
        mesh = meshes.GetCurrentMeshObject()
        resource, index, has = mesh.GetObjectLevelProperty()
        assert has
        group = model.GetBaseMaterialGroupByID(resource)
        color = group.GetDisplayColor(index)
        found[mesh.GetName()] = (mesh.GetTriangleCount(), (color.Red, color.Green, color.Blue))
        assert mesh.IsManifoldAndOriented()
    assert found == {"skull": (5120, (232, 220, 192)), "tumour": (1280, (200, 60, 60))}
    items = model.GetBuildItems()
    assert items.Count() == 1


def test_the_model_fits_the_core_schema(path: Path, test_data: Path) -> None:
    etree = pytest.importorskip("lxml.etree")
    schemas = sorted((test_data / "threemf").rglob("core.xsd"))
    if not schemas:
        pytest.skip("no core.xsd among the test data")
    # libxml2 takes no maxOccurs beyond its own limit, and would fetch the schema of xml:lang, which ##other covers
    text = schemas[0].read_bytes().replace(b'maxOccurs="2147483647"', b'maxOccurs="unbounded"')
    text = text.replace(b'<xs:attribute ref="xml:lang"/>', b"")
    schema = etree.XMLSchema(etree.fromstring(text))
    with zipfile.ZipFile(path) as archive:
        document = etree.fromstring(archive.read(MODEL))
    schema.assertValid(document)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=NAMES, two=NAMES)
def test_hostile_names_are_kept_as_text(tmp_path: Path, one: str, two: str) -> None:
    if one == two:
        return
    write_threemf(tmp_path / "x.3mf", plate((one, two)))
    found, _ = read_threemf(tmp_path / "x.3mf")
    assert [each.label.name for each in found.objects] == [one, two]


def test_a_scaled_plate_says_so(tmp_path: Path) -> None:
    written = write_threemf(tmp_path / "x.3mf", plate(scale=0.5))
    with zipfile.ZipFile(written.path) as archive:
        assert b'<metadata name="surgplan:scale">0.5</metadata>' in archive.read(MODEL)
    assert read_threemf(written.path)[0].scale == pytest.approx(0.5)


def test_no_time_stamp_and_no_random_identifier(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        text = archive.read(MODEL).decode()
    assert "UUID" not in text
    assert "uuid" not in text


def archive_with(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'unit="millimeter"', b'unit="inch"', "inch"),
        (b'v1="0"', b'v1="99999"', "names no vertex"),
        (b"<build>", b"<!-- no --><build_>", "not well-formed"),
        (b'objectid="2"', b'objectid="77"', "object 77 is missing"),
        (b"<model ", b'<!DOCTYPE a [<!ENTITY b "c">]><model ', "document type"),
        (b'transform="1 0 0', b'transform="-1 0 0', "mirrors"),
        (b'transform="1 0 0', b'transform="nan 0 0', "finite"),
    ],
)
def test_a_wrong_model_is_refused_with_the_reason(
    path: Path, tmp_path: Path, old: bytes, new: bytes, words: str
) -> None:
    parts = parts_of(path)
    assert old in parts[MODEL]
    parts[MODEL] = parts[MODEL].replace(old, new, 1)
    with pytest.raises(BadInput, match=words):
        read_threemf(archive_with(tmp_path / "wrong.3mf", parts))


def test_an_archive_that_unpacks_to_far_more_is_refused(path: Path, tmp_path: Path) -> None:
    parts = parts_of(path)
    parts[MODEL] = b" " * 50_000_000
    with pytest.raises(BadInput, match="unpacks"):
        read_threemf(archive_with(tmp_path / "bomb.3mf", parts))


def test_truncations_are_refused(path: Path) -> None:
    data = path.read_bytes()
    for cut in (1, 30, len(data) // 2):
        path.write_bytes(data[:-cut])
        with pytest.raises(BadInput, match=r"model\.3mf"):
            read_threemf(path)

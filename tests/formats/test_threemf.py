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
from surgplan.formats.meshes import read_meshes
from surgplan.formats.threemf import MODEL, read_threemf, relationships, write_threemf
from surgplan.formats.threemf_schema import CORE
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
    return Plate.together("demo", objects, Transform(PRINT, LPS, matrix), "generic-fdm", {"case": "demo"})


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
        color = model.GetColorGroupByID(resource).GetColor(index)
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
        (b'unit="millimeter"', b'unit="league"', "league"),
        (b'v1="0"', b'v1="99999"', "names vertex 99999"),
        (b"</build>", b"</build_>", "not well-formed"),
        (b'objectid="2"', b'objectid="77"', "object 77 is missing"),
        (b"<model ", b'<!DOCTYPE a [<!ENTITY b "c">]><model ', "document type"),
        (b'transform="1 0 0', b'transform="-1 0 0', "mirrors"),
        (b'transform="1 0 0', b'transform="nan 0 0', "finite"),
        (b"</resources>", b"<objects/></resources>", "core schema"),
        (b"<model ", b'<model requiredextensions="x" xmlns:x="urn:beams" ', "urn:beams"),
        (b'<component objectid="2"/>', b'<component objectid="4"/>', "missing or contains itself"),
        (b"<triangles>", b"<triangles/><triangles>", "a second `triangles`"),
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


def outcomes(folder: Path) -> dict[str, str]:
    """Name of each file → "" when it was read, or the reason why not."""
    found = {}
    for path in sorted(folder.glob("*.3mf")):
        try:
            assert read_meshes(path).surfaces
            found[path.name] = ""
        except BadInput as error:
            found[path.name] = error.message
    return found


def test_the_consortium_s_files_that_must_pass_are_read(test_data: Path) -> None:
    found = outcomes(test_data / "threemf" / "3mf-Verify" / "MUSTPASS")
    assert len(found) == 13
    assert not {name: reason for name, reason in found.items() if reason}


def test_the_consortium_s_files_that_must_fail_are_refused(test_data: Path) -> None:
    found = outcomes(test_data / "threemf" / "3mf-Verify" / "MUSTFAIL")
    assert len(found) == 38
    assert all(found.values()), [name for name, reason in found.items() if not reason]


def test_samples_of_the_consortium_are_read_as_lib3mf_reads_them(test_data: Path) -> None:
    lib3mf = pytest.importorskip("lib3mf")
    for path in sorted((test_data / "threemf" / "examples_core").glob("*.3mf")):
        model = lib3mf.get_wrapper().CreateModel()
        model.QueryReader("3mf").ReadFromFile(str(path))
        items, triangles = model.GetBuildItems(), 0
        while items.MoveNext():
            triangles += model.GetMeshObjectByID(items.GetCurrent().GetObjectResourceID()).GetTriangleCount()
        surfaces = read_meshes(path).surfaces
        assert sum(len(each.triangles) for each in surfaces) == triangles
        box = model.GetOutbox()
        low, high = list(box.MinCoordinate), list(box.MaxCoordinate)
        ends = np.array([each.bounds for each in surfaces])
        assert ends[:, 0].min(axis=0) == pytest.approx(low, abs=1e-3)
        assert ends[:, 1].max(axis=0) == pytest.approx(high, abs=1e-3)


def test_a_model_that_needs_beams_is_refused(test_data: Path) -> None:
    with pytest.raises(BadInput, match="beamlattice"):
        read_meshes(test_data / "threemf" / "spinal implant.3mf")


def tetrahedron(unit: str, transform: str = "", extra: str = "") -> bytes:
    points = ((0, 0, 0), (10, 0, 0), (0, 20, 0), (0, 0, 30))
    faces = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in points)
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in faces)
    place = f' transform="{transform}"' if transform else ""
    return (
        f'<model unit="{unit}" xmlns="{CORE}"><resources><object id="1"><mesh><vertices>{vertices}</vertices>'
        f"<triangles>{triangles}</triangles></mesh></object>{extra}</resources>"
        f'<build><item objectid="1"{place}/></build></model>'
    ).encode()


def foreign(path: Path, model: bytes) -> Path:
    return archive_with(path, {"[Content_Types].xml": b"<x/>", "_rels/.rels": relationships().encode(), MODEL: model})


def test_inches_are_converted_and_told(tmp_path: Path) -> None:
    found = read_meshes(foreign(tmp_path / "x.3mf", tetrahedron("inch", "1 0 0 0 1 0 0 0 1 2 0 0")))
    assert found.surfaces[0].volume_mm3 == pytest.approx(1000 * 25.4**3)
    assert found.surfaces[0].bounds[0] == pytest.approx([50.8, 0, 0])
    assert {finding.check: str(finding.level) for finding in found.findings} == {"unit": "note", "frame": "warn"}


def test_a_mirrored_object_keeps_its_outside_and_is_told(tmp_path: Path) -> None:
    found = read_meshes(foreign(tmp_path / "x.3mf", tetrahedron("millimeter", "-1 0 0 0 1 0 0 0 1 0 0 0")))
    assert found.surfaces[0].volume_mm3 == pytest.approx(1000)
    assert found.surfaces[0].bounds[0] == pytest.approx([-10, 0, 0])
    assert "mirrored" in {finding.check for finding in found.findings}


def test_components_that_multiply_beyond_reason_are_refused_at_once(tmp_path: Path) -> None:
    pair = '<object id="{}"><components><component objectid="{}"/><component objectid="{}"/></components></object>'
    twice = "".join(pair.format(n, n - 1, n - 1) for n in range(2, 40))
    model = tetrahedron("millimeter", extra=twice).replace(b'<item objectid="1"', b'<item objectid="39"')
    with pytest.raises(BadInput, match="builds"):
        read_meshes(foreign(tmp_path / "x.3mf", model))

"""Every mesh format against programs of others, in both directions, and against what must never happen."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.formats.mesh_parts import Contents, Part, Stated
from surgplan.formats.mesh_units import NOBODY, Told
from surgplan.formats.meshes import ONE_WRITERS, WRITABLE, compare, read_mesh, read_meshes, write_mesh, write_meshes
from surgplan.formats.stl import STL_TRIANGLE
from surgplan.model.frames import LPS, PRINT, RAS
from surgplan.model.labels import Code, Label
from surgplan.model.surface import Surface
from tests.formats.mesh_shapes import ball, by_trimesh, by_vtk, wedge

ENDINGS = [ending for ending in WRITABLE if ending != ".3mf"]
FULL = Label(1, "Femur ü", (12, 200, 255), "left", Code("SCT", "71341001", "Femur"), 226.5)  # type: ignore[arg-type]


def checks(path: Path, told: Told = NOBODY) -> dict[str, Level]:
    return {finding.check: finding.level for finding in read_meshes(path, told).findings}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_comes_back_in_float32_and_outward(tmp_path: Path, ending: str) -> None:
    meant = ball(FULL)
    write_mesh(tmp_path / f"x{ending}", meant)
    found, findings = read_mesh(tmp_path / f"x{ending}")
    assert not findings
    assert found.frame == LPS
    assert np.array_equal(found.corners, meant.corners)
    if ending != ".stl":
        assert found.label == FULL


@pytest.mark.parametrize("ending", [".obj", ".glb"])
def test_several_objects_keep_apart(tmp_path: Path, ending: str) -> None:
    first, second = ball(FULL), wedge(Label(2, "wedge", (1, 2, 3)))
    write_meshes(tmp_path / f"x{ending}", (first, second))
    found = read_meshes(tmp_path / f"x{ending}").surfaces
    assert [each.label for each in found] == [first.label, second.label]
    assert [np.array_equal(a.corners, b.corners) for a, b in zip(found, (first, second), strict=True)] == [True, True]


@pytest.mark.parametrize("ending", ONE_WRITERS)
def test_a_format_of_one_object_refuses_two(tmp_path: Path, ending: str) -> None:
    with pytest.raises(WrongUsage, match="holds one"):
        write_meshes(tmp_path / f"x{ending}", (ball(), wedge()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".stl", ".ply", ".obj", ".vtp"])
def test_vtk_and_trimesh_see_the_same_solid(tmp_path: Path, ending: str) -> None:
    meant = ball()
    write_mesh(tmp_path / f"x{ending}", meant)
    for seen in (by_vtk(tmp_path / f"x{ending}"), by_trimesh(tmp_path / f"x{ending}") if ending != ".vtp" else None):
        if seen is not None:
            assert seen.volume == pytest.approx(meant.volume_mm3, rel=1e-5)
            assert seen.bounds == pytest.approx(meant.bounds, abs=1e-4)
            assert seen.triangles == len(meant.triangles)


def test_admesh_finds_nothing_to_repair(tmp_path: Path) -> None:
    write_mesh(tmp_path / "x.stl", ball())
    try:
        done = subprocess.run(["admesh", tmp_path / "x.stl"], capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        pytest.skip("admesh is not installed")
    assert f"Number of facets                 :  {len(ball().triangles)} " in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("Degenerate", "Facets reversed"))]
    assert {words[-1] for words in lines} == {"0"}


def test_glb_stands_up_in_metres_for_everybody_else(tmp_path: Path) -> None:
    """glTF: y up, metres, the front looks along +z. Superior (LPS +z) is up, anterior (LPS −y) is the front."""
    write_mesh(tmp_path / "x.glb", wedge())
    seen = by_trimesh(tmp_path / "x.glb")
    assert seen.volume == pytest.approx(1000e-9)
    assert seen.bounds == pytest.approx(np.array([[1, 3, -22], [11, 33, -2]]) / 1000)


def test_glb_that_another_program_wrote_is_carried_to_lps(tmp_path: Path) -> None:
    upright = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) / 1000
    trimesh.Trimesh(wedge().vertices @ upright.T, wedge().triangles).export(tmp_path / "x.glb")
    found = read_meshes(tmp_path / "x.glb")
    assert found.surfaces[0].volume_mm3 == pytest.approx(1000, rel=1e-5)
    assert found.surfaces[0].bounds == pytest.approx(wedge().bounds, abs=1e-4)
    assert {finding.check: finding.level for finding in found.findings}["frame"] is Level.WARN
    assert found.assumed == ("frame",)


def test_a_glb_of_ours_that_was_changed_is_read_as_what_it_became(tmp_path: Path) -> None:
    write_mesh(tmp_path / "x.glb", wedge())
    scene = trimesh.load(tmp_path / "x.glb")
    scene.apply_scale(2.0)
    scene.export(tmp_path / "y.glb")
    found = read_meshes(tmp_path / "y.glb")
    assert found.surfaces[0].volume_mm3 == pytest.approx(8000, rel=1e-4)


@pytest.mark.parametrize("ending", ["ply", "stl", "obj", "off", "glb"])
def test_files_of_trimesh_are_read_with_volume_and_bounds(tmp_path: Path, ending: str) -> None:
    trimesh.Trimesh(ball().vertices, ball().triangles).export(tmp_path / f"x.{ending}")
    told = Told("mm", "LPS")
    found = read_meshes(tmp_path / f"x.{ending}", told).surfaces[0]
    assert found.volume_mm3 == pytest.approx(ball().volume_mm3, rel=1e-5)
    assert found.bounds == pytest.approx(ball().bounds, abs=1e-4)
    assert len(found.vertices) == len(ball().vertices)


@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("ending", ["ply", "stl", "obj", "glb"])
def test_files_of_open3d_are_read_with_volume_and_bounds(tmp_path: Path, ending: str, ascii: bool) -> None:
    o3d = pytest.importorskip("open3d")
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(ball().vertices.copy()), o3d.utility.Vector3iVector(ball().triangles.copy())
    )
    mesh.compute_vertex_normals()
    path = tmp_path / f"x.{ending}"
    if not o3d.io.write_triangle_mesh(str(path), mesh, write_ascii=ascii and ending != "stl"):
        pytest.skip("open3d does not write that")
    found = read_meshes(path, Told("mm", "LPS")).surfaces[0]
    assert found.volume_mm3 == pytest.approx(ball().volume_mm3, rel=1e-5)
    assert found.bounds == pytest.approx(ball().bounds, abs=1e-3)


@pytest.mark.parametrize("mode", ["Ascii", "Binary", "Appended"])
@pytest.mark.parametrize("compressor", ["NONE", "ZLIB", "LZMA", "LZ4"])
@pytest.mark.parametrize(("order", "header"), [("LittleEndian", 32), ("BigEndian", 64)])
def test_vtp_in_every_encoding(tmp_path: Path, mode: str, compressor: str, order: str, header: int) -> None:
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    from surgplan.surface.vtk_mesh import to_polydata

    for encode in (True, False):
        writer = vtkXMLPolyDataWriter()
        writer.SetInputData(to_polydata(ball().vertices, ball().triangles))
        writer.SetFileName(str(tmp_path / "x.vtp"))
        getattr(writer, f"SetDataModeTo{mode}")()
        writer.SetCompressorType(getattr(vtkXMLPolyDataWriter, compressor))
        getattr(writer, f"SetByteOrderTo{order}")()
        getattr(writer, f"SetHeaderTypeToUInt{header}")()
        writer.SetEncodeAppendedData(encode)
        writer.SetBlockSize(4096)
        assert writer.Write() == 1
        found, _ = read_mesh(tmp_path / "x.vtp")
        assert found.corners == pytest.approx(ball().corners, abs=1e-4 if mode == "Ascii" else 0)


def test_a_note_that_nobody_knows_is_refused_until_the_user_states_it(tmp_path: Path) -> None:
    write_mesh(tmp_path / "x.ply", wedge())
    data = (tmp_path / "x.ply").read_bytes()
    (tmp_path / "x.ply").write_bytes(data.replace(b"SPACE=LPS UNIT=mm", b"SPACE=MNI UNIT=furlong"))
    with pytest.raises(BadInput, match="furlong"):
        read_meshes(tmp_path / "x.ply")
    with pytest.raises(BadInput, match="MNI"):
        read_meshes(tmp_path / "x.ply", Told(unit="mm"))
    found = read_meshes(tmp_path / "x.ply", Told("mm", "LPS"))
    assert found.surfaces[0].volume_mm3 == pytest.approx(1000)
    assert {finding.level for finding in found.findings} == {Level.WARN}


def test_slicer_s_notes_are_understood(tmp_path: Path) -> None:
    """3D Slicer writes SPACE alone: into the STL's header, a PLY's and an OBJ's comment, a VTP's field data."""
    meant = Surface(Label(1, "x"), wedge().vertices * [-1, -1, 1], wedge().triangles, RAS)
    for ending in (".stl", ".ply", ".obj", ".vtp"):
        path = tmp_path / f"x{ending}"
        write_mesh(path, meant)
        data = path.read_bytes().replace(b"surgplan SPACE=RAS UNIT=mm", b"3D Slicer output SPACE=RAS")
        path.write_bytes(data)
        found = read_meshes(path)
        assert found.surfaces[0].frame == LPS
        assert found.surfaces[0].bounds == pytest.approx(wedge().bounds)
        assert found.surfaces[0].volume_mm3 == pytest.approx(1000)


@pytest.mark.parametrize(
    ("scale", "unit", "level"),
    [(1.0, "mm", Level.WARN), (0.001, "m", Level.REFUSE), (1 / 25.4, "in", Level.REFUSE), (1000.0, "um", Level.REFUSE)],
)
def test_a_unit_that_nobody_states_is_told_with_evidence(tmp_path: Path, scale: float, unit: str, level: Level) -> None:
    trimesh.creation.box((40 * scale, 30 * scale, 20 * scale)).export(tmp_path / "x.stl")
    found = read_meshes(tmp_path / "x.stl")
    finding = next(each for each in found.findings if each.check == "unit")
    assert finding.level is level
    assert found.assumed == ("unit", "frame")
    if unit != "mm":
        assert "40 mm in" in finding.measured
    stated = read_meshes(tmp_path / "x.stl", Told(unit, "LPS"))
    assert stated.surfaces[0].volume_mm3 == pytest.approx(24000, rel=1e-5)
    assert stated.assumed == ()


def test_a_frame_that_nobody_states_is_told_with_the_sides_that_it_makes(tmp_path: Path) -> None:
    box = trimesh.creation.box((40, 30, 20))
    box.apply_translation((50, -60, 7))
    box.export(tmp_path / "x.stl")
    finding = next(each for each in read_meshes(tmp_path / "x.stl").findings if each.check == "frame")
    assert "50 mm left and 60 mm anterior of the origin; in RAS it would be right and posterior" in finding.measured
    assert read_meshes(tmp_path / "x.stl", Told("mm", "RAS")).surfaces[0].bounds[0] == pytest.approx([-70, 45, -3])


def test_a_place_where_float32_is_coarse_is_told(tmp_path: Path) -> None:
    box = trimesh.creation.box((40, 30, 20))
    for far, told in ((9_000, False), (500_000, True)):
        moved = box.copy()
        moved.apply_translation((far, 0, 0))
        moved.export(tmp_path / "x.stl")
        assert ("place" in checks(tmp_path / "x.stl")) is told


def test_ras_is_a_half_turn_and_mirrors_nothing(tmp_path: Path) -> None:
    trimesh.Trimesh(wedge().vertices, wedge().triangles).export(tmp_path / "x.stl")
    found = read_meshes(tmp_path / "x.stl", Told("mm", "RAS")).surfaces[0]
    assert found.frame == LPS
    assert found.bounds == pytest.approx(np.array([[-11, -22, 3], [-1, -2, 33]]))
    assert found.volume_mm3 == pytest.approx(1000)


def test_a_frame_against_what_the_file_states_is_told(tmp_path: Path) -> None:
    write_mesh(tmp_path / "x.ply", wedge())
    assert checks(tmp_path / "x.ply", Told("mm", "RAS"))["frame"] is Level.WARN
    assert checks(tmp_path / "x.ply", Told("cm", "LPS"))["unit"] is Level.WARN


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_assumed_stays_written(tmp_path: Path, ending: str) -> None:
    write_mesh(tmp_path / f"x{ending}", wedge(), ("frame", "unit"))
    found = read_meshes(tmp_path / f"x{ending}")
    assert set(found.assumed) == {"frame", "unit"}
    assert {finding.check for finding in found.findings} == {"frame", "unit"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_frame_is_kept(tmp_path: Path, ending: str) -> None:
    write_mesh(tmp_path / f"x{ending}", wedge(frame=PRINT))
    found, findings = read_mesh(tmp_path / f"x{ending}")
    assert found.frame == PRINT
    assert not findings


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_mesh_that_float32_cannot_hold_is_not_written(tmp_path: Path, ending: str) -> None:
    far = Surface(Label(1, "x"), wedge().vertices + 123_456.793, wedge().triangles)
    with pytest.raises(BadInput, match="moves a corner"):
        write_mesh(tmp_path / f"x{ending}", far)
    assert not list(tmp_path.iterdir())


def fine_ball() -> Surface:
    """Five times as many triangles as are looked at at once."""
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=17.3)
    return Surface(Label(1, "ball"), mesh.vertices.astype(np.float32).astype(np.float64), mesh.faces)


def test_normals_of_an_stl_are_those_of_its_triangles(tmp_path: Path) -> None:
    meant = fine_ball()
    flat = np.concatenate([meant.triangles, [[0, 0, 1]]]).astype(np.int32)
    write_mesh(tmp_path / "x.stl", meant.with_mesh(meant.vertices, flat))
    stored = np.frombuffer((tmp_path / "x.stl").read_bytes(), STL_TRIANGLE, offset=84)
    normals, _ = trimesh.triangles.normals(meant.corners)
    np.testing.assert_allclose(stored["normal"][:-1], normals, atol=1e-6)
    assert not stored["normal"][-1].any()


@pytest.mark.parametrize("number", [0, 4096, 20_479])
def test_one_triangle_that_comes_back_otherwise_is_seen(tmp_path: Path, number: int) -> None:
    meant = fine_ball()
    part = Part(meant.label, meant.vertices, meant.triangles)
    compare(tmp_path / "x.stl", Contents((part,), Stated("mm", "LPS")), (meant,))
    triangles = meant.triangles.copy()
    triangles[number] = triangles[number][[1, 2, 0]]
    part = Part(meant.label, meant.vertices, triangles)
    with pytest.raises(BadInput, match="moves a corner"):
        compare(tmp_path / "x.stl", Contents((part,), Stated("mm", "LPS")), (meant,))


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_truncation_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    write_mesh(path, ball())
    data = path.read_bytes()
    last = 2 if ending == ".vtp" else 1  # the line's end behind </VTKFile> says nothing
    for cut in (*range(last, 60), len(data) // 3, len(data) // 2, len(data) - 90, len(data) - 20):
        path.write_bytes(data[:-cut])
        with pytest.raises(BadInput, match=path.name):
            read_meshes(path)


@pytest.mark.parametrize("ending", [".obj", ".ply", ".off", ".stl"])
def test_truncated_text_is_refused(tmp_path: Path, ending: str) -> None:
    mesh = trimesh.Trimesh(ball().vertices, ball().triangles)
    encoding = {"encoding": "ascii"} if ending == ".ply" else {}
    text = mesh.export(file_type="stl_ascii" if ending == ".stl" else ending[1:], **encoding)
    data = (text if isinstance(text, bytes) else text.encode()).rstrip() + b"\n"
    path = tmp_path / f"x{ending}"
    path.write_bytes(data)
    assert len(read_mesh(path)[0].triangles) == len(ball().triangles)
    for cut in (2, 3, 4, 7, len(data) // 3):
        path.write_bytes(data[:-cut])
        with pytest.raises(BadInput, match=path.name):
            read_meshes(path)


SQUARE = b"v 0 0 0\nv 10 0 0\nv 10 10 0\nv 0 10 0\nv 0 0 9\n"


def obj(path: Path, text: bytes) -> Surface:
    path.write_bytes(text)
    return read_mesh(path)[0]


def test_quads_and_relative_indices_make_the_same_triangles(tmp_path: Path) -> None:
    one = obj(tmp_path / "a.obj", SQUARE + b"f 4 3 2 1\nf 1 2 5\nf 2 3 5\nf 3 4 5\nf 4 1 5\n")
    two = obj(tmp_path / "b.obj", SQUARE + b"f -2/1/1 -3//2 -4/7 -5\nf -5 -4 \\\n -1\nf 2 3 5\nf 3 4 5\nf 4 1 5\n")
    assert one.volume_mm3 == pytest.approx(300)
    assert np.array_equal(one.corners, two.corners)


def test_a_polygon_that_is_not_convex_keeps_its_area(tmp_path: Path) -> None:
    """An L of 3 squares: a fan from its first corner would cover what is outside of it."""
    ring = b"v 0 0 0\nv 20 0 0\nv 20 10 0\nv 10 10 0\nv 10 20 0\nv 0 20 0\n"
    for turn in range(6):
        face = " ".join(str((corner + turn) % 6 + 1) for corner in range(6)).encode()
        found = obj(tmp_path / "x.obj", ring + b"f " + face + b"\n")
        assert found.area_mm2 == pytest.approx(300)
        a, b, c = found.corners.transpose(1, 0, 2)
        assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_groups_of_one_surface_are_one_object(tmp_path: Path) -> None:
    tmp = tmp_path / "x.obj"
    tmp.write_bytes(SQUARE + b"g base\nf 4 3 2 1\ng sides\nf 1 2 5\nf 2 3 5\nf 3 4 5\nf 4 1 5\n")
    found = read_meshes(tmp)
    assert [each.label.name for each in found.surfaces] == ["base"]
    assert "objects" in {finding.check for finding in found.findings}


def ply(order: str, kind: str) -> bytes:
    """A pyramid with a quad, further properties, and an element that nobody knows."""
    head = (
        f"ply\nformat {order} 1.0\nobj_info x\nelement other 2\nproperty list uchar double odd\nelement vertex 5\n"
        f"property {kind} x\nproperty {kind} y\nproperty {kind} z\nproperty uchar red\nproperty uchar green\n"
        "property uchar blue\nelement face 5\nproperty uchar flag\nproperty list ushort uint vertex_index\nend_header\n"
    )
    points = [(0, 0, 0), (10, 0, 0), (10, 10, 0), (0, 10, 0), (0, 0, 9)]
    faces = [(3, 2, 1, 0), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)]
    if order == "ascii":
        rows = ["2 1.5 2.5", "0", *(f"{x} {y} {z} 10 20 30" for x, y, z in points)]
        rows += [f"1 {len(face)} {' '.join(map(str, face))}" for face in faces]
        return head.encode() + "\n".join(rows).encode() + b"\n"
    sign = "<" if "little" in order else ">"
    number = {"float": "f", "double": "d", "int": "i"}[kind]
    body = struct.pack(f"{sign}B2dB", 2, 1.5, 2.5, 0)
    body += b"".join(struct.pack(f"{sign}3{number}3B", *point, 10, 20, 30) for point in points)
    body += b"".join(struct.pack(f"{sign}BH{len(face)}I", 1, len(face), *face) for face in faces)
    return head.encode() + body


@pytest.mark.parametrize("kind", ["float", "double", "int"])
@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply_in_every_order_and_type(tmp_path: Path, order: str, kind: str) -> None:
    (tmp_path / "x.ply").write_bytes(ply(order, kind))
    found = read_meshes(tmp_path / "x.ply")
    assert found.surfaces[0].volume_mm3 == pytest.approx(300)
    assert found.surfaces[0].label.color == (10, 20, 30)
    notes = [finding.measured for finding in found.findings if finding.check == "attributes"]
    assert notes == ["not read: odd of each other, flag of each face"]
    data = ply(order, kind)
    for cut in (1, 2, 5, 30):
        (tmp_path / "x.ply").write_bytes(data[:-cut])
        with pytest.raises(BadInput, match=r"x\.ply"):
            read_meshes(tmp_path / "x.ply")


def gltf(**more: object) -> bytes:
    """The wedge in a .gltf of one file, with the nodes given."""
    points = wedge().vertices.astype("<f4").tobytes()
    corners = wedge().triangles.astype("<u2").tobytes()
    uri = "data:application/octet-stream;base64," + base64.b64encode(points + corners).decode()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(points)},
            {"buffer": 0, "byteOffset": len(points), "byteLength": len(corners)},
        ],
        "buffers": [{"uri": uri, "byteLength": len(points + corners)}],
    }
    return json.dumps(document | more).encode()


def test_nodes_move_their_meshes_and_a_mirror_is_told(tmp_path: Path) -> None:
    nodes = [
        {"children": [1, 2], "scale": [2, 2, 2], "translation": [5, 0, 0]},
        {"mesh": 0, "name": "turned", "rotation": [0, 0, np.sin(np.pi / 4), np.cos(np.pi / 4)]},
        {"mesh": 0, "name": "mirrored", "scale": [-1, 1, 1]},
    ]
    (tmp_path / "x.gltf").write_bytes(gltf(nodes=nodes))
    found = read_meshes(tmp_path / "x.gltf", Told("mm", "LPS"))
    turned, mirrored = found.surfaces
    assert turned.bounds == pytest.approx(np.array([[-39, 2, 6], [1, 22, 66]]), abs=1e-5)
    assert mirrored.bounds == pytest.approx(np.array([[-17, 4, 6], [3, 44, 66]]), abs=1e-5)
    assert [each.volume_mm3 for each in found.surfaces] == pytest.approx([8000, 8000])
    assert [finding.level for finding in found.findings if finding.check == "mirrored"] == [Level.WARN]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": [{"children": [0], "mesh": 0}]}, "contain themselves"),
        ({"nodes": [{"mesh": 7}]}, "7"),
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "draco"),
        ({"buffers": [{"uri": "x.bin", "byteLength": 99}]}, "another file"),
        ({"nodes": [{"mesh": 0, "scale": [0, 1, 1]}]}, "flattens"),
        ({"nodes": [{"mesh": 0, "rotation": [0, 0, 0, 0]}]}, "quaternion"),
        ({"asset": {"version": "1.0"}}, "not glTF 2.0"),
    ],
)
def test_a_wrong_gltf_is_refused_with_the_reason(tmp_path: Path, change: dict[str, object], words: str) -> None:
    (tmp_path / "x.gltf").write_bytes(gltf(**change))
    with pytest.raises(BadInput, match=words):
        read_meshes(tmp_path / "x.gltf")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("huge.ply", b"ply\nformat ascii 1.0\nelement vertex 4000000000\nproperty float x\nend_header\n1\n"),
        ("many.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999\nproperty float x\nend_header\n"),
        ("none.ply", b"ply\nformat ascii 1.0\nelement vertex 9\nend_header\n"),
        ("minus.ply", b"ply\nformat ascii 1.0\nelement vertex -3\nproperty float x\nend_header\n"),
        ("index.obj", SQUARE + b"f 1 2 9\n"),
        ("zero.obj", SQUARE + b"f 0 1 2\n"),
        ("nan.obj", b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("far.obj", b"v 1e308 0 0\nv -1e308 0 0\nv 0 1e308 0\nf 1 2 3\n"),
        ("spline.obj", SQUARE + b"cstype bspline\nf 1 2 3\n"),
        ("points.obj", SQUARE),
        ("huge.off", b"OFF\n4000000000 1 0\n0 0 0\n"),
        ("huge.vtp", b'<VTKFile type="PolyData"><PolyData><Piece NumberOfPoints="9999999999"/></PolyData></VTKFile>'),
        ("grid.vtp", b'<VTKFile type="ImageData"></VTKFile>'),
        ("bomb.vtp", b'<!DOCTYPE a [<!ENTITY b "c">]><VTKFile type="PolyData"></VTKFile>'),
        ("short.glb", b"glTF\x02\0\0\0\x0c\0\0\0"),
        ("deep.gltf", b"[" * 100_000),
    ],
)
def test_hostile_files_are_refused_by_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=name):
        read_meshes(tmp_path / name)

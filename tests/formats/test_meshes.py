"""STL and PLY come back as they were written; broken files are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgplan.errors import BadInput, WrongUsage
from surgplan.formats.meshes import read_mesh, write_mesh, write_ply, write_stl
from surgplan.model.frames import LPS, PRINT
from surgplan.model.labels import Code, Label
from surgplan.model.surface import Surface

NAMES = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=64)


def ball(label: Label | None = None) -> Surface:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=17.3)
    vertices = (mesh.vertices + np.array([100.3, -80.7, 12.9])).astype(np.float32).astype(np.float64)
    return Surface(label or Label(1, "ball"), vertices, mesh.faces)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=NAMES,
    color=st.tuples(*[st.integers(0, 255)] * 3),
    side=st.sampled_from(["", "left", "right"]),
    level=st.none() | st.floats(-1000, 3000),
    code=st.none() | st.builds(Code, st.just("SCT"), st.just("1"), st.sampled_from(["Skull", "Bone of ü"])),
)
def test_ply_keeps_everything(tmp_path: Path, name: str, color, side, level, code) -> None:  # type: ignore[no-untyped-def]
    label = Label(1, name, color, side, code, level)
    surface = ball(label)
    write_ply(tmp_path / "x.ply", surface)
    found, findings = read_mesh(tmp_path / "x.ply")
    assert found.label == label
    assert found.frame == LPS
    assert np.array_equal(found.vertices, surface.vertices)
    assert np.array_equal(found.triangles, surface.triangles)
    assert findings == ()


def test_stl_keeps_shape_frame_and_unit(tmp_path: Path) -> None:
    surface = ball()
    write_stl(tmp_path / "x.stl", surface)
    head = (tmp_path / "x.stl").read_bytes()[:80]
    assert b"SPACE=LPS UNIT=mm" in head
    assert not head.startswith(b"solid")
    found, findings = read_mesh(tmp_path / "x.stl")
    assert findings == ()
    assert found.volume_mm3 == pytest.approx(surface.volume_mm3)
    assert len(found.vertices) == len(surface.vertices)


@pytest.mark.parametrize("name", ["x.stl", "x.ply"])
def test_other_programs_read_it_alike(tmp_path: Path, name: str) -> None:
    surface = ball()
    write_mesh(tmp_path / name, surface)
    mesh = trimesh.load(tmp_path / name)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(surface.volume_mm3, rel=1e-6)
    assert mesh.bounds == pytest.approx(surface.bounds, abs=1e-4)


@pytest.mark.parametrize("name", ["x.stl", "x.ply"])
def test_the_same_surface_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    hashes = {write_mesh(tmp_path / name, ball()).sha256 for _ in range(2)}
    assert len(hashes) == 1


def test_another_frame_is_told_in_the_file(tmp_path: Path) -> None:
    surface = Surface(Label(1, "ball"), ball().vertices, ball().triangles, PRINT)
    write_stl(tmp_path / "x.stl", surface)
    assert read_mesh(tmp_path / "x.stl")[0].frame == PRINT


def test_a_file_that_states_nothing_is_told(tmp_path: Path) -> None:
    trimesh.creation.box((10, 10, 10)).export(tmp_path / "x.stl")
    _, findings = read_mesh(tmp_path / "x.stl")
    assert {finding.check for finding in findings} == {"frame", "unit"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.stl", b""),
        ("short.stl", b"x" * 50),
        ("none.stl", bytes(80) + struct.pack("<I", 0)),
        ("cut.stl", bytes(80) + struct.pack("<I", 100) + bytes(50 * 40)),
        ("huge.stl", bytes(80) + struct.pack("<I", 0xFFFFFFFF)),
        ("text.stl", b"solid x\nfacet normal 0 0 0\nouter loop\nvertex 0 0 0\n"),
        ("bare.ply", b"ply\nformat ascii 1.0\n"),
        ("no.ply", b"not a ply"),
        ("odd.xyz", b"1 2 3"),
        ("broken.obj", b"v 1 2\nf 1 2 3\n"),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=name):
        read_mesh(tmp_path / name)


@pytest.mark.parametrize("name", ["x.stl", "x.ply"])
def test_every_truncation_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_mesh(path, ball())
    data = path.read_bytes()
    for cut in (1, 7, len(data) // 3, len(data) - 90):
        path.write_bytes(data[:-cut])
        with pytest.raises(BadInput, match=name):
            read_mesh(path)


def test_coordinates_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_stl(tmp_path / "x.stl", ball())
    data = bytearray((tmp_path / "x.stl").read_bytes())
    data[96:100] = struct.pack("<f", float("nan"))
    (tmp_path / "x.stl").write_bytes(data)
    with pytest.raises(BadInput, match="finite"):
        read_mesh(tmp_path / "x.stl")


def test_an_unknown_ending_is_refused_for_writing(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="xyz"):
        write_mesh(tmp_path / "x.xyz", ball())


def test_every_real_mesh_is_read_or_refused(test_data: Path) -> None:
    refused = set()
    for path in sorted((test_data / "meshes").iterdir()):
        try:
            surface, _ = read_mesh(path)
        except BadInput:
            refused.add(path.name)
            continue
        assert len(surface.triangles)
    assert refused == {"empty.stl"}

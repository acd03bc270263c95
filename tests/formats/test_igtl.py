"""OpenIGTLink against pyigtl, an implementation by others: bytes, a client over a socket, and hostile messages."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyigtl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyigtl.messages import CRC64, PolyDataMessage

from surgplan.case.bundle import write_navigation
from surgplan.case.streaming import plan_messages, serve
from surgplan.errors import BadInput, WrongUsage
from surgplan.formats.igtl import Message, crc64, pack, points_message, read_message, read_transform
from surgplan.formats.images import write_volume
from surgplan.formats.meshes import write_ply
from surgplan.model.frames import LPS, LPS_FROM_RAS, PRINT, Transform
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.stage import NavigationPlan
from tests.navigation.bodies import sphere

GRID = Grid((7, 5, 4), (0.7, 0.8, 1.25), (-12.0, 33.3, 700.0), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
PRINT_FROM_LPS = Transform(PRINT, LPS, [[0, -1, 0, 60], [1, 0, 0, 70], [0, 0, 1, -340], [0, 0, 0, 1]])
VOXELS = np.arange(140, dtype=np.int16).reshape(4, 5, 7) - 50
POINTS = {"nasion": (0.4, -88.1, 12.0), "Ziel, links": (31.25, 4.0, 1 / 3)}
FLIP = np.array([-1.0, -1.0, 1.0])
"""From LPS to RAS, by definition of both."""


class Reader:
    """Bytes as a socket gives them."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __call__(self, count: int) -> bytes:
        taken, self.data = self.data[:count], self.data[count:]
        return taken


@given(st.binary(max_size=3000))
def test_the_checksum_is_that_of_another_implementation(data: bytes) -> None:
    assert crc64(data) == CRC64(data)


def test_the_checksum_of_a_megabyte_too() -> None:
    data = np.random.default_rng(1).bytes(1_000_003)
    assert crc64(data) == CRC64(data)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    points = PointSet([Landmark(name, place) for name, place in POINTS.items()])
    path = Trajectory("biopsy", *POINTS.values(), LPS, diameter_mm=2.5)
    transforms = (LPS_FROM_RAS, GRID.lps_from_ijk, PRINT_FROM_LPS)
    write_navigation(tmp_path / "navigation", NavigationPlan(points, PointSet(()), (path,), transforms, "1.2.3", ()))
    write_ply(tmp_path / "surfaces" / "ball.ply", sphere(10.0, (3, 4, 5), fineness=1))
    write_volume(tmp_path / "volume.nrrd", Volume(GRID, VOXELS, Modality.CT, "1.2.3"))
    return tmp_path


@pytest.fixture
def client(case: Path) -> Iterator[Any]:
    ready, port = threading.Event(), [0]

    def listening(host: str, number: int) -> None:
        assert host == "127.0.0.1"
        port[0] = number
        ready.set()

    server = threading.Thread(target=serve, args=(plan_messages(case), "127.0.0.1", 0, 1, listening), daemon=True)
    server.start()
    assert ready.wait(10)
    connected = pyigtl.OpenIGTLinkClient("127.0.0.1", port[0])
    yield connected
    connected.stop()
    server.join(10)


def test_a_real_client_gets_every_value_in_ras(client: Any) -> None:
    landmarks = client.wait_for_message("Landmarks", timeout=10)
    assert landmarks.names == list(POINTS)
    wanted = (np.array(list(POINTS.values())) * FLIP).astype(np.float32)
    np.testing.assert_array_equal(np.float32(landmarks.positions), wanted)
    told = client.wait_for_message("Plan", timeout=10)
    assert told.string == "frame: RAS; unit: mm; Frame of Reference UID: 1.2.3"
    image = client.wait_for_message("Volume", timeout=10)
    np.testing.assert_array_equal(image.image, VOXELS)
    assert image.world_coordinate_system == "ras"
    corner = image.ijk_to_world_matrix @ [6, 4, 3, 1]
    np.testing.assert_allclose(corner[:3], GRID.lps_from_ijk.apply([6, 4, 3]) * FLIP, atol=1e-3)
    moved = client.wait_for_message("PrintToRas", timeout=10).matrix @ [*PRINT_FROM_LPS.apply([1, 2, 3]), 1]
    np.testing.assert_allclose(moved[:3], [-1, -2, 3], atol=1e-4)


def test_surfaces_and_trajectories_are_the_bytes_of_the_format(case: Path) -> None:
    by_kind = {each.kind: each for each in plan_messages(case)}
    ball = sphere(10.0, (3, 4, 5), fineness=1)
    cells = np.column_stack([np.full(len(ball.triangles), 3), ball.triangles]).ravel()
    theirs = PolyDataMessage(points=(ball.vertices * FLIP).astype(np.float32), polygons=cells)
    assert by_kind["POLYDATA"].body == theirs._pack_content()
    name, _, kind, *ends, diameter, _ = struct.unpack(">64s32sb5x7f20s", by_kind["TRAJ"].body)
    assert (name.rstrip(b"\0"), kind, diameter) == (b"biopsy", 3, 2.5)
    wanted = np.array(list(POINTS.values())) * FLIP
    np.testing.assert_allclose(np.reshape(ends, (2, 3)), wanted, atol=1e-5)
    assert by_kind["STATUS"].body[:2] == b"\0\1"


@pytest.mark.parametrize("version", [1, 2])
def test_a_transform_of_theirs_is_read(version: int) -> None:
    matrix = [[0, -1, 0, 1.5], [1, 0, 0, 2.5], [0, 0, 1, 3.5], [0, 0, 0, 1]]
    theirs = pyigtl.TransformMessage(matrix, device_name="StylusToTracker", timestamp=12.25)
    theirs.header_version, theirs.metadata = version, {"TransformStatus": "OK"} if version == 2 else {}
    got = read_message(Reader(theirs.pack()))
    assert (got.kind, got.name) == ("TRANSFORM", "StylusToTracker")
    assert got.time_s == pytest.approx(12.25, abs=1e-6)
    np.testing.assert_array_equal(read_transform(got), matrix)


GOOD = pack(Message("TRANSFORM", "a", b"\0" * 48))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"HTTP/1.1 400 Bad Request" + b" " * 50, "no OpenIGTLink"),
        (GOOD[:42] + struct.pack(">Q", 1 << 60) + GOOD[50:], "at most"),
        (GOOD[:-1] + b"\1", "checksum"),
        (struct.pack(">H", 2) + GOOD[2:], "extended header"),
    ],
)
def test_hostile_messages_are_refused_before_memory_is_taken(data: bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_message(Reader(data))


def test_what_does_not_fit_the_format_is_refused(case: Path) -> None:
    with pytest.raises(BadInput, match="30 letters"):
        pack(Message("STRING", "a" * 30, b""))
    with pytest.raises(ValueError, match="RAS"):
        points_message("x", PointSet([Landmark("a", (0, 0, 0))]), "x")
    with pytest.raises(BadInput, match="48"):
        read_transform(Message("TRANSFORM", "a", b"123"))
    with pytest.raises(BadInput, match="not finite"):
        read_transform(Message("TRANSFORM", "a", np.full(12, np.nan, ">f4").tobytes()))
    with pytest.raises(WrongUsage, match="cannot be listened on"):
        serve((), "192.0.2.1", 0, 1, lambda host, port: None)

"""PLUS sequences and configurations, made by hand as its manual describes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.formats.plus import read_config, read_recording
from surgplan.model.frames import Frame

POSE = "0 -1 0 10 1 0 0 20 0 0 1 30 0 0 0 1"


def sequence(path: Path, *frames: tuple[str, str], end: str = "ElementDataFile = LOCAL\n", sign: str = " = ") -> Path:
    lines = ["ObjectType = Image", "NDims = 3"]
    for number, (pose, status) in enumerate(frames):
        start = f"Seq_Frame{number:04}_"
        lines += [
            f"{start}StylusToTrackerTransform{sign}{pose}",
            f"{start}StylusToTrackerTransformStatus{sign}{status}",
        ]
        lines += [f"{start}Timestamp{sign}{number * 0.1 + 5}"]
    path.write_text("\n".join(lines) + "\n" + end, "utf-8")
    return path


@pytest.mark.parametrize(("name", "sign"), [("r.igs.mha", " = "), ("r.nrrd", ":=")])
def test_poses_and_times_are_read(name: str, sign: str, tmp_path: Path) -> None:
    found = read_recording(sequence(tmp_path / name, (POSE, "OK"), (POSE, "MISSING"), (POSE, "OK"), sign=sign))
    np.testing.assert_allclose(found.times, [5.0, 5.1, 5.2])
    poses = found.poses[Frame("Tracker"), Frame("Stylus")]
    np.testing.assert_array_equal(poses[0, :3, 3], [10, 20, 30])
    assert np.isnan(poses[1]).all()
    assert not np.isnan(poses[2]).any()


def test_a_pose_is_turned_round_when_it_was_recorded_the_other_way(tmp_path: Path) -> None:
    found = read_recording(sequence(tmp_path / "r.mha", (POSE, "OK")))
    back = found.pose(Frame("Stylus"), Frame("Tracker"))
    assert back is not None
    np.testing.assert_allclose(back[0] @ found.poses[Frame("Tracker"), Frame("Stylus")][0], np.eye(4), atol=1e-12)
    assert found.pose(Frame("Stylus"), Frame("Probe")) is None


@pytest.mark.parametrize(
    ("pose", "told"),
    [
        ("1 2 3", "3 numbers, not 16"),
        ("2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1", "no rotation"),
        ("-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "no rotation"),
        ("a b", "could not convert"),
    ],
)
def test_a_pose_that_is_none_is_refused(pose: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told):
        read_recording(sequence(tmp_path / "r.mha", (pose, "OK")))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, data in (
        ("empty.mha", b""),
        ("scan.mha", b"NDims = 3\nElementDataFile = LOCAL\n\0\1"),
        ("x.mha", b"\xff" * 99),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput):
            read_recording(tmp_path / name)


CONFIG = """<PlusConfiguration version="2.1"><CoordinateDefinitions>
<Transform From="StylusTip" To="Stylus" Matrix="1 0 0 100 0 1 0 2 0 0 1 3 0 0 0 1" /></CoordinateDefinitions>
<PhantomDefinition><Geometry><Landmarks><Landmark Name="#1" Position="104.3 5.0 20.0" /></Landmarks></Geometry>
</PhantomDefinition></PlusConfiguration>"""


def test_a_configuration_has_transforms_and_landmarks(tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text(CONFIG, "utf-8")
    transforms, stored = read_config(tmp_path / "c.xml")
    assert (transforms[0].fixed, transforms[0].moving) == (Frame("Stylus"), Frame("StylusTip"))
    assert transforms[0].offset.tolist() == [100, 2, 3]
    assert stored is not None
    assert stored.points["#1"].position.tolist() == [104.3, 5, 20]
    assert stored.points.frame == Frame("Phantom")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a/>",
        "<PlusConfiguration>",
        '<!DOCTYPE a [<!ENTITY b "c">]><PlusConfiguration/>',
        CONFIG.replace("100 0", ""),
    ],
)
def test_a_broken_configuration_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text(text, "utf-8")
    with pytest.raises(BadInput):
        read_config(tmp_path / "c.xml")

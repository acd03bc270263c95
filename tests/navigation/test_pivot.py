"""Pivot calibration, from made-up poses and from a stream that a real pyigtl server sends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pyigtl
import pytest
from scipy.spatial.transform import Rotation

from surgplan.cli.main import run
from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.formats.transform_files import read_transform
from surgplan.model.frames import Frame
from surgplan.model.tracking import Recording
from surgplan.navigation.pivot import calibrate_pivot

TIP = np.array([-18.0, 1.0, -160.0])
PLACE = np.array([200.0, -40.0, 900.0])
NAMES = Frame("Reference"), Frame("Stylus"), Frame("StylusTip")


def poses(degrees: float, count: int = 120, noise_mm: float = 0.0) -> np.ndarray:
    rng, phase = np.random.default_rng(4), np.linspace(0, 6 * np.pi, count)
    angles = degrees / 2 * np.stack([np.sin(phase), np.cos(1.3 * phase), 0.1 * np.sin(phase)], axis=1)
    made = np.tile(np.eye(4), (count, 1, 1))
    made[:, :3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    made[:, :3, 3] = PLACE - made[:, :3, :3] @ TIP + rng.normal(0, noise_mm, (count, 3))
    return made


def recording(made: np.ndarray) -> Recording:
    return Recording(np.arange(len(made)) / 20, {NAMES[:2]: made})


def test_the_tip_is_found_and_its_uncertainty_told() -> None:
    exact = calibrate_pivot(recording(poses(60)), *NAMES)
    np.testing.assert_allclose(exact.stylus_from_tip.offset, TIP, atol=1e-6)
    noisy = calibrate_pivot(recording(poses(60, noise_mm=0.3)), *NAMES)
    assert np.linalg.norm(noisy.stylus_from_tip.offset - TIP) < 3 * noisy.tip_sd_mm < 1
    assert noisy.rms_mm == pytest.approx(0.3 * np.sqrt(3), rel=0.1)
    assert noisy.findings == ()


def test_a_slip_is_left_out_and_a_moving_tip_is_refused() -> None:
    slipped = poses(60, noise_mm=0.1)
    slipped[:10, :3, 3] += 20
    found = calibrate_pivot(recording(slipped), *NAMES)
    assert found.left_out >= 10
    assert np.linalg.norm(found.stylus_from_tip.offset - TIP) < 0.5
    moving = calibrate_pivot(recording(poses(60, noise_mm=3)), *NAMES)
    assert [each.level for each in moving.findings] == [Level.REFUSE]


def test_what_does_not_tell_the_tip_is_refused() -> None:
    with pytest.raises(BadInput, match="the pointer turned"):
        calibrate_pivot(recording(poses(5)), *NAMES)
    with pytest.raises(BadInput, match="at least 20"):
        calibrate_pivot(recording(poses(60, count=10)), *NAMES)
    with pytest.raises(BadInput, match="no poses of Needle"):
        calibrate_pivot(recording(poses(60)), NAMES[0], Frame("Needle"), NAMES[2])


def test_from_the_stream_of_a_real_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = pyigtl.OpenIGTLinkServer(port=18977, local_server=True)
    ended = threading.Event()

    def send() -> None:
        sent = poses(60)
        while not ended.is_set() and not server.is_connected():
            time.sleep(0.01)
        for n in range(400):
            if ended.is_set():
                return
            message = pyigtl.TransformMessage(sent[n % 120], device_name="StylusToReference", timestamp=1000 + n / 20)
            if n % 120 == 5:  # the tracker lost the tool: what it sends does not count
                message.matrix = np.eye(4, dtype=np.float32)
                message.header_version, message.metadata = 2, {"TransformStatus": "INVALID"}
            server.send_message(message)
            time.sleep(0.005)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    target = tmp_path / "pointer.json"
    words = ["collect", "--igtl", "127.0.0.1:18977", "--seconds", "1.5", "--pivot", "Stylus", "-o", str(target)]
    try:
        assert run(words) == 0, capsys.readouterr().err
    finally:
        ended.set()
        sender.join(5)
        server.stop()
    np.testing.assert_allclose(read_transform(target).offset, TIP, atol=0.02)


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--igtl", "nowhere:x", "--pivot", "Stylus"], 2, "no address"),
        (["--igtl", "127.0.0.1:9", "--pivot", "Stylus"], 5, "cannot be reached"),
        (["--pivot", "Stylus"], 2, "either --from or --igtl"),
        (["--igtl", "127.0.0.1:9"], 2, "either --calibration or --pivot"),
    ],
)
def test_nonsense_is_refused(
    more: list[str], code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["collect", *more, "-o", str(tmp_path / "x.tfm")]) == code
    assert told in capsys.readouterr().err

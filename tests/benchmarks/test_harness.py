"""The measuring itself is right: times, memory, failures, and the page made from them."""

import sys

import pytest

from tests.benchmarks.machine import facts
from tests.benchmarks.measure import BenchmarkFailed, Run, in_turns, run, summary
from tests.benchmarks.pages import page


def test_a_process_is_measured_with_its_children(tmp_path):
    work = "x = bytearray(300 << 20); sum(range(3_000_000))"
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {work!r}]); time.sleep(0.3)"
    told = run([sys.executable, "-c", code], tmp_path / "log")
    assert told.wall_s > 0.3
    assert 0.02 < told.cpu_s < told.wall_s
    assert 300 < told.peak_mb < 400


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(BenchmarkFailed, match=r"ended with 3: no such scan"):
        run([sys.executable, "-c", "print('no such scan'); raise SystemExit(3)"], tmp_path / "log")


def test_commands_take_turns():
    order = []

    def command(name):
        return lambda: order.append(name) or Run(1.0, 1.0, 1.0)

    in_turns({name: command(name) for name in "ab"}, 2, order.append)
    assert [entry[0] for entry in order] == list("aabb" * 2)


def test_the_page_shows_medians_spread_and_ratio():
    own, other = ([Run(wall, wall, 100.0) for wall in walls] for walls in ((2.0, 1.0, 9.0), (4.0, 5.0, 6.0)))
    results = {
        "dicom2stl": {
            "scan": "skull",
            "slices": 400,
            "runs": 3,
            "dicom2stl": "1",
            "results": {"surgplan": summary(own), "dicom2stl, defaults": summary(other)},
            "times_as_fast": {"dicom2stl, defaults": 2.5},
        },
        "machine": facts(),
    }
    text = page(results)
    assert "| surgplan | 2.00 (1.00 to 9.00) |" in text
    assert "surgplan is 2.5 times as fast" in text
    assert "| cores | " in text

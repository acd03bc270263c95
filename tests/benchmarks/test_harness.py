"""The measuring itself is right: times, memory, failures, and the page made from them."""

import math
import sys
from xml.etree import ElementTree

import pytest

from tests.benchmarks.growth import exponent
from tests.benchmarks.machine import facts
from tests.benchmarks.measure import BenchmarkFailed, Run, in_turns, run, summary, watched
from tests.benchmarks.pages import page
from tests.benchmarks.plot import growth_plot, truth_plot


def test_a_process_is_measured_with_its_children(tmp_path):
    work = "x = bytearray(300 << 20); sum(range(3_000_000))"
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {work!r}]); time.sleep(0.3)"
    told = run([sys.executable, "-c", code], tmp_path / "log")
    assert told.wall_s > 0.3
    assert 0.02 < told.cpu_s < told.wall_s
    assert 300 < told.peak_mb < 400


def test_memory_of_all_processes_at_one_time_is_added_up(tmp_path):
    child = "import time; x = bytearray(100 << 20); time.sleep(0.4)"
    code = "import subprocess, sys; x = bytearray(200 << 20); print('done'); "
    code += f"[each.wait() for each in [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]]"
    told, peak = watched([sys.executable, "-c", code], tmp_path)
    assert told == "done\n"
    assert 400 * 1.048 < peak < 500
    with pytest.raises(BenchmarkFailed, match="ended with 3"):
        watched([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_growth_is_told_with_what_is_wanted():
    row = {"what": "hollow bone", "triangles": 1000, "verdict": "accepted"}
    rows = [row | {"slices": 100 * n, "volume_mb": 50.0 * n, "processor_s": 2.0 * n**1.1} for n in (1, 2, 4)]
    for each in rows:
        each["peak_mb"] = 600 if each["slices"] > 100 else 551
    rows.append(rows[-1] | {"what": "skull example"})
    assert exponent(rows[:-1]) == pytest.approx(1.1)
    text = page({"growth": {"rows": rows, "exponent": 1.1}})
    assert "| hollow bone | 100 | 50 | 1,000 | 2.0 | 551 | 550 |" in text
    assert "power of 1.05: 1.10 is found" in text
    assert "in 3 of 4" in text
    lines = ElementTree.fromstring(growth_plot({"rows": rows})).findall(".//{*}polyline")
    ends = [float(line.get("points").split()[-1].split(",")[1]) for line in lines]
    assert ends[0] > ends[1]  # slower than wanted: above, and SVG counts downward
    assert ends[2] < ends[3]


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


def test_the_table_of_truth_and_its_plot_show_each_scan():
    row = {"body": "torus", "voxels": "1 × 1 × 1", "triangles": 10, "maximum_mm": 0.2, "place_mm": [1.0, 2.0, 3.0]}
    row |= {"volume_percent": -0.2, "sound": True}
    rows = [row | {"tool": "surgplan", "mean_mm": 0.02, "p95_mm": 0.05}]
    rows += [row | {"tool": "another <1>", "mean_mm": 0.8, "p95_mm": 1.2}]
    wanted = {"mean_mm": 0.05, "p95_mm": 0.12, "volume_percent": 0.5, "times": 4.0}
    told = {"tolerance_mm": 0.1, "dicom2stl": "1", "wanted": wanted, "rows": rows}
    text = page({"truth": told})
    assert "| torus | 1 × 1 × 1 | another <1> | 10 | 0.800 | 1.200 | 0.20 at (1, 2, 3) | -0.20 | yes | 40.0 |" in text
    assert "surgplan meets all three in 1 of 1 scans" in text
    bars = ElementTree.fromstring(truth_plot(told)).findall(".//{*}rect")
    heights = [float(bar.get("height")) for bar in bars if bar.get("width") == "16"]
    assert heights == pytest.approx([240 * math.log10(0.05 / 0.01) / 3, 240 * math.log10(1.2 / 0.01) / 3], abs=0.1)

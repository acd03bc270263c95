"""Prints that are measured: errors of known cause give that cause back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgplan.cli.main import run
from surgplan.errors import BadInput
from surgplan.printing.printcheck import Measured, PrintCheckParams, check_print
from tests.printing.shapes import body, box

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
LENGTHS = (20.0, 35.0, 60.0, 146.0)


def print_of(scale: float, offset: float, lift: float = 0.0) -> list[Measured]:
    """What calipers read on a print whose outlines are `offset` / 2 too far out on each side."""
    flat = [Measured(f"d{n}", length, scale * length + offset, X if n % 2 else Y) for n, length in enumerate(LENGTHS)]
    return [*flat, Measured("height", 20.0, 20.0 + lift, Z)]


@given(scale=st.floats(0.99, 1.01), offset=st.floats(-0.4, 0.4), before=st.floats(-0.2, 0.2))
def test_scale_and_offset_are_told_apart(scale: float, offset: float, before: float) -> None:
    found = check_print(print_of(scale, offset), PrintCheckParams(tolerance_mm=10), before)
    assert found.scale == pytest.approx(scale, abs=1e-9)
    assert found.offset_mm == pytest.approx(offset, abs=1e-6)
    # with that compensation the outlines would move by the suggestion, on both sides
    assert found.xy_compensation_mm == pytest.approx(before - offset / 2, abs=1e-3)


def test_bias_spread_and_worst() -> None:
    found = check_print(
        [Measured("a", 20, 20.3, X), Measured("b", 30, 30.1, Y), Measured("c", 50, 49.8, Z)], PrintCheckParams(), 0.0
    )
    assert found.all.bias_mm == pytest.approx(0.2 / 3)
    assert found.all.sd_mm == pytest.approx(np.std([0.3, 0.1, -0.2], ddof=1))
    assert found.all.worst_mm == pytest.approx(0.3)
    assert found.within_layers is not None
    assert found.within_layers.bias_mm == pytest.approx(0.2)
    assert found.across_layers is not None
    assert found.across_layers.bias_mm == pytest.approx(-0.2)
    assert found.xy_compensation_mm is None, "two lengths do not tell an offset from a scale"


def test_a_print_of_another_size_is_rejected_and_teaches_nothing() -> None:
    found = check_print(
        [Measured(f"d{n}", each, each * 25.4, X) for n, each in enumerate(LENGTHS)], PrintCheckParams(), 0.0
    )
    assert found.nonsense
    assert found.xy_compensation_mm is None
    assert {str(each.level) for each in found.findings} == {"refuse"}


def test_no_distance_is_no_check() -> None:
    with pytest.raises(BadInput, match="no distance"):
        check_print([], PrintCheckParams(), 0.0)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from surgplan.formats.meshes import write_mesh

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_mesh(tmp_path / "bar.ply", body(box((0, 0, 0), (120, 30, 20)), "bar"))
    assert (
        run(["print", str(tmp_path / "bar.ply"), "-o", str(tmp_path / "m.3mf"), "--job", str(tmp_path / "j.html")]) == 0
    )
    return tmp_path / "j.json"


def test_the_program_compares_with_the_sheet_and_keeps_a_history(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["printcheck", str(job), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["distances"] == {"bar x": 120, "bar y": 30, "bar z": 20}
    words = ["-m", "bar x=120.12", "-m", "bar y=30.1", "-m", "bar y=30.14", "-m", "bar z=20.05"]
    assert run(["printcheck", str(job), *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["check"]
    assert told["within_layers"]["bias_mm"] == pytest.approx(0.12)
    assert told["xy_compensation_mm"] == pytest.approx(-0.06, abs=0.005)
    assert run(["printcheck", str(job), "-m", "bar x=121.5"]) == 4, "out of tolerance"
    assert run(["printcheck", str(job), "-m", "bar x=60"]) == 4, "half the size: not kept"
    capsys.readouterr()
    assert run(["printcheck", "--printer", "generic-fdm", "--history", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["all"]["count"] for each in told["history"]] == [4, 1]
    assert told["xy_compensation_mm"] == pytest.approx(-0.06, abs=0.005)
    assert "bar" not in json.dumps(told["history"]), "no name of a part is kept"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-m", "ber x=3"], 2, "Did you mean `bar x`"),
        (["-m", "bar x"], 2, "NAME=MM"),
        (["-m", "bar x=-3"], 3, "no pair of lengths"),
        (["-m", "bar x=nan"], 3, "no pair of lengths"),
        (["--printer", "none"], 0, ""),
        (["--printer", "none", "-m", "bar x=120"], 2, "no profile"),
    ],
)
def test_wrong_words_are_told(
    job: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["printcheck", str(job), *words]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "surgplan-print-job"}', '{"format": "surgplan-print-job", "plates": 3}']
)
def test_what_is_no_job_sheet_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "j.json").write_text(text)
    assert run(["printcheck", str(tmp_path / "j.json")]) == 3
    assert "surgplan print --job" in capsys.readouterr().err

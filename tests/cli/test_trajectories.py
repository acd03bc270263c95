"""`surgplan trajectories` from meshes to figures, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surgplan.cli.main import run
from surgplan.formats.meshes import write_ply
from tests.navigation.bodies import sphere


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    write_ply(tmp_path / "skin.ply", sphere(60.0))
    write_ply(tmp_path / "vessel.ply", sphere(8.0, (0, 0, 35)))
    return tmp_path


def words(folder: Path, *more: str) -> list[str]:
    files = ["--avoid", str(folder / "vessel.ply"), "-o", str(folder / "made.json"), "--overwrite"]
    return ["trajectories", *files, *more]


def test_a_search_ranks_entries_and_draws_a_map(meshes: Path) -> None:
    search = ["--search", str(meshes / "skin.ply"), "--map", str(meshes / "map.vtk")]
    assert run(words(meshes, "--target", "0,0,10", *search, "--max-angle-deg", "60")) == 0
    made = json.loads((meshes / "made.json").read_text("utf-8"))
    assert (made["frame"], made["unit"], made["verdict"]) == ("LPS", "mm", "ready")
    clear = [min(each["clearances"][0]["clearance_mm"], 10) for each in made["trajectories"]]
    assert len(clear) == 10
    assert min(clear) >= 3
    assert np.all(np.diff(np.round(clear, 1)) <= 0)
    assert (meshes / "map.vtk").stat().st_size > 1000


def test_a_path_through_a_vessel_ends_with_four(meshes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(meshes, "--target", "0,0,10", "--entry", "0,0,60")) == 4
    assert "goes through vessel" in capsys.readouterr().err
    assert json.loads((meshes / "made.json").read_text("utf-8"))["verdict"] == "rejected"


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--target", "0,0,10"], 2, "either --entry or --search"),
        (["--target", "0,0,x", "--entry", "0,0,60"], 2, "no point and no place"),
        (["--target", "0,0,nan", "--entry", "0,0,60"], 2, "no point and no place"),
        (["--target", "0,0,10", "--entry", "0,0,10"], 3, "same point"),
        (["--target", "0,0,35", "--search", "skin.ply"], 3, "within vessel"),
        (["--target", "0,0,10", "--search", "skin.ply", "--max-length-mm", "20"], 4, "too long"),
        (["--target", "0,0,10", "--search", "none.ply"], 5, "no such file"),
    ],
)
def test_nonsense_is_refused(
    more: list[str], code: int, told: str, meshes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [str(meshes / word) if word.endswith(".ply") else word for word in more]
    assert run(words(meshes, *more)) == code
    assert told in capsys.readouterr().err

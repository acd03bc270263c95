"""The workflow for Snakemake, here and on a real Slurm of three nodes: the same bytes as the stages alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.slurm import slurm, why_not
from tests.program import files_below, surgplan

ROOT = Path(__file__).parents[2]
SNAKEMAKE = ROOT / ".venv-cluster" / "bin" / "snakemake"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SNAKEMAKE.exists(), reason="Snakemake is not installed: make cluster"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    assert surgplan("example", "femur", "--size", "small", "-o", folder / "example").code == 0
    for name in ("a", "b"):
        shutil.copytree(folder / "example" / "dicom", folder / "scans" / name)
    return folder


@pytest.fixture(scope="module")
def serial(lab: Path) -> dict[str, bytes]:
    """What the stages alone make of each scan."""
    for name in ("a", "b"):
        case = lab / "serial" / name
        surfaces = case / "surfaces" / "femur.ply"
        for words in (
            ("ingest", lab / "scans" / name, "-o", case / "volume.nrrd"),
            ("segment", case / "volume.nrrd", "-r", "example-femur", "-o", case / "labels.seg.nrrd"),
            ("surface", case / "labels.seg.nrrd", "--volume", case / "volume.nrrd", "-o", case / "surfaces"),
            ("print", surfaces, "--case", name, "-o", case / "model.3mf", "--stl", case / "print", "--scale", 0.5),
            ("navigate", case / "volume.nrrd", "-o", case / "navigation"),
        ):
            ended = surgplan(*words)
            assert ended.code == 0, ended.err
    return files_below(lab / "serial")


def snakemake(lab: Path, cases: str, *words: str) -> subprocess.CompletedProcess[str]:
    workflow = surgplan("info", "--snakefile").out.strip()
    program = f"{sys.executable} -m surgplan"
    command = [str(SNAKEMAKE), "-s", workflow, *words, "--config", f"surgplan={program}", f"cases={cases}"]
    path = os.pathsep.join([str(SNAKEMAKE.parent), os.environ["PATH"]])
    return subprocess.run(
        [*command, "recipe=example-femur", "print=--scale 0.5"],  # in life size it is longer than the printer
        cwd=lab,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env=os.environ | {"PATH": path},
    )


def made(lab: Path, cases: str) -> dict[str, bytes]:
    """The files of the cases, without the lists of paths that only the workflow writes."""
    return {name: data for name, data in files_below(lab / cases).items() if not name.endswith("list.txt")}


def test_on_this_machine(lab: Path, serial: dict[str, bytes]) -> None:
    done = snakemake(lab, "local", "-c2")
    assert done.returncode == 0, done.stderr
    assert made(lab, "local") == serial
    again = snakemake(lab, "local", "-c2")
    assert "Nothing to be done" in again.stderr


def test_on_slurm(lab: Path, serial: dict[str, bytes], tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    words = ("--executor", "slurm", "-j", "3", "--latency-wait", "10")
    words += ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5")
    with slurm(tmp_path / "slurm"):
        done = snakemake(lab, "cluster", *words)
        jobs = subprocess.run(["scontrol", "show", "job"], capture_output=True, text=True, check=True).stdout
    assert done.returncode == 0, done.stderr
    assert made(lab, "cluster") == serial
    assert jobs.count("JobState=COMPLETED") == 10
    assert len({line.strip() for line in jobs.splitlines() if line.strip().startswith("NodeList=n")}) > 1


def test_a_bad_scan_takes_only_its_own_case_with_it(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab / "scans" / "a", tmp_path / "scans" / "good")
    shutil.copytree(lab / "scans" / "a", tmp_path / "scans" / "bad")
    sorted((tmp_path / "scans" / "bad").iterdir())[7].unlink()
    done = snakemake(tmp_path, "cases", "-c2", "--keep-going")
    assert done.returncode != 0
    assert "gap of" in done.stderr
    assert (tmp_path / "cases" / "good" / "model.3mf").is_file()
    assert not (tmp_path / "cases" / "bad" / "volume.nrrd").exists()

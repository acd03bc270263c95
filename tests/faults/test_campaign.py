"""A few of each fault of the campaign; `make faults` runs all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.campaign import (
    FATES,
    Bench,
    calls_of,
    failed_call,
    finals,
    flips,
    interrupted,
    killed,
    race,
    words,
)
from tests.program import program_words, surgplan


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.made(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def strace() -> None:
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if shutil.which("strace") is None or tried.returncode:
        pytest.skip("system calls cannot be traced here")


@pytest.mark.parametrize("share", [0.7])
def test_a_killed_run_leaves_nothing_half_and_resumes(bench: Bench, tmp_path: Path, share: float) -> None:
    assert killed(bench, tmp_path / "case", share * bench.seconds) == []


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize(("call", "number"), [("fsync", 7), ("write", 40)])
def test_a_call_that_fails_is_told_and_leaves_nothing_half(
    bench: Bench, tmp_path: Path, call: str, number: int
) -> None:
    assert failed_call(bench, tmp_path / "case", call, FATES[call][0], number) == []


@pytest.mark.slow
@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("call", FATES)
def test_every_call_may_fail(bench: Bench, tmp_path: Path, call: str) -> None:
    wrong = []
    for number in range(1, calls_of(bench, tmp_path, call) + 1):
        for error in FATES[call]:
            wrong += failed_call(bench, tmp_path / "case", call, error, number)
            shutil.rmtree(tmp_path / "case", ignore_errors=True)
    assert wrong == []


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_an_old_output_is_whole_until_the_new_one_is(bench: Bench, tmp_path: Path, call: str) -> None:
    old, volume = b"what was there before", tmp_path / "volume.nrrd"
    volume.write_bytes(old)
    tool = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error=ENOSPC:when=1+"]
    command = [*tool, *program_words("ingest", bench.scan, "-o", volume, "--overwrite")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert volume.read_bytes() == old
    assert list(tmp_path.iterdir()) == [volume]
    # a disk that is full also for what is said on stderr leaves the exit code alone to tell
    assert done.returncode == 7, done.stderr


def test_one_flipped_bit_is_found_in_every_file(bench: Bench, tmp_path: Path) -> None:
    assert [each for wrong in flips(bench, tmp_path / "case") for each in wrong] == []


def test_a_run_that_is_asked_to_end(bench: Bench, tmp_path: Path) -> None:
    _, wrong = interrupted(bench.scan, "example-femur", tmp_path / "case", bench.seconds / 2)
    assert wrong == []


def test_several_runs_of_one_case(bench: Bench, tmp_path: Path) -> None:
    assert race(bench, tmp_path / "case", 4, ["0.15", "0.2"], []) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")
def test_one_and_two_processors_give_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert surgplan(*words(bench.scan, tmp_path / "one")).code == 0
    finally:
        os.sched_setaffinity(0, allowed)
    assert finals(tmp_path / "one") == bench.truth


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_disk_for_what_is_told(tmp_path: Path, stream: str) -> None:
    """A result that cannot be told is none; an error that cannot be told still has its exit code."""
    wanted = {"stdout": (["recipes"], 7), "stderr": (["verify", tmp_path / "nothing"], 5)}
    arguments, code = wanted[stream]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program_words(*arguments), check=False, **{stream: full})  # type: ignore[call-overload]
    assert done.returncode == code

"""A small hunt, always the same one, and what keeps the hunt itself honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fuzz import oracle
from tests.fuzz.catalogue import MAKERS, SHARES, mutant_of, originals, plan
from tests.fuzz.hunt import Worker, hunt, replayed, save
from tests.fuzz.mutants import Mutant
from tests.fuzz.target import SCANS, inside

SAMPLE = 150


def test_a_sample_of_broken_files_is_refused_as_it_should() -> None:
    requests: list[dict[str, Any]] = [
        {"kind": kind, "seed": 0, "number": number, "real": False} for kind, number in plan(SAMPLE, tuple(MAKERS))
    ]
    found: list[tuple[Any, ...]] = []
    tally = hunt(requests, lambda request, answer: found.append((request, answer["story"], answer["faults"])))
    assert found == []
    assert tally.read == SAMPLE
    assert 0 < tally.accepted < SAMPLE, "a hunt that refuses or accepts all looks at nothing"


@pytest.mark.parametrize("kind", ["dicom", "nifti", "nrrd", "mha"])
def test_the_originals_are_read_where_other_readers_put_them(kind: str, tmp_path: Path) -> None:
    for number, original in enumerate(originals(kind, real=False)):
        folder = tmp_path / str(number)
        (folder / "out").mkdir(parents=True)
        mutant = Mutant(original, original.files, "untouched")
        ended = inside(kind, mutant.write(folder / "in"), folder / "out", 1)
        assert ended.code == 0, (original.name, ended.err)
        place = oracle.written(folder / "out" / "volume.nrrd")
        assert oracle.contradiction(mutant, folder / "in", place, ended.told["findings"], None) == ""
        moved = replace(place, affine=place.affine + np.outer([1.0, 0, 0, 0], [0, 0, 0, 1.0]))
        assert oracle.contradiction(mutant, folder / "in", moved, [], None) != "", original.name


def test_a_mutant_is_always_the_same_one() -> None:
    for kind in SHARES:
        one, two = (mutant_of(kind, 7, 3, real=False) for _ in range(2))
        assert one.changed() == two.changed()
        assert one.story == two.story


def test_a_worker_that_dies_and_one_that_is_slow_are_faults() -> None:
    request = {"kind": "nifti", "seed": 0, "number": 1, "real": False}
    with Worker() as worker:
        worker.process.kill()
        worker.process.wait()
        assert worker.ask(request)["faults"][0][0] == "crash"
    with Worker(limit_s=0.0) as worker:
        assert "hang" in [fault for fault, _ in worker.ask(request)["faults"]]


def test_a_saved_mutant_is_read_again(tmp_path: Path) -> None:
    request = {"kind": "dicom", "seed": 0, "number": 2, "real": False}
    with Worker() as worker:
        first = worker.ask(request)
        record = save(tmp_path, request, {**first, "faults": [["planted", "by this test"]]})
        again = worker.ask(replayed(record))
    assert (again["code"], again["story"]) == (first["code"], first["story"])


def test_every_kind_of_scan_has_a_judge() -> None:
    assert set(SCANS) <= set(MAKERS)
    assert sum(SHARES.values()) == 100

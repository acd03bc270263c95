"""The shared cache: the same bytes as without it, damage is found and dropped, its size holds, programs share it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from surgplan.case.cache import Cache
from surgplan.case.manifest import FileRecord, StageRecord
from surgplan.formats.atomic import sha256_of
from tests.program import Ended, files_below, surgplan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder / "dicom"


def run(scan: Path, case: Path, *words: object) -> Ended:
    ended = surgplan(
        *("run", scan, "-r", "example-femur", "-o", case, "--name", "one", "--json"),
        *("--set", "report.pictures=false", *words),
    )
    assert ended.code == 0, ended.err
    return ended


def same(one: Path, other: Path) -> bool:
    found = [files_below(each) for each in (one, other)]
    for files in found:
        told = json.loads(files["manifest.json"])
        del told["times"]
        files["manifest.json"] = json.dumps(told).encode()
    return found[0] == found[1]


def test_a_second_case_comes_from_the_cache_with_the_same_bytes(scan: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(scan, tmp_path / "a", "--cache", cache)
    assert first.json["from_cache"] == []
    second = run(scan, tmp_path / "b", "--cache", cache)
    assert second.json["from_cache"] == second.json["ran"] == first.json["ran"]
    assert same(tmp_path / "a", tmp_path / "b")

    # damage: every object one bit off
    for path in (cache / "objects").glob("*/*"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    third = run(scan, tmp_path / "c", "--cache", cache)
    assert third.json["from_cache"] == []
    assert any("damaged entry was dropped" in each["measured"] for each in third.json["findings"])
    assert same(tmp_path / "a", tmp_path / "c"), "damage reached a case, or its manifest"

    # another parameter takes what is the same from the cache, and makes the rest
    fourth = run(scan, tmp_path / "d", "--cache", cache, "--set", "surface.tolerance_mm=0.3")
    assert fourth.json["from_cache"] == ["ingest", "segment"]
    assert surgplan("verify", tmp_path / "d").code == 0


def made(case: Path, key: str, name: str, data: bytes) -> StageRecord:
    (case / name).parent.mkdir(parents=True, exist_ok=True)
    (case / name).write_bytes(data)
    told = FileRecord(sha256=sha256_of(case / name), size=len(data))
    return StageRecord(key=key, version=1, parameters={}, inputs={}, outputs={name: told}, results={}, findings=[])


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 4000)
    records = [made(tmp_path / "case", str(n) * 64, f"file-{n}", bytes([n]) * 1500) for n in range(4)]
    for n, record in enumerate(records[:2]):
        assert cache.put(record, tmp_path / "case") == ()
        path = cache.folder / "objects" / record.outputs[f"file-{n}"].sha256[:2] / record.outputs[f"file-{n}"].sha256
        os.utime(path, (1000 + n, 1000 + n))
    assert cache.take(records[0].key, tmp_path / "x")[0] is not None  # used: it is young again
    cache.put(records[2], tmp_path / "case")
    taken = [cache.take(record.key, tmp_path / "x")[0] is not None for record in records]
    assert taken == [True, False, True, False]
    assert sum(path.stat().st_size for path in (cache.folder / "objects").glob("*/*")) <= 4000


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_a_record_never_leads_out_of_the_case(tmp_path: Path, name: str) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    record = made(tmp_path / "case", "a" * 64, "inside", b"data")
    cache.put(record, tmp_path / "case")
    [path] = (tmp_path / "cache" / "stages").glob("*/*")
    path.write_text(record.model_copy(update={"outputs": {name: record.outputs["inside"]}}).model_dump_json())
    taken, told = cache.take(record.key, tmp_path / "x" / "y")
    assert taken is None
    assert "no record of a stage" in told[0].measured
    assert not path.exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"key": 1}'])
def test_a_damaged_record_is_dropped(tmp_path: Path, text: str) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    record = made(tmp_path / "case", "a" * 64, "inside", b"data")
    cache.put(record, tmp_path / "case")
    [path] = (tmp_path / "cache" / "stages").glob("*/*")
    path.write_text(text)
    assert cache.take(record.key, tmp_path / "x")[0] is None
    assert not path.exists()


def test_a_cache_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    told = Cache(tmp_path / "cache", 1000).put(made(tmp_path / "case", "a" * 64, "f", b"x"), tmp_path / "case")
    assert "not to be written" in told[0].measured
    shutil.rmtree(tmp_path / "case")

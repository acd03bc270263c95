"""Manifests fit their published schema; cases are made again to the same bytes, and what differs is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.program import files_below, surgplan

ROOT = Path(__file__).parents[2]
STAGES = ("ingest", "segment", "surface", "print", "navigation", "report")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder / "dicom"


@pytest.fixture(scope="module")
def finished(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = tmp_path_factory.mktemp("finished") / "case"
    words = ("run", scan, "-r", "example-femur", "-o", case, "--set", "report.pictures=false")
    assert surgplan(*words).code == 0
    return case


@pytest.fixture
def case(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "case"))


def test_a_manifest_fits_the_published_schema(finished: Path) -> None:
    import jsonschema

    schema = json.loads((ROOT / "docs" / "manifest.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    manifest = json.loads((finished / "manifest.json").read_text("utf-8"))
    jsonschema.validate(manifest, schema)
    for change in ({"format_version": 2}, {"stages": {"ingest": {}}}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**manifest, **change}, schema)


def test_a_manifest_does_not_tell_on_which_machine_it_was_made(scan: Path, finished: Path) -> None:
    import getpass
    import socket

    text = (finished / "manifest.json").read_text("utf-8")
    for word in (str(scan), str(finished), socket.gethostname(), f'"{getpass.getuser()}"'):
        assert word not in text


def test_a_case_is_made_again_to_the_same_bytes_and_left_alone(case: Path) -> None:
    before = files_below(case)
    ended = surgplan("reproduce", case)
    assert ended.code == 0, ended.err
    assert ended.out.endswith(" 0 differ\n")
    assert files_below(case) == before


def test_what_is_not_made_again_is_named(case: Path, tmp_path: Path) -> None:
    told = json.loads((case / "manifest.json").read_text())
    told["stages"]["surface"]["outputs"]["surfaces/femur.ply"]["sha256"] = "0" * 64
    told["environment"]["numpy"] = "0.0.1"
    (case / "manifest.json").write_text(json.dumps(told))
    ended = surgplan("reproduce", case, "--json", "-o", tmp_path / "again")
    assert ended.code == 4
    found = {(each["check"], each["subject"]): each for each in ended.json["findings"]}
    assert found["environment", "numpy"]["limit"] == "0.0.1"
    assert found["reproduce", "surfaces/femur.ply"]["level"] == "refuse"
    assert surgplan("verify", tmp_path / "again").code == 0


def test_a_scan_that_has_moved_or_changed(scan: Path, case: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(scan, tmp_path / "moved"))
    ended = surgplan("reproduce", case, XDG_STATE_HOME=str(tmp_path / "another user"))
    assert ended.code == 5
    assert "its scan is not where it was" in ended.error
    assert surgplan("reproduce", case, moved).code == 0
    sorted(moved.iterdir())[0].unlink()
    ended = surgplan("reproduce", case, moved)
    assert ended.code == 3
    assert "has the digest" in ended.error


def test_a_case_is_an_ro_crate(case: Path) -> None:
    """What RO-Crate 1.1 says that a crate must have, and that nothing in it points nowhere."""
    import hashlib

    ended = surgplan("log", case, "--crate")
    assert ended.code == 0, ended.err
    told = json.loads((case / "ro-crate-metadata.json").read_text("utf-8"))
    assert told["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in told["@graph"]}
    assert len(entities) == len(told["@graph"]), "two entities share an @id"
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert {"name", "description", "datePublished", "license", "hasPart"} <= root.keys()
    for entity in told["@graph"]:
        for value in entity.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict) and not each["@id"].startswith("http"):
                    assert each["@id"] in entities, f"{entity['@id']} points to {each['@id']}, which is nowhere"
    files = [entity for entity in told["@graph"] if entity["@type"] == "File"]
    assert {file["@id"] for file in files} == {part["@id"] for part in root["hasPart"]}
    for file in files:
        data = (case / file["@id"]).read_bytes()
        assert (file["sha256"], file["contentSize"]) == (hashlib.sha256(data).hexdigest(), str(len(data)))
    actions = [entity for entity in told["@graph"] if entity["@type"] == "CreateAction"]
    assert [action["@id"] for action in actions] == [f"#{name}" for name in STAGES]
    assert {"@id": "#scan"} in actions[0]["object"]
    assert all(entities[action["agent"]["@id"]]["@type"] == "Person" for action in actions)

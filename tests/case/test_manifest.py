"""A manifest from elsewhere may name nothing outside of its case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program import surgplan


def manifest(folder: Path, name: str) -> Path:
    record = {"sha256": "0" * 64, "size": 1}
    stage = {"key": "0", "version": 1, "parameters": {}, "inputs": {}, "results": {}, "findings": []}
    told = {"case": "demo", "recipe": "ct-bone", "stages": {"ingest": {**stage, "outputs": {name: record}}}}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret", "", "a\x1bb"])
def test_an_output_outside_of_the_case_is_refused(tmp_path: Path, name: str) -> None:
    """A run removes outputs that are no longer made, and `verify` tells hashes: of nothing else than the case's own."""
    (tmp_path / "secret").write_text("not yours")
    ended = surgplan("verify", manifest(tmp_path / "case", name))
    assert ended.code == 3, ended.err
    assert "manifest.json" in ended.error


def test_outputs_within_the_case_are_looked_at(tmp_path: Path) -> None:
    ended = surgplan("verify", manifest(tmp_path / "case", "surfaces/skull.ply"))
    assert ended.code == 4
    assert "surfaces/skull.ply: is missing" in ended.err

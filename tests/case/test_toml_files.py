from __future__ import annotations

from pathlib import Path

import pytest

from surgplan.case.toml_files import merged, parse_setting, read_toml, write_toml
from surgplan.errors import Missing, WrongUsage


def test_a_setting_becomes_a_table() -> None:
    assert parse_setting("surface.tolerance_mm=0.1") == {"surface": {"tolerance_mm": 0.1}}
    assert parse_setting("print.printer=sla-desktop") == {"print": {"printer": "sla-desktop"}}
    assert parse_setting("structure.skull.threshold_hu=[300, 3071]") == {
        "structure": [{"name": "skull", "threshold_hu": [300, 3071]}]
    }


@pytest.mark.parametrize("text", ["tolerance=1", "surface", "surface.=1", "=1", "structure.skull=1"])
def test_a_setting_without_table_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="For example"):
        parse_setting(text)


def test_tables_merge_key_by_key_and_structures_by_name() -> None:
    base = {"surface": {"a": 1, "b": 2}, "structure": [{"name": "skull", "x": 1}, {"name": "jaw", "x": 2}]}
    over = {"surface": {"b": 3}, "structure": [{"name": "jaw", "y": 4}, {"name": "tumour", "x": 5}]}
    assert merged(base, over) == {
        "surface": {"a": 1, "b": 3},
        "structure": [{"name": "skull", "x": 1}, {"name": "jaw", "x": 2, "y": 4}, {"name": "tumour", "x": 5}],
    }
    assert base["surface"] == {"a": 1, "b": 2}, "the base was changed"


def test_what_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[ingest]\nseries = \n")
    with pytest.raises(WrongUsage, match=r"broken\.toml: is not valid TOML: .*line 2"):
        read_toml(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongUsage, match="UTF-8"):
        read_toml(path)
    with pytest.raises(Missing):
        read_toml(tmp_path / "absent.toml")


def test_tables_survive_writing(tmp_path: Path) -> None:
    tables = {"case": 'quote " and \\ and é', "structure": [{"name": "a", "threshold_hu": [1.5, 2.0], "none": None}]}
    path = tmp_path / "case.toml"
    path.write_text(write_toml(tables), "utf-8")
    del tables["structure"][0]["none"]  # type: ignore[attr-defined]
    assert read_toml(path) == tables


@pytest.mark.parametrize(
    "text",
    ["x = " + "9" * 5000, "x = " + "[" * 5000 + "]" * 5000, f"[{'.'.join('a' * 50_000)}]", "b.'a'." * 200 + "c = 1"],
    ids=["a number", "arrays", "tables", "keys"],
)
def test_what_is_too_long_or_too_deep_is_refused_at_once(tmp_path: Path, text: str) -> None:
    """A table of 500,000 names took the parser minutes."""
    path = tmp_path / "deep.toml"
    path.write_text(text)
    with pytest.raises(WrongUsage, match=r"deep\.toml"):
        read_toml(path)

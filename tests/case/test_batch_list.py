"""Lists of cases: what CSV and TOML say, what is wrong with a list, and names that never come from a patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgplan.case.batch_list import BatchCase, gather, read_list, scans_in, stamp
from surgplan.errors import BadInput, Missing, SurgplanError, WrongUsage


def test_csv_and_toml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "case,source,recipe,surface.tolerance_mm\na,scans/1,ct-bone,0.2\nb,scans/2,,\n", "utf-8"
    )
    (tmp_path / "list.toml").write_text(
        '[[case]]\ncase = "a"\nsource = "scans/1"\nrecipe = "ct-bone"\nset = {"surface.tolerance_mm" = 0.2}\n'
        '[[case]]\ncase = "b"\nsource = "scans/2"\n'
    )
    expected = (
        BatchCase("a", tmp_path / "scans/1", "ct-bone", ("surface.tolerance_mm=0.2",)),
        BatchCase("b", tmp_path / "scans/2"),
    )
    assert read_list(tmp_path / "list.csv") == read_list(tmp_path / "list.toml") == expected


def test_a_spreadsheets_semicolons_and_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("\ufeffcase;source\r\nä;scan one\r\n".encode())
    assert read_list(tmp_path / "list.csv") == (BatchCase("ä", tmp_path / "scan one"),)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", WrongUsage, "no cases"),
        ("case,source\n", WrongUsage, "no cases"),
        ("case,sorce\na,b\n", WrongUsage, "Did you mean `source`"),
        ("case,source\na\n", WrongUsage, "line 2"),
        ("case,source\na,b,c\n", WrongUsage, "line 2"),
        ("case,recipe\na,b\n", WrongUsage, "`source` is missing"),
        ('case,source\n"a,b\n', BadInput, "not valid CSV"),
    ],
)
def test_a_broken_csv_names_the_line(tmp_path: Path, text: str, kind: type[SurgplanError], words: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(kind) as caught:
        read_list(tmp_path / "list.csv")
    assert words in caught.value.message
    assert "list.csv" in caught.value.message


@pytest.mark.parametrize("text", ["", "case = 3", "[[case]]\nsorce = 'x'", "[[case]]\nsource = 'x'\n[other]\n", "["])
def test_a_broken_toml_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.toml").write_text(text)
    with pytest.raises(WrongUsage, match=r"list\.toml"):
        read_list(tmp_path / "list.toml")


def test_two_cases_never_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("case,source\nA b,1\na-B,2\n")
    with pytest.raises(WrongUsage, match="share a folder"):
        gather([], tmp_path / "list.csv")


def test_cases_are_not_named_after_their_folders(tmp_path: Path) -> None:
    (tmp_path / "Doe^Jane").mkdir()
    (tmp_path / "Roe^Richard").mkdir()
    cases = gather([str(tmp_path / "*")], None)
    assert len({case.name for case in cases}) == 2
    assert not any("Doe" in case.name or "Roe" in case.name for case in cases)
    assert cases == gather([str(tmp_path / "*")], None), "the name must stay, or no batch resumes"
    assert [case.name for case in gather([str(tmp_path / "*")], None, True)] == ["Doe^Jane", "Roe^Richard"]


def test_a_case_file_keeps_its_name_and_recipe(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text('case = "knee 4"\nrecipe = "ct-bone"\nsource = "."\n')
    assert gather([str(tmp_path / "case.toml")], None) == (BatchCase("knee 4", tmp_path / "case.toml", "ct-bone"),)


def test_what_leads_to_nothing_is_told(tmp_path: Path) -> None:
    for target in (str(tmp_path / "none"), str(tmp_path / "*.none")):
        with pytest.raises(Missing, match="none"):
            gather([target], None)


def test_the_inbox_shows_scans_only_and_notices_change(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    for name in ("a.nii.gz", "b.zip", ".hidden", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in scans_in(tmp_path)] == ["a.nii.gz", "b.zip", "scan"]
    assert stamp(tmp_path / "scan") == ""
    (tmp_path / "scan" / "1").write_bytes(b"x")
    before = stamp(tmp_path / "scan")
    (tmp_path / "scan" / "1").write_bytes(b"xy")
    assert stamp(tmp_path / "scan") != before

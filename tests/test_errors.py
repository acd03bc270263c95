from __future__ import annotations

import pickle

import pytest

from surgplan import errors
from surgplan.errors import BadInput, SurgplanError, blaming
from surgplan.findings import Finding, Level, worst

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SurgplanError)]


def test_a_message_is_one_sentence_and_one_remedy() -> None:
    error = BadInput(
        "dicom/IM0042", "gap of 5.00 mm after slice 41", "2.50 mm", "Re-export the series, or pass --fill-gaps"
    )
    assert error.message == (
        "dicom/IM0042: gap of 5.00 mm after slice 41, expected 2.50 mm. Re-export the series, or pass --fill-gaps."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_travels_between_processes(kind: type[SurgplanError]) -> None:
    error = kind("file", "is broken", "a whole one", "Get another")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.as_dict() == error.as_dict()


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert {kind.__name__: kind.exit_code for kind in KINDS} == {
        "SurgplanError": 1,
        "FrameMismatch": 1,
        "WrongUsage": 2,
        "BadInput": 3,
        "EmptyLabel": 3,
        "FailedCheck": 4,
        "Missing": 5,
        "WouldOverwrite": 6,
        "OutOfResources": 7,
        "Refused": 8,
        "CaseLocked": 9,
    }


def test_a_value_error_is_blamed_on_its_file() -> None:
    with pytest.raises(BadInput, match=r"scan\.nrrd: spacing is not positive"), blaming("scan.nrrd"):
        raise ValueError("spacing is not positive")


def test_findings_are_kept_as_plain_text_and_read_back() -> None:
    finding = Finding("gap", Level.WARN, "5.00 mm", "2.50 mm", "Look at it", "the recipe", "series 3")
    assert Finding.from_dict(finding.as_dict()) == finding
    assert str(finding) == "warn: gap: series 3: 5.00 mm (limit 2.50 mm). Look at it"


def test_the_gravest_level_counts() -> None:
    levels = [Finding("a", level, "x") for level in (Level.NOTE, Level.REFUSE, Level.WARN)]
    assert worst(levels) is Level.REFUSE
    assert worst([]) is None
    with pytest.raises(ValueError, match="a finding needs"):
        Finding("", Level.NOTE, "x")


def test_what_a_file_says_can_neither_steer_a_terminal_nor_flood_it() -> None:
    error = BadInput("IM\x1b[31m\n42", "names \u202elatot\udcff", "µm × 5°")
    assert error.message == r"IM\x1b[31m\n42: names \u202elatot\udcff, expected µm × 5°."
    assert len(BadInput("a", "x" * 1_000_000).message) < 2000
    assert str(Finding("c", Level.WARN, "\x9b5m")) == r"warn: c: \x9b5m"

"""Overriding the input gate: by name, by somebody, on the record; some things by nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import Refused, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.ingest.accept import admitted, check_acceptable
from surgplan.ingest.limits import CHECKS
from surgplan.ingest.stage import IngestParams
from tests.formats.slices import write_series
from tests.program import surgplan

THICK = Finding("slice-step", Level.REFUSE, "8.00 mm", "5 mm", "Ask for a thinner reconstruction", "a paper")
WARNED = Finding("noise", Level.WARN, "60 HU", "50 HU")


def test_a_refusal_names_the_measured_value_the_limit_and_the_way_out() -> None:
    with pytest.raises(Refused) as caught:
        admitted((WARNED, THICK), (), "me", "scan/")
    told = caught.value.message
    assert told.startswith("scan/: slice-step: 8.00 mm, expected 5 mm. Ask for a thinner reconstruction; or pass")
    assert "--accept slice-step" in told
    assert caught.value.exit_code == 8


def test_an_accepted_refusal_is_a_warning_that_says_by_whom() -> None:
    findings, record = admitted((WARNED, THICK), ("slice-step",), "A. Meier", "scan/")
    assert findings[0] == WARNED
    assert (findings[1].level, findings[1].check) == (Level.WARN, "slice-step")
    assert findings[1].measured == "8.00 mm; refused by the gate, accepted by A. Meier"
    assert record == ({"check": "slice-step", "measured": "8.00 mm", "limit": "5 mm", "by": "A. Meier"},)


def test_an_acceptance_that_was_not_needed_is_told() -> None:
    findings, record = admitted((WARNED,), ("slice-step",), "me", "scan/")
    assert (findings[1].check, findings[1].level, record) == ("accept", Level.NOTE, ())


@pytest.mark.parametrize("name", ["orientation", "geometry", "side", "privacy"])
def test_what_nobody_may_accept(name: str) -> None:
    with pytest.raises(WrongUsage, match="cannot be accepted"):
        check_acceptable([name])
    with pytest.raises(WrongUsage, match="accept"):
        IngestParams.from_table({"accept": [name]}, "recipe")


def test_an_unknown_check_names_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="Did you mean `slice-step`"):
        check_acceptable(["slice-stop"])


def test_every_check_that_refuses_has_a_source_and_one_of_a_mirror_offers_no_way_out() -> None:
    assert all(each.source for each in CHECKS)
    mirrored = Finding("orientation", Level.REFUSE, "rows run the other way", advice="Export again")
    with pytest.raises(Refused) as caught:
        admitted((mirrored,), (), "me", "scan/")
    assert "--accept" not in caught.value.message


def test_who_accepted_what_is_in_manifest_and_report(tmp_path: Path) -> None:
    """A scan with 8 mm slices: refused, then accepted by name; the case's own file keeps it."""
    k, j, i = np.indices((12, 40, 40))
    ball = np.sqrt(((k - 6) * 8.0) ** 2 + (j - 20) ** 2 * 0.64 + (i - 20) ** 2 * 0.49)
    array = np.select([ball < 10, ball < 14], [900, 40], -1000).astype(np.int16)
    scan = write_series(tmp_path / "scan", array, np.arange(12) * 8.0, SliceThickness=8.0)
    words = ("run", scan, "-r", "ct-bone", "-o", tmp_path / "case", "--set", "report.pictures=false")
    ended = surgplan(*words)
    assert ended.code == 8
    assert "slice-step: 8.00 mm, expected 5 mm" in ended.error
    assert not (tmp_path / "case" / "volume.nrrd").exists()
    ended = surgplan(*words, "--accept", "slice-step", SURGPLAN_OPERATOR="Dr. Accepting")
    assert ended.code in (0, 4), ended.err  # so coarse a surface may fail its own checks
    told = json.loads((tmp_path / "case" / "manifest.json").read_text())["stages"]["ingest"]
    assert told["results"]["accepted"] == [
        {"check": "slice-step", "measured": "8.00 mm", "limit": "5 mm", "by": "Dr. Accepting"}
    ]
    page = (tmp_path / "case" / "report" / "index.html").read_text()
    assert "refused by the gate, accepted by Dr. Accepting" in page
    assert 'operator = "Dr. Accepting"' in (tmp_path / "case" / "case.toml").read_text()
    # another operator's name makes another report, though not a voxel has changed
    again = surgplan(*words, "--accept", "slice-step", "--operator", "Somebody Else", "--json")
    assert again.json["ran"] == ["ingest", "report"], again.err
    assert "accepted by Somebody Else" in (tmp_path / "case" / "report" / "index.html").read_text()
    assert surgplan(*words, "--accept", "geometry").code == 2

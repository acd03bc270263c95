"""Why a case is ready or not, who overrode what, and what vouches for the surfaces: told once, as measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surgplan.findings import Finding, Level
from surgplan.report.stage import ReportParams, make_report
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.report.cases import small_case
from tests.report.test_page import Reader

FAST = ReportParams(pictures=False, single_structures=0)
ACCEPTED = {"check": "slice-step", "measured": "6.00 mm", "limit": "5 mm", "by": "A. Meier"}


def html_of(**changes):
    return make_report(replace(small_case(), **changes), FAST).html


def box(html):
    """What stands with the verdict."""
    return Reader(html[html.index('<section class="verdict') : html.index("<nav")]).text


def test_what_was_overridden_stands_first_with_who_did():
    told = Finding("slice-step", Level.WARN, "6.00 mm; refused by the gate, accepted by A. Meier", "5 mm")
    other = Finding("hole", Level.WARN, "1 hole")
    text = box(html_of(findings=(("ingest", told), ("surface", other)), accepted=(ACCEPTED,)))
    assert text.index("overridden") < text.index("A. Meier") < text.index("hole")
    assert text.count("6.00 mm") == 1


def test_an_override_alone_is_not_called_a_passed_check():
    told = Finding("slice-step", Level.WARN, "6.00 mm; refused by the gate, accepted by A. Meier", "5 mm")
    text = box(html_of(findings=(("ingest", told),), accepted=(ACCEPTED,)))
    assert "Every check passed" not in text
    assert "with warnings" in text


def test_who_ran_it_is_not_in_the_page():
    stages = {"ingest": {"operator": "B. Schulz", "max_step_mm": 3.0}}
    html = html_of(stages=stages)
    assert "Schulz" not in html
    assert "max_step_mm" in html


def test_one_line_for_each_kind_of_finding():
    told = [("segment", Finding("cut", Level.WARN, f"{n} mm²", subject=f"bone {n}")) for n in range(1, 6)]
    told.append(("segment", Finding("cut", Level.REFUSE, "too much", subject="bone 9")))
    html = html_of(findings=tuple(told))
    lines = html[html.index('<section class="verdict') : html.index("<nav")].count("<li>")
    assert lines == 2
    text = box(html)
    assert "bone 1 , bone 2 , bone 3 , bone 4 , bone 5 : 1 mm²" in text
    assert text.index("too much") < text.index("1 mm²")
    assert "first of 5" in text
    findings = Reader(html[html.index('<h2 id="findings">') :]).text
    assert all(f"{n} mm²" in findings for n in range(1, 6))


def test_the_certificate_is_the_one_that_was_measured():
    given = small_case()
    html = html_of()
    table = Reader(html[html.index('<h2 id="certificate">') : html.index("<details><summary>Each step")]).text
    for measures in given.measures:
        last = measures.certificate.steps[-1]
        row = table[table.index(f" {measures.name} ") :]
        numbers = [last.to_scan.p95, last.from_scan.p95, measures.certificate.limit_p95_mm]
        assert measures.certificate.boundary == "scan"
        for value, shown in zip(numbers, row.split(measures.name)[1].replace("the scan", "").split(), strict=False):
            assert float(shown) == pytest.approx(value, abs=6e-4)
        assert "accepted" in row


def test_a_surface_held_to_a_mask_claims_no_distance_to_the_scan():
    given = small_case()
    labels = replace(given.labels, labels=tuple(replace(each, level=None) for each in given.labels.labels))
    result = make_surfaces(given.volume, labels, SurfaceParams())
    html = html_of(labels=labels, surfaces=result.surfaces, measures=result.measures)
    table = Reader(html[html.index('<h2 id="certificate">') : html.index("<details><summary>Each step")]).text
    assert table.count("voxels of the mask") >= 2
    assert "not certified" in table
    assert "0.000" not in table


def test_how_sure_is_told_with_its_end():
    text = Reader(html_of()).text
    assert "ball 520 ± 50 0.10 0.21 0.41" in text
    assert "pea 520 ± 50 0.30 1.50 20 or more" in text


def test_what_a_table_shows_is_no_note_besides():
    told = (
        ("segment", Finding("dropped parts", Level.NOTE, "7 parts of 3 mm³", subject="ball")),
        ("print", Finding("wall", Level.NOTE, "0.1 % of the surface", "0.9 mm", "Print it larger", subject="ball")),
        ("ingest", Finding("noise", Level.NOTE, "19 HU")),
    )
    text = Reader(html_of(findings=told)).text
    assert text.count("7 parts of 3 mm³") == text.count("0.1 % of the surface") == text.count("19 HU") == 1
    assert "1 note:" in text


def test_what_was_left_out_is_listed_one_by_one():
    told = (("segment", Finding("dropped parts", Level.NOTE, "12 parts of 3.6 cm³", subject="ball")),)
    parts = [{"volume_mm3": 1234.5, "at": [1.0, -2.4, 3.0]}, {"volume_mm3": 900.0, "at": [7.0, 8.0, 9.0]}]
    dropped = {"count": 12, "volume_mm3": 3600.0, "parts": parts}
    listed = ({"name": "ball", "check": "dropped parts", "dropped": dropped},)
    text = Reader(html_of(findings=told, left_out=listed)).text
    assert "mm³ x, y, z mm 1,234 1, -2, 3 900 7, 8, 9 1,466 10 more, together" in text


def test_what_was_done_is_told_and_nothing_where_nothing_was():
    plain = Reader(html_of()).text
    assert "corrected in the scan" not in plain
    assert "overridden" not in plain
    stages = {"segment": {"structures": [{"name": "liver", "method": "mask"}, {"name": "rib", "method": "network"}]}}
    corrections = ({"corrected": "gantry tilt", "interpolation": "cubic within slices"},)
    networks = {"ribs": {"model": "ribs", "version": "1.2", "licence": "MIT", "sha256": "ab" * 32}}
    text = Reader(html_of(stages=stages, corrections=corrections, networks=networks)).text
    assert "corrected in the scan gantry tilt, cubic within slices" in text
    assert "masks made elsewhere liver" in text
    assert f"network ribs 1.2, licence MIT, SHA-256 {'ab' * 32}" in text

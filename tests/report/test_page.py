"""The page: whole, self-contained, told in the right order, and deaf to what names may hold."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.points import Landmark, PointSet
from surgplan.report.page import visible
from surgplan.report.rows import fact_rows, number, parameter_rows
from surgplan.report.stage import ReportParams, make_report
from tests.report.cases import small_case

VOID = {"meta", "img", "br", "link", "input", "hr", "col", "source", "wbr", "base", "area", "embed", "track"}
FAST = ReportParams(pictures=False, single_structures=0, viewer=False)


class Reader(HTMLParser):
    """Reads a page as HTML5 and remembers what is wrong with its nesting."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.tags, self.words, self.ids = [], [], [], [], []
        self.skipped = False
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        names = [name for name, _ in attributes]
        if len(set(names)) != len(names):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID or not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if not set(self.open) & {"title", "style", "script"}:
            self.words.append(data)

    @property
    def text(self):
        """What is read, title left out."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole():
    """The report of a whole case, with pictures."""
    return make_report(small_case(), ReportParams(picture_width=300, viewer=False))


def read(given, params=FAST):
    return Reader(make_report(given, params).html)


def test_the_page_is_well_formed(whole):
    page = Reader(whole.html)
    assert page.faults == []
    assert whole.html.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(set(page.ids)) == len(page.ids)
    # how browsers read it must be how it was written: nothing is moved out of tables or closed early
    html = pytest.importorskip("lxml.html")
    root = html.document_fromstring(whole.html)
    assert len(root.xpath("//*")) == len(page.tags)


def test_nothing_is_fetched_and_nothing_runs(whole):
    page = Reader(whole.html)
    policy = next(each["content"] for each in page.of("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    used = {tag for tag, _ in page.tags}
    assert not used & {"script", "link", "iframe", "object", "embed", "form", "base", "svg", "video", "audio"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"<{tag} {name}>"
            if name in ("src", "href", "action", "srcset", "poster", "data"):
                assert value.startswith(("data:image/png;base64,", "#")), f"<{tag} {name}={value[:40]}>"
    assert not re.search(r"https?://|url\(|@import", whole.html)


def test_inner_links_lead_somewhere(whole):
    page = Reader(whole.html)
    assert {each["href"][1:] for each in page.of("a")} <= set(page.ids)
    labels = {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    assert labels <= set(page.ids)


def test_every_picture_has_words_and_is_in_the_page(whole):
    page = Reader(whole.html)
    images = page.of("img")
    assert len(images) == len(whole.pictures) == 4 + 2 * 3 + 3 + 2 * 3 + 2 * 2
    assert all(len(image["alt"]) > 8 for image in images)
    assert all(data.startswith(b"\x89PNG") for data in whole.pictures.values())


def test_the_order_of_the_page(whole):
    page = Reader(whole.html)
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", whole.html)
    assert headings[1:] == [
        "Pictures",
        "Slices with outlines",
        "Structures",
        "Certificate",
        "How sure the boundaries are",
        "Print",
        "Navigation",
        "Findings",
        "What was done",
        "Approval",
    ]
    text = page.text
    assert text.index("not for diagnosis") < text.index("small") < text.index(re.sub("<.*?>", "", headings[0]))


def test_the_same_input_gives_the_same_page(whole):
    again = make_report(small_case(), ReportParams(picture_width=300, viewer=False))
    assert again.html == whole.html
    assert again.pictures == whole.pictures


def test_no_time_is_in_the_page(whole):
    assert not re.search(r"\b20\d\d-\d\d-\d\d|\b\d\d:\d\d:\d\d\b", Reader(whole.html).text)


def test_numbers_carry_the_truth():
    """Volumes of balls of 15 and 5 mm radius, their sizes, their places in the table of points."""
    text = read(small_case()).text
    volume = float(re.search(r"ball – ([\d.]+)", text)[1])
    assert volume == pytest.approx(14.137, rel=0.01)
    volume = float(re.search(r"pea left ([\d.]+)", text)[1])
    assert volume == pytest.approx(0.5236, rel=0.06)
    assert "nasion landmark 0.00, -20.00, 0.00" in text
    assert "entry landmark 20.00, 5.00, 20.00 0.40" in text
    assert "biopsy 20.00, 5.00, 20.00 2.00, 0.00, 1.00 26.6 pea 3.0" in text
    assert "LPS millimetres" in text
    assert "250 × 210 × 210 mm" in text
    assert "FFS (feet first, supine)" in text
    assert "1.5 mm" in text


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ([], "Ready"),
        ([Level.NOTE], "Ready"),
        ([Level.WARN, Level.NOTE], "Ready with warnings"),
        ([Level.WARN, Level.REFUSE], "Rejected"),
    ],
)
def test_the_verdict_and_why(levels, verdict):
    told = tuple(
        ("surface", Finding("hole", level, f"measured {level}", "limit", f"advice {level}")) for level in levels
    )
    html = make_report(replace(small_case(), findings=told), FAST).html
    assert re.search(r'<h2 id="verdict">. (.*?)</h2>', html)[1] == verdict
    box = html[html.index('class="verdict') : html.index("<nav")]
    for level in levels:
        assert (f"measured {level}" in box) == (level is not Level.NOTE)
        assert f"advice {level}" in html
    if len(levels) == 2:
        first, second = sorted(levels, key=list(Level).index, reverse=True)
        after = html[html.index('<h2 id="findings">') :]
        assert after.index(f"measured {first}") < after.index(f"measured {second}")


HOSTILE = [
    '<script>alert("x")</script>',
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "' onmouseover='x",
    "سليم ابن",
    "頭蓋骨",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_show_as_text(name):
    """In the case's name, structures, points, facts, findings, parameters, files and versions."""
    given = small_case()
    labels = (Label(1, name, level=520.0), given.labels.labels[1])
    surfaces = (replace(given.surfaces[0], label=labels[0]), given.surfaces[1])
    plan = replace(given.plan, landmarks=PointSet((Landmark(name, (0, 0, 0), description=name),)))
    checks = {"ingest": name, "print": "wall", "segment": "dropped parts"}
    told = tuple((stage, Finding(check, Level.WARN, name, name, name, name, name)) for stage, check in checks.items())
    hostile = replace(
        given,
        case=name,
        recipe=name,
        facts={name: name},
        labels=LabelMap(given.labels.grid, given.labels.array, labels),
        surfaces=surfaces,
        plan=plan,
        findings=told,
        files={name: name},
        versions={name: name},
        stages={name: {name: name, "list": [{"name": name, name: name}]}},
        certainty=(replace(given.certainty[0], name=name),),
        corrections=({"corrected": name, "interpolation": name},),
        accepted=({"check": "noise", "measured": name, "limit": name, "by": name},),
        networks={name: {"model": name, "version": name, "licence": name, "sha256": name}},
    )
    html = make_report(hostile, ReportParams(pictures=False, single_structures=1)).html
    page = Reader(html)
    assert page.faults == []
    plain = re.sub(r"\s+", " ", name)
    assert page.text.count(plain) >= 35
    harmless = read(given, ReportParams(pictures=False, single_structures=1))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in harmless.tags}
    assert {each for _, a in page.tags for each in a} == {each for _, a in harmless.tags for each in a}


def test_text_that_turns_itself_round_is_named():
    """A right-to-left override would show `exe.gnp` as `png.exe`."""
    given = replace(small_case(), case="tumour\u202efel", facts={"kernel": "a\u200bb\x07"})
    page = read(given)
    assert "tumour⟨U+202E⟩fel" in page.text
    assert "a⟨U+200B⟩b⟨U+0007⟩" in page.text
    assert visible("línea\n\tzwei") == "línea\n\tzwei"


def test_a_name_of_ten_thousand_characters_is_still_a_page():
    page = read(replace(small_case(), case="x" * 10_000))
    assert page.faults == []
    assert page.of("h1")[0]["class"] == "long"


def test_a_case_without_plate_plan_and_findings():
    page = read(replace(small_case(), job={}, plan=None, findings=(), files={}, stages={}, facts={}))
    assert page.faults == []
    assert "Every check passed" in page.text
    assert "print" not in page.ids
    assert "navigation" not in page.ids


def test_structures_that_are_not_shown_are_told():
    page = read(small_case(), ReportParams(pictures=False, single_structures=1))
    assert "Shown: 1 of 2 structures" in page.text


@pytest.mark.parametrize(
    ("value", "digits", "expected"), [(-0.001, 2, "0.00"), (1234.5678, 1, "1,234.6"), (-2.345, 1, "-2.3"), (0, 0, "0")]
)
def test_numbers(value, digits, expected):
    assert number(value, digits) == expected


def test_facts_and_parameters_read_like_prose():
    assert fact_rows({"tube voltage (kV)": 120.0, "slice thickness (mm)": 2.0833, "series number": 2}) == [
        ("tube voltage", "120 kV"),
        ("slice thickness", "2.083 mm"),
        ("series number", "2"),
    ]
    nested = {"a": None, "b": True, "c": [1.5, 2], "d": {"e": "x"}, "f": [], "g": [{"name": "skull", "hu": 3.0}]}
    assert parameter_rows(nested) == [
        ("a", "–"),
        ("b", "yes"),
        ("c", "1.5, 2"),
        ("d.e", "x"),
        ("f", "–"),
        ("skull: name", "skull"),
        ("skull: hu", "3"),
    ]

"""The page: one HTML file that opens anywhere and needs no network."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgplan.findings import READY, REJECTED, WITH_WARNINGS, Finding, Level, verdict
from surgplan.report.approvals import EMPTY
from surgplan.report.compiled import compiled_beside
from surgplan.report.judged import done_rows, reasons
from surgplan.report.pictures import Kind, Picture
from surgplan.report.proof_rows import certainty_rows, certificate_rows, left_out_rows, other_notes, wall_rows
from surgplan.report.rows import fact_rows, parameter_rows, plan_rows, print_rows, structure_rows
from surgplan.report.slices import outline_colors
from surgplan.report.stage import ReportInput, ReportParams
from surgplan.report.surface_map import Maps
from surgplan.report.viewer_build import BuiltViewer
from surgplan.report.viewer_data import PackedScene, embedded, packed_scene, scene_blocks

if TYPE_CHECKING:
    import jinja2

CLASSES = {READY: "good", WITH_WARNINGS: "fair", REJECTED: "bad"}
MOST_BYTES = 25_000_000
"""Of the whole page: mail servers take it, and browsers open it at once."""
TEMPLATE = "page.html.j2"
FOLDER = Path(__file__).parent
STYLE = FOLDER / "style.css"

LONGEST_ON_PAPER = 80
"""Letters of a case's name at the foot of each printed page."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Characters that show nothing or turn the text round: names with them would read as something else."""


def page(
    given: ReportInput, pictures: Sequence[Picture], findings: Sequence[Finding], viewer: BuiltViewer | None = None
) -> str:
    """Fill the template. All text is escaped; pictures are embedded. The only script that may run is the viewer's."""
    told = sorted_findings([*given.findings, *(("report", finding) for finding in findings)])
    judged = verdict(finding for _, finding in told)
    text: str = (
        environment()
        .get_template(TEMPLATE)
        .render(
            case=given.case,
            recipe=given.recipe,
            facts=fact_rows(given.facts),
            verdict=judged,
            verdict_class=CLASSES[judged],
            grave=[(stage, finding) for stage, finding in told if finding.level is not Level.NOTE],
            notes=list(other_notes(told)),
            reasons=reasons(told, given.accepted),
            accepted=given.accepted,
            structures=structure_rows(given),
            certificates=certificate_rows(given),
            certainty=certainty_rows(given),
            left_out=left_out_rows(told, given.left_out),
            walls=wall_rows(told),
            made=done_rows(given.corrections, given.networks, given.stages),
            pictures=_by_kind(pictures),
            viewer=viewer,
            outlines=_outlines(given),
            single=len({picture.structure for picture in pictures if picture.structure}),
            print=print_rows(given.job),
            plan=plan_rows(given.plan),
            stages={name: parameter_rows(_unsigned(parameters)) for name, parameters in given.stages.items()},
            files=given.files,
            versions=given.versions,
            approvals=EMPTY,
        )
    )
    return text


def scene_of(given: ReportInput, maps: Mapping[int, Maps], params: ReportParams) -> PackedScene:
    """What the viewer shows, as it would be packed if the page took nothing; pictures need not be there yet."""
    return packed_scene(given, maps, None if params.full else _data_bytes(0), params.scan)


def _data_bytes(used: int) -> int:
    """What `MOST_BYTES` leave to the viewer's data: of base64's four characters, three are data."""
    return (MOST_BYTES - used) * 3 // 4


def with_viewer(html: str, given: ReportInput, scene: PackedScene, params: ReportParams, viewer: BuiltViewer) -> str:
    """The page with the viewer's script and data at its end, in at most `MOST_BYTES` unless `params.full`."""
    used = len(html.encode("utf-8")) + len(viewer.script)
    data = embedded(scene_blocks(given, scene, None if params.full else _data_bytes(used)))
    start, end, rest = html.rpartition("</body>")  # text is escaped: no name can hold the element
    return f"{start}{data}<script>{viewer.script}</script>\n{end}{rest}"


def environment() -> jinja2.Environment:
    """What all pages are made with: text is escaped and shown as it is, an unknown name is an error, one style."""
    import jinja2
    import markupsafe

    made = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible,
        loader=jinja2.FileSystemLoader(FOLDER),
        bytecode_cache=compiled_beside(FOLDER),
    )
    made.filters["data_uri"] = data_uri
    made.filters["zip"] = zip
    made.filters["css_string"] = css_string
    made.globals["style"] = markupsafe.Markup(STYLE.read_text("utf-8"))
    return made


def sorted_findings(told: Iterable[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """The gravest first, otherwise in the order in which they were found."""
    order = list(Level)
    return sorted(told, key=lambda pair: -order.index(pair[1].level))


def visible(value: Any) -> Any:
    """Text in which characters that show nothing are named; everything else as it is."""
    if not isinstance(value, str) or not UNSEEN.search(value):
        return value
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", str(value))


def css_string(text: str) -> str:
    """Text between the quotes of a string of CSS: all but ASCII letters and digits as escapes (CSS Syntax 3, 4.3.7)."""
    short = text if len(text) <= LONGEST_ON_PAPER else text[: LONGEST_ON_PAPER - 1] + "…"
    return "".join(
        letter if letter.isascii() and letter.isalnum() else f"\\{ord(letter):x} " for letter in str(visible(short))
    )


def data_uri(picture: Picture) -> str:
    """The picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(picture.png).decode("ascii")


def _unsigned(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without who ran it: that is in the log. Who overrode a refusal stands with the verdict."""
    return {name: value for name, value in parameters.items() if name != "operator"}


def _by_kind(pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
    return {str(kind): [picture for picture in pictures if picture.kind is kind] for kind in Kind}


def _outlines(given: ReportInput) -> list[tuple[str, str]]:
    """Each structure's name with the colour of its outline in the slices."""
    labels = [surface.label for surface in given.surfaces]
    return [
        (label.name, "#{:02x}{:02x}{:02x}".format(*color))
        for label, color in zip(labels, outline_colors(labels), strict=True)
    ]

"""What a DICOM header says of the scan as a whole: is it what the recipe needs, and does it contradict itself?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from surgplan.findings import Finding, Level
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.dicom_context import ScanContext
from surgplan.ingest.limits import BY_NAME, CAMPOS, RECIPE, GateLimits
from surgplan.model.frames import Array

CONE_BEAM = re.compile(
    r"cbct|cone.?beam|i-?cat|newtom|accuitomo|veraview|promax|galileos|orthophos|scanora|cranex|pax-?i|vatech"
    r"|cs ?9[35]00|orthopantomograph|op300|planmeca|axeos|kodak 9[05]00",
    re.IGNORECASE,
)
"""Names of dental and maxillofacial cone-beam scanners, which call their modality CT."""
SHARP = re.compile(r"^(bone|edge|lung|hd bone|[bhuiq][rvl]?[6-9]\d|y[abcd]\b|[del]$|fc(3\d|5\d|8\d))", re.IGNORECASE)
SMOOTH = re.compile(r"^(soft|smooth|[bhuiq][rvl]?[12]\d|a$|fc(0[12]|1[0-2]))", re.IGNORECASE)
"""Kernels by name: GE's words, Siemens' numbers (10 smooth to 99 sharp), Philips' letters, Canon's FC numbers. What
is in neither table is taken for a standard kernel."""
DAYS_IN_MONTH = 30.44
AXES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
AGAINST = 0.1
"""A letter of PatientOrientation whose direction is this far on the other side contradicts ImageOrientationPatient."""
POSITIONS = {"HFS": 1.0, "FFS": 1.0, "HFP": -1.0, "FFP": -1.0}
"""Whether rows of axial slices run to the patient's left (1) or right: rows run as one looks at the table."""


def check_context(
    first: SliceHeader, axes: Array, context: ScanContext, limits: GateLimits, aim: str | None, planned: date | None
) -> list[Finding]:
    """Findings about what the header says; the columns of `axes` are the directions of i, j and k in LPS."""
    return [
        *_orientation(context.patient_orientation, axes),
        *_position(first.patient_position, axes),
        *_kernel(first.kernel, aim),
        *_kind(first, context),
        *_age(context.taken_on, planned, limits),
    ]


def _orientation(letters: Sequence[str], axes: Array) -> list[Finding]:
    """Letters name the directions of rows and columns, the main one first: `L` and `P`, or `AFL`."""
    for word, direction, what in zip(letters, axes.T, ("rows", "columns"), strict=False):
        for letter in word.upper():
            axis, sign = AXES.get(letter, (0, 0))
            if sign and sign * float(direction[axis]) < -AGAINST:
                measured = f"PatientOrientation says that {what} run to {word}, ImageOrientationPatient the opposite"
                advice = "The images may be mirrored: export the series again from the scanner"
                source = BY_NAME["orientation"].source
                return [Finding("orientation", Level.REFUSE, measured, "the same", advice, source)]
    return []


def _position(position: str, axes: Array) -> list[Finding]:
    """Axial slices of a supine patient have rows to the left, of a prone one to the right, unless they were turned."""
    expected = POSITIONS.get(position)
    if expected is None or abs(axes[2, 2]) < 0.9 or abs(axes[0, 0]) < 0.7 or axes[0, 0] * expected > 0:
        return []
    measured = f"rows run to the {'left' if axes[0, 0] > 0 else 'right'}, unusual for the patient position {position}"
    advice = "Check by eye that left is left: somebody may have entered the wrong position"
    return [Finding("patient-position", Level.WARN, measured, "", advice, BY_NAME["patient-position"].source)]


def kernel_kind(kernel: str) -> str:
    """`sharp`, `smooth`, or "" for kernels that are neither or unknown."""
    name = kernel.split("/")[0].strip()
    return "sharp" if SHARP.match(name) else "smooth" if SMOOTH.match(name) else ""


def _kernel(kernel: str, aim: str | None) -> list[Finding]:
    kind = kernel_kind(kernel)
    if not kind:
        return []
    measured, source = f"{kernel}, a {kind} kernel", BY_NAME["kernel"].source
    if kind == "sharp" and aim in ("vessel", "soft tissue"):
        advice = "Soft tissue is noisy in it: take the reconstruction with a standard kernel"
        return [Finding("kernel", Level.WARN, measured, "a standard one", advice, source)]
    if kind == "smooth" and aim == "bone":
        advice = "Thin bone is lost in it: take the reconstruction with a standard or bone kernel"
        return [Finding("kernel", Level.WARN, measured, "a standard or sharp one", advice, source)]
    return [Finding("kernel", Level.NOTE, measured, source=source)]


def _kind(first: SliceHeader, context: ScanContext) -> list[Finding]:
    findings = []
    if context.cone_beam or CONE_BEAM.search(f"{first.maker} {first.model}"):
        advice = "Its grey values shift from place to place: check each threshold against the slices"
        measured = f"a cone-beam CT ({first.maker} {first.model})".replace("( ", "(").replace(" )", ")")
        findings.append(Finding("cbct", Level.WARN, measured, "a CT in Hounsfield units", advice, CAMPOS))
    if context.quadruped:
        advice = "Read left, right, front and back as for an animal: posterior is dorsal"
        source = BY_NAME["quadruped"].source
        findings.append(Finding("quadruped", Level.WARN, "the header says that it is an animal", "", advice, source))
    return findings


def _age(taken: date | None, planned: date | None, limits: GateLimits) -> list[Finding]:
    """The scan's age in whole months on the day that the recipe or case states: the date itself is never told."""
    if planned is None or taken is None:
        return []
    months = (planned - taken).days / DAYS_IN_MONTH
    limit = f"{limits.age_months:g} months"
    if months < -1:
        advice = "Check `planned_on`, and the scanner's clock"
        return [Finding("scan-age", Level.WARN, "the scan was made after the day of planning", limit, advice, RECIPE)]
    measured = f"{int(max(months, 0))} months old on the day of planning"
    if months <= limits.age_months:
        return [Finding("scan-age", Level.NOTE, measured, limit, source=RECIPE)]
    advice = "Anatomy may have changed: take a newer scan, or have a surgeon compare"
    return [Finding("scan-age", Level.WARN, measured, limit, advice, RECIPE)]

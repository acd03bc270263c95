"""Does each structure lie on the side of the body that its name or its `side` tells?

Three witnesses, the surest first: its counterpart (the left kidney lies left of the right one), structures of the
middle (vertebrae, sacrum, skull), and the body that the CT shows. One that clearly says otherwise is enough to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from surgplan.errors import Refused, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap, Side
from surgplan.model.sides import is_midline, side_told, without_side
from surgplan.model.volume import Volume
from surgplan.segment.middle import Middle, middle_of

STEP_MM = 2.0
"""So fine a grid is enough to find the centre of a structure."""
NEAR_MM = 10.0
"""Nearer than this to the middle, or to its counterpart, a structure has no clear side."""
LEVEL_MM = 60.0
"""A structure of the middle speaks for what lies at most so far above or below it: spines bend."""
ADVICE = "Check the orientation of the scan and what the structure is called"
BY_EYE = "Check by eye that it is the {side} one"
LATERALITY = "DICOM PS3.3 C.7.3.1, Laterality; C.7.6.1.1.6, ImageLaterality"
OTHER = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


@dataclass(frozen=True)
class Witness:
    """What tells the side: how far left of its middle the structure lies, mm, and nearer than what that is unclear."""

    what: str
    offset_mm: float
    near_mm: float


def side_of(label: Label) -> Side:
    """The side that a label claims, by its `side` or its name.

    Raises
    ------
    WrongUsage
        The two contradict each other.
    """
    named = side_told(label.name)
    if label.side is not Side.NONE and named not in (Side.NONE, label.side):
        raise WrongUsage(
            f"structure `{label.name}`", f"has the side {label.side}", f"{named}, as its name says", ADVICE
        )
    return label.side or named


def check_sides(labels: LabelMap, volume: Volume | None) -> list[Finding]:
    """A finding for each structure that claims a side.

    Raises
    ------
    Refused
        One clearly lies on the other side.
    WrongUsage
        A structure's name and its `side` contradict each other.
    """
    claims: dict[str, Side] = {label.name: side for label in labels.labels if (side := side_of(label)) is not Side.NONE}
    if not claims:
        return []
    asked = [label for label in labels.labels if label.name in claims or is_midline(label.name)]
    centres = _centres(labels, asked)
    pairs = {(without_side(name), side): name for name, side in claims.items() if name in centres}
    middle = None
    findings = []
    for name, side in claims.items():
        if name not in centres:
            continue
        witnesses = _of_labels(name, side, centres, pairs)
        if not any(abs(each.offset_mm) > each.near_mm for each in witnesses):
            middle = middle or (middle_of(volume) if volume else Middle(None, 0.0, "there is no scan with it"))
            if middle.x_mm is not None:
                offset = float(centres[name][0]) - middle.x_mm
                witnesses.append(Witness("the body's middle", offset, middle.near_mm))
        findings.append(_judge(name, side, witnesses, middle))
    return findings


def settled_by_header(findings: Sequence[Finding], labels: LabelMap, laterality: str) -> tuple[Finding, ...]:
    """The findings, where those about sides that the scan could not tell are settled by the header's laterality.

    `laterality` is `L` or `R` for a scan of one side's limb, joint or organ; anything else settles nothing.

    Raises
    ------
    Refused
        The header says that the scan is of the other side.
    """
    scanned = {"L": Side.LEFT, "R": Side.RIGHT}.get(laterality)
    claims = {label.name: side_of(label) for label in labels.labels}
    settled = []
    for each in findings:
        if scanned is None or each.check != "side" or each.level is not Level.WARN:
            settled.append(each)
            continue
        measured = f"the header says that the scan is of the {scanned} side"
        if claims.get(each.subject) is not scanned:
            raise Refused(f"structure `{each.subject}`", measured, f"the {each.limit} side", ADVICE)
        settled.append(replace(each, level=Level.NOTE, measured=measured, advice="", source=LATERALITY))
    return tuple(settled)


def _centres(labels: LabelMap, asked: list[Label]) -> dict[str, Array]:
    """(3,) LPS mm of the middle of each label's voxels; those without voxels are left out."""
    i, j, k = np.maximum(1, (STEP_MM / labels.grid.spacing).astype(int))
    centres = {}
    for label in asked:
        stride: tuple[int, int, int] = (k, j, i)
        kji = np.argwhere(labels.array[::k, ::j, ::i] == label.value)
        if not len(kji):  # smaller than the strides
            kji, stride = np.argwhere(labels.array == label.value), (1, 1, 1)
        if len(kji):
            centres[label.name] = labels.grid.lps_from_ijk.apply((kji.mean(axis=0) * stride)[::-1])
    return centres


def _of_labels(
    name: str, side: Side, centres: Mapping[str, Array], pairs: Mapping[tuple[str, Side], str]
) -> list[Witness]:
    """What the counterpart and the structures of the middle tell."""
    place = centres[name]
    witnesses = []
    twin = pairs.get((without_side(name), OTHER[side]))
    if twin is not None:
        witnesses.append(Witness(f"`{twin}`", float(place[0] - centres[twin][0]), NEAR_MM))
    near = [centre for other, centre in centres.items() if is_midline(other) and abs(centre[2] - place[2]) <= LEVEL_MM]
    if near:
        offset = float(place[0] - np.median([centre[0] for centre in near]))
        witnesses.append(Witness("the spine or skull", offset, 2 * NEAR_MM))
    return witnesses


def _judge(name: str, side: Side, witnesses: list[Witness], middle: Middle | None) -> Finding:
    for each in witnesses:
        found = Side.LEFT if each.offset_mm > 0 else Side.RIGHT
        if abs(each.offset_mm) > each.near_mm and found is not side:
            raise Refused(f"structure `{name}`", _told(each), f"on the {side} side", ADVICE)
    clear = [each for each in witnesses if abs(each.offset_mm) > each.near_mm]
    if clear:
        return Finding("side", Level.NOTE, _told(clear[0]), str(side), subject=name, source="DICOM PS3.3 C.7.6.2.1.1")
    if witnesses:
        measured = f"{_told(witnesses[-1])}: too near to tell a side"
    else:
        measured = f"its side cannot be checked: {middle.reason if middle else ''}"
    return Finding("side", Level.WARN, measured, str(side), BY_EYE.format(side=side), subject=name)


def _told(each: Witness) -> str:
    found = Side.LEFT if each.offset_mm > 0 else Side.RIGHT
    return f"its centre lies {abs(each.offset_mm):.1f} mm {found} of {each.what}"

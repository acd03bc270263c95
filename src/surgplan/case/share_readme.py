"""The page of plain text in what is shared: for whoever has no surgplan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgplan.case.faceless import KEPT_MM
from surgplan.case.manifest import Manifest
from surgplan.case.standing import Standing
from surgplan.errors import printable
from surgplan.findings import REJECTED
from surgplan.privacy.faces import SOURCE, Faces

WHAT = {
    "report/index.html": "the report: open it in any browser; it needs no network",
    "report/report.pdf": "the same for paper",
    "print/": "models for printing, in mm: .3mf with colours (any slicer program), .stl of each structure",
    "surfaces/": "surfaces in LPS millimetres, with certificate.json: how far they lie from the scan",
    "navigation/": "points, trajectories and transforms; 3D Slicer opens scene.mrml",
    "volume.nrrd": "the scan",
    "labels.seg.nrrd": "the segmentation of the scan, as 3D Slicer opens it",
    "manifest.json": "what was done, with the hash of every file of the whole case",
    "case.toml": "the parameters",
    "approval/": "who approved the case, with the hash of every file; .sig is signed by .pub.pem (Ed25519)",
}


def readme(manifest: Manifest, names: Sequence[str], faces: Faces, approvals: Sequence[Standing]) -> str:
    """Plain text, at most a screen long."""
    lines = [printable(manifest.case), "=" * min(60, len(printable(manifest.case))), "", *_verdict(manifest), ""]
    lines += ["Research and planning aid, not a medical device; not for diagnosis.", ""]
    lines += _files(names)
    lines += ["", "Is everything as it was sent?    sha256sum -c SHA256SUMS", ""]
    lines += [*_approved(approvals), *_faces(faces)]
    lines += [f"Made with surgplan {manifest.surgplan}."]
    return "\n".join(lines) + "\n"


def _verdict(manifest: Manifest) -> Iterator[str]:
    yield f"Verdict of the checks: {manifest.verdict.upper()}."
    if manifest.verdict == REJECTED:
        yield "DO NOT PRINT OR USE THESE FILES: see the report's findings."


def _files(names: Sequence[str]) -> Iterator[str]:
    for prefix, told in WHAT.items():
        if any(name.startswith(prefix) for name in names):
            yield f"{prefix:20} {told}"


def _approved(approvals: Sequence[Standing]) -> Iterator[str]:
    for each in approvals:
        told = f"Approval {each.number} by {each.by}, {each.role}, {each.time}"
        yield printable(f"{told}: {'holds as of sharing' if not each.void else f'does NOT hold, {each.void}'}.")
        if each.override:
            yield printable(f"  Given although the case is rejected: {each.override}")
    if approvals:
        yield ""


def _faces(faces: Faces) -> Iterator[str]:
    if faces.why:
        gone = ", ".join([f"the scan farther than {KEPT_MM:g} mm from the structures", *faces.skins])
        yield printable(f"Left out, because it may show a face ({faces.why}; {SOURCE}): {gone}.")
        yield "Pictures and, where a structure was left out, models were made again without it."
        yield ""

"""What shows an approval: the report's page, and a copy of the model for printing.

Neither changes what was approved. The page has a place for approvals, which does not count in what is approved; the
3MF stays as it is, and its copy in `approval/` has the same meshes and metadata that name the approval. The copy exists
only while an approval holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from surgplan.case.manifest import FileRecord, Manifest, read_manifest, write_manifest
from surgplan.case.standing import Standing, standings
from surgplan.case.statement import FOLDER, PAGE
from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written, sha256_of, write_text
from surgplan.formats.threemf_stamp import stamp_threemf
from surgplan.report.approvals import ApprovalRow, with_approvals


def show_approvals(folder: Path) -> tuple[Written, ...]:
    """Write page and copy anew as the approvals now stand; only for whoever holds the case's lock.

    Raises
    ------
    BadInput
        The page is one of an older version, which has no place for approvals.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return ()
    told = standings(folder)
    if not told:
        return ()
    return (*_page(folder, manifest, told), *_copies(folder, manifest, told))


def _page(folder: Path, manifest: Manifest, told: tuple[Standing, ...]) -> tuple[Written, ...]:
    """The page with the approvals in it, and the manifest with its hash."""
    report = manifest.stages.get("report")
    path = folder / PAGE
    if report is None or PAGE not in report.outputs or not path.is_file():
        return ()
    if sha256_of(path) != report.outputs[PAGE].sha256:
        return ()  # no page of this case as it was made: that of a run that failed, or one that somebody changed
    try:
        text = with_approvals(path.read_text("utf-8"), [_row(each) for each in told])
    except ValueError as error:
        raise BadInput(path, str(error), advice="Make the report again: surgplan report") from None
    written = write_text(path, text)
    outputs = {**report.outputs, PAGE: FileRecord(sha256=written.sha256, size=written.size)}
    stages = {**manifest.stages, "report": report.model_copy(update={"outputs": outputs})}
    write_manifest(folder, manifest.model_copy(update={"stages": stages}))
    return (written,)


def _row(each: Standing) -> ApprovalRow:
    time = each.time.removesuffix("+00:00").replace("T", " ")
    return ApprovalRow(
        each.number, each.by, each.role, time, each.verdict, each.override, each.signed, each.void, each.sha256
    )


def _copies(folder: Path, manifest: Manifest, told: tuple[Standing, ...]) -> tuple[Written, ...]:
    """The 3MF with the metadata of all approvals that hold; none while there is no such."""
    holding = [each for each in told if not each.void]
    models = [name for name in manifest.outputs if name.endswith(".3mf")]
    for path in (folder / FOLDER).glob("*.3mf"):
        if not holding or path.name not in {Path(name).name for name in models}:
            with suppress(OSError):
                path.unlink()
    if not holding:
        return ()
    return tuple(_stamped(folder, name, folder / FOLDER, manifest, holding) for name in models)


def _stamped(folder: Path, name: str, into: Path, manifest: Manifest, holding: list[Standing]) -> Written:
    told = _metadata(holding, manifest.outputs[name].sha256)
    return stamp_threemf(folder / name, into / Path(name).name, told)


def check_copies(folder: Path, told: tuple[Standing, ...]) -> Iterator[Finding]:
    """A refusing finding for each copy for printing that is not the approved model, or of which no approval holds."""
    manifest = read_manifest(folder)
    holding = [each for each in told if not each.void]
    for path in sorted((folder / FOLDER).glob("*.3mf")):
        name = next((each for each in manifest.outputs if Path(each).name == path.name), "") if manifest else ""
        measured = "shows an approval, but none holds"
        if manifest and holding and name and (folder / name).is_file():
            with tempfile.TemporaryDirectory() as scratch:
                meant = _stamped(folder, name, Path(scratch), manifest, holding).sha256
            measured = "is not the model that was approved" if sha256_of(path) != meant else ""
        if measured:
            subject = path.relative_to(folder).as_posix()
            advice = "Do not print it: remove it, and have the case approved again"
            yield Finding("approval", Level.REFUSE, measured, "a copy of the approved model", advice, "", subject)


def _metadata(holding: list[Standing], model_sha256: str) -> dict[str, str]:
    told = {"approved-model-sha256": model_sha256}
    for each in holding:
        words = f"{each.by}, {each.role}, {each.time}, {each.verdict}"
        words += f", although rejected: {each.override}" if each.override else ""
        told[f"approved-{each.number}"] = words
        told[f"approved-{each.number}-statement-sha256"] = each.sha256
        told |= {f"approved-{each.number}-key": each.signed} if each.key else {}
    return told

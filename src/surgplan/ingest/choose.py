"""Which series of a source is meant, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.formats.dicom import EMPTY, NOT_DICOM, DicomTree, SliceHeader
from surgplan.ingest.geometry import FEWEST_SLICES
from surgplan.ingest.rivals import one_of
from surgplan.ingest.series import Series
from surgplan.ingest.strays import check_strays

AS_GOOD = 0.75
"""A second series with at least this share of the best one's slices is as good: then the user has to choose."""
NAME_A_FOLDER = "Name the folder of a CT or MR series"
INSTEAD = {
    "a zip archive": "Name the archive itself; one within another must be unpacked first",
    "an archive": "Unpack it, and name the folder",
    "SEG": "Masks are given with their scan: surgplan run SCAN -r masks --masks FILE",
    "RTSTRUCT": "Contours are given with their scan: surgplan run SCAN -r masks --masks FILE",
}
"""What to do with a source that holds something else."""
MOST_TOLD = 12


def choose(
    tree: DicomTree,
    series: Sequence[Series],
    left: Sequence[tuple[SliceHeader, str]],
    wanted: str | None,
    source: Path,
) -> tuple[Series, tuple[Finding, ...]]:
    """The series that is meant, and findings that say why and what was left out.

    `series` and `left` are what `group` made of the tree. `wanted` is a number of the list, a series UID, or the
    beginning of one. Without it, the largest sound series is taken: CT and MR before others, original before derived
    ones. Of several that are as good, one is taken only where all show the same acquisition; see `rivals`.

    Raises
    ------
    BadInput
        There is no sound series, or several are as good.
    WrongUsage
        `wanted` names none of them, or more than one.
    """
    rule = "as asked"
    if wanted is not None:
        best = _named(series, wanted)
    elif not series:
        raise _no_series(tree, left, source)
    else:
        _refuse_several_patients(series, source)
        best, rule = _best(series, source)
    _refuse_broken_neighbours(tree, best)
    if best.trouble is not None:
        raise _mixed(best, series) or best.trouble
    told = check_strays(best, series, left, refuse=wanted is None)
    told += _check_absent(tree, best, refuse=wanted is None)
    return best, (*_explained(best, series, left, tree, rule), *_copies(tree, best), *told)


def _refuse_several_patients(series: Sequence[Series], source: Path) -> None:
    """Which patient is meant is never guessed."""
    patients = {each.first.patient for each in series}
    if len(patients) > 1:
        told = "; ".join(each.told() for each in series[:MOST_TOLD])
        advice = "Name the folder of one patient, or pass --series NUMBER"
        raise BadInput(source, f"holds scans of {len(patients)} patients ({told})", "one", advice)


def _refuse_broken_neighbours(tree: DicomTree, series: Series) -> None:
    """A broken file beside the slices may be one of them: an end slice would be missed by nobody else."""
    folders = {each.path.parent for each in series.slices}
    names = {_pattern(each.path) for each in series.slices}
    for skipped in tree.skipped:
        lost = skipped.reason in (EMPTY, NOT_DICOM) and _pattern(skipped.path) in names
        if (skipped.broken or lost) and skipped.path.parent in folders:
            advice = "Copy it again, or move it away if it does not belong to the series"
            raise BadInput(skipped.path, skipped.reason, "a whole slice", advice)


def _check_absent(tree: DicomTree, series: Series, refuse: bool) -> tuple[Finding, ...]:
    """A file that the DICOMDIR names and that is not there may be an end slice, which leaves no gap behind."""
    own = [each for each in tree.absent if each.series_uid == series.first.series_uid]
    if own and refuse:
        found = f"is missing, one of {len(own)} files of the series that the DICOMDIR names in vain"
        advice = f"Copy the disc again, or pass --series {series.number} to do without"
        raise BadInput(own[0].path, found, advice=advice)
    if not tree.absent:
        return ()
    told = f"{len(tree.absent)} files that the DICOMDIR names are missing, {len(own)} of them of this series"
    level = Level.WARN if own else Level.NOTE
    return (Finding("dicomdir", level, told, "none", "Copy the disc again", "DICOM PS3.10, 8"),)


def _pattern(path: Path) -> str:
    """What the names of a series' files have in common: `IM0001` and `IM0002` are both `IM#`."""
    return re.sub(r"\d+", "#", path.name)


def _mixed(best: Series, series: Sequence[Series]) -> BadInput | None:
    """What is wrong with a series that falls into parts too small to be volumes: they differ in orientation or size."""
    parts = [each for each in series if each.first.series_uid == best.first.series_uid]
    if len(parts) < 2 or len(best.slices) >= FEWEST_SLICES:
        return None
    turns = len({each.first.orientation for each in parts})
    what = "orientations" if turns > 1 else "sizes, kernels or echoes"
    count = sum(len(each.slices) for each in parts)
    found = f"its series mixes {count} slices of {max(turns, len(parts))} different {what}"
    return BadInput(best.first.path, found, f"at least {FEWEST_SLICES} slices that are alike", NAME_A_FOLDER)


def _rank(each: Series) -> tuple[bool, bool, bool]:
    return each.trouble is None, each.first.modality in ("CT", "MR"), each.is_original


def _best(series: Sequence[Series], source: Path) -> tuple[Series, str]:
    """The series to take, and by which rule."""
    best = max(series, key=lambda each: (*_rank(each), len(each.slices), -each.number))
    alike = [each for each in series if _rank(each) == _rank(best)]
    rivals = [each for each in alike if len(each.slices) >= AS_GOOD * len(best.slices)]
    if best.trouble is not None or len(rivals) == 1:
        return best, "the largest sound one" if len(series) > 1 else "the only series"
    taken = one_of(rivals)
    if taken is None:
        told = "; ".join(each.told() for each in rivals[:MOST_TOLD])
        more = f"; and {len(rivals) - MOST_TOLD} more" if len(rivals) > MOST_TOLD else ""
        raise BadInput(
            source, f"holds {len(rivals)} series that are as good ({told}{more})", "one", "Pass --series NUMBER"
        )
    return taken


def _named(series: Sequence[Series], wanted: str) -> Series:
    found = [each for each in series if wanted in (str(each.number), each.first.series_uid)]
    found = found or [each for each in series if wanted and each.first.series_uid.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    told = "; ".join(each.told() for each in (found or series)[:MOST_TOLD]) or "there are none"
    count = "more than one series" if found else "no series"
    raise WrongUsage("--series", f"`{wanted}` names {count}", f"one of: {told}", "Pass one of these numbers")


def _explained(
    best: Series,
    series: Sequence[Series],
    left: Sequence[tuple[SliceHeader, str]],
    tree: DicomTree,
    rule: str,
) -> tuple[Finding, ...]:
    """Why this series; a larger one that could not be used is worth a warning."""
    others = [each for each in series if each is not best]
    out = counted([reason for _, reason in left] + [each.reason for each in tree.skipped])
    if not others and not out:
        return ()
    told = f"{best.told()}: {rule}" + (f" of {len(series)}" if others else "") + (f"; left out: {out}" if out else "")
    larger = [each for each in others if each.trouble and len(each.slices) > len(best.slices)]
    findings = [Finding("series", Level.NOTE, told, advice="Pass --series to choose another" if others else "")]
    studies = {each.first.study_uid for each in series}
    if rule != "as asked" and len(studies) > 1:
        advice = "Check that it is the study that is meant"
        findings.append(
            Finding("studies", Level.WARN, f"the source holds series of {len(studies)} studies", "1", advice)
        )
    if rule != "as asked":
        for each in larger:
            assert each.trouble is not None
            measured = f"{each.told()} is larger, but was passed over: {each.trouble.found}"
            findings.append(Finding("series-passed-over", Level.WARN, measured, each.trouble.expected))
    return tuple(findings)


def _copies(tree: DicomTree, best: Series) -> tuple[Finding, ...]:
    own = {each.path for each in tree.copies if each.series_uid == best.first.series_uid}
    if not own:
        return ()
    told = f"{len(own)} files hold slices once more, at the same place and with the same pixels or UID; left out"
    return (Finding("copies", Level.NOTE, told, source="DICOM PS3.3 C.12.1"),)


def _kind_of(reason: str) -> str:
    """The reason without what is particular to one file."""
    return reason.partition(":")[0].removeprefix("is ").removeprefix("holds ")


def counted(reasons: Iterable[str]) -> str:
    """How many files were left out for each kind of reason."""
    kinds = Counter(_kind_of(reason) for reason in reasons)
    return ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(MOST_TOLD))


def _no_series(tree: DicomTree, left: Sequence[tuple[SliceHeader, str]], source: Path) -> BadInput:
    """Say why the source holds no series: what it holds instead."""
    if len(left) + len(tree.skipped) == 0:
        return BadInput(source, "is empty", "slices of a CT or MR series", NAME_A_FOLDER)
    files = [(each.path, f"is {reason}") for each, reason in left]
    files += [(each.path, each.reason) for each in sorted(tree.skipped, key=lambda each: not each.broken)]
    if len(files) == 1:
        path, reason = files[0]
        return BadInput(path, reason, "slices of a CT or MR series", _advice(reason))
    out = counted(reason for _, reason in files)
    return BadInput(source, f"holds no CT or MR series, but {out}", advice=_advice(out))


def _advice(reasons: str) -> str:
    return next((advice for what, advice in INSTEAD.items() if what in reasons), NAME_A_FOLDER)

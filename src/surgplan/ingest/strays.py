"""Slices that were left over and may belong to the chosen series: an end slice leaves no gap that anybody would see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.dicom import SliceHeader
from surgplan.ingest.geometry import FEWEST_SLICES, Layout
from surgplan.ingest.series import NO_PLACE, NO_SIZE, SAME_DIRECTION, Series

NEAR = 1.5
"""A slice within this many steps of a stack's end, in its line, continues it."""
DIFFERENCES = {
    "patient": "patient",
    "series_uid": "series UID",
    "image_type": "image type",
    "modality": "modality",
    "rows": "size",
    "columns": "size",
    "orientation": "orientation",
    "pixel_spacing": "pixel size",
    "kernel": "kernel",
    "echo_time": "echo time",
    "temporal": "phase",
    "frame_of_reference": "frame of reference",
}


def check_strays(
    best: Series, series: Sequence[Series], left: Sequence[tuple[SliceHeader, str]], refuse: bool
) -> tuple[Finding, ...]:
    """Refuse, or tell, that slices which seem to belong to the chosen series are not in it.

    Raises
    ------
    BadInput
        There are such slices, and `refuse` is set.
    """
    few = [each for other in series if other is not best and len(other.slices) < FEWEST_SLICES for each in other.slices]
    # one that lies where the next slice would lie is missed, whatever it says to be
    rest = (*few, *(each for each, _ in left))
    strays = [each for each in rest if _claims(each, best.first) or _continues(each, best.layout)]
    if not strays:
        placeless = (each for each, reason in left if reason in (NO_PLACE, NO_SIZE))
        return _told_others((*few, *placeless), best)
    found = _told(strays, best)
    if refuse:
        advice = f"Export the series again, or pass --series {best.number} to do without"
        raise BadInput(strays[0].path, found, "all of them alike", advice)
    advice = "Check that no slice of the volume is missing"
    return (Finding("strays", Level.WARN, f"{found}: left out", "none", advice),)


def _told_others(others: Sequence[SliceHeader], best: Series) -> tuple[Finding, ...]:
    """Single images of the series that differ in kind and size: a page of a report, or a slice that was damaged."""
    own = [each for each in others if best.first.series_uid and each.series_uid == best.first.series_uid]
    if not own:
        return ()
    advice = "Check that no slice of the volume is missing"
    return (Finding("strays", Level.WARN, f"{_told(own, best)}: left out", "none", advice),)


def _claims(each: SliceHeader, own: SliceHeader) -> bool:
    """Whether it says to be of the series and of the same kind of image; without a UID, the folder tells."""
    together = bool(own.series_uid) or each.path.parent == own.path.parent
    return together and (each.series_uid, each.image_type[:3]) == (own.series_uid, own.image_type[:3])


def _continues(each: SliceHeader, layout: Layout | None) -> bool:
    """Whether it lies where the next slice of the stack would lie."""
    if layout is None or each.position is None or each.orientation is None:
        return False
    turn = np.abs(np.array(each.orientation) - layout.axes[:, :2].T.ravel()).max()
    if turn > SAME_DIRECTION or (each.columns, each.rows) != layout.size:
        return False
    step = float(layout.usual_steps.max())
    travel = (layout.positions[-1] - layout.positions[0]) / (layout.along[-1] - layout.along[0])
    beyond = np.array(each.position) - layout.positions[0]
    along = float(beyond @ layout.axes[:, 2])
    beside = float(np.linalg.norm(beyond - along * travel))
    inside = -NEAR * step < along < layout.along[-1] - layout.along[0] + NEAR * step
    return inside and beside < min(layout.pixel_mm)


def _told(strays: Sequence[SliceHeader], best: Series) -> str:
    own = best.first
    differs = {word: None for field, word in DIFFERENCES.items() if _differ(strays, own, field)}
    count = "1 slice differs" if len(strays) == 1 else f"{len(strays)} slices differ"
    return f"{count} from the other {len(best.slices)} of the series in {' and '.join(differs) or 'place'}"


def _differ(strays: Sequence[SliceHeader], own: SliceHeader, field: str) -> bool:
    return any(getattr(each, field) != getattr(own, field) for each in strays)

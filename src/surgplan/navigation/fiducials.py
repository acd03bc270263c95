"""Fiducial markers in a CT, to sub-voxel places: spheres and donuts on the skin, screws in the bone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from surgplan.findings import Finding, Level
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality, Volume
from surgplan.navigation import balls, donuts, screws
from surgplan.navigation.candidate import Candidate, without_those_found
from surgplan.navigation.skin import Skin, find_skin
from surgplan.navigation.spots import Spots
from surgplan.navigation.stage import NavigationParams

MOST_SPOTS = 20_000
"""More spots than any body has: noise, at some 0.2 ms each."""


@dataclass(frozen=True)
class _Kind:
    """A kind of markers: what it is called in findings, the key of its brightness, and what finds and measures it."""

    told: str
    level: str
    spots: Callable[[Volume, NavigationParams], Spots]
    examined: Callable[[Volume, Spots, int, Skin, NavigationParams], Candidate]


SPHERES = _Kind("", "marker_hu", balls.spots, balls.examined)
DONUTS = _Kind("donuts ", "donut_hu", donuts.spots, donuts.examined)
SCREWS = _Kind("screws ", "screw_hu", screws.spots, screws.examined)
KINDS = {"auto": (SPHERES, DONUTS), "spheres": (SPHERES,), "donuts": (DONUTS,), "screws": (SCREWS,), "none": ()}


def find_fiducials(
    volume: Volume, params: NavigationParams, taken: Container[str] = ()
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The fiducial markers of a CT in LPS mm, of the kinds that `params.fiducials` names, and what was found.

    They are named F-1, F-2, … from superior to inferior, at one height (0.1 mm) from left to right; names in `taken`
    are left out. Places come from fitting a blurred ball (`ball.fit_ball`) or tube (`tube.fit_tube`).
    """
    if volume.modality is not Modality.CT:
        note = Finding("fiducials", Level.NOTE, "not looked for: only a CT has the intensities to tell them")
        return PointSet(()), (note,)
    skin = find_skin(volume)
    good, rejected, findings = list[Candidate](), list[Candidate](), list[Finding]()
    for kind in KINDS[params.fiducials]:
        spots = kind.spots(volume, params)
        if len(spots) > MOST_SPOTS:
            findings.append(_told_noise(kind, len(spots)))
            continue
        candidates = [kind.examined(volume, spots, n, skin, params) for n in range(len(spots))]
        found = sorted((each for each in candidates if not each.reason), key=lambda each: each.rank)
        findings += [*_told_found(kind, found, params), *_told_skin(skin, found)]
        named = f" (as {kind.told.strip()})" if kind.told else ""
        rejected += [each.rejected(each.reason + named) for each in candidates if each.reason]
        good += found if len(found) >= params.min_markers else []
    findings += _told_rejected(without_those_found(rejected, good))
    good.sort(key=lambda each: each.rank)
    names = (name for name in (f"F-{number}" for number in range(1, 100_000)) if name not in taken)
    points = (Landmark(next(names), each.place, description=each.told, uncertainty_mm=each.sd_mm) for each in good)
    return PointSet(points), tuple(findings)


def _told_noise(kind: _Kind, count: int) -> Finding:
    measured = f"{kind.told}not looked for: {count} bright spots"
    advice = f"Raise navigation.{kind.level} above the scan's noise"
    return Finding("fiducials", Level.WARN, measured, f"at most {MOST_SPOTS}", advice)


def _told_found(kind: _Kind, good: Sequence[Candidate], params: NavigationParams) -> list[Finding]:
    if not good:
        return []
    what = "lengths" if kind is SCREWS else "diameters"
    sizes = f"with {what} of " + ", ".join(f"{each.diameter_mm:.2f}" for each in good) + " mm"
    if len(good) >= params.min_markers:
        return [Finding("fiducials", Level.NOTE, f"{kind.told}found in the scan: {len(good)}, {sizes}")]
    places = "; ".join("[" + ", ".join(f"{value:.1f}" for value in each.place) + "]" for each in good)
    measured = f"{len(good)} {kind.told}found and left out, at {places} mm LPS, {sizes}"
    advice = "Lower navigation.min_markers if they are real"
    return [Finding("fiducials", Level.NOTE, measured, f"at least {params.min_markers}", advice, "the recipe")]


def _told_rejected(rejected: Sequence[Candidate]) -> list[Finding]:
    counts = Counter(each.reason for each in rejected)
    if not counts:
        return []
    told = "; ".join(f"{counts[reason]} {reason}" for reason in sorted(counts))
    return [Finding("fiducials-rejected", Level.NOTE, f"bright spots that are no markers: {told}")]


def _told_skin(skin: Skin, good: Sequence[Candidate]) -> list[Finding]:
    if skin.outside.any() or not good:
        return []
    advice = "Look at each of them in the report: it may lie within the body"
    return [Finding("fiducials-skin", Level.WARN, "the scan shows no air outside of the body", "", advice)]

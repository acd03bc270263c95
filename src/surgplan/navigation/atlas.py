"""Landmarks of an atlas carried to a patient by laying the atlas's surface on the patient's."""

from __future__ import annotations

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.navigation.icp import Target, target_of
from surgplan.navigation.register import RegisterParams
from surgplan.navigation.register_surface import register_to_surface

ON_SURFACE_MM = 2.0
"""A landmark this near to the atlas's surface lies on it, and is put on the patient's."""

AROUND_MM = 15.0
"""How well the two surfaces agree so far round a landmark tells how well it was carried."""

FIT_MM = 5.0
"""An atlas that lies farther from the patient's surface round a landmark (RMS) does not tell where it is."""


def carry_landmarks(
    patient: Surface, atlas: Surface, landmarks: PointSet, params: RegisterParams
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The atlas's landmarks on the patient, each with an uncertainty, and what is doubtful.

    The atlas is laid on the patient as it is, turned and shifted; then each landmark that lies on the atlas's surface
    is put on the nearest place of the patient's. Its uncertainty is how far the two surfaces lie apart round it.

    Parameters
    ----------
    patient:
        Surface in its frame.
    atlas, landmarks:
        Surface and points in one other frame.
    params:
        Share of the atlas that the patient's surface shows, and limits.
    """
    made = register_to_surface(patient, atlas, params, [landmarks])
    there, here = target_of(made.transform @ atlas), target_of(patient)
    findings = [finding for finding in made.findings if finding.check not in ("tre",)]
    carried = []
    for point, target in zip(made.transform @ landmarks, made.accuracy.targets, strict=True):
        apart = _apart(point.position, there, here)
        place, how = point.position, "carried over from an atlas"
        if there.tree.query(place)[0] <= ON_SURFACE_MM:
            place, how = here.places[here.tree.query(place)[1]], f"{how}, put on the surface"
        if apart > FIT_MM:
            measured = f"atlas and patient lie {apart:.1f} mm apart round {point.name}"
            advice = "Place that landmark by hand, or use an atlas that is more alike"
            findings.append(Finding("atlas", Level.WARN, measured, f"{FIT_MM:g} mm", advice))
        sd = float(np.hypot(apart, target.tre_mm / np.sqrt(3)))
        carried.append(Landmark(point.name, place, patient.frame, how, max(sd, 1e-6)))
    return PointSet(carried, patient.frame), tuple(findings)


def _apart(place: Array, there: Target, here: Target) -> float:
    """RMS distance of the atlas from the patient's surface round a place, mm."""
    near = there.tree.query_ball_point(place, AROUND_MM)
    near = near or [int(there.tree.query(place)[1])]
    away, _ = here.tree.query(there.places[near])
    return float(np.sqrt((away**2).mean()))

"""Several series that are as good as each other: when one may be taken without asking.

One acquisition is often reconstructed twice, with a soft and with a sharp kernel, or in thick and in thin slices. Such
series show the same anatomy at the same time and place, so the choice changes sharpness alone: the thinnest slices are
taken, and of those the softest kernel, for sharp ones overshoot at edges and move every threshold there. All else,
another phase, field of view, patient or study, is left to the user, and so are kernels whose sharpness is not known.

Source of the rule: Mitsouras et al., "Medical 3D printing for the radiologist", RadioGraphics 35, 2015 (thin slices,
soft kernels). Of the names: the makers' manuals; in Siemens' names the first number grows with sharpness.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from surgplan.ingest.series import SAME_DIRECTION, SAME_SPACING_MM, Series
from surgplan.model.frames import Array

SIEMENS = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]?\b")
GE = ("SOFT", "STANDARD", "DETAIL", "LUNG", "BONE", "BONEPLUS", "EDGE")
"""From soft to sharp."""
SAME_EDGE_MM = 5.0
"""Reconstructions of one acquisition begin and end within a slice of each other."""


def one_of(rivals: Sequence[Series]) -> tuple[Series, str] | None:
    """The series to take, and why; None when the user has to choose."""
    if not _one_acquisition(rivals):
        return None
    thinnest = min(_step(each) for each in rivals)
    thin = [each for each in rivals if _step(each) <= thinnest + SAME_SPACING_MM]
    if len(thin) == 1:
        return thin[0], f"the thinnest of {len(rivals)} reconstructions of one acquisition"
    sharpness = [sharpness_of(each.first.kernel, each.first.maker) for each in thin]
    known = [value for value in sharpness if value is not None]
    if len(known) < len(thin) or known.count(min(known)) > 1:
        return None
    softest = thin[known.index(min(known))]
    kernels = ", ".join(each.first.kernel for each in thin)
    return softest, f"the softest of {len(thin)} reconstructions of one acquisition (kernels {kernels})"


def _one_acquisition(rivals: Sequence[Series]) -> bool:
    """Whether all show the same thing: taken at the same moment, with the same field of view."""
    first = rivals[0].first
    if not first.frame_of_reference or any(each.layout is None or each.first.modality != "CT" for each in rivals):
        return False
    same = ("patient", "study_uid", "frame_of_reference", "acquisition", "image_type")
    if any(getattr(each.first, name) != getattr(first, name) for each in rivals for name in same):
        return False
    moments = [{one.moment for one in each.slices} - {0} for each in rivals]
    if not set.intersection(*moments):
        return False
    boxes = [box for each in rivals if (box := _box(each, rivals[0])) is not None]
    return len(boxes) == len(rivals) and all(np.abs(box - boxes[0]).max() <= SAME_EDGE_MM for box in boxes)


def _box(each: Series, reference: Series) -> Array | None:
    """(2, 3) where the volume begins and ends along the axes of the reference, mm; None when it is turned."""
    assert each.layout is not None
    assert reference.layout is not None
    axes = reference.layout.axes
    if np.abs(each.layout.axes - axes).max() > SAME_DIRECTION:
        return None
    start = each.layout.positions @ axes
    extent = np.array([*np.array(each.layout.size) * each.layout.pixel_mm, 0.0])
    return np.array([start.min(axis=0), start.max(axis=0) + extent])


def _step(each: Series) -> float:
    assert each.layout is not None
    return float(each.layout.usual_steps.max())


def sharpness_of(kernel: str, maker: str) -> float | None:
    """A number that grows with the sharpness of a maker's kernel; None for a name that is not known."""
    name = kernel.partition("/")[0]
    if maker.upper().startswith("SIEMENS"):
        found = SIEMENS.match(name)
        return float(found[1]) if found else None
    if maker.upper().startswith("GE") and name.upper() in GE:
        return float(GE.index(name.upper()))
    return None

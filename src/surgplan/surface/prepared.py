"""The scan made ready for contouring one structure: at its local level, linear across blurred edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from surgplan.findings import Finding
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.contour import crop

Boundary = Literal["level", "local-half-maximum"]


@dataclass(frozen=True)
class Prepared:
    """What a structure's surface is made from and held to: all on one grid, maybe cropped to its surroundings.

    `label` is the structure with its level in these intensities; `notes` tell what was done.
    """

    volume: Volume | None
    labels: LabelMap
    label: Label
    notes: tuple[Finding, ...] = ()


def prepared(volume: Volume | None, labels: LabelMap, label: Label, boundary: Boundary) -> Prepared:
    """One structure's scan and label."""
    return prepared_together(volume, labels, (label,), boundary)[0][0]


def prepared_together(
    volume: Volume | None, labels: LabelMap, chosen: Sequence[Label], boundary: Boundary
) -> tuple[tuple[Prepared, ...], LabelMap]:
    """Those of several structures, and the label map in which all of them lie as their local levels decide."""
    from surgplan.surface.blurred_edge import made_linear
    from surgplan.surface.local_level import at_local_level

    made: list[tuple[Volume | None, Label, tuple[Finding, ...]]] = []
    for label in chosen:
        if boundary == "local-half-maximum" and volume is not None and label.level is not None:
            heights, part, here, note = at_local_level(volume, labels, label)
            made.append((heights, here, (note,)))
            labels = _with_part(labels, part)
        else:
            made.append((volume, label, ()))
    found = []
    for scan, here, notes in made:
        if scan is None:
            found.append(Prepared(None, labels, here, notes))
        else:
            found.append(Prepared(*made_linear(scan, _cropped(labels, scan, here), here), notes))
    return tuple(found), labels


def _with_part(labels: LabelMap, part: LabelMap) -> LabelMap:
    """The map with what a cropped one has there."""
    i, j, k = labels.grid.first_of(part.grid)
    array = labels.array.copy()
    depth, height, width = part.array.shape
    array[k : k + depth, j : j + height, i : i + width] = part.array
    return LabelMap(labels.grid, array, labels.labels)


def _cropped(labels: LabelMap, scan: Volume, here: Label) -> LabelMap:
    """The map on the volume's grid, with one label as it is called there."""
    others = tuple(here if other.value == here.value else other for other in labels.labels)
    if scan.grid.size == labels.grid.size:
        return labels if others == labels.labels else LabelMap(labels.grid, labels.array, others)
    array = np.ascontiguousarray(crop(labels.array, labels.grid.first_of(scan.grid), np.array(scan.grid.size), 0))
    return LabelMap(scan.grid, array, others)

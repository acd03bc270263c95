"""Is a structure about as large as its counterpart on the other side?"""

from __future__ import annotations

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.labels import LabelMap, Side
from surgplan.model.sides import without_side
from surgplan.segment.sides import side_of

LEAST_SHARE = 0.75
"""Limb bones of the two sides differ by a few percent in length and breadth; tilt and the scan's ends add to that."""

SOURCE = "Auerbach and Ruff, Journal of Human Evolution 50, 2006 (sides of limb bones differ by a few percent)"


def check_pairs(labels: LabelMap) -> list[Finding]:
    """A warning for each pair of structures of which one is much smaller than the other.

    No refusal: a fracture, a tumour or an amputation makes such a pair, and so does metal that spoils one side.
    """
    cubic = labels.grid.voxel_volume_mm3 / 1000
    named = {(without_side(label.name), side_of(label)): label for label in labels.labels}
    findings = []
    for (name, side), left in named.items():
        right = named.get((name, Side.RIGHT))
        if side is not Side.LEFT or right is None:
            continue
        one, other = (np.count_nonzero(labels.array == label.value) * cubic for label in (left, right))
        if min(one, other) >= LEAST_SHARE * max(one, other):
            continue
        smaller = left if one < other else right
        measured = f"{left.name} has {one:.4g} cm³, {right.name} {other:.4g} cm³"
        limit = f"the smaller at least {100 * LEAST_SHARE:g} % of the larger"
        advice = "Look whether a part of it is missing, or went to a neighbour"
        findings.append(Finding("unlike sides", Level.WARN, measured, limit, advice, SOURCE, smaller.name))
    return findings

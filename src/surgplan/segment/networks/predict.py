"""A network run on a whole scan: there by resampling, patch by patch, and back to the scan's own voxels.

Patches are worked on row by row along the network's first axis. Rows that no later patch touches are blended, brought
back to the scan's grid and decided at once, so that the channels of the whole scan are never in memory together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.model_card import ModelCard
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Modality, Volume
from surgplan.segment.networks.axes import Reals, Turn, count_at, resampled, taps
from surgplan.segment.networks.intensity import scaled
from surgplan.segment.networks.tiles import importance, starts, total_importance

Infer = Callable[[Reals], Reals]
"""From one patch (1, 1, a, b, c) to its channels (channels, a, b, c)."""

FLOAT = 4
MOST_COARSER = 3.0
"""A scan with voxels so many times larger than the network's holds too little for it."""


@dataclass(frozen=True)
class Plan:
    """How a scan meets a network: counts of voxels along the network's three axes."""

    turn: Turn
    scan: tuple[int, int, int]
    there: tuple[int, int, int]
    padded: tuple[int, int, int]
    patch: tuple[int, int, int]
    overlap: float
    channels: int
    classes: int

    @classmethod
    def of(cls, volume: Volume, card: ModelCard) -> Plan:
        """The plan for a scan."""
        turn = Turn.to(volume.grid, card.input.orientation)
        scan = tuple(volume.grid.shape[axis] for axis in turn.order)
        sizes = zip(scan, turn.spacing(volume.grid), card.input.spacing_mm, strict=True)
        there = tuple(count_at(count, ours, theirs) for count, ours, theirs in sizes)
        padded = tuple(max(count, patch) for count, patch in zip(there, card.input.patch, strict=True))
        classes = len(card.label) + 1 if card.output.kind == "argmax" else card.channels
        return cls(turn, scan, there, padded, card.input.patch, card.input.overlap, card.channels, classes)  # type: ignore[arg-type]

    @property
    def patches(self) -> int:
        """How many times the network is run."""
        axes = zip(self.padded, self.patch, strict=True)
        return int(np.prod([len(starts(size, patch, self.overlap)) for size, patch in axes]))

    @property
    def memory(self) -> int:
        """Bytes that a run takes at its height, without the scan itself and what the network takes for a patch."""
        scan, there = int(np.prod(self.scan)), int(np.prod(self.padded))
        resampling = FLOAT * (scan + 2 * max(scan, there))
        rows = self.patch[0] * self.padded[1] * self.padded[2]
        plane = max(self.scan[1] * self.scan[2], self.there[1] * self.there[2])
        running = FLOAT * (there + self.classes * (2 * rows + 5 * plane)) + scan * 2
        return max(resampling, running)


def predict(
    volume: Volume, card: ModelCard, infer: Infer, wanted: frozenset[str]
) -> tuple[dict[str, NamedMask], tuple[Finding, ...]]:
    """The masks of the wanted labels on the scan's own grid, and what the run should be known for.

    Raises
    ------
    BadInput
        The scan is of another kind than those that the network was trained on; or the network fails.
    """
    findings = _checked(volume, card)
    plan = Plan.of(volume, card)
    given = _prepared(plan.turn.apply(volume.array), plan, card)
    decided = _Decided(volume, plan, card)
    back = _Back(plan, decided.take)
    for row in _rows(given, plan, card, infer):
        back.take(row)
    names = [label for label in card.label if label.name in wanted]
    masks = {}
    for label in names:
        voxels = decided.mask(label.value)
        told = {**label.told, "source": f"{card.name} {card.version}".strip()}
        masks[label.name] = NamedMask.cut(label.name, volume.grid, voxels, **told)
    measured = f"{plan.patches} patches of {' × '.join(map(str, plan.patch))} at {_sizes(card.input.spacing_mm)} mm"
    ran = Finding(
        "network", Level.NOTE, f"{card.name} {card.version}: {measured}", subject=card.name, source="model.toml"
    )
    return masks, (*findings, ran)


def _sizes(spacing: tuple[float, ...]) -> str:
    return " × ".join(f"{step:g}" for step in spacing)


def _checked(volume: Volume, card: ModelCard) -> list[Finding]:
    if card.modality != "any" and volume.modality is not Modality.OTHER and volume.modality != card.modality:
        advice = "Take a network for this kind of scan"
        raise BadInput(
            "scan", f"is {volume.modality}, and the network {card.name} is for {card.modality}", advice=advice
        )
    findings = []
    if card.modality != "any" and volume.modality is Modality.OTHER:
        measured = f"the file does not say what kind of scan it is; {card.name} is for {card.modality}"
        findings.append(Finding("network's modality", Level.WARN, measured, card.modality, "Check it", "model.toml"))
    ours = Turn.to(volume.grid, card.input.orientation).spacing(volume.grid)
    coarser = max(a / b for a, b in zip(ours, card.input.spacing_mm, strict=True))
    if coarser > MOST_COARSER:
        measured = f"the scan's voxels, {_sizes(ours)} mm, are {coarser:.1f} times those that {card.name} works on"
        advice = "Look at its result with care, or take a scan with thinner slices"
        findings.append(
            Finding("network's resolution", Level.WARN, measured, f"{MOST_COARSER:g} times", advice, "model.toml")
        )
    return findings


def _prepared(array: NDArray[np.generic], plan: Plan, card: ModelCard) -> Reals:
    """The scan on the network's grid, scaled, with zeros around it where a patch is larger than the scan."""
    if card.input.normalise_first:
        values = resampled(scaled(array, card.intensity), plan.there, card.input.interpolations)
    else:
        there = resampled(array.astype(np.float32), plan.there, card.input.interpolations)
        values = scaled(there, card.intensity)
    if plan.padded == plan.there:
        return np.ascontiguousarray(values)
    whole = np.zeros(plan.padded, dtype=np.float32)
    whole[_inner(plan)] = values
    return whole


def _inner(plan: Plan) -> tuple[slice, slice, slice]:
    """Where the scan lies in the padded array: in its middle, as in nnU-Net and MONAI."""
    first = [(padded - count) // 2 for padded, count in zip(plan.padded, plan.there, strict=True)]
    a, b, c = (slice(at, at + count) for at, count in zip(first, plan.there, strict=True))
    return a, b, c


def _rows(given: Reals, plan: Plan, card: ModelCard, infer: Infer) -> Iterator[Reals]:
    """The blended channels (classes, b, c) of each row along the first axis, in order, without the padding."""
    axes = [starts(size, patch, plan.overlap) for size, patch in zip(plan.padded, plan.patch, strict=True)]
    weight = _product([importance(patch) for patch in plan.patch])
    totals = [total_importance(size, patch, plan.overlap) for size, patch in zip(plan.padded, plan.patch, strict=True)]
    share = (1.0 / _product([totals[1], totals[2]])).astype(np.float32)
    inner = _inner(plan)
    rows = np.zeros((plan.classes, plan.patch[0], *plan.padded[1:]), dtype=np.float32)
    for at, following in itertools.pairwise([*axes[0], plan.padded[0]]):
        for b, c in itertools.product(axes[1], axes[2]):
            tile = tuple(slice(first, first + n) for first, n in zip((at, b, c), plan.patch, strict=True))
            found = _classes(infer(given[tile][np.newaxis, np.newaxis]), card)
            rows[:, :, tile[1], tile[2]] += found * weight
        for row in range(following - at):
            if inner[0].start <= at + row < inner[0].stop:
                done = rows[:, row] * (share / np.float32(totals[0][at + row]))
                yield done[:, inner[1], inner[2]]
        kept = plan.patch[0] - (following - at)
        rows[:, :kept] = rows[:, following - at :].copy()
        rows[:, kept:] = 0


def _product(parts: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole[..., np.newaxis] * part
    return whole.astype(np.float32)


def _classes(channels: Reals, card: ModelCard) -> Reals:
    """What is blended: the channels as they are, or for a network that gives labels, one channel for each."""
    if card.output.kind != "argmax":
        return channels
    values = np.rint(channels[0]).astype(np.int64)
    known = [0, *(label.value for label in card.label)]
    if not np.isin(values, known).all():
        stray = sorted(set(np.unique(values).tolist()) - set(known))
        raise BadInput(f"network {card.name}", f"gives the values {stray[:10]}", "those of its labels", "Name them all")
    return np.stack([values == value for value in known]).astype(np.float32)


class _Back:
    """Takes rows on the network's grid, one by one, and hands on those of the scan's, as soon as both neighbours of a
    row are there."""

    def __init__(self, plan: Plan, give: Callable[[int, Reals], None]) -> None:
        self._give = give
        self._in_plane = [taps(plan.there[axis], plan.scan[axis], "linear") for axis in (1, 2)]
        self._along = taps(plan.there[0], plan.scan[0], "linear")
        self._row, self._plane = 0, 0
        self._last: Reals | None = None

    def take(self, row: Reals) -> None:
        """The next row, (classes, b, c)."""
        here = row
        for axis, found in enumerate(self._in_plane, start=1):
            here = found.along(here, axis)
        index, weight = self._along.index, self._along.weight
        while self._plane < len(index) and index[self._plane].max() <= self._row:
            before = self._last if self._last is not None else here
            mixed = np.zeros_like(here)
            for at, share in zip(index[self._plane], weight[self._plane], strict=True):
                mixed += share * (here if at == self._row else before)
            self._give(self._plane, mixed)
            self._plane += 1
        self._last = here
        self._row += 1


class _Decided:
    """Which voxels of the scan belong to which label: one map, or for labels that may overlap, one for each."""

    def __init__(self, volume: Volume, plan: Plan, card: ModelCard) -> None:
        self._card = card
        self._values = np.array([0, *(label.value for label in card.label)], dtype=np.uint16)
        count = len(card.label) if card.output.kind == "sigmoid" else 1
        kind = np.bool_ if card.output.kind == "sigmoid" else np.uint16
        self._maps: list[NDArray[Any]] = [np.zeros(volume.grid.shape, dtype=kind) for _ in range(count)]
        self._views = [plan.turn.apply(each) for each in self._maps]
        threshold = card.output.threshold
        self._level = np.log(threshold / (1 - threshold)) if card.output.logits else threshold

    def take(self, plane: int, channels: Reals) -> None:
        """Decide one plane along the network's first axis."""
        if self._card.output.kind == "sigmoid":
            for view, channel in zip(self._views, channels, strict=True):
                view[plane] = channel >= self._level
        else:
            self._views[0][plane] = self._values[channels.argmax(axis=0)]

    def mask(self, value: int) -> NDArray[np.bool_]:
        """(k, j, i) which voxels are the label's."""
        if self._card.output.kind == "sigmoid":
            return np.asarray(self._maps[value - 1], dtype=np.bool_)
        return np.asarray(self._maps[0] == value)

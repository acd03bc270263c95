"""Structures that networks and programs find: run once, their masks stored, so that all later stages see the same.

Networks do not give the same bits on every machine; their stored masks are what the segmentation is made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from surgplan.case.models import find_model
from surgplan.case.needs import free_memory
from surgplan.case.totalsegmentator import program, run_totalsegmentator
from surgplan.errors import BadInput, OutOfResources, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written
from surgplan.formats.limits import told_bytes
from surgplan.formats.models import Model, check_model, open_model
from surgplan.model.anatomy import anatomy_of
from surgplan.model.labels import BONE_COLOR, Label, LabelMap, Side, file_stem
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Volume
from surgplan.segment.mask_params import MaskKey, NetworkParams, TotalSegmentatorParams
from surgplan.segment.masks import mask_meant
from surgplan.segment.networks.params import NetworkLimits
from surgplan.segment.networks.predict import Plan, predict
from surgplan.segment.placing import place
from surgplan.segment.stage import SegmentParams

Source = NetworkParams | TotalSegmentatorParams


@dataclass(frozen=True)
class NetworksMade:
    """The masks, the files that hold them, and what the runs should be known for."""

    masks: dict[MaskKey, NamedMask]
    written: tuple[Written, ...]
    findings: tuple[Finding, ...]
    results: dict[str, Any]


def asks_networks(params: SegmentParams) -> bool:
    """Whether any structure is found by a network or a program."""
    return bool(_sources(params))


def network_parameters(params: SegmentParams, limits: NetworkLimits) -> dict[str, Any]:
    """What decides the masks: which are wanted, and the hashes of the models.

    Raises
    ------
    Missing, BadInput
        A model is not there, or its card is broken.
    """
    told: dict[str, Any] = {"masks": sorted(key for _, keys in _sources(params).values() for key in keys)}
    for source, (table, _) in _sources(params).items():
        if isinstance(table, NetworkParams):
            model = find_model(table.model)
            told[source] = {"card_sha256": model.card_sha256, "sha256": model.card.sha256, "threads": limits.threads}
            told["onnxruntime"] = _installed("onnxruntime")
    return told


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _sources(params: SegmentParams) -> dict[str, tuple[Source, list[MaskKey]]]:
    """Where masks come from that are still to be made → how, and which of them are wanted."""
    found: dict[str, tuple[Source, list[MaskKey]]] = {}
    for structure in params.structures:
        key, table = structure.mask_key, structure.table
        if key is not None and isinstance(table, NetworkParams | TotalSegmentatorParams):
            found.setdefault(key[0], (table, []))[1].append(key)
    return found


def run_networks(volume: Volume, params: SegmentParams, limits: NetworkLimits, folder: Path) -> NetworksMade:
    """Run each network and program that a structure asks for; write each mask to `folder/SOURCE/NAME.seg.nrrd`.

    All models are checked, and the memory for them is predicted, before the first one runs.

    Raises
    ------
    Missing
        A model, onnxruntime or TotalSegmentator is not there.
    BadInput
        A model is not what its card says, has no such label, or fails.
    OutOfResources
        It would take more memory than there is.
    """
    sources = _sources(params)
    for table, keys in sources.values():
        if isinstance(table, NetworkParams):
            model = find_model(table.model)
            check_model(model)
            check_fits(volume, model, limits)
        else:
            _check_classes(keys)
            program()
    _refuse_same_files(key for _, wanted in sources.values() for key in wanted)
    masks: dict[MaskKey, NamedMask] = {}
    findings: list[Finding] = []
    results: dict[str, Any] = {}
    for source, (table, keys) in sources.items():
        if isinstance(table, NetworkParams):
            made, told, results[source] = _network(volume, table, keys, limits)
        else:
            made, told, results[source] = _totalsegmentator(volume, table, keys, limits)
        masks |= {(source, name): mask for name, mask in made.items()}
        findings += told
    written = tuple(_write(folder, source, mask, volume) for (source, _), mask in masks.items())
    return NetworksMade(masks, written, tuple(findings), results)


def _check_classes(keys: Iterable[MaskKey]) -> None:
    for _, name in keys:
        if not name.replace("_", "").isalnum() or not name.isascii():
            advice = 'Say what it calls the class: totalsegmentator = { label = "femur_left" }'
            raise WrongUsage(f"structure `{name}`", "is no class of TotalSegmentator's", advice=advice)


def _refuse_same_files(keys: Iterable[MaskKey]) -> None:
    """Two masks must not be written to one file."""
    seen: dict[Path, MaskKey] = {}
    for key in keys:
        other = seen.setdefault(_place(key), key)
        if other != key:
            found = f"`{other[1]}` of {other[0]} and `{key[1]}` of {key[0]} would share a file"
            raise WrongUsage("networks", found, advice="Rename one of the two in its model.toml")


def _place(key: MaskKey) -> Path:
    """Where the mask lies below the folder of all."""
    return Path(file_stem(key[0])) / f"{file_stem(key[1])}.seg.nrrd"


def check_fits(volume: Volume, model: Model, limits: NetworkLimits) -> int:
    """Bytes that a run will take at its height, beside the scan.

    Raises
    ------
    OutOfResources
        It is more than is free, or than the recipe allows.
    """
    plan = Plan.of(volume, model.card)
    needed = plan.memory + int(model.card.working_memory_mb * (1 << 20))
    allowed = int(limits.memory_gb * (1 << 30)) if limits.memory_gb else free_memory()
    if needed > allowed:
        grid = " × ".join(map(str, plan.padded))
        found = f"would take {told_bytes(needed)} of memory for {plan.channels} channels on {grid} voxels"
        advice = "Crop the scan, close other programs, use a model with larger voxels, or raise networks.memory_gb"
        raise OutOfResources(f"model `{model.card.name}`", found, f"at most {told_bytes(allowed)}", advice)
    return needed


def _network(
    volume: Volume, table: NetworkParams, keys: Sequence[MaskKey], limits: NetworkLimits
) -> tuple[dict[str, NamedMask], tuple[Finding, ...], dict[str, Any]]:
    model = find_model(table.model)
    card = model.card
    known = [(keys[0][0], label.name) for label in card.label]
    try:
        wanted = {key[1]: mask_meant(known, key, key[1])[1] for key in keys}
    except WrongUsage as error:
        raise BadInput(f"model `{card.name}`", error.found, advice=error.advice) from None
    infer = open_model(model, limits.threads)
    found, findings = predict(volume, card, infer, frozenset(wanted.values()))
    facts = {
        "model": card.name,
        "version": card.version,
        "licence": card.licence,
        "sha256": card.sha256,
        "card_sha256": model.card_sha256,
        "threads": limits.threads,
        "onnxruntime": _installed("onnxruntime"),
    }
    return {name: found[label].renamed(name) for name, label in wanted.items()}, findings, facts


def _totalsegmentator(
    volume: Volume, table: TotalSegmentatorParams, keys: Sequence[MaskKey], limits: NetworkLimits
) -> tuple[dict[str, NamedMask], tuple[Finding, ...], dict[str, Any]]:
    classes = sorted({name for _, name in keys})
    found, version = run_totalsegmentator(volume, table.task, table.fast, classes, limits.hours)
    measured = f"TotalSegmentator {version or 'of unknown version'}, task {table.task}: {len(found)} of its classes"
    ran = Finding("network", Level.NOTE, measured, source="Wasserthal et al. 2023", subject="TotalSegmentator")
    return found, (ran,), {"version": version, "task": table.task, "fast": table.fast}


def _write(folder: Path, source: str, mask: NamedMask, volume: Volume) -> Written:
    """The mask on the scan's voxels, as a segmentation of one segment."""
    import numpy as np

    from surgplan.formats.segmentations import write_labels

    region, _ = place(mask, volume)
    array = np.zeros(volume.grid.shape, dtype=np.uint8)
    array[region.box.slices] = region.mask
    known = anatomy_of(mask.name)
    color = mask.color or (known[0].color if known else BONE_COLOR)
    label = Label(1, mask.name, color, mask.side or Side.NONE, mask.code or (known[0].code if known else None))
    return write_labels(folder / _place((source, mask.name)), LabelMap(volume.grid, array, (label,)))


def read_networks(params: SegmentParams, folder: Path) -> dict[MaskKey, NamedMask]:
    """The masks that an earlier run has stored.

    Raises
    ------
    Missing, BadInput
        A file is gone or damaged.
    """
    from surgplan.formats.masks import read_masks

    masks = {}
    for _, keys in _sources(params).values():
        for key in keys:
            (mask,), _ = read_masks(folder / _place(key))
            masks[key] = replace(mask, name=key[1])
    return masks

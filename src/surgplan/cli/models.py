"""`surgplan models`: the lab's own networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result, table
from surgplan.errors import SurgplanError

if TYPE_CHECKING:
    from surgplan.formats.models import Model


@click.command("models")
@click.argument("name", required=False)
@click.option("--check", is_flag=True, help="Hash its files, open the network, run it on one empty patch.")
@click.option("--scan", type=click.Path(path_type=Path), help="Tell what a run on this scan would take.")
@speaking
def command(name: str | None, check: bool, scan: Path | None, output: Output) -> None:
    """List the networks that recipes can name, or explain the one called NAME (or in the folder NAME).

    \b
    surgplan models
    surgplan models femur-ct --check --scan volume.nrrd
    """
    if name is None:
        _list(output)
        return
    from surgplan.case.models import find_model

    model = find_model(name)
    values: dict[str, Any] = {"folder": str(model.folder), **model.card.model_dump(mode="json", exclude={"label"})}
    values["label"] = [label.model_dump(mode="json", exclude_none=True) for label in model.card.label]
    if scan is not None:
        values["run"] = _run_on(existing(scan), model)
    if check:
        values["checked"] = _checked(model)
    output.result(Result(values=values, lines=tuple(_explained(model, values))))


def _list(output: Output) -> None:
    from surgplan.case.models import known_models, model_folders

    rows: list[tuple[str, ...]] = [("model", "version", "for", "labels", "what it is")]
    values: dict[str, Any] = {}
    for found, model in known_models().items():
        if isinstance(model, SurgplanError):
            rows.append((found, "", "", "", f"cannot be used: {model.message}"))
            values[found] = {"error": model.as_dict()}
            continue
        card = model.card
        rows.append((found, card.version, card.modality, str(len(card.label)), card.description))
        values[found] = {"folder": str(model.folder), "version": card.version, "sha256": card.sha256}
    folders = [str(folder) for folder in model_folders()]
    lines = [*table(rows, numbers=(3,)), "", "models are looked up in:", *(f"  {folder}" for folder in folders)]
    output.result(Result(values={"models": values, "folders": folders}, lines=tuple(lines)))


def _explained(model: Model, values: dict[str, Any]) -> list[str]:
    card = model.card
    scaling = ", ".join(f"{key} {value}" for key, value in card.intensity.model_dump().items() if key != "kind")
    given = card.input
    patch, spacing = (" × ".join(f"{each:g}" for each in three) for three in (given.patch, given.spacing_mm))
    rows = [
        (card.name, card.version),
        ("what it is", card.description),
        ("licence", card.licence),
        ("source", card.source or "not told"),
        ("scans", card.modality),
        ("intensities", f"{card.intensity.kind} {scaling}".strip()),
        ("voxels", f"{spacing} mm along {given.orientation}, brought there by {', '.join(given.interpolations)}"),
        ("patch", f"{patch} voxels, overlapping by {100 * given.overlap:g} %"),
        ("output", f"{card.output.kind}, {card.channels} channels"),
        ("SHA-256", card.sha256),
        *((key, str(value)) for key, value in {**values.get("run", {}), **values.get("checked", {})}.items()),
    ]
    labels = [("value", "label", "code"), *((str(e.value), e.name, " ".join(e.code or ())) for e in card.label)]
    return [*table(rows), "", *table(labels, numbers=(0,))]


def _run_on(scan: Path, model: Model) -> dict[str, Any]:
    """What a run on the scan would take, measured in patches and bytes, before it is started."""
    from surgplan.case.networks import check_fits
    from surgplan.formats.images import read_volume
    from surgplan.segment.networks.params import NetworkLimits
    from surgplan.segment.networks.predict import Plan

    volume = read_volume(scan)
    needed = check_fits(volume, model, NetworkLimits())
    plan = Plan.of(volume, model.card)
    return {"patches on this scan": plan.patches, "memory on this scan (MiB)": round(needed / (1 << 20))}


def _checked(model: Model) -> dict[str, Any]:
    """Open the network and run it once; what it takes is the value for `working_memory_mb`."""
    import resource

    import numpy as np

    from surgplan.formats.models import open_model
    from surgplan.segment.networks.params import NetworkLimits

    infer = open_model(model, NetworkLimits().threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    infer(np.zeros((1, 1, *model.card.input.patch), dtype=np.float32))
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"checked": "hashes, shapes and one patch", "memory for one patch (MiB)": round(taken)}

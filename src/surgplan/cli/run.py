"""`surgplan run`: the whole pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surgplan.cli.options import (
    accept_option,
    existing,
    mask_files,
    masks_options,
    operator_option,
    overwrite_option,
    set_option,
    speaking,
)
from surgplan.cli.output import LiveProgress, Output, Result, style, table
from surgplan.findings import READY, WITH_WARNINGS

if TYPE_CHECKING:
    from surgplan.case.runner import Outcome


@click.command("run")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-r", "--recipe", help="Name or file of the recipe; see `surgplan recipes`.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Case folder [default: NAME-case].")
@click.option("--name", help="Name of the case, never a patient's [default: the case folder's name].")
@click.option("--dry-run", is_flag=True, help="Only say which stages would run, and why.")
@click.option(
    "--cache", type=click.Path(path_type=Path), envvar="SURGPLAN_CACHE", help="Folder in which cases share results."
)
@click.option("--cache-gb", type=click.FloatRange(0.001), default=20.0, show_default=True, help="Its size at the most.")
@masks_options
@accept_option
@operator_option
@set_option
@overwrite_option
@speaking
def command(
    source: Path,
    recipe: str | None,
    target: Path | None,
    name: str | None,
    dry_run: bool,
    cache: Path | None,
    cache_gb: float,
    masks: Path | None,
    mask_names: Path | None,
    accept: tuple[str, ...],
    operator: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
    output: Output,
) -> None:
    """From a scan, or a case file, to models, navigation data and a report.

    SOURCE is a folder of DICOM files, a NIfTI, NRRD or MHA file, or a case.toml. A case that exists is resumed:
    stages whose inputs and parameters are unchanged are skipped.

    \b
    surgplan run DICOM_FOLDER -r ct-bone -o case/
    surgplan run scan.nii.gz -r ct-skull -o case/ --set surface.tolerance_mm=0.1
    surgplan run scan.nii.gz -r masks --masks FOLDER -o case/
    surgplan run case.toml
    """
    existing(source)
    from surgplan.case.cache import Cache
    from surgplan.case.casefile import plan_case
    from surgplan.case.due import dry_run as look_ahead
    from surgplan.case.runner import run_case
    from surgplan.model.labels import file_stem

    if target is not None and name is None and source.suffix != ".toml":
        name = file_stem(target.resolve().name)
    files = mask_files(masks, mask_names)
    plan = plan_case(source, recipe, name, settings, masks=files)
    plan = plan.accepting(accept, operator)
    folder = target or _default_folder(source, plan.case)
    if dry_run:
        told = look_ahead(plan, folder)
        output.result(Result(values={"stages": dict(told)}, lines=tuple(table([("stage", "what"), *told]))))
        return
    progress = LiveProgress(output)
    try:
        shared = Cache(cache, int(cache_gb * 1e9)) if cache else None
        outcome = run_case(plan, folder, progress, overwrite, operator, shared)
    finally:
        progress.close()
    _show(outcome, output)


def _default_folder(source: Path, case: str) -> Path:
    from surgplan.model.labels import file_stem

    beside = source.parent if source.suffix == ".toml" else Path()
    return beside if (beside / "manifest.json").is_file() else beside / f"{file_stem(case)}-case"


def _show(outcome: Outcome, output: Output) -> None:
    manifest = outcome.manifest
    values = {
        "case": str(outcome.folder),
        "verdict": manifest.verdict,
        "ran": outcome.ran,
        "up_to_date": outcome.skipped,
        "from_cache": outcome.cached,
        "seconds": {name: manifest.times[name] for name in outcome.ran},
        "structures": manifest.stages["surface"].results["measures"],
    }
    findings = (*outcome.notices, *(finding for _, finding in manifest.findings))
    try:
        output.result(Result(outcome.written, findings, values))
    finally:
        # last, so that it is what a person sees
        for line in summary(outcome) if sys.stderr.isatty() and not output.json else ():
            output.say(line)


def summary(outcome: Outcome) -> list[str]:
    """The short table at the end: each structure's numbers, the verdict, where the report is."""
    manifest = outcome.manifest
    rows = [("structure", "volume ml", "size mm", "triangles", "watertight")]
    for told in manifest.stages["surface"].results["measures"]:
        size = " × ".join(f"{length:.0f}" for length in told["size_mm"])
        tight = "yes" if told["topology"]["watertight"] else "NO"
        rows.append(
            (told["name"], f"{told['volume_mm3'] / 1000:.2f}", size, f"{told['topology']['triangles']:,}", tight)
        )
    color = {READY: "green", WITH_WARNINGS: "yellow"}.get(manifest.verdict, "red")
    total = sum(manifest.times[name] for name in outcome.ran)
    took = f"in {total:.1f} s" if outcome.ran else "nothing to do"
    return [
        "",
        *table(rows, numbers=(1, 3)),
        "",
        f"{style(manifest.verdict, color, bold=True)}, {took}; report: {outcome.folder / 'report' / 'index.html'}",
    ]

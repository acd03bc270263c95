"""`surgplan info`: versions, folders, optional parts."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata
from typing import Any

import click

from surgplan import __version__
from surgplan.cli.options import speaking
from surgplan.cli.output import Output, Result, table

OPTIONAL = {
    "onnxruntime": "networks of the lab's own: pip install 'surgplan[networks]'",
    "open3d": "a second opinion on surface registrations: pip install 'surgplan[registration]'",
}


@click.command("info")
@click.option("--make", "rules", is_flag=True, help="Only the path of the rules for GNU Make, surgplan.mk.")
@click.option("--snakefile", "workflow", is_flag=True, help="Only the path of the workflow for Snakemake.")
@speaking
def command(rules: bool, workflow: bool, output: Output) -> None:
    """Versions of surgplan and of what it stands on, where recipes are looked up, and what is missing."""
    from surgplan.case.manifest import INFLUENTIAL
    from surgplan.case.needs import told_needs
    from surgplan.case.recipe import recipe_folders, shipped

    if rules or workflow:
        path = shipped("surgplan.mk" if rules else "Snakefile")
        output.result(Result(values={"path": str(path)}, lines=(str(path),)))
        return

    versions = {"surgplan": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in (*INFLUENTIAL, *OPTIONAL)}
    rows = [("package", "version"), *versions.items()]
    lines = [*table(rows), "", "recipes are looked up in:", *(f"  {folder}" for folder in recipe_folders())]
    lines.append(f"the key that tells patients' cases: {_key()}")
    missing = {name: cure for name, cure in OPTIONAL.items() if importlib.util.find_spec(name) is None}
    lines += [f"not installed: {name} ({cure})" for name, cure in missing.items()]
    folders = [str(folder) for folder in recipe_folders()]
    values: dict[str, Any] = {
        "patient_key": _key(),
        "versions": versions,
        "recipe_folders": folders,
        "missing": missing,
        "stage_needs": told_needs(),
    }
    output.result(Result(values=values, lines=tuple(lines)))


def _key() -> str:
    from surgplan.privacy.patient import VARIABLE, key_path

    return VARIABLE if os.environ.get(VARIABLE) else f"{key_path()}{'' if key_path().exists() else ' (not made yet)'}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"

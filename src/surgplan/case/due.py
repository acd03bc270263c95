"""Which stages of a case are due, and why: a stage is skipped when its key and its files are unchanged."""

from __future__ import annotations

from pathlib import Path

from surgplan.case.casefile import CasePlan
from surgplan.case.digest import source_digest, source_files
from surgplan.case.manifest import TOLD, Manifest, StageRecord, read_manifest, stage_key
from surgplan.case.verify import changed_files
from surgplan.case.workshop import Stage, stages_of


def dry_run(plan: CasePlan, folder: Path) -> list[tuple[str, str]]:
    """For each stage, what a run would do: `up to date`, or `would run` and why. Nothing is written."""
    manifest = read_manifest(folder) or Manifest(case=plan.case, recipe=plan.recipe_name)
    source = source_digest(plan.source, source_files(plan.source))
    told = []
    changed: set[str] = set()
    for stage in stages_of(plan):
        reason = why(stage, plan, manifest, source, folder, changed)
        told.append((stage.name, f"would run: {reason}" if reason else "up to date"))
        changed |= {stage.name} if reason else set()
    return told


def why(stage: Stage, plan: CasePlan, manifest: Manifest, source: str, folder: Path, changed: set[str]) -> str:
    """Why a stage has to be made, or ""; `changed` are the stages before it that would be made."""
    record = manifest.stages.get(stage.name)
    if record is None:
        return "never done"
    if upstream := [name for name in stage.after if name in changed]:
        return f"{upstream[0]} would run"
    inputs = inputs_of(stage, plan, manifest, source)
    if stage_key(stage.name, stage.version, stage.parameters(plan), inputs) == record.key:
        return what_is_gone(record, folder)
    if record.parameters != stage.parameters(plan):
        return "its parameters changed"
    return "its inputs changed" if record.inputs != inputs else "surgplan or a package that it uses changed"


def what_is_gone(record: StageRecord, folder: Path) -> str:
    """What has happened to the first of a stage's files that is no longer what was written, or ""."""
    return next((f"{name} {what}" for name, what in changed_files(folder, record.outputs)), "")


def inputs_of(stage: Stage, plan: CasePlan, manifest: Manifest, source: str) -> dict[str, str]:
    """SHA-256 of all that a stage is made from, by name."""
    if not stage.after:
        return {"scan": source}
    made = {
        name: record.sha256
        for earlier in stage.after
        if earlier in manifest.stages
        for name, record in sorted(manifest.stages[earlier].outputs.items())
    }
    done = [earlier for earlier in stage.after if stage.tells and earlier in manifest.stages]
    told = {f"{TOLD}{earlier} found": manifest.stages[earlier].told_sha256 for earlier in done}
    return {**made, **told, **stage.outside(plan)}

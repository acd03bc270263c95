"""Runs a case: six stages in order, each skipped when its key and its files are unchanged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from surgplan.case.approved_copies import show_approvals
from surgplan.case.cache import Cache
from surgplan.case.casefile import CasePlan
from surgplan.case.digest import source_digest, source_files
from surgplan.case.due import inputs_of, what_is_gone, why
from surgplan.case.failed import leave_page
from surgplan.case.lock import PRIVATE, locked
from surgplan.case.log import LOG, append, operator
from surgplan.case.manifest import (
    MANIFEST,
    FileRecord,
    Manifest,
    StageRecord,
    environment,
    read_manifest,
    stage_key,
    write_manifest,
)
from surgplan.case.needs import check_needs, scan_bytes, segment_bytes, surface_bytes
from surgplan.case.pdf import drop_stale_pdf
from surgplan.case.plan_file import CASE_FILE, with_patient, write_case_file
from surgplan.case.source_note import remember
from surgplan.case.standing import void_approvals
from surgplan.case.steps import StepOutput
from surgplan.case.workshop import STAGES, Stage, Workshop, stages_of
from surgplan.case.writing import beside
from surgplan.errors import Missing, SurgplanError, WouldOverwrite
from surgplan.findings import Finding
from surgplan.formats.atomic import sha256_of, sweep

DRAWN_MEANWHILE = ("print", "navigation")
"""While one of these is made, which need few cores, another process draws the surfaces for the report after them."""


class Progress(Protocol):
    """Who is told how a run goes."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        """It has ended, or was up to date."""


@dataclass
class Outcome:
    """What a run made."""

    folder: Path
    manifest: Manifest
    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    """Those of `ran` whose outputs came from the cache."""
    notices: list[Finding] = field(default_factory=list)
    """What happened on the way that does not concern the result: a damaged cache, for example."""

    @property
    def written(self) -> tuple[Path, ...]:
        """The files of the stages that ran, in order, and the manifest when any did."""
        names = [name for stage in self.ran for name in self.manifest.stages[stage].outputs]
        return tuple(self.folder / name for name in [*names, *(["manifest.json"] if self.ran else [])])


def run_case(
    plan: CasePlan,
    folder: Path,
    progress: Progress,
    overwrite: bool = False,
    by: str | None = None,
    cache: Cache | None = None,
) -> Outcome:
    """Run every stage of `plan` whose inputs or parameters are new, into the case folder.

    The case's log tells of it, with `by`, or the user of the operating system, as the one who did. What another case
    has made already comes from the cache.

    Raises
    ------
    WouldOverwrite
        The folder holds something else, or a case made from another scan, and `overwrite` is not set.
    CaseLocked
        Another process works on the case.
    SurgplanError
        Whatever a stage refuses; what the stages before it made stays.
    """
    _refuse_foreign_folder(folder, overwrite)
    files = source_files(plan.source)
    with locked(folder):
        sweep(folder)
        manifest = _manifest_to_continue(plan, folder, overwrite)
        source = source_digest(plan.source, files)
        _refuse_other_scan(manifest, source, folder, overwrite)
        manifest = with_patient(manifest, plan, folder, source)
        write_case_file(plan, folder)
        remember(folder, source, "source", str(plan.source.resolve()))
        if plan.masks:
            remember(folder, source, "masks", plan.masks.note)
        return _Run(plan, folder, manifest, source, progress, operator(by), cache).all()


def remake_report(plan: CasePlan, folder: Path, progress: Progress) -> Outcome:
    """Make only the report again, from the files that the other stages left; the scan is not needed.

    Raises
    ------
    Missing
        The case was not run to its end before.
    """
    with locked(folder):
        manifest = read_manifest(folder)
        needed = [stage.name for stage in stages_of(plan)[:-1]]
        absent = [name for name in needed if manifest is None or name not in manifest.stages]
        if manifest is None or absent:
            raise Missing(folder, f"stage {absent[0]} was never done", advice="Run the case first: surgplan run")
        for name in needed:
            if gone := what_is_gone(manifest.stages[name], folder):
                raise Missing(folder, gone, advice="Run the case again: surgplan run")
        stages = {name: record for name, record in manifest.stages.items() if name in needed}
        kept = manifest.model_copy(update={"stages": stages})
        return _Run(plan, folder, kept, "", progress, operator()).only_report()


class _Run:
    """One pass over the stages; the manifest is written after each, so that an interrupted run resumes."""

    def __init__(
        self,
        plan: CasePlan,
        folder: Path,
        manifest: Manifest,
        source: str,
        progress: Progress,
        by: str,
        cache: Cache | None = None,
    ) -> None:
        self.plan, self.folder, self.source, self.progress = plan, folder, source, progress
        self.by, self.cache = by, cache
        self.writer = beside()
        self.workshop = Workshop(plan, folder, manifest, self.writer.submit)
        self.outcome = Outcome(folder, manifest)
        self.began = False
        self.at = ""
        self.completing: tuple[str, Future[None]] | None = None

    def all(self) -> Outcome:
        stages = stages_of(self.plan)
        manifest = self.outcome.manifest
        wanted = [stage.name for stage in stages]
        gone = [record for name, record in manifest.stages.items() if name not in wanted]
        if gone:  # the recipe has no use any more for what these stages made
            kept = {name: record for name, record in manifest.stages.items() if name in wanted}
            self.outcome.manifest = self.workshop.manifest = manifest.model_copy(update={"stages": kept})
        outcome = self._these(stages)
        for record in gone:
            self._remove_what_is_no_longer_made(record)
        return outcome

    def only_report(self) -> Outcome:
        return self._these(STAGES[-1:])

    def _these(self, stages: Sequence[Stage]) -> Outcome:
        """Run the stages; the log tells of a run that did something, also when it failed."""
        try:
            self._each(stages)
        except BaseException as error:
            if self.began:
                self._tell_failure(stages, error)
                # the message may hold the path of the scan, and so a patient's name
                self._log("failed", {"stage": self.at, "error": type(error).__name__})
            raise
        if self.began:
            if show_approvals(self.folder):
                self.outcome.manifest = read_manifest(self.folder) or self.outcome.manifest
                self.outcome.notices += void_approvals(self.folder)
            drop_stale_pdf(self.folder)
            digest = sha256_of(self.folder / MANIFEST)
            verdict = self.outcome.manifest.verdict
            self._log("done", {"stages": self.outcome.ran, "verdict": verdict, "manifest_sha256": digest})
        return self.outcome

    def _tell_failure(self, stages: Sequence[Stage], error: BaseException) -> None:
        """A page that says where the run failed; an approval that no longer holds goes with what it approved."""
        if not isinstance(error, Exception):
            return  # it was interrupted, and goes on when it is started again
        names = [stage.name for stage in stages]
        done = [name for name in names if name in self.outcome.ran or name in self.outcome.skipped]
        leave_page(self.folder, self.outcome.manifest, names, done, error, self.plan.source)
        with suppress(SurgplanError):
            show_approvals(self.folder)
            drop_stale_pdf(self.folder)

    def _log(self, action: str, details: dict[str, Any]) -> None:
        append(self.folder, action, details, self.by)

    def _each(self, stages: Sequence[Stage]) -> None:
        """All stages. What one has made is written while the next one works, where that must be made anyway."""
        with self.writer, closing(self.workshop):
            try:
                for stage in stages:
                    if not self._needs_nothing_told(stage):
                        self._finish()
                    self.at = stage.name
                    self._one(stage)
            finally:
                self._finish()  # a file that cannot be written is told, rather than what came of it after that

    def _needs_nothing_told(self, stage: Stage) -> bool:
        """Whether it is clear, without the hashes of what the stage before it makes, that this one has to be made."""
        return self.cache is None and stage.name not in self.outcome.manifest.stages and not stage.tells

    def _one(self, stage: Stage) -> None:
        manifest = self.outcome.manifest
        began = time.perf_counter()
        self.progress.begin(stage.name)
        if not why(stage, self.plan, manifest, self.source, self.folder, set()):
            self.outcome.skipped.append(stage.name)
            self.progress.end(stage.name, time.perf_counter() - began, True)
            return
        if not self.began:
            self._log("run", {"recipe": self.plan.recipe_name, "scan_sha256": self.source})
            self.began = True
        record = self._cached(stage)
        if record is not None:
            self._keep(stage, record, time.perf_counter() - began)
            return
        output = self._run(stage)
        seconds = time.perf_counter() - began
        self._finish()
        self.completing = stage.name, self.writer.submit(self._complete, stage, output, seconds)

    def _finish(self) -> None:
        """Wait until the stage that was made last is done."""
        if self.completing is not None:
            going_on, (self.at, done) = self.at, self.completing
            done.result()
            self.at, self.completing = going_on, None

    def _complete(self, stage: Stage, output: StepOutput[Any], seconds: float) -> None:
        """Wait until the stage's files are on the disk, and keep its record: in the writer's thread."""
        self._keep(stage, self._record(stage, output), seconds)

    def _key(self, stage: Stage) -> str:
        inputs = inputs_of(stage, self.plan, self.outcome.manifest, self.source)
        return stage_key(stage.name, stage.version, stage.parameters(self.plan), inputs)

    def _volume_bytes(self, stage: Stage) -> int:
        """Bytes of the volume, or of the scan while there is none."""
        ingested = self.outcome.manifest.stages.get("ingest")
        if ingested is not None:
            return max(file.size for file in ingested.outputs.values())
        return self.workshop.volume.array.nbytes if stage.after else scan_bytes(source_files(self.plan.source))

    def _cached(self, stage: Stage) -> StageRecord | None:
        if self.cache is None:
            return None
        record, told = self.cache.take(self._key(stage), self.folder)
        self.outcome.notices += told
        self.outcome.cached += [stage.name] if record else []
        return record

    def _run(self, stage: Stage) -> StepOutput[Any]:
        more = 0
        if stage.name == "surface":
            more = surface_bytes(self.workshop.labels, self.plan.recipe.surface.joined)
        if stage.name == "segment":
            more = segment_bytes(self.workshop.volume, self.plan.recipe.segment)
        check_needs(stage.name, self._volume_bytes(stage), self.folder, more)
        if stage.name in DRAWN_MEANWHILE:
            self.workshop.draw_ahead()
        return stage.run(self.workshop)

    def _record(self, stage: Stage, output: StepOutput[Any]) -> StageRecord:
        outputs = {
            file.path.relative_to(self.folder).as_posix(): FileRecord(sha256=file.sha256, size=file.size)
            for file in output.written
        }
        record = StageRecord(
            key=self._key(stage),
            version=stage.version,
            parameters=stage.parameters(self.plan),
            inputs=inputs_of(stage, self.plan, self.outcome.manifest, self.source),
            outputs=outputs,
            results=output.results,
            findings=[finding.as_dict() for finding in output.findings],
        )
        self.outcome.notices += self.cache.put(record, self.folder) if self.cache is not None else ()
        return record

    def _keep(self, stage: Stage, record: StageRecord, seconds: float) -> None:
        """Put the record into the manifest, and write it: from here on the stage is done."""
        manifest = self.outcome.manifest
        old = manifest.stages.get(stage.name)
        later = [name for name in manifest.stages if _comes_later(name, stage.name)]
        stages = {name: kept for name, kept in manifest.stages.items() if name not in later}
        stages[stage.name] = record
        stages |= {name: manifest.stages[name] for name in later}
        times = {**manifest.times, stage.name: round(seconds, 3)}
        self.outcome.manifest = manifest.model_copy(update={"stages": stages, "times": times})
        self.workshop.manifest = self.outcome.manifest
        self._remove_what_is_no_longer_made(old)
        write_manifest(self.folder, self.outcome.manifest)
        self.outcome.ran.append(stage.name)
        self.progress.end(stage.name, seconds, False)

    def _remove_what_is_no_longer_made(self, old: StageRecord | None) -> None:
        """A structure that left the recipe must not leave its model behind; only our own files are touched."""
        kept = self.outcome.manifest.outputs.keys()
        for name, stored in old.outputs.items() if old else ():
            path = self.folder / name
            if name not in kept and path.is_file() and sha256_of(path) == stored.sha256:
                with suppress(OSError):
                    path.unlink()


def _comes_later(name: str, than: str) -> bool:
    order = [stage.name for stage in STAGES]
    return name in order and order.index(name) > order.index(than)


def _refuse_foreign_folder(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        if folder.exists():
            raise WouldOverwrite(folder, "exists and is a file", advice="Choose a folder for the case")
        return
    ours = {CASE_FILE, MANIFEST, LOG, PRIVATE}
    present = {path.name for path in folder.iterdir()}
    if present and not present & {"manifest.json", PRIVATE} and not present <= ours and not overwrite:
        raise WouldOverwrite(
            folder, "holds files that surgplan did not make", advice="Choose another folder, or pass --overwrite"
        )


def _manifest_to_continue(plan: CasePlan, folder: Path, overwrite: bool) -> Manifest:
    new = Manifest(case=plan.case, recipe=plan.recipe_name, environment=environment())
    try:
        old = read_manifest(folder)
    except Exception:
        if not overwrite:
            raise
        old = None
    if old is None:
        return new
    return new.model_copy(update={"stages": old.stages, "times": old.times, "patient": old.patient})


def _refuse_other_scan(manifest: Manifest, source: str, folder: Path, overwrite: bool) -> None:
    ingested = manifest.stages.get("ingest")
    if ingested is not None and ingested.inputs.get("scan") != source and not overwrite:
        raise WouldOverwrite(
            folder, "is a case made from another scan", advice="Choose another folder, or pass --overwrite"
        )

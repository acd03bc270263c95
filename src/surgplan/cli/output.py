"""What people and scripts see: results on stdout, all else on stderr, and one exit code for each kind of end."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import write_wanted_depfile
from surgplan.errors import FailedCheck, Refused, SurgplanError
from surgplan.findings import Finding, Level, worst

COLORS = {Level.NOTE: "cyan", Level.WARN: "yellow", Level.REFUSE: "red"}


@dataclass
class Output:
    """How this run shall speak, set once by the shared options."""

    json: bool = False
    verbosity: int = 0

    def result(self, told: Result, private: bool = False) -> None:
        """The result on stdout, the findings on stderr; then `FailedCheck` if a finding refuses the result.

        With `private` the refusal is one for privacy: exit 8.
        """
        write_wanted_depfile(told.written)
        if self.json:
            click.echo(document(told.as_dict()))
        else:
            for path in told.written:
                click.echo(os.fsencode(path))
            for line in told.lines:
                click.echo(line)
        self.findings(told.findings)
        refused = [finding for finding in told.findings if finding.level is Level.REFUSE]
        if refused:
            raise (RefusedResult if private else RejectedResult)(refused)

    def findings(self, findings: Iterable[Finding]) -> None:
        """Findings on stderr: warnings and refusals always, notes with -v, nothing with -q."""
        for finding in findings:
            if self.verbosity < 0 or (finding.level is Level.NOTE and self.verbosity < 1):
                continue
            mark = style(f"{finding.level}:", COLORS[finding.level])
            click.echo(f"{mark} {str(finding).partition(': ')[2]}", err=True)

    def say(self, line: str) -> None:
        """A line for people, on stderr, unless -q."""
        if self.verbosity >= 0:
            click.echo(line, err=True)


class AfterResult(FailedCheck):
    """A check failed, and the result on stdout tells it already: with `--json` no second document follows."""


class RejectedResult(AfterResult):
    """A result was made and failed a check; the findings, which were shown already, say why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        names = ", ".join(sorted({finding.check for finding in findings}))
        super().__init__("result", f"rejected by {names}", advice="See the findings; do not use these files")


class RefusedResult(RejectedResult):
    """The same, where what was found must not leave the house."""

    exit_code = Refused.exit_code


@dataclass(frozen=True)
class Result:
    """What a command made: paths for the next command, findings for people, values for `--json`."""

    written: tuple[Path, ...] = ()
    findings: tuple[Finding, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    """What stdout shows instead of paths when the result is a text or a table."""

    def as_dict(self) -> dict[str, Any]:
        """The document of `--json`."""
        level = worst(self.findings)
        return {
            "written": [os.fspath(path) for path in self.written],
            "worst": str(level) if level else None,
            "findings": [finding.as_dict() for finding in self.findings],
            **self.values,
        }


def document(values: Mapping[str, Any]) -> str:
    """JSON for stdout; file names that are no text are spelt in ASCII, as JSON can."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    return text if text.isascii() or text.encode("utf-8", "replace").decode() == text else json.dumps(values, indent=1)


def style(text: str, color: str, bold: bool = False) -> str:
    """Coloured text for stderr, unless `NO_COLOR` is set or stderr is no terminal."""
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return click.style(text, fg=color, bold=bold)


def show_error(error: SurgplanError, as_json: bool) -> int:
    """The error's one message on stderr, or as a document on stdout with `--json`; returns its exit code."""
    if as_json and not isinstance(error, AfterResult):
        click.echo(document({"error": error.as_dict()}))
    say_last(f"{style('error:', 'red', bold=True)} {error.message}")
    return error.exit_code


def say_last(line: str) -> None:
    """The last line on stderr. Where stderr cannot be written either (a log on the full disk), the exit code tells."""
    with suppress(OSError):
        click.echo(line, err=True)


def table(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    """Rows, the first of which is the heading, as aligned lines; columns in `numbers` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


class LiveProgress:
    """The stage and its running time, on a line that is drawn anew; on a terminal only."""

    def __init__(self, output: Output) -> None:
        self._alive = output.verbosity >= 0 and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._told = output.verbosity >= 1
        self._stage = ""
        self._began = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()  # a stage may end while the next one works

    def begin(self, stage: str) -> None:
        """Show the stage until `end`."""
        with self._lock:
            self.close()
            self._stage, self._began = stage, time.perf_counter()
            self._show()

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        """Tell what the stage took, above the line of the one that works meanwhile."""
        with self._lock:
            self.close()
            if self._alive or self._told:
                took = "up to date" if skipped else f"{seconds:.1f} s"
                click.echo(f"  {style('✓', 'green')} {stage:<11}{took:>11}", err=True)
            if stage != self._stage:
                self._show()

    def close(self) -> None:
        """Stop drawing and clear the line."""
        with self._lock:
            if self._thread is not None:
                self._stop.set()
                self._thread.join()
                self._thread = None
                click.echo("\r\033[K", nl=False, err=True)

    def _show(self) -> None:
        """Begin to draw."""
        if self._alive:
            self._stop.clear()
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()

    def _draw(self) -> None:
        marks = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
        turn = 0
        while not self._stop.wait(0.1):
            turn += 1
            seconds = time.perf_counter() - self._began
            click.echo(f"\r  {marks[turn % 10]} {self._stage:<11}{seconds:9.1f} s", nl=False, err=True)

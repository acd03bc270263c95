"""What every check returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from surgplan.errors import printable


class Level(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    """Worth knowing: nothing has to be done."""
    WARN = "warn"
    """A person should look before the result is used."""
    REFUSE = "refuse"
    """The result must not be used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check measured or corrected.

    `measured` and `limit` are written with their units (`"5.00 mm"`), `source` names where the limit comes
    from (a standard's clause, a paper, the recipe), `subject` the structure or file concerned. None of them
    ever holds anything that identifies a patient.
    """

    check: str
    level: Level
    measured: str
    limit: str = ""
    advice: str = ""
    source: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", Level(self.level))
        if not self.check or not self.measured:
            raise ValueError("a finding needs the name of its check and what was measured")

    def as_dict(self) -> dict[str, str]:
        """The finding as plain strings, for JSON."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: dict[str, str]) -> Finding:
        """The inverse of `as_dict`."""
        return cls(**{**stored, "level": Level(stored["level"])})  # type: ignore[arg-type]

    def __str__(self) -> str:
        words = f"{self.level}: {self.check}: "
        if self.subject:
            words += f"{self.subject}: "
        words += self.measured
        if self.limit:
            words += f" (limit {self.limit})"
        return printable(words + (f". {self.advice}" if self.advice else ""))


def worst(findings: Iterable[Finding]) -> Level | None:
    """The gravest level among the findings, or None when there are none."""
    order = list(Level)
    levels = [finding.level for finding in findings]
    return max(levels, key=order.index, default=None)


READY, WITH_WARNINGS, REJECTED = "ready", "ready with warnings", "rejected"


def verdict(findings: Iterable[Finding]) -> str:
    """`ready`, `ready with warnings` or `rejected`, by the gravest finding."""
    return {Level.WARN: WITH_WARNINGS, Level.REFUSE: REJECTED}.get(worst(findings) or Level.NOTE, READY)

"""The one exception tree. Each kind has its exit code, and each message is one sentence and one remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

LONGEST_MESSAGE = 1500
"""Letters: a hostile file may hold words of megabytes."""


def printable(text: str) -> str:
    """The text on one line, without what would steer a terminal or turn the writing round: a file may say anything."""
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 2 :]}"
    return text if text.isprintable() else "".join(_escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()


class SurgplanError(Exception):
    """Something that surgplan refuses to do, or could not do, told so that a person can act on it.

    Parameters
    ----------
    subject:
        The file, structure or option that is at fault. Never a patient's name.
    found:
        What was found there, with the measured value.
    expected:
        What was expected, with the limit; may be empty when `found` says it all.
    advice:
        What to do about it: one imperative sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, subject: object, found: str, expected: str = "", advice: str = "") -> None:
        self.subject = str(subject)
        self.found = found
        self.expected = expected
        self.advice = advice
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type[SurgplanError], tuple[str, str, str, str]]:
        return type(self), (self.subject, self.found, self.expected, self.advice)

    @property
    def message(self) -> str:
        """The whole message: `subject: found, expected E. Advice.`"""
        fact = f"{self.subject}: {self.found}"
        if self.expected:
            fact += f", expected {self.expected}"
        fact = fact.rstrip(".") + "."
        if not self.advice:
            return printable(fact)
        return printable(f"{fact} {self.advice.rstrip('.')}.")

    def as_dict(self) -> dict[str, str | int]:
        """The same for `--json`."""
        return {
            "kind": type(self).__name__,
            "exit_code": self.exit_code,
            "subject": self.subject,
            "found": self.found,
            "expected": self.expected,
            "advice": self.advice,
        }


class WrongUsage(SurgplanError):
    """The command line, a recipe or a case file asks for something that cannot be meant."""

    exit_code = 2


class BadInput(SurgplanError):
    """A scan, mesh or other data file is broken, incomplete, or not what it should be."""

    exit_code = 3


class EmptyLabel(BadInput):
    """A structure has no voxels."""


class FailedCheck(SurgplanError):
    """The result was made, but did not pass a check; its files stay and are marked rejected."""

    exit_code = 4


class Missing(SurgplanError):
    """Something that surgplan needs is not installed or not there."""

    exit_code = 5


class WouldOverwrite(SurgplanError):
    """The output exists, and `--overwrite` was not given."""

    exit_code = 6


class OutOfResources(SurgplanError):
    """No disk space, memory or time is left."""

    exit_code = 7


class Refused(SurgplanError):
    """Refused for the sake of privacy or safety."""

    exit_code = 8


class CaseLocked(SurgplanError):
    """Another process works on the case."""

    exit_code = 9


class FrameMismatch(SurgplanError):
    """Points or transforms of different frames were combined without a transform between them: a bug."""

    exit_code = 1


@contextmanager
def blaming(subject: object, advice: str = "") -> Iterator[None]:
    """Turns a noun's `ValueError` into `BadInput` about the file or structure that it was read from."""
    try:
        yield
    except ValueError as error:
        raise BadInput(subject, str(error), advice=advice) from error

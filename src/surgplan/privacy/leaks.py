"""Is anything that identifies the patient in the outputs of a case?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surgplan.errors import BadInput, Refused
from surgplan.findings import Finding, Level
from surgplan.privacy.headers import WHO, Header, read_secrets
from surgplan.privacy.search import needles, search_file


@dataclass(frozen=True)
class Searched:
    """How much was looked for and where, and what was found."""

    files: int
    bytes: int
    headers: int
    values: int
    short: int
    findings: tuple[Finding, ...]


def search_case(folder: Path, header: Header) -> Searched:
    """Look for every identifying value of `header` in every byte of every file of a folder, or in one file.

    Raises
    ------
    BadInput
        A file cannot be read.
    """
    contents = {path.relative_to(folder).as_posix() if path != folder else path.name: path for path in files_of(folder)}
    return search_contents(contents, header)


def search_contents(contents: Mapping[str, Path | bytes], header: Header) -> Searched:
    """The same in files or bytes of given names.

    Raises
    ------
    BadInput
        A file cannot be read.
    """
    sought = needles(header)
    findings: list[Finding] = []
    count = total = 0
    for name, content in contents.items():
        try:
            data = content if isinstance(content, bytes) else content.read_bytes()
        except OSError as error:
            raise BadInput(content, f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error
        findings += search_file(name, data, sought, header)
        count, total = count + 1, total + len(data)
    return Searched(count, total, header.files, len(header.secrets), header.short, tuple(findings))


def refuse_names(subject: str, text: str, files: Sequence[Path]) -> None:
    """Refuse a text that tells who the patient is: what a person typed as a case's or landmark's name.

    `files` are the scan's: the first of them that is DICOM tells whose it is.

    Raises
    ------
    Refused
        It holds a name, an ID, a date of birth or an accession number of the headers.
    """
    for path in files:
        try:
            header = read_secrets([path])
        except BadInput:
            continue
        break
    else:
        return
    told = replace(header, secrets=tuple(each for each in header.secrets if each.where in WHO))
    for found in search_file(subject, text.encode(), needles(told), told):
        if found.level is Level.REFUSE:
            advice = "Choose names that do not tell who the patient is: they are printed on the model"
            raise Refused(subject, found.measured, "nothing of the scan's headers", advice)


def files_of(folder: Path) -> Iterable[Path]:
    """Every file below a folder, hidden ones too, sorted; or the file itself."""
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]

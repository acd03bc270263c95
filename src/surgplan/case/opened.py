"""A scan's source while it is open: a folder, one file, a zip archive, or a DICOMDIR with what it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from surgplan.case.digest import source_files
from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.archives import is_archive, unpacked
from surgplan.formats.dicom_directory import NAME, Listed, check_complete, is_directory_file, read_directory

SOURCE = "DICOM PS3.10, 8"


@dataclass(frozen=True)
class OpenSource:
    """The files of a scan, as long as it is open.

    `root` is the folder in which they lie, `given` what the user named: they differ when an archive was unpacked.
    `absent` are files that a DICOMDIR names and that are not there.
    """

    given: Path
    root: Path
    files: tuple[Path, ...]
    absent: tuple[Listed, ...] = ()
    findings: tuple[Finding, ...] = ()

    def named(self, path: Path) -> Path:
        """A file's name as the user knows it: that of an archive's member begins with the archive's."""
        return self.given / path.relative_to(self.root) if self.root != self.given and self.given != path else path


@contextmanager
def opened(source: Path) -> Iterator[OpenSource]:
    """The files of a scan; what is unpacked for it goes away at the end.

    Raises
    ------
    Missing
        There is no such file or folder.
    BadInput
        The archive or the DICOMDIR is damaged, hostile or incomplete.
    OutOfResources
        There is no room to unpack the archive.
    """
    if is_archive(source):
        with unpacked(source) as folder:
            yield _surveyed(source, folder)
    else:
        yield _surveyed(source, source)


def _surveyed(given: Path, root: Path) -> OpenSource:
    files = source_files(root)
    if root.is_file():
        if not is_directory_file(root):
            return OpenSource(given, root, files)
        listed = read_directory(root)
        check_complete(root, listed)
        return OpenSource(given, root, files[1:], _absent(listed))
    absent: list[Listed] = []
    findings: list[Finding] = []
    for path in files:
        if path.name.upper() == NAME:
            try:
                absent += _absent(read_directory(path))
            except BadInput as error:
                advice = "Check that the scan is complete: copy the whole disc again"
                told = f"the DICOMDIR cannot tell whether all files are there: {error.found}"
                findings.append(Finding("dicomdir", Level.WARN, told, advice=advice, source=SOURCE))
    return OpenSource(given, root, files, tuple(absent), tuple(findings))


def _absent(listed: tuple[Listed, ...]) -> tuple[Listed, ...]:
    return tuple(each for each in listed if not each.present)

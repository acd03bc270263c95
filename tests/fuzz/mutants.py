"""Nouns of the hunt: an original, what was done to it, and the mutant on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Content = bytes | Path
"""What lies at a path of a mutant: its bytes, or the untouched file that it links to."""


@dataclass(frozen=True, eq=False)
class Original:
    """Files that the program reads well, and which of them may be broken.

    `entry` is what the command line names; "." is the whole folder. `slices` counts those of a DICOM series. One with
    a smaller `weight` is mutated less often: compressed slices are decoded in processes of their own, which take long.
    """

    kind: str
    name: str
    files: Mapping[str, Content]
    entry: str
    victims: tuple[str, ...] = ()
    slices: int = 0
    weight: float = 1.0

    def bytes_of(self, name: str) -> bytes:
        """The whole content of one file."""
        content = self.files[name]
        return content if isinstance(content, bytes) else content.read_bytes()


@dataclass(frozen=True)
class Mutant:
    """What the program is given. `must_fail` when no reading of it can be right: it was cut short, say.

    `special` are things that bytes cannot tell: path → `fifo`, or `-> TARGET` for a symbolic link.
    """

    original: Original
    files: Mapping[str, Content]
    story: str
    must_fail: bool = False
    special: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""

    @property
    def target(self) -> str:
        """What the command line names, relative to the mutant's folder."""
        return self.entry or self.original.entry

    def changed(self) -> dict[str, bytes]:
        """The files that are not those of the original."""
        return {
            name: content
            for name, content in self.files.items()
            if isinstance(content, bytes) and self.original.files.get(name) != content
        }

    def write(self, folder: Path, whole: bool = False) -> Path:
        """Lay the mutant down in an empty folder; what is untouched is linked, or with `whole` copied."""
        import os

        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif whole:
                path.write_bytes(content.read_bytes())
            else:
                path.symlink_to(content)
        for name, what in self.special.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if what == "fifo":
                os.mkfifo(path)
            else:
                path.symlink_to(what.removeprefix("-> "))
        return folder / self.target if self.target != "." else folder

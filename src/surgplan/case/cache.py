"""A cache that many cases share: what a stage made is found again by the stage's key.

`objects/` holds each output once, under the SHA-256 of its bytes; `stages/` holds the record of each stage, under its
key. Nothing in the cache is trusted: every object is hashed while it is copied out, and what is damaged is dropped.
Programs may share a cache at the same time: files appear whole, and one that was dropped meanwhile is not found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from surgplan.case.manifest import StageRecord
from surgplan.errors import OutOfResources, SurgplanError
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import CHUNK, PART, write_bytes, write_file


@dataclass(frozen=True)
class Cache:
    """A folder that holds at most `limit_bytes` of outputs; what was not used for longest goes first."""

    folder: Path
    limit_bytes: int

    def take(self, key: str, case: Path) -> tuple[StageRecord | None, tuple[Finding, ...]]:
        """Put the outputs of the stage with this key into the case, if the cache has them all; else put nothing.

        Also a finding for each entry that was damaged; it is gone then.
        """
        record, findings = self._record(key)
        if record is None:
            return None, findings
        for file in record.outputs.values():
            if not self._object(file.sha256).is_file():
                return None, ()
            damaged = self._damage(file.sha256)
            if damaged:
                return None, (self._dropped(damaged, self._object(file.sha256)),)
        try:
            for name, file in record.outputs.items():
                write_file(case / name, partial(_copy, self._object(file.sha256)), None, file.sha256)
        except FileNotFoundError:
            return None, ()  # dropped by another program just now
        return record, ()

    def put(self, record: StageRecord, case: Path) -> tuple[Finding, ...]:
        """Keep what a stage made. A cache that is full or forbidden is told, and stops nobody."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, file in record.outputs.items():
                target = self._object(file.sha256)
                if not target.is_file():
                    write_file(target, partial(_copy, case / name), None, file.sha256)
            write_bytes(self._stage(record.key), record.model_dump_json().encode())
            self._shrink()
        except (SurgplanError, OSError) as error:
            kind = "full" if isinstance(error, OutOfResources) else "not to be written"
            return (Finding("cache", Level.NOTE, f"the cache is {kind}", advice="Check its folder", subject="cache"),)
        return ()

    def _object(self, sha256: str) -> Path:
        return self.folder / "objects" / sha256[:2] / sha256

    def _stage(self, key: str) -> Path:
        return self.folder / "stages" / key[:2] / f"{key}.json"

    def _record(self, key: str) -> tuple[StageRecord | None, tuple[Finding, ...]]:
        path = self._stage(key)
        try:
            record = StageRecord.model_validate_json(path.read_bytes())  # no output leads out of a case
        except FileNotFoundError:
            return None, ()
        except (OSError, ValueError):
            return None, (self._dropped("is no record of a stage", path),)
        if record.key != key:
            return None, (self._dropped("is the record of another stage", path),)
        return record, ()

    def _damage(self, sha256: str) -> str:
        """What is wrong with an object, or ""; one that was used is young again."""
        path = self._object(sha256)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            os.utime(path)
        except OSError as error:
            return f"cannot be read: {(error.strerror or 'unknown error').lower()}"
        return "" if found == sha256 else f"has the hash {found}"

    def _dropped(self, damage: str, path: Path) -> Finding:
        with suppress(OSError):
            path.unlink()
        advice = "Check the disk if this happens again"
        return Finding("cache", Level.NOTE, f"a damaged entry was dropped: it {damage}", path.stem, advice, "cache")

    def _shrink(self) -> None:
        """Drop what was not used for longest, until the rest fits; a record without its objects is found to be none."""
        found = sorted(self._entries(), key=lambda entry: entry[1].st_mtime_ns)
        total = sum(told.st_size for _, told in found)
        for path, told in found:
            if total <= self.limit_bytes:
                return
            with suppress(OSError):
                path.unlink()
            total -= told.st_size

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in (*(self.folder / "objects").glob("*/*"), *(self.folder / "stages").glob("*/*")):
            with suppress(OSError):
                if PART not in path.name:
                    yield path, path.stat()


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as one, target.open("wb") as other:
        shutil.copyfileobj(one, other, CHUNK)

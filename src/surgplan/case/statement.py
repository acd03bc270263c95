"""What an approver states: the hash of every file of a case, and of what its manifest tells of each stage.

The statement is a file of its own, `approval/0001.json`, whose bytes are hashed into the case's log and, with a key,
signed. The report's page counts without the names of those who approved it, which are written into it afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from surgplan import __version__
from surgplan.case.manifest import FileRecord, Manifest
from surgplan.case.plan_file import CASE_FILE
from surgplan.errors import BadInput
from surgplan.formats.atomic import sha256_of
from surgplan.formats.limits import read_whole
from surgplan.params import Params
from surgplan.report.approvals import without_approvals

FOLDER = "approval"
PAGE = "report/index.html"
LARGEST_STATEMENT = 64 << 20
LONGEST_WORDS = 200
SHA256 = "^[0-9a-f]{64}$"


class StageState(Params):
    """One stage as it was approved: its key, and the hash of what the manifest tells of it."""

    key: str = Field(pattern=SHA256)
    told_sha256: str = Field(pattern=SHA256)


class Statement(Params):
    """Who approved what. `log` is the hash of the log's last entry before this one, `key` the signer's public key."""

    format: Literal["surgplan-approval"] = "surgplan-approval"
    format_version: Literal[1] = 1
    number: int = Field(ge=1)
    case: str
    recipe: str
    scan_sha256: str
    by: str
    role: str
    time: str
    surgplan: str = __version__
    verdict: str
    override: str = Field("", description="why the case was approved although it is rejected")
    files: dict[str, str] = Field(description="path in the case, SHA-256; the page counts without its approvals")
    stages: dict[str, StageState]
    log: str = Field(pattern=SHA256)
    key: str = Field("", description="public Ed25519 key, 32 bytes in base64; empty when nobody signed")

    @property
    def path(self) -> str:
        """Where it lies in the case."""
        return f"{FOLDER}/{self.number:04d}.json"


def files_now(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The SHA-256 of every file that an approval covers, as they are now; "" for one that cannot be read."""
    return {name: _hash_of(folder / name, name == PAGE) for name in (CASE_FILE, *manifest.outputs)}


def _hash_of(path: Path, is_page: bool) -> str:
    with suppress(OSError):
        return page_record(path).sha256 if is_page else sha256_of(path)
    return ""


def page_record(path: Path) -> FileRecord:
    """The page as it is when nobody has approved it; as it is where it has no place for approvals.

    Raises
    ------
    OSError
        It cannot be read.
    """
    data = path.read_bytes()
    with suppress(ValueError):
        data = without_approvals(data.decode()).encode()
    return FileRecord(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def unapproved(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest as it was when nobody had approved the case."""
    report = manifest.stages.get("report")
    if report is None or PAGE not in report.outputs or not _is_whole(folder / PAGE, report.outputs[PAGE]):
        return manifest
    bare = report.model_copy(update={"outputs": {**report.outputs, PAGE: page_record(folder / PAGE)}})
    return manifest.model_copy(update={"stages": {**manifest.stages, "report": bare}})


def _is_whole(path: Path, record: FileRecord) -> bool:
    return path.is_file() and sha256_of(path) == record.sha256


def stages_now(manifest: Manifest) -> dict[str, StageState]:
    """What the manifest tells of each stage."""
    return {name: StageState(key=each.key, told_sha256=each.told_sha256) for name, each in manifest.stages.items()}


def changes(statement: Statement, folder: Path, manifest: Manifest) -> Iterator[str]:
    """What is no longer as it was approved, in words."""
    now = files_now(folder, manifest)
    for name in sorted({*statement.files, *now}):
        then = statement.files.get(name)
        found = now.get(name, "")
        if then is None:
            yield f"{name} is new"
        elif name not in now or not found:
            yield f"{name} is no longer there" if not (folder / name).exists() else f"{name} is no longer part of it"
        elif found != then:
            yield f"{name} was changed"
    stages = stages_now(manifest)
    for name in sorted({*statement.stages, *stages}):
        if stages.get(name) != statement.stages.get(name):
            yield f"the manifest tells something else of the stage {name}"


def read_statement(path: Path) -> tuple[Statement, bytes]:
    """A statement and its bytes.

    Raises
    ------
    BadInput
        It cannot be read.
    """
    try:
        data = read_whole(path, LARGEST_STATEMENT)
        return Statement.model_validate_json(data), data
    except FileNotFoundError:
        raise BadInput(path, "is missing", advice="Restore it, or approve the case again") from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(path, f"is no statement that this version can read: {reason}") from None

"""Writes what is shared as one ZIP archive: plain, with AES, or encrypted by the program `age`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.formats.atomic import Written, write_file

EPOCH = (1980, 1, 1, 0, 0, 0)
PACKED = frozenset([".3mf", ".png", ".nrrd", ".pdf", ".glb"])
"""Files that deflate makes no smaller."""
LARGE = 1 << 30
CHUNK = 1 << 20
SHORTEST_PASSWORD = 12
"""Characters: WinZip's AES derives its key by only 1,000 rounds (AES Encryption Information, AE-2), so words matter."""

Content = Path | bytes


@dataclass(frozen=True)
class Encryption:
    """How the archive is encrypted: by a password (AES-256), for recipients of `age`, or, with neither, not at all."""

    password: str = ""
    recipients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.password and len(self.password) < SHORTEST_PASSWORD:
            found = f"the password has {len(self.password)} characters"
            raise WrongUsage("password", found, f"at least {SHORTEST_PASSWORD}", "Take some random words")

    @property
    def kind(self) -> str:
        """`none`, `aes-256` or `age`."""
        return "aes-256" if self.password else "age" if self.recipients else "none"


def write_archive(target: Path, members: Mapping[str, Content], encryption: Encryption) -> Written:
    """Write the members (path in the archive → file or bytes) in their order; read back and compared.

    Not encrypted, the same members give the same bytes.

    Raises
    ------
    Missing
        The package `pyzipper`, or the program `age`, is not installed.
    BadInput
        `age` refuses the recipients; what was read back is not what was written.
    """
    if encryption.recipients:
        return write_file(target, lambda temporary: _age(temporary, members, encryption.recipients))
    opener = _aes_opener(encryption.password) if encryption.password else zipfile.ZipFile

    def fill(temporary: Path) -> None:
        with opener(temporary, "w") as archive:
            _add(archive, members)

    def check(temporary: Path) -> None:
        with opener(temporary) as archive:
            for name, content in members.items():
                with archive.open(name) as read:
                    found = hashlib.sha256()
                    while chunk := read.read(CHUNK):
                        found.update(chunk)
                    if found.digest() != _digest(content):
                        raise BadInput(target, f"reading back gives another {name}", advice="Check the disk")

    return write_file(target, fill, check)


def _add(archive: Any, members: Mapping[str, Content]) -> None:
    for name, content in members.items():
        entry = archive.zipinfo_cls(name, EPOCH) if hasattr(archive, "zipinfo_cls") else zipfile.ZipInfo(name, EPOCH)
        packed = Path(name).suffix in PACKED
        entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        large = isinstance(content, Path) and content.stat().st_size > LARGE
        with archive.open(entry, "w", force_zip64=large) as write:
            if isinstance(content, bytes):
                write.write(content)
            else:
                with content.open("rb") as read:
                    shutil.copyfileobj(read, write, CHUNK)


def _digest(content: Content) -> bytes:
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _aes_opener(password: str) -> Callable[..., Any]:
    """Opens archives of WinZip's AE-2 with AES-256: 7-Zip and others read them. Names of members stay readable."""
    try:
        import pyzipper
        from pyzipper.zipfile_aes import WZ_AES_V2
    except ImportError:
        advice = 'Install it: pip install "surgplan[share]"'
        raise Missing("pyzipper", "is not installed; ZIP archives with AES need it", advice=advice) from None

    def opened(path: Path, mode: str = "r") -> Any:
        archive = pyzipper.AESZipFile(path, mode)
        archive.setpassword(password.encode())
        if mode == "w":
            archive.setencryption(pyzipper.WZ_AES, nbits=256, force_wz_aes_version=WZ_AES_V2)
        return archive

    return opened


def _age(temporary: Path, members: Mapping[str, Content], recipients: Sequence[str]) -> None:
    """Pipe the archive into `age`: unencrypted bytes never lie on the disk."""
    program = shutil.which("age")
    if program is None:
        advice = "Install it: apt-get install age, or see https://age-encryption.org; or use --encrypt zip"
        raise Missing("age", "is not installed", advice=advice)
    words = [program, "--encrypt", "--output", str(temporary)]
    for each in recipients:
        words += ["--recipients-file" if Path(each).is_file() else "--recipient", each]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # age tells why
            _pipe(process.stdin, members)
        told = process.stderr.read().decode("utf-8", "replace") if process.stderr else ""
        code = process.wait()
    if code:
        reason = told.strip().splitlines()[0].removeprefix("age: ") if told.strip() else f"ended with code {code}"
        raise BadInput("age", reason, advice="Name recipients (age1…, ssh-ed25519 …) or a file of them")


def _pipe(stdin: IO[bytes], members: Mapping[str, Content]) -> None:
    try:
        with zipfile.ZipFile(stdin, "w") as archive:
            _add(archive, members)
    finally:
        stdin.close()

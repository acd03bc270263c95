"""Which case belongs to which patient, told to nobody without the lab's key: a slow, keyed digest of the patient's ID.

IDs are short and guessable, so a plain hash would give them away. The digest is scrypt (RFC 7914) of the ID with a salt
that is the HMAC-SHA256 (RFC 2104) of the scan's hash under the lab's key: without the key nobody can try IDs, and two
scans of one patient cannot be linked. With the key, the same scan gives the same digest each time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from surgplan.errors import Missing, Refused, WrongUsage
from surgplan.params import Params

VARIABLE = "SURGPLAN_SALT"
SHORTEST_KEY = 16
WORK = 2**15
"""scrypt's N: a tenth of a second and 32 MiB for each guess."""
METHOD = f"scrypt-{WORK}-8-1"


class PatientDigest(Params):
    """What a manifest keeps of its patient."""

    method: str = METHOD
    key: str = Field(pattern="^[0-9a-f]{8}$", description="which key it was made with: the beginning of a hash of it")
    digest: str = Field(pattern="^[0-9a-f]{64}$")


def key_path() -> Path:
    """Where the lab's key lies when `SURGPLAN_SALT` does not give it."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "surgplan" / "patient-key"


def lab_key(create: bool = False) -> bytes:
    """The lab's key: the text of `SURGPLAN_SALT`, or the key file, which is made with mode 0600 when `create` is set.

    Raises
    ------
    Missing
        There is none.
    WrongUsage
        It is too short.
    Refused
        Others can read the key file.
    """
    given = os.environ.get(VARIABLE, "")
    path = key_path()
    if not given:
        if create and not path.exists():
            _make_key(path)
        given = _stored_key(path)
    if len(given) < SHORTEST_KEY:
        subject = path if not os.environ.get(VARIABLE) else VARIABLE
        found = f"holds a key of {len(given)} characters"
        raise WrongUsage(subject, found, f"at least {SHORTEST_KEY}", "Take a longer, random one")
    return given.encode()


def _stored_key(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Refused(path, f"can be read by others (mode {mode:04o})", "mode 0600", f"Run: chmod 600 {path}")
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        advice = f"Set {VARIABLE}, or copy the key of the machine that made the case to this file"
        raise Missing(path, "there is no key", advice=advice) from None
    except OSError as error:
        raise Missing(path, f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error


def _make_key(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise Missing(path, f"cannot be made: {(error.strerror or 'unknown error').lower()}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32) + "\n")


def key_mark(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hashlib.sha256(b"surgplan patient key\0" + key).hexdigest()[:8]


def patient_digest(key: bytes, scan: str, patient: str) -> PatientDigest:
    """The digest of a patient's ID, for a scan of that hash."""
    salt = hmac.new(key, scan.encode(), hashlib.sha256).digest()
    plain = " ".join(patient.split()).upper().encode()
    digest = hashlib.scrypt(plain, salt=salt, n=WORK, r=8, p=1, maxmem=64 << 20, dklen=32).hex()
    return PatientDigest(key=key_mark(key), digest=digest)


def belongs(stored: PatientDigest, key: bytes, scan: str, patient: str) -> bool:
    """Whether the stored digest is that of this patient."""
    return hmac.compare_digest(stored.digest, patient_digest(key, scan, patient).digest)


def patient_of(files: Sequence[Path]) -> str | None:
    """The patient's ID that the first, the middle and the last DICOM header among the files tell.

    None when they tell none, or several: then it is no one's case until one series was chosen.
    """
    from surgplan.formats.dicom_elements import read_elements

    wanted = 0x00100020
    found: set[str] = set()
    for path in {files[at] for at in (0, len(files) // 2, -1)} if files else ():
        try:
            elements = read_elements(path, frozenset([wanted]))
        except (OSError, ValueError):
            continue
        if elements is not None and wanted in elements.values:
            found.add(elements.values[wanted].data.decode("utf-8", "replace").strip(" \0"))
    found.discard("")
    return found.pop() if len(found) == 1 else None

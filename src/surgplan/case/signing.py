"""Ed25519 signatures (RFC 8032) of approvals, by the package `cryptography`; OpenSSL makes the keys."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from surgplan.errors import BadInput, Missing, Refused, WrongUsage
from surgplan.formats.limits import read_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSWORD = "SURGPLAN_KEY_PASSWORD"
LARGEST_KEY = 1 << 16
MAKE_ONE = "Make one: openssl genpkey -algorithm ed25519 -out key.pem"


def read_key(path: Path) -> Ed25519PrivateKey:
    """A private key in PEM; that of an encrypted one is decrypted by `$SURGPLAN_KEY_PASSWORD`.

    Raises
    ------
    Missing
        There is no such file, or the package `cryptography` is not installed.
    Refused
        Others can read it.
    BadInput
        It is no private Ed25519 key.
    WrongUsage
        It is encrypted, and the password is not given or wrong.
    """
    needed()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _private(path)
    password = os.environ.get(PASSWORD, "").encode() or None
    try:
        key = load_pem_private_key(text, password)
    except TypeError as error:
        advice = f"Set {PASSWORD}" if password is None else f"Unset {PASSWORD}"
        raise WrongUsage(path, str(error).rstrip(".").lower(), advice=advice) from None
    except ValueError:
        found = "is no private key in PEM" if b"ENCRYPTED" not in text else "cannot be decrypted by this password"
        raise (BadInput if b"ENCRYPTED" not in text else WrongUsage)(path, found, advice=MAKE_ONE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(path, f"is a key of another kind, {type(key).__name__}", "Ed25519", MAKE_ONE)
    return key


def _private(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Refused(path, f"can be read by others (mode {mode:04o})", "mode 0600", f"Run: chmod 600 {path}")
        return read_whole(path, LARGEST_KEY)
    except FileNotFoundError:
        raise Missing(path, "there is no such key", advice=MAKE_ONE) from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {(error.strerror or '').lower()}", advice="Check the file") from None


def needed() -> None:
    """Refuse where `cryptography` is not installed.

    Raises
    ------
    Missing
        It is not.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError:
        advice = 'Install it: pip install "surgplan[sign]"'
        raise Missing("cryptography", "is not installed; signatures need it", advice=advice) from None


def public_of(key: Ed25519PrivateKey) -> str:
    """The public key, 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def public_pem(public: str) -> str:
    """The public key as OpenSSL reads it (RFC 8410)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(path: Path) -> str:
    """A public key in PEM, as 32 bytes in base64.

    Raises
    ------
    Missing, BadInput
        There is none; it is no public Ed25519 key.
    """
    needed()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(read_whole(path, LARGEST_KEY))
    except FileNotFoundError:
        raise Missing(path, "there is no such key", advice="Name the approver's public key") from None
    except (OSError, ValueError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        advice = "Make it from the private one: openssl pkey -in key.pem -pubout"
        raise BadInput(path, "is no public Ed25519 key in PEM", advice=advice)
    return base64.b64encode(key.public_bytes_raw()).decode()


def is_signed(public: str, signature: bytes, data: bytes) -> bool:
    """Whether this is the key's signature of these bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public: str) -> str:
    """The first half of the SHA-256 of the public key's 32 bytes: short enough to be compared by telephone."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()[:32]

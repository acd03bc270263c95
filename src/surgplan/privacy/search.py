"""Looks for identifying values in the bytes of files: in every spelling, encoding and packing that is likely.

A value that consists only of words which surgplan itself writes (`bone`, `left`), or of few digits, is found by chance:
that is a warning. All else is refused.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from surgplan.findings import Finding, Level
from surgplan.privacy.headers import SHORTEST_NAME, Header, Kind, Secret, words_of
from surgplan.privacy.views import View, views

SHORT = 6
"""Bytes below which a value counts only inside of text: among voxels it would be found by chance."""
FEW_DIGITS = 6
TEXT_ROUND = 16
"""So many printable characters, itself included, make a short value one inside of text."""
SMALL_FILE = 4096
"""Nothing is found by chance in so few bytes."""
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
KEPT = "FrameOfReferenceUID"
"""Stays in a case on purpose: a navigation system matches scans by it."""
DESCRIPTION = re.compile("Description|Protocol|Reason|BodyPart")
"""Attributes whose single words name anatomy, as structures do."""
POINT_BEFORE, POINT_AFTER = re.compile(rb"\d\.$"), re.compile(rb"\.\d")
UIDS = re.compile(rb"\d+(?:\.\d+){3,}")
SOURCE = "DICOM PS3.15, table E.1-1"


@dataclass(frozen=True, eq=False)
class Needle:
    """One spelling of a secret: its bytes in lower case as UTF-8 and as UTF-16, and whether it may be chance."""

    secret: Secret
    text: str

    @cached_property
    def chance(self) -> bool:
        """Whether it may stand somewhere without being about the patient: for most spellings, nobody has to know."""
        return _is_chance(self.secret, self.text)

    @cached_property
    def codes(self) -> tuple[bytes, ...]:
        """Each with ASCII letters in lower case, as `bytes.lower` leaves them."""
        written = dict.fromkeys((self.text, self.text.upper(), self.text.title()))  # they differ beyond ASCII only
        codes = [form.encode("utf-8", "surrogatepass").lower() for form in written]
        codes += [form.encode("latin-1").lower() for form in written if max(form) <= "\xff"]
        # without its last zero it is found in UTF-16-BE as well
        codes += [form.encode("utf-16-le", "surrogatepass").lower().removesuffix(b"\0") for form in written]
        return tuple(dict.fromkeys(codes))


def needles(header: Header) -> list[Needle]:
    """Every spelling of every secret that is no UID; a spelling that several secrets share belongs to the first."""
    made: dict[str, Needle] = {}
    for secret in header.secrets:
        for text in _spellings(secret):
            if text not in header.technical:
                made.setdefault(text, Needle(secret, text))
    return list(made.values())


def _spellings(secret: Secret) -> Iterable[str]:
    value = secret.value.casefold()
    if secret.kind is Kind.DATE:
        return _dates(value)
    if secret.kind is Kind.UID:
        return ()
    words = re.findall(r"\w+", value)
    forms = {value, *(sign.join(words) for sign in ("", " ", "_", "-", ", ", "."))}
    if secret.kind is Kind.NAME:
        forms |= set(words_of(value))
        forms |= {f"{words[1]}{sign}{words[0]}" for sign in ("", " ", "_", "-", ".") if len(words) > 1}
    plain = {unicodedata.normalize("NFKD", form).encode("ascii", "ignore").decode() for form in forms}
    composed = {unicodedata.normalize(how, form) for form in forms for how in ("NFC", "NFD")}
    return sorted(form for form in forms | plain | composed if len(form) >= SHORTEST_NAME)


def _dates(value: str) -> Iterable[str]:
    year, month, day = value[:4], value[4:6], value[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    numbers = {sign.join(parts) for sign in "-./" for parts in orders}
    named = {f"{int(day)} {MONTHS[int(month) - 1]} {year}", f"{day}-{MONTHS[int(month) - 1]}-{year}"}
    return sorted({value, *numbers, *named})


def _is_chance(secret: Secret, text: str) -> bool:
    words = re.findall(r"[^\W\d_]+|\d+", text)
    if secret.kind is Kind.DATE or not words:
        return False
    if len(words) == 1 and DESCRIPTION.search(secret.where):
        return True
    if len(words) == 1 and words[0].isdigit():
        return len(words[0]) < FEW_DIGITS or words[0] in vocabulary()
    return all(word in vocabulary() or (word.isdigit() and len(word) < FEW_DIGITS) for word in words)


@cache
def vocabulary() -> frozenset[str]:
    """Every word of surgplan's own sources, templates and profiles, in lower case."""
    package = Path(__file__).resolve().parents[1]
    found: set[str] = set()
    for folder, folders, names in os.walk(package):
        folders[:] = [name for name in folders if name != "node_modules"]  # what the viewer is built with
        for path in (Path(folder, name) for name in names if name.endswith((".py", ".j2", ".toml"))):
            found |= set(re.findall(r"[^\W\d_]+|\d+", path.read_text("utf-8").casefold()))
    return frozenset(found)


def search_file(name: str, data: bytes, sought: Sequence[Needle], header: Header) -> list[Finding]:
    """A finding for each secret that is in the file's name or bytes."""
    uids = {each.value.encode(): each for each in header.secrets if each.kind is Kind.UID}
    findings: dict[tuple[str, str], Finding] = {}
    for view in (View("its name", name.encode()), *views(data)):
        low = view.data.lower()
        for needle in sought:
            if any(_is_there(low, code) for code in needle.codes):
                level = Level.WARN if needle.chance else Level.REFUSE
                _add(findings, needle.secret, level, view.how, name)
        for found in set(UIDS.findall(low)) & uids.keys():
            kept = uids[found].where == KEPT
            _add(findings, uids[found], Level.NOTE if kept else Level.REFUSE, view.how, name)
    return list(findings.values())


def _is_there(low: bytes, code: bytes) -> bool:
    at = low.find(code)
    while at >= 0:
        if _is_whole(low, at, code):
            return True
        at = low.find(code, at + 1)
    return False


def _is_whole(low: bytes, at: int, code: bytes) -> bool:
    """Whether a hit is no part of a longer number or, when it is short, of a longer word; and then stands in text."""
    wide = code[1:2] == b"\0"
    end = at + len(code) + wide
    before = low[max(at - TEXT_ROUND * (1 + wide), 0) : at]
    after = low[end : end + TEXT_ROUND * (1 + wide)]
    mine = code
    if wide:
        before, after, mine = (each.replace(b"\0", b"") for each in (before, after, code))
    if (mine[:1].isdigit() and before[-1:].isdigit()) or (mine[-1:].isdigit() and after[:1].isdigit()):
        return False  # part of a longer number
    if mine.isdigit() and (POINT_BEFORE.search(before) or POINT_AFTER.match(after)):
        return False  # part of a fraction or of a UID
    if len(mine) >= SHORT:
        return True
    if len(low) > SMALL_FILE and wide:
        return False  # voxels of 32 to 126 HU look like UTF-16
    if before[-1:].isalnum() or after[:1].isalnum():
        return False
    round_it = _printable(before[::-1]) + len(mine) + _printable(after)
    return round_it >= TEXT_ROUND or len(low) <= SMALL_FILE


def _printable(data: bytes) -> int:
    """How many bytes from the start on are printable ASCII or white space."""
    return next((at for at, byte in enumerate(data) if not (32 <= byte < 127 or byte in (9, 10, 13))), len(data))


def _add(findings: dict[tuple[str, str], Finding], secret: Secret, level: Level, how: str, name: str) -> None:
    key = (secret.where, secret.value)
    known = findings.get(key)
    if known is not None and (known.level is Level.REFUSE or level is not Level.REFUSE):
        return
    told = f"holds {secret.masked}" + (f", in {how}" if how else "")
    advice = {
        Level.REFUSE: "Do not hand the case on; rename what was named so, and run it again",
        Level.WARN: "Look whether this is chance: surgplan writes these words or numbers itself",
        Level.NOTE: "Kept so that a navigation system can match the scan",
    }[level]
    findings[key] = Finding("privacy", level, told, "nothing of the scan's headers", advice, SOURCE, name)

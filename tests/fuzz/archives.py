"""Archives and folders that try to hurt: bombs, escapes, links, loops, pipes."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from tests.fuzz import dicom
from tests.fuzz.blind import blindly, cut
from tests.fuzz.mutants import Mutant, Original

ESCAPES = (
    "../escaped.dcm",
    "/tmp/escaped.dcm",
    "a/../../escaped.dcm",
    "..\\escaped.dcm",
    "C:\\escaped.dcm",
    "a//b.dcm",
)


def packed(parts: Mapping[str, bytes]) -> bytes:
    """A zip archive of these members, the same bytes each time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def originals(data: Path | None) -> Iterator[Original]:
    """Zip archives of series, and folders of them; a DICOMDIR tree where there is one."""
    for series in dicom.originals(data):
        if series.name in ("explicit", "deflated", "mr-coronal"):
            parts = {f"study/{name}": series.bytes_of(name) for name in series.files}
            yield Original(
                "zip", f"{series.name}.zip", {"scan.zip": packed(parts)}, "scan.zip", ("scan.zip",), series.slices
            )
            yield Original("tree", series.name, series.files, ".", series.victims, series.slices)


def mutate(random: Random, original: Original) -> Mutant:
    """A broken archive, or a folder with strange things in it."""
    if original.kind == "tree":
        return _tree(random, original)
    data = original.bytes_of("scan.zip")
    how = random.random()
    must_fail = False
    if how < 0.15:
        new, told = cut(random, data)
        must_fail = True
    elif how < 0.4:
        new, told = blindly(random, data, 200)
    else:
        new, told = zip_mutation(random, data)
    return Mutant(original, {"scan.zip": new}, f"scan.zip: {told}", must_fail and new != data)


def zip_mutation(random: Random, data: bytes) -> tuple[bytes, str]:
    """Members that escape, link, explode, lie, repeat, or are too many; a central directory that lies."""
    how = random.randrange(8)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = [(info.filename, old.read(info)) for info in old.infolist()]
    told = "repacked"
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts:
            archive.writestr(name, body)
        if how == 0:
            told = random.choice(ESCAPES)
            archive.writestr(told, parts[0][1])
        elif how == 1:
            told = "a link out"
            link = zipfile.ZipInfo("link.dcm")
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, random.choice(("/etc/passwd", "..", ".", "link.dcm", "/dev/zero")))
        elif how == 2:
            size = random.choice((1 << 24, 1 << 28))
            told = f"a member of {size} zeros"
            archive.writestr("bomb.dcm", bytes(128) + b"DICM" + bytes(size), compresslevel=9)
        elif how == 3:
            told = "20,000 members"
            for number in range(20_000):
                archive.writestr(f"m/{number}", b"")
        elif how == 4:
            told = "a zip in a zip"
            archive.writestr("inner.zip", data)
        elif how == 5:
            told = "a name of 60,000 bytes"
            archive.writestr("x" * 60_000, b"y")
    new = stream.getvalue()
    if how < 6:
        return new, told
    at = new.rfind(b"PK\x01\x02") if how == 6 else new.find(b"PK\x03\x04")
    field = at + random.choice((8, 10, 16, 20, 24, 28, 42) if how == 6 else (6, 8, 14, 18, 22, 26))
    value = random.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFF, 99))
    return new[:field] + value.to_bytes(4, "little") + new[field + 4 :], f"{value} in a zip header at {field}"


def _tree(random: Random, original: Original) -> Mutant:
    """A folder with a loop of links, a pipe, a device, odd names, or very deep folders beside the slices."""
    files = dict(original.files)
    special: dict[str, str] = {}
    how = random.randrange(8)
    if how == 0:
        special, told = {"pipe.dcm": "fifo"}, "a pipe"
    elif how == 1:
        special, told = {"loop": "-> loop", "up": "-> ..", "self": "-> ."}, "links that go round"
    elif how == 2:
        special, told = {"zero.dcm": "-> /dev/zero", "tty": "-> /dev/tty"}, "links to devices"
    elif how == 3:
        special, told = {"lost.dcm": "-> nowhere/at/all"}, "a link to nothing"
    elif how == 4:
        deep = "/".join(["d" * random.choice((1, 100))] * random.choice((3, 30)))
        files[f"{deep}/x.dcm"], told = b"", "a deep folder"
    elif how == 5:
        name = random.choice(("\udcff\udcfe.dcm", "a\nb.dcm", "\u202e.dcm", " .dcm", "-o.dcm", "--list", "'$(x)`.dcm"))
        files[name], told = original.bytes_of(original.victims[0])[:200], f"a file named {name!r}"
    elif how == 6:
        files["DICOMDIR"], told = blindly(random, original.bytes_of(original.victims[0]), 500)[0], "a false DICOMDIR"
    else:
        files["scan.zip"] = zip_mutation(random, packed({"a/b": b"c"}))[0]
        told = "an archive beside the slices"
    return Mutant(original, files, told, special=special)

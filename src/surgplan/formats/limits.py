"""Caps on what a file may declare, checked before memory is taken."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from surgplan.errors import BadInput, OutOfResources

MOST_VOXELS = 4096 * 4096 * 1024
"""More voxels than any clinical scanner makes in one volume."""
LONGEST_SIDE = 16_384
"""More voxels along one axis than any clinical scanner makes."""
SMALLEST_STEP_MM, LARGEST_STEP_MM = 1e-6, 1e4
"""Voxels of microscopes, and of anything that fits into a scanner, lie between."""
FARTHEST_MM = 1e6
"""No table moves further from its scanner's origin."""
MOST_TRIANGLES = 100_000_000
"""More triangles than any slicer program opens."""
DEFLATE_RATIO = 1032
"""The most that deflate (zlib, gzip) can shrink anything (zlib's technical details)."""
CODEC_RATIO = 2000
"""More than any image codec of DICOM shrinks a scan: a uniform slice of 512 × 512 still takes 300 bytes."""
SMALL_STREAM = 4096
"""Bytes that a compressed file may exceed its ratio by: the smallest streams have a fixed cost."""
LONGEST_HEADER = 1 << 20
"""More bytes than any text header of an image file holds."""
AGAIN = "The file is damaged or cut short: copy or export it again"


def check_image_size(subject: object, sizes: tuple[int, ...]) -> None:
    """Raise `BadInput` when an image declares sizes that no scanner makes."""
    total = 1
    for size in sizes:
        if not 0 < size <= LONGEST_SIDE:
            raise BadInput(subject, f"declares {size} voxels along an axis", f"1 to {LONGEST_SIDE}", AGAIN)
        total *= size
    if total > MOST_VOXELS:
        raise BadInput(subject, f"declares {total} voxels", f"at most {MOST_VOXELS}", AGAIN)


def check_place(subject: object, steps: Sequence[float], farthest: float) -> None:
    """Refuse voxels of sizes, and places, that no scan has: whoever goes through space in steps would never end.

    Parameters
    ----------
    subject:
        The file, for the message.
    steps:
        Distances of voxel centres, mm.
    farthest:
        The largest coordinate of a voxel, without its sign, mm.

    Raises
    ------
    BadInput
        They are nothing that a scanner measures.
    """
    if not all(SMALLEST_STEP_MM <= step <= LARGEST_STEP_MM for step in steps):
        told = " × ".join(f"{step:.4g}" for step in steps)
        limits = f"{SMALLEST_STEP_MM:g} to {LARGEST_STEP_MM:g} mm"
        raise BadInput(subject, f"its voxels measure {told} mm", limits, "Export it again, with sizes in millimetres")
    if not farthest <= FARTHEST_MM:
        found = f"a voxel of it lies at {farthest:.4g} mm"
        raise BadInput(subject, found, f"at most {FARTHEST_MM:g} mm", "Export it again, with places in millimetres")


def check_declared(subject: Path, declared: int, stored: int, ratio: int) -> None:
    """Refuse a file that declares more bytes of voxels than its stored bytes can hold.

    Parameters
    ----------
    subject:
        The file, for the message.
    declared:
        Bytes that its header asks for.
    stored:
        Bytes that the voxels take in the file.
    ratio:
        The most that its encoding can shrink them by; 1 for no compression.

    Raises
    ------
    BadInput
        The declared size cannot be true.
    """
    if declared > stored * ratio + (SMALL_STREAM if ratio > 1 else 0):
        found = (
            f"its header declares {told_bytes(declared)} of voxels and the file holds {told_bytes(stored)}: cut short"
        )
        raise BadInput(subject, found, advice=AGAIN)


def check_memory(subject: object, needed: int) -> None:
    """Raise `OutOfResources` when the machine's whole memory is less than the bytes needed."""
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return
    if needed > present:
        advice = "Crop the scan, or use a machine with more memory"
        raise OutOfResources(subject, f"needs {told_bytes(needed)} of memory", f"at most {told_bytes(present)}", advice)


def lower_limit(kind: int, most: int) -> None:
    """Lower a limit of this process (`resource.RLIMIT_…`), never above what the system allows."""
    import resource

    allowed = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if allowed == resource.RLIM_INFINITY else min(most, allowed), allowed))


def check_regular(path: Path) -> None:
    """Raise `BadInput` for what is no file at all: reading a pipe would wait for ever, a device never ends.

    Raises
    ------
    BadInput
        A pipe, socket or device.
    OSError
        It is not there, or cannot be looked at.
    """
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise BadInput(path, "is a pipe, socket or device", "a file", "Name a file")


def read_whole(path: Path, most: int) -> bytes:
    """All bytes of a file that may be small.

    Raises
    ------
    BadInput
        A pipe, socket or device, or more than `most` bytes.
    OSError
        It cannot be read.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > most:
        raise BadInput(path, f"has {size} bytes", f"at most {most}", "Name the file that is meant")
    with path.open("rb") as file:
        return file.read(size)


def told_bytes(count: int) -> str:
    """A number of bytes for people: exact when small."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"

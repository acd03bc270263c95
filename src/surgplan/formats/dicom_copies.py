"""Slices that a source holds more than once: told apart from slices that only claim the same place.

A copy is a slice of the same series and kind at the same place whose pixels are the same, whatever its instance UID; or
the same instance in another transfer syntax (DICOM PS3.3 C.12.1). Pixels are read only where two slices compete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from surgplan.formats.dicom import DicomTree, SliceHeader
from surgplan.formats.voxels import header_of

KIND = (
    *("study_uid", "series_uid", "frame_of_reference", "modality", "position", "orientation", "pixel_spacing", "rows"),
    *("columns", "bits_allocated", "signed", "slope", "intercept", "image_type", "kernel", "echo_time", "temporal"),
    *("frames", "stack", "diffusion", "trigger_time", "acquisition"),
)
"""What copies of a slice have in common."""


def without_copies(tree: DicomTree, is_slice: Callable[[SliceHeader], bool]) -> DicomTree:
    """The tree with each image that `is_slice` once; `copies` tells which were left out."""
    rivals: dict[tuple[object, ...], list[SliceHeader]] = {}
    for each in tree.slices:
        if is_slice(each):
            rivals.setdefault(tuple(getattr(each, name) for name in KIND), []).append(each)
    copies = [copy for alike in rivals.values() if len(alike) > 1 for copy in _copies(alike)]
    gone = {(each.path, each.frame) for each in copies}
    kept = tuple(each for each in tree.slices if (each.path, each.frame) not in gone)
    return replace(tree, slices=kept, copies=tuple(copies))


def _copies(alike: Sequence[SliceHeader]) -> list[SliceHeader]:
    copies: list[SliceHeader] = []
    kept: list[SliceHeader] = []
    seen: set[bytes] = set()
    # of one instance in several encodings, one without loss is kept
    for each in sorted(alike, key=lambda each: (each.lossy, not each.is_plain)):
        digest = _digest(each)
        again = digest in seen or any(_same_instance(each, other) for other in kept)
        (copies if again else kept).append(each)
        seen.add(digest)
    return copies


def _same_instance(each: SliceHeader, other: SliceHeader) -> bool:
    same = bool(each.sop_instance) and each.sop_instance == other.sop_instance
    return same and each.transfer_syntax != other.transfer_syntax


def _digest(each: SliceHeader) -> bytes:
    """SHA-256 of a frame's pixels as they lie in the file; of all that is compressed together with them."""
    if not each.is_plain:
        return _rest(each.path, max(each.pixels_at, 0)) + each.frame.to_bytes(4)
    with header_of(each.path), each.path.open("rb") as file:
        file.seek(each.pixels_at + each.frame * each.bytes_declared)
        data = file.read(each.bytes_declared)
    # what is cut short equals nothing: it is told when it is read
    return hashlib.sha256(data).digest() if len(data) == each.bytes_declared else str(each.path).encode()


@lru_cache(maxsize=1)
def _rest(path: Path, start: int) -> bytes:
    with header_of(path), path.open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").digest()

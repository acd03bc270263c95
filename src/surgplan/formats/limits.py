"""Caps on what a file may declare, checked before memory is taken."""

from __future__ import annotations

from pathlib import Path

from surgplan.errors import BadInput

MOST_VOXELS = 4096 * 4096 * 1024
"""More voxels than any clinical scanner makes in one volume."""

LONGEST_SIDE = 16_384
"""More voxels along one axis than any clinical scanner makes."""

MOST_TRIANGLES = 100_000_000
"""More triangles than any slicer program opens."""


def check_image_size(subject: object, sizes: tuple[int, ...]) -> None:
    """Raise `BadInput` when an image declares sizes that no scanner makes."""
    total = 1
    for size in sizes:
        if not 0 < size <= LONGEST_SIDE:
            raise BadInput(
                subject, f"declares {size} voxels along an axis", f"1 to {LONGEST_SIDE}", "The file is broken"
            )
        total *= size
    if total > MOST_VOXELS:
        raise BadInput(subject, f"declares {total} voxels", f"at most {MOST_VOXELS}", "The file is broken")


def check_bytes(subject: Path, declared: int, what: str) -> None:
    """Raise `BadInput` when a file is shorter than the data that it declares."""
    present = subject.stat().st_size
    if present < declared:
        raise BadInput(
            subject, f"holds {present} bytes, cut short", f"{declared} bytes of {what}", "Copy or export it again"
        )


def check_declared(subject: Path, declared: int, stored: int, ratio: int) -> None:
    """Raise `BadInput` when `declared` bytes of voxels cannot have come from the `stored` ones at that compression."""
    if declared > stored * ratio:
        found = f"declares {declared} bytes of pixels and holds {stored}: cut short"
        raise BadInput(subject, found, advice="Copy or export it again")

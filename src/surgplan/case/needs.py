"""What a stage will need of memory and disk, told before it starts: a machine that cannot hold it is not tried.

The figures are measured, on the skull example of 512 × 512 × 400 voxels (210 MB) and on one of 4 MB, as the largest
resident size of each stage in a process of its own, and rounded up; docs/scaling.md shows them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surgplan.errors import OutOfResources
from surgplan.formats.limits import told_bytes
from surgplan.model.labels import LabelMap
from surgplan.model.volume import Volume
from surgplan.segment.stage import SegmentParams

PROGRAM_BYTES = 200_000_000
"""Memory of the program with its libraries."""
PACKED = {".gz": 3, ".zip": 3}
"""How many times larger the scan in such a file is, at the most usual."""


@dataclass(frozen=True)
class Need:
    """Memory and disk of a stage, as multiples of the volume's bytes."""

    memory: float
    disk: float


STAGE_NEEDS = {
    "ingest": Need(2.2, 1.05),
    "networks": Need(1.0, 0.2),  # for the scan; what each network takes on it is predicted apart, from its own card
    "segment": Need(2.5, 0.1),  # and `segment_bytes`
    "surface": Need(2.5, 0.1),  # and `surface_bytes`
    "print": Need(0.5, 0.1),
    "navigation": Need(1.5, 0.01),
    "report": Need(2.5, 0.1),
}
WHOLE_RUN = 6.0
"""Memory of a whole run in volumes, while its surfaces are not known."""
SMALLEST_DISK = 20_000_000
"""Disk that a stage takes however small the scan is: pictures, models."""


FACE_BYTES, COARSE_FACE_BYTES, COARSE_MM = 800, 3200, 1.5
"""Memory of the surface stage for each voxel face between a structure and the rest: measured 530 bytes on the skull,
and up to 3,080 on the bones of a chest in a lung kernel with slices of 2.5 mm, where others are put between them.
"""

JOINED_FACE_BYTES, JOINED_COARSE_FACE_BYTES = 4500, 9500
"""The same for all structures together when those that touch are joined: measured 1,800 to 3,400 on two halves of a
ball with voxels of 0.7 to 1 mm, and 6,200 on those of the skull with slices of 2 mm."""


PLANES = 32
"""Planes of voxels that are looked at at once."""


def surface_bytes(labels: LabelMap, joined: bool = False) -> int:
    """Memory that the surfaces of these labels should take at the most, beside that for the volume.

    One after the other, or, with `joined`, all that touch at once; which ones touch is not looked at.
    """
    import numpy as np

    coarse = float(labels.grid.spacing.max()) >= COARSE_MM
    counts = []
    for label in labels.labels:
        own = 0
        for first in range(0, len(labels.array), PLANES):
            mask = labels.array[first : first + PLANES + 1] == label.value
            own += int(np.count_nonzero(mask[1:] != mask[:-1]))
            own += sum(int(np.count_nonzero(np.diff(mask[:PLANES], axis=axis))) for axis in (1, 2))
        counts.append(own)
    if joined and len(counts) > 1:
        return sum(counts) * (JOINED_COARSE_FACE_BYTES if coarse else JOINED_FACE_BYTES)
    return max(counts) * (COARSE_FACE_BYTES if coarse else FACE_BYTES)


def segment_bytes(volume: Volume, params: SegmentParams) -> int:
    """Memory that a recipe's methods should take at the most, beside what `STAGE_NEEDS` counts for the stage."""
    from surgplan.segment.memory import memory_bytes

    beside = (STAGE_NEEDS["segment"].memory - 1) * volume.array.nbytes
    return max(0, memory_bytes(volume.grid, params) - int(beside))


def check_needs(stage: str, volume_bytes: int, folder: Path, more_bytes: int = 0) -> None:
    """Refuse a stage that the machine cannot hold now; it needs `more_bytes` of memory beside what the volume makes.

    Raises
    ------
    OutOfResources
        Memory or disk will not do; needed and free are told.
    """
    need = STAGE_NEEDS[stage]
    memory = PROGRAM_BYTES + int(need.memory * volume_bytes) + more_bytes
    if memory > (free := free_memory()):
        advice = "Close other programs, crop the scan, or use a machine with more memory"
        raise OutOfResources(f"stage {stage}", f"needs {told_bytes(memory)} of memory", _free(free), advice)
    disk = SMALLEST_DISK + int(need.disk * volume_bytes)
    existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    if disk > (free := shutil.disk_usage(existing).free):
        advice = "Free some disk space and run again"
        raise OutOfResources(f"stage {stage}", f"needs {told_bytes(disk)} of disk", _free(free), advice)


def _free(count: int) -> str:
    return f"at most the {told_bytes(count)} that are free"


def told_needs() -> dict[str, dict[str, float]]:
    """The needs of all stages as plain values, for schedulers."""
    return {
        name: {
            "program_bytes": PROGRAM_BYTES,
            "memory_per_volume_byte": need.memory,
            "disk_per_volume_byte": need.disk,
        }
        for name, need in STAGE_NEEDS.items()
    }


def run_bytes(source: Path) -> int:
    """Memory that a whole run of a scan should take at its peak, by the size of its files."""
    return PROGRAM_BYTES + int(WHOLE_RUN * scan_bytes(_files(source)))


def scan_bytes(files: Iterable[Path]) -> int:
    """Bytes of a scan's voxels, by the size of its files: those of a well-packed scan are more."""
    return sum(path.stat().st_size * PACKED.get(path.suffix.lower(), 1) for path in files if path.is_file())


def _files(source: Path) -> Iterable[Path]:
    return source.rglob("*") if source.is_dir() else (source,)


def free_memory() -> int:
    """Bytes of memory that this process can still take: of the machine, and of its control group where it has one.

    Source: proc(5), MemAvailable; the Linux kernel's "Control Group v2", memory.max and memory.current.
    """
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(OSError, ValueError, IndexError):
        group = Path("/sys/fs/cgroup") / Path("/proc/self/cgroup").read_text("ascii").split("::")[1].strip().lstrip("/")
        for each in (group, *group.parents[: len(group.parts) - 4]):
            free = min(free, _left_in(each))
    return free


def _left_in(group: Path) -> int:
    """What a control group may still take, with the file cache that it can give back; endless without a limit."""
    limit = (group / "memory.max").read_text("ascii").strip()
    if limit == "max":
        return 1 << 62
    told = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
    return int(limit) - int((group / "memory.current").read_text("ascii")) + int(told.get("inactive_file", 0))

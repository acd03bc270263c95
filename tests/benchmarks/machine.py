"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ("surgplan", "numpy", "SimpleITK", "vtk", "manifold3d", "pydicom", "scipy", "trimesh")


def facts() -> dict[str, str | int]:
    """Cores, processor, memory, system and versions; nothing that names the machine."""
    told: dict[str, str | int] = {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _field(Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)") or platform.processor() or "unknown",
        "memory_gb": round(int(_field(Path("/proc/meminfo"), r"MemTotal:\s*(\d+)") or 0) / 1024**2),
        "system": f"{platform.system()} {platform.machine()}",
        "distribution": _field(Path("/etc/os-release"), r'PRETTY_NAME="(.+)"') or "unknown",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        told[package] = importlib.metadata.version(package)
    return told


def _field(path: Path, pattern: str) -> str:
    try:
        found = re.search(pattern, path.read_text())
    except OSError:
        return ""
    return found.group(1).strip() if found else ""

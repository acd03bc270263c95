"""All originals by kind, and the mutant that a kind, a seed and a number stand for: always the same one."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import archives, dicom, documents, images, meshes
from tests.fuzz.mutants import Mutant, Original

ROOT = Path(__file__).parents[2]
MAKERS: dict[str, Any] = {
    **dict.fromkeys(("nifti", "nrrd", "mha", "seg"), images),
    **dict.fromkeys(("dicom", "mask", "dicomdir"), dicom),
    **dict.fromkeys(("zip", "tree"), archives),
    **dict.fromkeys(("stl", "ply", "obj", "off", "glb", "vtp", "3mf"), meshes),
    **dict.fromkeys(("points", "tfm", "recipe", "case", "manifest"), documents),
}
SHARES = {
    "dicom": 28,
    "mask": 3,
    "dicomdir": 2,
    "nifti": 9,
    "nrrd": 9,
    "mha": 6,
    "seg": 4,
    "zip": 4,
    "tree": 2,
    "points": 3,
    "tfm": 1,
}
SHARES |= {"stl": 5, "ply": 5, "obj": 2, "off": 1, "glb": 4, "vtp": 3, "3mf": 5, "recipe": 1, "case": 2, "manifest": 1}
"""How many of a hundred mutants are of each kind, unless kinds are asked for."""
MESHES = ("stl", "ply", "obj", "off", "glb", "vtp", "3mf")


def data_folder() -> Path | None:
    """Where the real files lie, if they are there."""
    folder = Path(os.environ.get("SURGPLAN_TEST_DATA") or ROOT.parent / "shared" / "data")
    return folder.resolve() if folder.is_dir() else None


@cache
def originals(kind: str, real: bool = True) -> tuple[Original, ...]:
    """The originals of a kind; without `real`, only the generated ones."""
    data = data_folder() if real else None
    return tuple(each for each in MAKERS[kind].originals(data) if each.kind == kind)


def mutant_of(kind: str, seed: int, number: int, real: bool = True) -> Mutant:
    """The mutant of this name."""
    random = Random(f"{seed}/{kind}/{number}")
    known = originals(kind, real)
    (original,) = random.choices(known, [each.weight for each in known])
    mutant: Mutant = MAKERS[kind].mutate(random, original)
    return mutant


def plan(count: int, kinds: tuple[str, ...]) -> list[tuple[str, int]]:
    """(kind, number) of `count` mutants, the kinds by their shares."""
    total = sum(SHARES[kind] for kind in kinds)
    counts = {kind: count * SHARES[kind] // total for kind in kinds}
    for kind in sorted(kinds, key=lambda each: -SHARES[each])[: count - sum(counts.values())]:
        counts[kind] += 1
    return [(kind, number) for kind in kinds for number in range(counts[kind])]

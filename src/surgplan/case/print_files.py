"""What is printed, as files: a 3MF for each plate, an STL for each part, and the job sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from surgplan.formats.atomic import Written, write_text
from surgplan.model.frames import LPS, PRINT, Frame, Transform
from surgplan.model.part import Part
from surgplan.model.plate import Plate, placings
from surgplan.model.surface import Surface
from surgplan.printing.stage import PrintResult


@dataclass(frozen=True)
class PrintTargets:
    """Where to: the 3MF of the only plate, the folder of the STLs, the page of the job sheet; None is not wanted.

    Of several plates each 3MF has its number in the name; the sheet's JSON lies beside its page. `certificate` is where
    it is told what each step changed.
    """

    threemf: Path
    stl_folder: Path | None = None
    job: Path | None = None
    overwrite: bool = True
    certificate: Path | None = None

    def plate_files(self, count: int) -> tuple[Path, ...]:
        """The 3MF of each plate."""
        if count == 1:
            return (self.threemf,)
        stem, ending = self.threemf.stem, self.threemf.suffix
        return tuple(self.threemf.with_name(f"{stem}-plate-{number}{ending}") for number in range(1, count + 1))

    def stl_file(self, part: Part, scale: float) -> Path:
        """The STL of a part; one that is not life size, or shows the other side, says so."""
        assert self.stl_folder is not None
        stem = part.label.file_stem
        if part.mirrored and "mirror" not in stem:
            stem += "-mirrored"
        return self.stl_folder / (f"{stem}.stl" if scale == 1.0 else f"{stem}-scale-{scale:g}.stl")


@dataclass(frozen=True)
class Sheet:
    """The job sheet as values and as a page, for each plate a small picture, PNG, and the certificate's text."""

    job: Mapping[str, Any]
    page: str
    thumbnails: Sequence[bytes]
    certificate: str


def _stl_files(result: PrintResult, targets: PrintTargets) -> dict[Path, Surface]:
    """What each STL holds."""
    found: dict[Path, Surface] = {}
    if targets.stl_folder is not None:
        for plate in result.plates:
            for part in result.parts:
                place = _lies_on(plate, part)
                if place is not None:
                    found.setdefault(targets.stl_file(part, plate.scale), scaled(part.body, plate.scale, place))
    return found


def print_writings(
    result: PrintResult, targets: PrintTargets, sheet: Sheet, assumed: tuple[str, ...]
) -> list[Callable[[], Written]]:
    """What writes each of the files, and reads it back.

    Raises
    ------
    WouldOverwrite
        A file exists, and may not be replaced.
    """
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.meshes import write_mesh
    from surgplan.formats.threemf import write_threemf

    files, stls = targets.plate_files(len(result.plates)), _stl_files(result, targets)
    sheets = {}
    if targets.job is not None:
        text = json.dumps(sheet.job, indent=1, ensure_ascii=False) + "\n"
        sheets = {targets.job: sheet.page, targets.job.with_suffix(".json"): text}
    if targets.certificate is not None:
        sheets[targets.certificate] = sheet.certificate
    for path in (*files, *stls, *sheets):
        refuse_overwriting(path, targets.overwrite)
    each_plate = zip(files, result.plates, sheet.thumbnails, strict=True)
    return [
        *(partial(write_threemf, path, plate, thumbnail=picture) for path, plate, picture in each_plate),
        *(partial(write_mesh, path, surface, assumed) for path, surface in stls.items()),
        *(partial(write_text, path, text) for path, text in sheets.items()),
    ]


def _lies_on(plate: Plate, part: Part) -> Transform | None:
    """Where the first copy of a part stands on a plate."""
    for assembly, _, place in plate.standing():
        if any(each.label.name == part.name for each in assembly.objects):
            return place
    return None


def scaled(surface: Surface, scale: float, place: Transform) -> Surface:
    """What the STL holds: the surface in LPS at life size, or in PRINT coordinates when the print is scaled."""
    return surface if scale == 1.0 else place @ surface


def stored_placings(plates: Sequence[Plate]) -> list[dict[str, Any]]:
    """How the patient is placed on the plates, as the manifest keeps it."""
    return [{"scope": each.fixed.scope, "matrix": each.matrix.tolist()} for each in placings(plates)]


def read_placings(stored: Sequence[Mapping[str, Any]]) -> tuple[Transform, ...]:
    """The inverse of `stored_placings`."""
    return tuple(Transform(Frame(PRINT.name, each["scope"]), LPS, each["matrix"]) for each in stored)

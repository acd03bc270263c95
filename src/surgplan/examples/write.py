"""Writes an example case: the series, its case file, its truth."""

from __future__ import annotations

import json
from pathlib import Path

from surgplan.errors import WrongUsage
from surgplan.examples import NAMES
from surgplan.examples.dicom_series import write_series
from surgplan.examples.render import NOISE_HU, PSF_SIGMA_MM, SIZES, render, scan_grid
from surgplan.examples.scenes import SCENES
from surgplan.formats.atomic import write_text
from surgplan.params import nearest


def write(name: str, folder: Path, size: str, seed: int) -> tuple[Path, ...]:
    """See `surgplan.examples.write_example`."""
    for what, word, known in (("example", name, list(NAMES)), ("size", size, list(SIZES))):
        if word not in known:
            raise WrongUsage(f"{what} `{word}`", "there is none of that name", advice=nearest(word, known))
    scene = SCENES[name]()
    grid = scan_grid(scene, size)
    files = write_series(folder / "dicom", name, grid, render(scene, grid, seed), f"{name}/{size}/{seed}")
    truth = {
        "example": name,
        "frame": "LPS",
        "unit": "mm",
        "psf_sigma_mm": PSF_SIGMA_MM,
        "noise_hu": NOISE_HU,
        "intensities_hu": {part.name: part.hu for part in scene.parts},
        **scene.truth,
    }
    text = json.dumps(truth, indent=1) + "\n"
    case = write_text(folder / "case.toml", case_file(name).read_text("utf-8"))
    return (*files, case.path, write_text(folder / "truth.json", text).path)


def case_file(name: str) -> Path:
    """The example's `case.toml`: in the package, or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    places = [package / "example_cases" / name / "case.toml", package.parents[1] / "example_cases" / name / "case.toml"]
    return next(place for place in places if place.is_file())

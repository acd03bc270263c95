"""Scans with known truth, made from analytic shapes."""

from __future__ import annotations

from pathlib import Path

NAMES = {
    "skull": "head with orbits, jaw, six fiducial markers, a tumour on the left, ventricles",
    "femur": "left femur with cortex and marrow, broken at the shaft",
    "vessel": "contrast-filled aorta with branches and a stenosis of known degree",
}


def write_example(name: str, folder: Path, size: str = "full", seed: int = 0) -> tuple[Path, ...]:
    """Write the example `name` as a case: `dicom/*.dcm`, `case.toml`, `truth.json`.

    Parameters
    ----------
    name:
        One of `NAMES`.
    folder:
        Where to; made when it is missing.
    size:
        `small` (128×128×120), `full` (512×512×300) or `large` (512×512×400).
    seed:
        Decides the noise and the identifiers: same seed, same bytes.

    Raises
    ------
    WrongUsage
        No such example or size.
    """
    from surgplan.examples.write import write

    return write(name, folder, size, seed)

"""Transforms as ITK text files (`.tfm`).

ITK's file holds the transform that resampling needs: it carries points of the fixed image to the moving one. A file
`lps_from_ras.tfm` of ours holds, in that convention, the transform whose fixed image lies in the frame on the right:
ITK's `TransformPoint` of a RAS point gives the LPS point, which is what the file's name says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.model.frames import Frame, Transform

HEAD = "#Insight Transform File V1.0"
KIND = "AffineTransform_double_3_3"
LARGEST_FILE = 1 << 20
SAME = 1e-9


def transform_file(transform: Transform) -> str:
    """The file name that tells which frame leads to which: `lps_from_ras.tfm`."""
    return f"{transform.fixed.name.lower()}_from_{transform.moving.name.lower()}.tfm"


def write_tfm(path: Path, transform: Transform) -> Written:
    """ITK's text format; `TransformPoint` then carries points of `transform.moving` to `transform.fixed`."""
    numbers = [*transform.linear.ravel(), *transform.offset]
    text = "\n".join(
        (
            HEAD,
            f"#surgplan: carries {transform.moving} points to {transform.fixed} points",
            "#Transform 0",
            f"Transform: {KIND}",
            "Parameters: " + " ".join(repr(float(number)) for number in numbers),
            "FixedParameters: 0 0 0",
            "",
        )
    )

    def check(written: Path) -> None:
        found = read_tfm(written, transform.fixed, transform.moving)
        if np.abs(found.matrix - transform.matrix).max() > SAME:
            raise BadInput(path, "reading back gives another transform", advice="Report this as a bug")

    return write_text(path, text, check)


def read_tfm(path: Path, fixed: Frame, moving: Frame) -> Transform:
    """The affine transform of an ITK text file, taken to carry `moving` points to `fixed` points.

    Raises
    ------
    BadInput
        Not such a file, several transforms, another kind, or one that mirrors.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(path, f"has {path.stat().st_size} bytes", f"at most {LARGEST_FILE}", "This is no transform")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput(path, "cannot be read", "an ITK transform file", "Check the file") from None
    if not lines or not lines[0].startswith("#Insight Transform File"):
        raise BadInput(path, "has no ITK header", HEAD, "Export the transform as .tfm text")
    told = [line.partition(":") for line in lines if ":" in line and not line.startswith("#")]
    kinds = [value.strip() for key, _, value in told if key == "Transform"]
    if len(kinds) != 1 or not kinds[0].startswith(("AffineTransform", "MatrixOffsetTransformBase")):
        raise BadInput(path, f"holds {', '.join(kinds) or 'no transform'}", f"one {KIND}", "Export an affine transform")
    fields = {key: value for key, _, value in told}
    with blaming(path, "Export the transform again"):
        numbers = np.array(fields.get("Parameters", "").split(), dtype=np.float64)
        centre = np.array(fields.get("FixedParameters", "0 0 0").split(), dtype=np.float64)
        if numbers.shape != (12,) or centre.shape != (3,):
            raise ValueError(f"{len(numbers)} parameters and {len(centre)} fixed ones, not 12 and 3")
        matrix = np.eye(4)
        matrix[:3, :3] = numbers[:9].reshape(3, 3)
        matrix[:3, 3] = numbers[9:] + centre - matrix[:3, :3] @ centre
        return Transform(fixed, moving, matrix)

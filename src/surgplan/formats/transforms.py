"""Transforms as ITK text files (`.tfm`).

The trap: ITK, and with it 3D Slicer and ANTs, stores the transform that resampling needs. For each point of the image
to be made (the fixed one) it tells where in the moving image to look: it carries points from fixed to moving. Our
`Transform(fixed, moving, …)` carries points the other way, from moving to fixed. So a `.tfm` holds the inverse of the
transform that its name tells, and is read back as the inverse of what it holds:

- `lps_from_print.tfm` brings things from the build plate to the scan: in 3D Slicer, a model put under it moves there.
- `itk::Transform::TransformPoint` of that file carries a point of the scan (LPS) to the build plate.

The point transforms themselves, ready to multiply, are in `plan.json`. Source: 3D Slicer developer guide,
"Transforms: transform files"; ITK, TxtTransformIO.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.limits import read_whole
from surgplan.model.frames import PRINT, Array, Frame, Transform
from surgplan.model.labels import file_stem

HEAD = "#Insight Transform File V1.0"
KIND = "AffineTransform_double_3_3"
KINDS = re.compile(r"(AffineTransform|MatrixOffsetTransformBase)_(double|float)_3_3")
NOTE = "#surgplan "
"""What the line begins with in which a file of ours names its frames; ITK takes it for a comment."""

LARGEST_FILE = 1 << 20
SAME = 1e-9
AGAIN = "Export the transform again, as one affine ITK transform in a .tfm text file"


def transform_name(transform: Transform) -> str:
    """What variables, files and `plan.json` call it: `lps_from_ras`, `print_mandible_from_lps`."""
    return f"{_word(transform.fixed)}_from_{_word(transform.moving)}".replace("-", "_")


def _word(frame: Frame) -> str:
    """A frame in a file name; of several places on the build plate, which part stands there."""
    return file_stem(f"{frame.name} {frame.scope}" if frame.name == PRINT.name and frame.scope else frame.name)


def transform_file(transform: Transform) -> str:
    """Its file name: `lps_from_ras.tfm`."""
    return f"{transform_name(transform)}.tfm"


def write_tfm(path: Path, transform: Transform, notes: tuple[str, ...] = ()) -> Written:
    """Write a transform as ITK's text: what brings images and models from `transform.moving` to `transform.fixed`.

    `notes` are kept as comments.

    Raises
    ------
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    stored = transform.inverse()
    numbers = [float(number) + 0.0 for number in (*stored.linear.ravel(), *stored.offset)]
    frames = {"fixed": frame_as_dict(transform.fixed), "moving": frame_as_dict(transform.moving)}
    lines = (
        HEAD,
        NOTE + json.dumps(frames, sort_keys=True),
        f"# Brings images and models from {_told(transform.moving)} to {_told(transform.fixed)}. As ITK wants it, the",
        f"# parameters carry points of {_told(transform.fixed)} to points of {_told(transform.moving)}.",
        *(f"# {note}" for note in notes),
        "#Transform 0",
        f"Transform: {KIND}",
        "Parameters: " + " ".join(repr(number) for number in numbers),
        "FixedParameters: 0 0 0",
    )

    def check(written: Path) -> None:
        found = read_tfm(written)
        if (found.fixed, found.moving) != (transform.fixed, transform.moving) or not same_transform(found, transform):
            raise BadInput(path, "reading back gives another transform", advice="Report this as a bug")

    return write_text(path, "\n".join(lines) + "\n", check)


def same_transform(one: Transform, other: Transform) -> bool:
    """Whether two matrices are the same, but for the last bits that an inversion costs."""
    return bool(np.allclose(one.matrix, other.matrix, rtol=SAME, atol=SAME * max(1.0, float(np.abs(one.matrix).max()))))


def read_tfm(path: Path, fixed: Frame | None = None, moving: Frame | None = None) -> Transform:
    """The transform of an ITK text file, turned round: it carries `moving` points to `fixed` points.

    Parameters
    ----------
    path:
        The file.
    fixed, moving:
        The frames between which it leads, needed when the file does not name them; files of surgplan do.

    Raises
    ------
    BadInput
        Not such a file, none or several transforms, another kind, one that mirrors or flattens, or frames that are
        not known or contradict those of the file.
    """
    lines = _lines(path)
    told = [line.partition(":") for line in lines if ":" in line and not line.startswith("#")]
    kinds = [value.strip() for key, _, value in told if key.strip() == "Transform"]
    if len(kinds) != 1 or not KINDS.fullmatch(kinds[0]):
        raise BadInput(path, f"holds {', '.join(kinds[:3])[:100] or 'no transform'}", f"one {KIND}", AGAIN)
    fields = {key.strip(): value for key, _, value in told}
    with blaming(path, AGAIN):
        stored = _matrix(fields.get("Parameters", ""), fields.get("FixedParameters", "0 0 0"))
        stated = _stated(lines)
        known = agreed(path, frame_from_dict(stated.get("fixed")), frame_from_dict(stated.get("moving")), fixed, moving)
        return Transform(known[1], known[0], stored).inverse()


def _lines(path: Path) -> list[str]:
    try:
        lines = read_whole(path, LARGEST_FILE).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput(path, "cannot be read as text", "an ITK transform file", AGAIN) from None
    if not lines or not lines[0].startswith("#Insight Transform File"):
        raise BadInput(path, "does not begin as ITK's transform files do", f"`{HEAD}`", AGAIN)
    return lines


def _matrix(parameters: str, fixed_parameters: str) -> Array:
    """(4, 4) of what ITK stores: the linear part by rows, the translation, and the centre that the two turn about."""
    numbers = np.array(parameters.split(), dtype=np.float64)
    centre = np.array(fixed_parameters.split(), dtype=np.float64)
    if numbers.shape != (12,) or centre.shape != (3,):
        raise ValueError(f"has {len(numbers)} parameters and {len(centre)} fixed ones, not 12 and 3")
    matrix = np.eye(4)
    matrix[:3, :3] = numbers[:9].reshape(3, 3)
    matrix[:3, 3] = numbers[9:] + centre - matrix[:3, :3] @ centre
    return matrix


def agreed(
    path: Path, own_fixed: Frame | None, own_moving: Frame | None, fixed: Frame | None, moving: Frame | None
) -> tuple[Frame, Frame]:
    """The frames that the file names, that the caller names, or both when they agree."""
    found = []
    for which, own, wanted in (("fixed", own_fixed, fixed), ("moving", own_moving, moving)):
        if own is not None and wanted is not None and own != wanted:
            raise BadInput(path, f"names {own} as its {which} frame", f"{wanted}", "Use the file that was meant")
        chosen = own or wanted
        if chosen is None:
            raise BadInput(path, f"does not name its {which} frame", advice="Say between which frames it leads")
        found.append(chosen)
    return found[0], found[1]


def _stated(lines: list[str]) -> dict[str, Any]:
    """What the file's note of ours holds; empty when there is none."""
    notes = [line.removeprefix(NOTE) for line in lines if line.startswith(NOTE)]
    try:
        stated = json.loads(notes[0]) if notes else {}
    except RecursionError:
        raise ValueError("holds a comment that is nested too deep") from None
    return stated if isinstance(stated, dict) else {}


def _told(frame: Frame) -> str:
    """A frame in a comment of one line."""
    return json.dumps(str(frame))[1:-1]


def frame_as_dict(frame: Frame) -> dict[str, str]:
    """Plain JSON values."""
    return {"name": frame.name, "scope": frame.scope}


def frame_from_dict(stored: Any) -> Frame | None:
    """The inverse; None where no frame is stored."""
    if not isinstance(stored, dict) or not isinstance(stored.get("name"), str):
        return None
    return Frame(stored["name"], str(stored.get("scope", "")))

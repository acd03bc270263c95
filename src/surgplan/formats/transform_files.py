"""Transforms in every format that names or implies two frames: `.tfm`, `.h5`, `.json` and a plain matrix in `.txt`.

`.tfm` and `.h5` are ITK's and hold the inverse (see `transforms.py`); `.json` and `.txt` hold the matrix as it is:
position in `fixed` = matrix · position in `moving`. All but `.h5` name their frames in the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.errors import BadInput, SurgplanError, WrongUsage, blaming
from surgplan.formats.atomic import Written, write_file, write_text
from surgplan.formats.limits import read_whole
from surgplan.formats.transforms import (
    LARGEST_FILE,
    agreed,
    frame_as_dict,
    frame_from_dict,
    read_tfm,
    same_transform,
    write_tfm,
)
from surgplan.model.frames import Frame, Transform

FORMAT, VERSION = "surgplan-transform", 1
CONVENTION = "position in `fixed` = matrix · position in `moving`; columns (x, y, z, 1), mm"
ENDINGS = (".tfm", ".h5", ".json", ".txt")
BUG = "Report this as a bug"
PATIENCE_S = 60.0
"""By the clock; the child's processor time is limited in itself."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def write_transform(
    path: Path, transform: Transform, notes: tuple[str, ...] = (), more: Mapping[str, Any] | None = None
) -> Written:
    """Write a transform in the format that the file's ending tells.

    Parameters
    ----------
    path:
        Ends in one of `ENDINGS`.
    transform:
        What to write.
    notes:
        Lines for people, kept as comments where the format has a place for them.
    more:
        What a JSON file shall hold besides the transform.

    Raises
    ------
    WrongUsage
        Another ending, or the folder cannot be written to.
    OutOfResources
        The disk is full.
    """
    ending = path.suffix.lower()
    if ending == ".tfm":
        return write_tfm(path, transform, notes)
    if ending == ".h5":
        return _write_h5(path, transform)
    if ending == ".json":
        whole = {**transform_as_dict(transform), **(more or {})}
        text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return write_text(path, text + "\n", lambda written: _compare(path, read_transform(written), transform))
    if ending == ".txt":
        frames = json.dumps({key: transform_as_dict(transform)[key] for key in ("fixed", "moving")}, sort_keys=True)
        rows = [" ".join(repr(float(value) + 0.0) for value in row) for row in transform.matrix]
        lines = [f"# surgplan {frames}", f"# {CONVENTION}", *(f"# {note}" for note in notes), *rows]
        return write_text(
            path, "\n".join(lines) + "\n", lambda written: _compare(path, read_transform(written), transform)
        )
    raise WrongUsage(path, f"ends in `{path.suffix[:20]}`", " ".join(ENDINGS), "Choose such a name")


def transform_as_dict(transform: Transform) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "unit": "mm",
        "fixed": frame_as_dict(transform.fixed),
        "moving": frame_as_dict(transform.moving),
        "matrix": [[float(value) + 0.0 for value in row] for row in transform.matrix],
        "convention": CONVENTION,
    }


def _compare(path: Path, found: Transform, meant: Transform) -> None:
    if (found.fixed, found.moving) != (meant.fixed, meant.moving) or not same_transform(found, meant):
        raise BadInput(path, "reading back gives another transform", advice=BUG)


def _write_h5(path: Path, transform: Transform) -> Written:
    import SimpleITK as sitk

    inverse = transform.inverse()
    stored = sitk.AffineTransform(inverse.linear.ravel().tolist(), inverse.offset.tolist())

    def check(written: Path) -> None:
        _compare(path, read_transform(written, transform.fixed, transform.moving), transform)

    return write_file(path, lambda target: sitk.WriteTransform(stored, str(target)), check)


def read_transform(path: Path, fixed: Frame | None = None, moving: Frame | None = None) -> Transform:
    """The transform of a file; frames are those that it names, or those that the caller does.

    Raises
    ------
    BadInput
        Not such a file, another kind of transform, one that mirrors, or frames that are not known or contradict.
    """
    readers = {".tfm": read_tfm, ".h5": _read_h5, ".json": _read_json, ".txt": _read_txt}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(path, f"ends in `{path.suffix[:20]}`", " ".join(ENDINGS), "Convert it to one of these")
    return reader(path, fixed, moving)


def _text(path: Path) -> str:
    try:
        return read_whole(path, LARGEST_FILE).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(path, "cannot be read as text", "a transform", "Check the file") from None


def _read_json(path: Path, fixed: Frame | None, moving: Frame | None) -> Transform:
    try:
        with blaming(path, "Export the transform again"):
            whole = json.loads(_text(path))
            if whole.get("format") != FORMAT or whole.get("format_version") != VERSION or whole.get("unit") != "mm":
                raise BadInput(path, "is no transform of ours", f"{FORMAT} {VERSION} in mm", "Check the file")
            frames = agreed(path, frame_from_dict(whole["fixed"]), frame_from_dict(whole["moving"]), fixed, moving)
            return Transform(*frames, whole["matrix"])
    except SurgplanError:
        raise
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a transform", "Export it again") from None


def _read_txt(path: Path, fixed: Frame | None, moving: Frame | None) -> Transform:
    lines = _text(path).splitlines()
    notes = [line.removeprefix("# surgplan ") for line in lines if line.startswith("# surgplan ")]
    with blaming(path, "Export the matrix again: four rows of four numbers"):
        stated = json.loads(notes[0]) if notes else {}
        matrix = np.array([line.split() for line in lines if line.strip() and not line.startswith("#")], np.float64)
        stated = stated if isinstance(stated, dict) else {}
        own = frame_from_dict(stated.get("fixed")), frame_from_dict(stated.get("moving"))
        return Transform(*agreed(path, *own, fixed, moving), matrix)


def _read_h5(path: Path, fixed: Frame | None, moving: Frame | None) -> Transform:
    again = "Export the transform again, as one affine ITK transform"
    try:
        if not read_whole(path, LARGEST_FILE).startswith(SIGNATURE):
            raise BadInput(path, "is no HDF5 file of a transform", "an ITK .h5 transform", again)
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror}", advice="Check the file") from None
    usable, kind, matrix = _by_child(path, again)
    if not usable:
        raise BadInput(path, f"holds a {kind}", "one affine transform", again)
    with blaming(path, again):
        one, other = agreed(path, None, None, fixed, moving)
        return Transform(other, one, matrix).inverse()


def _by_child(path: Path, again: str) -> tuple[bool, str, list[list[float]]]:
    """What `h5_child` answers; when it dies of the file, the file is to blame."""
    command = [sys.executable, "-m", "surgplan.formats.h5_child", str(path)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=True
        )
        usable, kind, matrix = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise BadInput(path, "cannot be read as an ITK transform", "an .h5 transform", again) from None
    return usable, kind, matrix

"""What the PLUS toolkit writes: sequence metafiles of tracker poses, and configuration files with their transforms.

A sequence (`.igs.mha`, `.mha`, `.mhd`, `.igs.nrrd`) holds fields `Seq_FrameNNNN_AToBTransform`, sixteen numbers by
rows: they carry points of A to B. A configuration (`.xml`) holds `CoordinateDefinitions/Transform From= To= Matrix=`
and the landmarks of a phantom, in its frame; all in millimetres. Source: PLUS user manual, "Sequence file format" and
"CoordinateDefinitions".
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.limits import check_regular, read_whole
from surgplan.formats.markups import StoredPoints
from surgplan.formats.xml_prolog import refuse_document_type
from surgplan.model.frames import Array, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.model.tracking import Recording

FIELD = re.compile(r"Seq_Frame(\d+)_(\w+?)To(\w+)Transform(Status)?$")
TIME = re.compile(r"Seq_Frame(\d+)_Timestamp$")

LARGEST_HEADER, LARGEST_CONFIG = 512 << 20, 4 << 20
MOST_FRAMES = 1_000_000
SQUARE = 1e-3
"""A pose's rotation may be this far from one: trackers write single precision."""

AGAIN = "Record or export the sequence again"


def read_recording(path: Path) -> Recording:
    """The tracker poses of a PLUS sequence; its pictures, if any, are not read.

    Raises
    ------
    BadInput
        Not such a file, no poses, times that do not grow, or a pose that is no rigid one.
    """
    poses: dict[tuple[str, str], dict[int, str]] = {}
    valid: dict[tuple[str, str], dict[int, bool]] = {}
    times: dict[int, float] = {}
    with blaming(path, AGAIN):
        for key, value in _fields(path):
            if match := FIELD.match(key):
                number, pair = int(match[1]), (match[2], match[3])
                if match[4]:
                    valid.setdefault(pair, {})[number] = value == "OK"
                else:
                    poses.setdefault(pair, {})[number] = value
            elif match := TIME.match(key):
                times[int(match[1])] = float(value)
        if not poses or not times:
            raise ValueError(f"holds {len(times)} times and {len(poses)} kinds of poses: no tracker's recording")
        if max(times) >= MOST_FRAMES:
            raise ValueError(f"declares frame {max(times)}, more than {MOST_FRAMES}")
        order = sorted(times)
        whole = {
            (Frame(to), Frame(of)): _matrices(rows, valid.get((of, to), {}), order) for (of, to), rows in poses.items()
        }
        return Recording(np.array([times[number] for number in order]), whole)


def _fields(path: Path) -> list[tuple[str, str]]:
    """Keys and values of the text header, of MetaImage (`key = value`) or NRRD (`key:=value`)."""
    found = []
    try:
        check_regular(path)
        if path.stat().st_size == 0:
            raise BadInput(path, "is empty", "a tracker's recording", AGAIN)
        with path.open("rb") as file:
            taken = 0
            for raw in file:
                taken += len(raw)
                if taken > LARGEST_HEADER:
                    raise BadInput(path, "has a header that does not end", advice=AGAIN)
                line = raw.decode("utf-8", "replace").strip()
                if line.startswith("ElementDataFile") or not line:
                    break
                key, sign, value = line.partition(":=" if ":=" in line else "=")
                if sign:
                    found.append((key.strip(), value.strip()))
    except OSError as error:
        raise BadInput(path, f"cannot be read: {str(error.strerror).lower()}", advice="Check the file") from None
    return found


def _matrices(rows: dict[int, str], valid: dict[int, bool], order: list[int]) -> Array:
    """(n, 4, 4); NaN where the tracker did not see the tool."""
    whole = np.full((len(order), 4, 4), np.nan)
    for at, number in enumerate(order):
        if number in rows and valid.get(number, True):
            numbers = np.array(rows[number].split(), dtype=np.float64)
            if numbers.shape != (16,):
                raise ValueError(f"frame {number} has a pose of {numbers.size} numbers, not 16")
            whole[at] = numbers.reshape(4, 4)
    turn = np.nan_to_num(whole[:, :3, :3]) + np.isnan(whole[:, :1, :1]) * np.eye(3)
    off = np.abs(np.swapaxes(turn, 1, 2) @ turn - np.eye(3)).max(axis=(1, 2))
    bad = (off > SQUARE) | (np.linalg.det(turn) < 0)
    if bad.any():
        raise ValueError(f"frame {order[int(bad.argmax())]} has a pose that is no rotation")
    return whole


def read_config(path: Path) -> tuple[tuple[Transform, ...], StoredPoints | None]:
    """The transforms of a PLUS configuration, and its phantom's landmarks, in the frame `Phantom`, where it has any.

    Raises
    ------
    BadInput
        Not such a file, or a transform that mirrors or flattens.
    """
    root = _parsed(path)
    with blaming(path, "Correct the configuration"):
        definitions = root.iterfind("./CoordinateDefinitions/Transform")
        transforms = tuple(_transform(each) for each in definitions)
        marks = list(root.iterfind("./PhantomDefinition/Geometry/Landmarks/Landmark"))
        algorithm = root.find("./vtkPlusPhantomLandmarkRegistrationAlgo")
        frame = Frame("Phantom" if algorithm is None else algorithm.get("PhantomCoordinateFrame", "Phantom"))
        points = [
            Landmark(mark.get("Name", ""), np.array(mark.get("Position", "").split(), np.float64), frame)
            for mark in marks
        ]
        return transforms, StoredPoints(PointSet(points, frame)) if points else None


def _transform(element: ElementTree.Element) -> Transform:
    numbers = np.array(element.get("Matrix", "").split(), dtype=np.float64)
    if numbers.shape != (16,):
        raise ValueError(f"the transform from {element.get('From')} has {numbers.size} numbers, not 16")
    return Transform(Frame(element.get("To", "")), Frame(element.get("From", "")), numbers.reshape(4, 4))


def _parsed(path: Path) -> ElementTree.Element:
    advice = "Name a PLUS configuration file"
    try:
        data = read_whole(path, LARGEST_CONFIG)
        refuse_document_type(path, data, "Remove it")
        root = ElementTree.fromstring(data)
    except OSError as error:
        raise BadInput(
            path, f"cannot be read: {(error.strerror or 'unknown').lower()}", advice="Check the file"
        ) from None
    except ElementTree.ParseError as error:
        raise BadInput(path, f"is not well-formed XML: {error}", advice=advice) from None
    if root.tag != "PlusConfiguration":
        raise BadInput(path, f"has the root element {root.tag[:40]}", "PlusConfiguration", advice)
    return root

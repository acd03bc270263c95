"""Wavefront OBJ: objects and groups kept apart, polygons, relative indices; comments tell unit, frame and labels.

Source: Wavefront Technologies, "Object Files (.obj)", Advanced Visualizer manual, appendix B1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.mesh_parts import (
    BONE,
    EXPORT_AGAIN,
    OURS,
    Contents,
    Ints,
    Part,
    header_words,
    ignored,
    label_words,
    one_color,
    plain_name,
    stated_in,
    stored_label,
)
from surgplan.formats.polygons import triangulated
from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.surface import Surface

SKIPPED = {
    b"vt": "texture coordinates",
    b"vn": "normals",
    b"usemtl": "materials",
    b"mtllib": "materials",
    b"s": "smoothing groups",
    b"l": "lines",
    b"p": "points",
}
REFUSED = {b"curv", b"surf", b"cstype", b"vp", b"call", b"csh"}
"""Free-form geometry and commands: a file with them is more than its polygons."""


def obj_bytes(surfaces: Sequence[Surface], assumed: tuple[str, ...] = ()) -> bytes:
    """One object for each surface, vertices in float32's nine digits."""
    lines = [f"# {header_words(surfaces[0].frame, assumed)}"]
    first = 1
    for surface in surfaces:
        told = label_words(surface.label) | {"triangles": str(len(surface.triangles))}
        lines += [f"# {OURS}.{word} {text}" for word, text in told.items()]
        lines.append(f"o {surface.label.name}")
        points = surface.vertices.astype(np.float32)
        lines.append(("v %.9g %.9g %.9g\n" * len(points) % tuple(points.ravel().tolist())).rstrip("\n"))
        faces = surface.triangles + first
        lines.append(("f %d %d %d\n" * len(faces) % tuple(faces.ravel().tolist())).rstrip("\n"))
        first += len(points)
    return ("\n".join(lines) + "\n").encode("utf-8")


def obj_contents(path: Path, data: bytes) -> Contents:
    """The objects of an OBJ.

    `o` and `g` begin one; those that share vertices are one object, since a group is also what modellers call a patch
    of a surface.

    Raises
    ------
    BadInput
        No OBJ, cut short, a broken number, or free-form surfaces.
    """
    if data[-1:] not in (b"\n", b"\r"):
        # the last index may be cut in its middle, and would name another vertex
        raise BadInput(path, "does not end with a line's end: cut short", "", EXPORT_AGAIN)
    read = _Reader(path, data)
    vertices = np.array(read.points, dtype=np.float64).reshape(-1, 3)
    counts = np.array(read.counts, np.int64)
    triangles, findings = triangulated(path, vertices, counts, np.array(read.indices, np.int64))
    owner = np.repeat(np.array(read.owners, np.int64), np.maximum(counts - 2, 0))
    stated = stated_in(" ".join(read.comments))
    if read.labels:
        exact = vertices.astype(np.float32).astype(np.float64)  # nine digits are one number of float32
        own = [_part(label, exact, triangles[owner == n]) for n, label in read.ours().items()]
        for part, told in zip(own, read.labels, strict=True):
            if str(len(part.triangles)) != told.get("triangles"):
                found = f"holds {len(part.triangles)} triangles of `{part.label.name}`: cut short"
                raise BadInput(path, found, str(told.get("triangles")), EXPORT_AGAIN)
        return Contents(tuple(own), stated, findings, welded=True)
    bodies, notes = _connected(path, triangles, owner, len(vertices))
    color, color_notes = one_color(path, np.rint(np.array(read.colors) * 255)) if read.colors else (None, ())
    parts = []
    for value, number in enumerate(np.unique(bodies), 1):
        own = triangles[bodies == number]
        name = plain_name(read.names[number], plain_name(path.stem))
        parts.append(_part(Label(value, name, color or BONE), vertices, own))
    notes += (*color_notes, *ignored(path, [SKIPPED[word] for word in SKIPPED if word in read.skipped]))
    return Contents(tuple(parts), stated, (*findings, *notes))


def _part(label: Label, vertices: Array, triangles: Ints) -> Part:
    """With its own vertices only, in their order."""
    used = np.unique(triangles)
    if len(used) == len(vertices):
        return Part(label, vertices, triangles)
    return Part(label, vertices[used], np.searchsorted(used, triangles).astype(np.int32))


def _connected(
    path: Path, triangles: Ints, owner: NDArray[np.int64], vertices: int
) -> tuple[NDArray[np.int64], tuple[Finding, ...]]:
    """(m,) the object of each triangle: groups that share a vertex are one, named after the first of them."""
    groups = np.unique(owner)
    if len(groups) < 2:
        return owner, ()
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = int(groups.max()) + 1
    rows, columns = np.repeat(owner, 3), triangles.ravel() + size
    ones = np.ones(len(rows), np.int8)
    graph = coo_matrix((ones, (rows, columns)), shape=(size + vertices, size + vertices))
    found = connected_components(graph, directed=False)[1]
    first = {int(found[group]): int(group) for group in groups[::-1]}
    bodies = np.array([first.get(int(found[group]), group) for group in range(size)], np.int64)
    told: tuple[Finding, ...] = ()
    if len(set(first.values())) < len(groups):
        measured = f"{len(groups)} groups share vertices and are {len(first)} object{'s' * (len(first) > 1)}"
        told = (Finding("objects", Level.NOTE, measured, subject=path.name),)
    return bodies[owner], told


class _Reader:
    """The lines of an OBJ."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.points: list[list[bytes]] = []
        self.colors: list[list[float]] = []
        self.counts: list[int] = []
        self.indices: list[int] = []
        self.owners: list[int] = []
        self.names: list[str] = [path.stem]
        self.comments: list[str] = []
        self.labels: list[dict[str, str]] = []
        self.skipped: set[bytes] = set()
        for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
            self._line(line)

    def _line(self, line: bytes) -> None:
        words = line.split()
        if not words:
            return
        kind = words[0]
        if kind == b"v":
            self._vertex(words[1:])
        elif kind == b"f":
            self._face(words[1:])
        elif kind.startswith(b"#"):
            self._comment(line.decode("utf-8", "replace"))
        elif kind in (b"o", b"g"):
            self.names.append(line.decode("utf-8", "replace").split(None, 1)[1] if len(words) > 1 else "")
        elif kind in REFUSED:
            raise BadInput(self.path, f"holds `{kind.decode()}`", "polygons", "Export it as triangles")
        elif kind in SKIPPED:
            self.skipped.add(kind)
        elif not kind.isascii() or not kind.decode().isprintable():
            raise BadInput(self.path, "holds bytes that are no text", "an OBJ file", EXPORT_AGAIN)

    def _vertex(self, words: list[bytes]) -> None:
        if len(words) not in (3, 4, 6, 7):
            raise BadInput(self.path, f"has a vertex of {len(words)} numbers", "3", EXPORT_AGAIN)
        if len(words) == 4 and float(words[3]) != 1.0:
            raise BadInput(self.path, "has a vertex with a weight", "polygons", "Export it as triangles")
        self.points.append(words[:3])
        if len(words) >= 6:
            self.colors.append([float(word) for word in words[3:6]])

    def _face(self, words: list[bytes]) -> None:
        known = len(self.points)
        for word in words:
            index = int(word.partition(b"/")[0])
            if index == 0 or index < -known:
                raise BadInput(self.path, f"has a face that names vertex {index}", f"1 to {known}", EXPORT_AGAIN)
            self.indices.append(index - 1 if index > 0 else known + index)
        self.counts.append(len(words))
        self.owners.append(len(self.names) - 1)

    def _comment(self, line: str) -> None:
        text = line.lstrip("# ")
        if text.startswith(f"{OURS}."):
            word, _, value = text.removeprefix(f"{OURS}.").partition(" ")
            if word == "name":
                self.labels.append({})
            if self.labels:
                self.labels[-1][word] = value
        elif "=" in text and len(self.comments) < 100:
            self.comments.append(text)

    def ours(self) -> dict[int, Label]:
        """Number of the object → its label, as `obj_bytes` wrote them."""
        if len(self.labels) != len(self.names) - 1:
            found = f"has {len(self.names) - 1} objects for {len(self.labels)} labels"
            raise BadInput(self.path, found, "one for each", EXPORT_AGAIN)
        return dict(_numbered(self.labels))


def _numbered(labels: Iterable[dict[str, str]]) -> Iterable[tuple[int, Label]]:
    for number, told in enumerate(labels, 1):
        yield number, stored_label(told, "mesh", number)

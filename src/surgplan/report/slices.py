"""Slices through each structure with its outline: the true intersection of the surface with the slice's plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.report.marks import draw_letters, draw_scale, png
from surgplan.report.outline import outline
from surgplan.report.pictures import Kind, Picture
from surgplan.report.slice_view import PLANES, SliceView, patient_axes
from surgplan.report.windows import Window, window_for

PIXELS = 560
FINER = 2
"""Pictures are drawn this many times larger and then reduced: smooth lines, no aliasing of fine voxels."""

MARGIN_SHARE, LEAST_MARGIN_MM, LEAST_FIELD_MM = 0.12, 12.0, 80.0
"""How much of its surroundings is shown round a structure."""

AXIAL_CORONAL_SAGITTAL = (2, 1, 0)
GREYISH = 60
VIVID = ((52, 224, 120), (64, 196, 255), (255, 214, 64), (255, 120, 220), (255, 150, 64))
"""Outline colours for structures whose own colour, of bone say, would vanish on a grey picture."""

Color = tuple[int, int, int]


def slice_pictures(volume: Volume, labels: LabelMap, surfaces: Sequence[Surface], single: int) -> Iterator[Picture]:
    """Three pictures for each of the first `single` structures: axial, coronal, sagittal, through its middle.

    They lie along the scan's own axes, so that they show voxels as they are. Outlines of the other structures are
    drawn too, thinner. Radiological convention: an axial slice is seen from the feet, the patient's right at the left.
    """
    colors = outline_colors([surface.label for surface in surfaces])
    placed = [_Placed(surface, volume, color) for surface, color in zip(surfaces, colors, strict=True)]
    for main in placed[:single]:
        if len(main.surface.triangles):
            yield from _of_structure(volume, labels, main, placed)


def outline_colors(labels: Sequence[Label]) -> tuple[Color, ...]:
    """The colour of each structure's outline: its own, brightened, or a vivid one when it has hardly any."""
    found: list[Color] = []
    spare = iter(VIVID * (1 + len(labels) // len(VIVID)))
    for label in labels:
        low, high = min(label.color), max(label.color)
        if high - low < GREYISH:
            found.append(next(spare))
        else:
            red, green, blue = (round(70 + 185 * (channel - low) / (high - low)) for channel in label.color)
            found.append((red, green, blue))
    return tuple(found)


class _Placed:
    """A surface in voxel indices, with its outline's colour."""

    def __init__(self, surface: Surface, volume: Volume, color: Color) -> None:
        self.surface, self.color = surface, color
        self.ijk = volume.grid.ijk_from_lps.apply(surface.vertices)
        taken = np.zeros(len(self.ijk), dtype=bool)
        taken[surface.triangles] = True
        self.used = used = self.ijk[taken]
        self.bounds = np.array([used.min(axis=0), used.max(axis=0)]) if len(used) else np.full((2, 3), np.nan)

    def outline(self, axis: int, at: int) -> Array:
        low, high = self.bounds[:, axis]
        if not low <= at <= high:
            return np.empty((0, 2, 3))
        return outline(self.ijk, self.surface.triangles, axis, at)

    def middle(self, axis: int, count: int) -> int:
        """The slice in the middle of the structure; where its box is hollow there, the one that shows most of it."""
        at = int(np.clip(round(float(self.bounds[:, axis].mean())), 0, count - 1))
        if len(self.outline(axis, at)):
            return at
        spread = np.quantile(self.used[:, axis], np.linspace(0.1, 0.9, 9), method="nearest")
        others = np.clip(np.round(spread), 0, count - 1).astype(int).tolist()
        return int(max(others, key=lambda other: _length(self.outline(axis, other))))


def _length(segments: Array) -> float:
    return float(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).sum())


def _of_structure(volume: Volume, labels: LabelMap, main: _Placed, placed: Sequence[_Placed]) -> Iterator[Picture]:
    label = main.surface.label
    views = [_view(volume, main, plane) for plane in AXIAL_CORONAL_SAGITTAL]
    window = _window(volume, labels, labels.label(label.name).value, views)
    for view in views:
        caption = f"{label.name}, {view.name} slice {view.at + 1} of {volume.grid.size[view.through]}, {window}"
        picture = _drawn(volume, view, window, main, placed)
        name = f"slice-{label.file_stem}-{PLANES[view.plane]}.png"
        yield Picture(name, Kind.SLICE, caption, png(picture), picture.size, label.name)


def _view(volume: Volume, main: _Placed, plane: int) -> SliceView:
    """A square field round the structure, moved into the scan as far as it fits."""
    grid = volume.grid
    axes = patient_axes(grid)
    at = main.middle(axes[plane], grid.size[axes[plane]])
    low, high = main.bounds
    lengths = (high - low) * grid.spacing
    longest = float(np.delete(lengths, axes[plane]).max())
    field_mm = max(longest + 2 * max(MARGIN_SHARE * longest, LEAST_MARGIN_MM), LEAST_FIELD_MM)
    half = field_mm / 2 / grid.spacing
    first, last = half - 0.5, np.array(grid.size) - 0.5 - half
    held = np.clip((low + high) / 2, np.minimum(first, last), np.maximum(first, last))
    middle = np.where(first <= last, held, (np.array(grid.size) - 1) / 2)
    return SliceView(grid, plane, at, middle, field_mm, PIXELS)


def _window(volume: Volume, labels: LabelMap, value: int, views: Sequence[SliceView]) -> Window:
    # a surface that was read from a file has lost its value in the label map: the caller finds it by name
    around, inside = [], []
    for view in views:
        plane = np.take(volume.array, view.at, axis=2 - view.through)
        around.append(plane.ravel())
        inside.append(plane[np.take(labels.array, view.at, axis=2 - view.through) == value])
    return window_for(volume.modality, np.concatenate(inside), np.concatenate(around))


def _drawn(volume: Volume, view: SliceView, window: Window, main: _Placed, placed: Sequence[_Placed]) -> Any:
    from PIL import Image, ImageDraw

    black = window.level - window.width
    large = Image.fromarray(window.grey(view.sampled(volume.array, black, FINER))).convert("RGB")
    pen = ImageDraw.Draw(large)
    for each in sorted(placed, key=lambda one: one is main):
        _draw_lines(pen, view.project(each.outline(view.through, view.at)) * FINER, each, each is main)
    picture = large.reduce(FINER)
    pen = ImageDraw.Draw(picture)
    draw_letters(pen, picture.size, view.letters)
    draw_scale(pen, picture.size, view.mm_per_pixel)
    return picture


def _draw_lines(pen: Any, segments: Array, each: _Placed, is_main: bool) -> None:
    limit = PIXELS * FINER
    within = np.asarray((segments > 0) & (segments < limit)).all(axis=2)
    seen = segments[np.asarray(within).any(axis=1)]
    # Pillow takes a whole number for a pixel's centre, here it is the pixel's edge
    lines: NDArray[Any] = np.round(seen - 0.5, 2).reshape(-1, 4)
    for line in lines.tolist():
        pen.line(line, fill=each.color, width=4 if is_main else 3)

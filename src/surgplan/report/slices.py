"""Slices through each structure with its outline: the true intersection of the surface with the slice's plane."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Modality, Volume

BONE_WINDOW, SOFT_WINDOW = (400.0, 1800.0), (50.0, 400.0)
"""Level and width, HU: the usual windows for bone and for soft tissue."""

BONE_FROM_HU = 250.0
LONGEST_SIDE = 420
FINER = 2
"""Outlines are drawn this many times larger and scaled down: smooth lines."""

LETTERS = ("LR", "PA", "SI")
PLANES = ("sagittal", "coronal", "axial")


def slice_pictures(volume: Volume, surfaces: Sequence[Surface]) -> dict[str, tuple[bytes, str]]:
    """File name → (PNG, caption): three slices through the middle of each structure, along the scan's own axes.

    Radiological convention: an axial slice is seen from the feet, so the patient's right is at the left of it.
    """
    found = {}
    for surface in surfaces:
        middle = volume.grid.ijk_from_lps.apply(_middle(surface))
        for axis in (2, 1, 0):
            at = int(np.clip(round(float(middle[axis])), 0, volume.grid.size[axis] - 1))
            name = _plane_name(volume.grid, axis)
            key = f"{surface.label.file_stem}-{name}.png"
            caption = f"{surface.label.name}, {name}, slice {at + 1} of {volume.grid.size[axis]}"
            found[key] = (_slice(volume, surfaces, surface, axis, at), caption)
    return found


def _middle(surface: Surface) -> Array:
    """A point in the middle of the structure's box, LPS mm."""
    return np.asarray(surface.bounds.mean(axis=0))


def _plane_name(grid: Grid, axis: int) -> str:
    return PLANES[int(np.abs(grid.direction[:, axis]).argmax())]


def _slice(volume: Volume, surfaces: Sequence[Surface], main: Surface, axis: int, at: int) -> bytes:
    """A PNG of one slice, with all outlines, the main one's thicker."""
    from PIL import Image, ImageDraw

    from surgplan.report.marks import draw_letters, draw_scale

    view = _View(volume.grid, axis)
    plane = _shown(np.take(volume.array, at, axis=2 - axis), volume.modality, main.label.level)
    picture = Image.fromarray(view.turned(plane)).resize(view.size, Image.Resampling.BILINEAR).convert("RGB")
    large = picture.resize((view.size[0] * FINER, view.size[1] * FINER), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    for surface in surfaces:
        width = 3 if surface is main else 2
        for start, end in view.placed(outline(surface, volume.grid, axis, at)) * FINER:
            pen.line([tuple(start), tuple(end)], fill=_bright(surface.label.color), width=width)
    picture = large.resize(view.size, Image.Resampling.BOX)
    pen = ImageDraw.Draw(picture)
    draw_letters(pen, picture.size, view.letters, (255, 214, 90))
    draw_scale(pen, picture.size, view.mm_per_pixel, (255, 214, 90))
    file = io.BytesIO()
    picture.quantize(200, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _bright(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Bone-coloured outlines vanish on bone: they are drawn green; others in their own colour, lightened."""
    if max(color) - min(color) < 60:
        return 60, 220, 120
    return tuple(min(255, channel + 60) for channel in color)  # type: ignore[return-value]


def _shown(plane: NDArray[Any], modality: Modality, level: float | None) -> NDArray[np.uint8]:
    values = plane.astype(np.float32)
    if modality is Modality.CT:
        middle, width = BONE_WINDOW if level is None or level >= BONE_FROM_HU else SOFT_WINDOW
        low, high = middle - width / 2, middle + width / 2
    else:
        low, high = (float(value) for value in np.percentile(values, (1, 99.5)))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6) * 255, 0, 255), dtype=np.uint8)


class _View:
    """How a slice is turned, so that letters lie where a radiologist expects them, and scaled to true proportions."""

    def __init__(self, grid: Grid, axis: int) -> None:
        across, down = [other for other in range(3) if other != axis]
        code = grid.orientation_code()
        wanted = {"R": "L", "L": "L", "A": "P", "P": "P"}
        # horizontal: to the patient's left, or to posterior; vertical: to posterior, or to inferior
        if code[across] in "SI":
            across, down = down, across
        self.across, self.down = across, down
        self.swapped = across > down
        self.flip_across = code[across] not in wanted.values()
        self.flip_down = code[down] not in ("P", "I")
        self.counts = grid.size[across], grid.size[down]
        steps = grid.spacing[across], grid.spacing[down]
        lengths = self.counts[0] * steps[0], self.counts[1] * steps[1]
        self.mm_per_pixel = max(lengths) / LONGEST_SIDE
        self.size = tuple(max(1, round(length / self.mm_per_pixel)) for length in lengths)
        right, bottom = (self._letters(code[a]) for a in (across, down))
        left_right = right if self.flip_across else right[::-1]
        top_bottom = bottom if self.flip_down else bottom[::-1]
        self.letters = (left_right[0], left_right[1], top_bottom[0], top_bottom[1])

    @staticmethod
    def _letters(toward: str) -> str:
        """The letter that an axis grows to, then its opposite."""
        pair = next(pair for pair in LETTERS if toward in pair)
        return toward + pair.replace(toward, "")

    def turned(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Rows down, columns across. The plane comes with the slower of its two axes first."""
        shown = plane.T if self.swapped else plane
        shown = shown[:, ::-1] if self.flip_across else shown
        shown = shown[::-1] if self.flip_down else shown
        return np.ascontiguousarray(shown)

    def placed(self, segments: Array) -> Array:
        """(n, 2, 2) pixel positions of segments given as (n, 2, 3) voxel indices."""
        x, y = segments[:, :, self.across] + 0.5, segments[:, :, self.down] + 0.5
        x = self.counts[0] - x if self.flip_across else x
        y = self.counts[1] - y if self.flip_down else y
        return np.stack([x * self.size[0] / self.counts[0], y * self.size[1] / self.counts[1]], axis=2)


def outline(surface: Surface, grid: Grid, axis: int, at: int) -> Array:
    """(n, 2, 3) segments, in voxel indices, in which the surface's triangles cross the plane of a slice."""
    vertices = grid.ijk_from_lps.apply(surface.vertices)
    height = vertices[:, axis] - at
    height = np.where(height == 0, 1e-9, height)  # no corner lies exactly in the plane: each triangle gives 0 or 2 ends
    sides = height[surface.triangles] > 0
    cut = surface.triangles[sides.any(axis=1) & ~sides.all(axis=1)]
    if not len(cut):
        return np.empty((0, 2, 3))
    above = height[cut] > 0
    # the corner that is alone on its side, first
    alone = np.where(above.sum(axis=1) == 1, above.argmax(axis=1), (~above).argmax(axis=1))
    rows = np.arange(len(cut))
    one, two, three = (cut[rows, (alone + shift) % 3] for shift in range(3))
    ends = []
    for other in (two, three):
        share = (height[one] / (height[one] - height[other]))[:, None]
        ends.append(vertices[one] + share * (vertices[other] - vertices[one]))
    return np.stack(ends, axis=1)

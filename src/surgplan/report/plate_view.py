"""Pictures of a plate: parts in their colours on the printer's bed, or coloured by their walls, with numbered places.

They are drawn point by point with numpy alone: points spread over the surfaces, the nearest to the eye in each pixel.
So a picture inside of a 3MF is the same wherever it is made, and needs no way to render.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.plate import Plate
from surgplan.printing.printers import Printer
from surgplan.printing.thickness import Walls
from surgplan.report.marks import draw_scale, font, png
from surgplan.surface.fidelity import spread

TWICE = 1.5
"""Drawn so many times as large as it is shown: smooth edges."""
THUMBNAIL = (200, 200)
PER_PIXEL = 1
"""Points for each pixel that a part covers."""
MOST_POINTS = 150_000
BACKGROUND, BED, GRID = (32, 37, 43), (52, 60, 69), (70, 80, 91)
LIGHT = np.array([-0.35, -0.6, 0.72])
MARGIN = 0.94
THIN, ENOUGH, THICK = (214, 48, 49), (253, 203, 110), (205, 214, 222)
"""Colours of walls: below the printer's limit, up to twice as thick, and beyond."""
MARK = (255, 217, 64)


@dataclass(frozen=True, eq=False)
class Look:
    """A parallel view: unit vectors in PRINT that point right, up and towards the eye in the picture."""

    name: str
    right: Array
    up: Array
    eye: Array


def _look(name: str, eye: tuple[float, float, float], up: tuple[float, float, float]) -> Look:
    towards = np.array(eye) / np.linalg.norm(eye)
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return Look(name, right, np.cross(towards, right), towards)


LOOKS = {
    each.name: each
    for each in (
        _look("from above", (0, 0, 1), (0, 1, 0)),
        _look("from the front", (0, -1, 0.15), (0, 0, 1)),
        _look("from the front left", (-0.55, -0.8, 0.62), (0, 0, 1)),
    )
}
OBLIQUE = "from the front left"


def plate_picture(
    plate: Plate,
    printer: Printer,
    look: str,
    size: tuple[int, int],
    walls: Mapping[str, Walls] | None = None,
    marks: Sequence[tuple[str, Array]] = (),
) -> bytes:
    """A PNG of the plate; with `walls` coloured by thickness. `marks` are tags and their places, (3,) mm PRINT.

    The same plate gives the same bytes.
    """
    from PIL import Image, ImageDraw

    shown = _Canvas(plate, printer, LOOKS[look], size)
    pixels, covered = shown.pixels(plate, printer, walls)
    picture = Image.new("RGB", shown.size, BACKGROUND)
    pen = ImageDraw.Draw(picture)
    _draw_bed(pen, shown, printer)
    picture.paste(Image.fromarray(pixels), mask=Image.fromarray(covered.astype(np.uint8) * 255))
    picture = picture.resize(size, Image.Resampling.BOX)
    pen = ImageDraw.Draw(picture)
    for tag, place in marks:
        _draw_mark(pen, tag, *(shown.project(place[None])[0] / TWICE).tolist())
    draw_scale(pen, size, shown.mm_per_pixel * TWICE)
    return png(picture, few_colors=walls is None and not marks)


class _Canvas:
    """Where places of the plate lie in the picture."""

    def __init__(self, plate: Plate, printer: Printer, look: Look, size: tuple[int, int]) -> None:
        self.look, self.size = look, (round(size[0] * TWICE), round(size[1] * TWICE))
        wide, deep, _ = printer.build_volume_mm
        low, high = plate.bounds
        ends = np.array([np.minimum(low, 0.0), np.maximum(high, [wide, deep, 0.0])])
        corners = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        across, along = corners @ look.right, corners @ look.up
        self.mm_per_pixel = max(np.ptp(across) / self.size[0], np.ptp(along) / self.size[1]) / MARGIN
        self.middle = np.array([across.min() + across.max(), along.min() + along.max()]) / 2

    def project(self, points: Array) -> Array:
        """(n, 2) pixels from the left and from the top."""
        flat = np.stack([points @ self.look.right, points @ self.look.up], axis=1) - self.middle
        return np.asarray(np.array(self.size) / 2 + flat * [1, -1] / self.mm_per_pixel)

    def pixels(
        self, plate: Plate, printer: Printer, walls: Mapping[str, Walls] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(height, width, 3) the parts, and (height, width) where there are any."""
        points, normals, colors = (np.vstack(each) for each in zip(*self._samples(plate, printer, walls), strict=True))
        wide, tall = self.size
        seen = normals @ self.look.eye > 0  # of a closed body nothing else is ever seen
        points, normals, colors = points[seen], normals[seen], colors[seen]
        order = np.argsort(points @ self.look.eye, kind="stable")  # what is nearest is drawn last
        reach = self._reach(plate, walls)
        at = np.floor(self.project(points[order])).astype(np.int64) + reach  # with a frame round the picture
        inside = ((at >= 0) & (at < np.array(self.size) + 2 * reach)).all(axis=1)
        drawn = np.zeros((tall + 2 * reach, wide + 2 * reach), np.int32)
        drawn[at[inside, 1], at[inside, 0]] = np.flatnonzero(inside) + 1
        nearest = np.zeros((tall, wide), np.int32)
        for dx in range(2 * reach + 1):
            for dy in range(2 * reach + 1):
                np.maximum(nearest, drawn[dy : dy + tall, dx : dx + wide], out=nearest)
        light = 0.35 + 0.65 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
        light += 0.12 * np.clip(normals @ self.look.eye, 0, 1)
        shaded = np.clip(colors * light[:, None], 0, 255).astype(np.uint8)[order]
        covered = nearest > 0
        pixels = np.zeros((tall, wide, 3), np.uint8)
        pixels[covered] = shaded[nearest[covered] - 1]
        return pixels, covered

    def _reach(self, plate: Plate, walls: Mapping[str, Walls] | None) -> int:
        """So many pixels round each point are drawn, so that no hole stays between points that are spread evenly."""
        apart = 1 / np.sqrt(self._density(plate))
        if walls:
            apart = max(apart, np.sqrt(max(each.sample_mm2 for each in walls.values())) * plate.scale)
        return max(1, int(np.ceil(apart / self.mm_per_pixel)))

    def _density(self, plate: Plate) -> float:
        """Points on each mm² of the print."""
        total = sum(each.area_mm2 * plate.scale**2 for a, _, _ in plate.standing() for each in a.objects)
        return min(PER_PIXEL / self.mm_per_pixel**2, MOST_POINTS / total)

    def _samples(self, plate: Plate, printer: Printer, walls: Mapping[str, Walls] | None) -> list[tuple[Array, ...]]:
        """Points, outward normals and colours of every copy, in PRINT."""
        density = self._density(plate)
        found: list[tuple[Array, ...]] = []
        for assembly, _, place in plate.standing():
            turn = place.linear / plate.scale
            for each in assembly.objects:
                if walls is not None and each.label.name in walls:
                    known = walls[each.label.name]
                    colors = wall_colors(known.thickness * plate.scale, printer.smallest_wall_mm)
                    found.append((place.apply(known.points), -known.inward @ turn.T, colors))
                    continue
                points, owners = spread(each, max(200, round(density * each.area_mm2 * plate.scale**2)))
                a, b, c = each.corners[owners].transpose(1, 0, 2)
                normal = np.cross(b - a, c - a)
                normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
                color = np.broadcast_to(np.array(each.label.color, np.float64), points.shape)
                found.append((place.apply(points), normal @ turn.T, color))
        return found


def wall_colors(thickness: Array, limit_mm: float) -> Array:
    """(n, 3) red below the limit, from yellow to grey up to twice the limit, grey beyond and where there is no wall."""
    ratio = np.nan_to_num(thickness / limit_mm, nan=9.0)
    share = np.clip(ratio - 1, 0, 1)[:, None]
    fading = (1 - share) * np.array(ENOUGH) + share * np.array(THICK)
    return np.where(ratio[:, None] < 1, np.array(THIN, np.float64), fading)


def _draw_bed(pen: Any, canvas: _Canvas, printer: Printer) -> None:
    """The bed with lines each 50 mm, and the front edge marked."""
    wide, deep, _ = printer.build_volume_mm
    corners = np.array([[0, 0, 0], [wide, 0, 0], [wide, deep, 0], [0, deep, 0]], np.float64)
    pen.polygon([tuple(each) for each in canvas.project(corners).tolist()], fill=BED)
    lines = [[[x, 0, 0], [x, deep, 0]] for x in range(0, int(wide) + 1, 50)]
    lines += [[[0, y, 0], [wide, y, 0]] for y in range(0, int(deep) + 1, 50)]
    for ends in lines:
        flat = canvas.project(np.array(ends, np.float64)).ravel().tolist()
        pen.line(flat, fill=GRID, width=2)
    front = canvas.project(corners[:2]).ravel().tolist()
    pen.line(front, fill=MARK, width=3)


def _draw_mark(pen: Any, tag: str, x: float, y: float) -> None:
    pen.ellipse([x - 9, y - 9, x + 9, y + 9], outline=MARK, width=2)
    pen.text((x + 12, y), tag, fill=MARK, font=font(17), anchor="lm", stroke_width=2, stroke_fill=(16, 20, 25))

"""What is known at each place of a surface, as colours, with a legend that explains them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface
from surgplan.report.cameras import VIEWS, View
from surgplan.report.marks import INK, SHADOW, font

if TYPE_CHECKING:
    from surgplan.printing.thickness import Walls
    from surgplan.report.stage import ReportInput

STEPS = np.array([(244, 243, 232), (247, 220, 132), (240, 160, 60), (214, 74, 40), (140, 20, 40)], dtype=np.float64)
"""From harmless to the limit in equal steps, ever darker: told apart without seeing colours, too."""

BEYOND = (150, 70, 255)
"""Beyond the limit."""
UNKNOWN = (128, 128, 128)
"""Where nothing could be measured."""

THICK = 5.0
"""Walls so many times thicker than the printer's thinnest have the first colour."""


class MapKind(StrEnum):
    """What is shown."""

    DISTANCE = "distance"
    """From the surface to the boundary in the scan."""
    THICKNESS = "thickness"
    """Of the walls, at life size."""


@dataclass(frozen=True, eq=False)
class SurfaceMap:
    """Values of a surface's vertices, (n,) mm, NaN where unknown.

    Colours run from `easy_mm` to `limit_mm`: distances grow towards their limit, thicknesses shrink.
    """

    kind: MapKind
    values: NDArray[np.float32]
    easy_mm: float
    limit_mm: float

    @property
    def colors(self) -> NDArray[np.uint8]:
        """(n, 3) a colour for each vertex."""
        return map_colors(self.values, self.easy_mm, self.limit_mm)

    @property
    def title(self) -> str:
        """What the picture shows."""
        distance = self.kind is MapKind.DISTANCE
        return "distance to the boundary in the scan" if distance else "thickness of walls at life size"

    @property
    def told(self) -> str:
        """What stands out."""
        if self.kind is MapKind.DISTANCE:
            return f"largest at a vertex {float(np.nanmax(self.values)):.2f} mm"
        thin = float(np.mean(self.values < np.float32(self.limit_mm)))
        return f"violet, thinner than the printer makes ({self.limit_mm:.2f} mm), at {thin:.1%} of vertices"

    @property
    def worst(self) -> int:
        """The vertex that matters most."""
        return int(np.nanargmax(self.values) if self.kind is MapKind.DISTANCE else np.nanargmin(self.values))


Maps = tuple[SurfaceMap, ...]


def surface_maps(given: ReportInput, most: int) -> dict[int, Maps]:
    """The maps of the first `most` surfaces, by number: distances held to the scan, thickness of closed solids."""
    found = {}
    for number, (surface, measures) in enumerate(zip(given.surfaces[:most], given.measures[:most], strict=True)):
        proof, away = measures.certificate, given.distances[number] if given.distances else None
        maps = []
        if away is not None and len(away) and proof.boundary == "scan":
            maps.append(SurfaceMap(MapKind.DISTANCE, away, 0.0, proof.limit_p95_mm))
        wall = _thinnest_wall(given)
        if wall and measures.topology.ok and len(surface.triangles):
            thickness = thickness_at_vertices(surface, given.walls.get(number))
            if np.isfinite(thickness).any():
                maps.append(SurfaceMap(MapKind.THICKNESS, thickness, THICK * wall, wall))
        if maps:
            found[number] = tuple(maps)
    return found


def _thinnest_wall(given: ReportInput) -> float | None:
    """What the printer makes, mm at life size; None when nothing is printed."""
    from surgplan.printing.printers import find_printer

    if not given.job:
        return None
    return float(find_printer(given.job["printer"]["name"]).smallest_wall_mm / given.job["scale"])


def thickness_at_vertices(surface: Surface, measured: Walls | None = None) -> NDArray[np.float32]:
    """(n,) thickness, mm, that was measured nearest to each vertex of a closed surface; NaN where there is no wall.

    `measured` are its walls, where they are known already.
    """
    from scipy.spatial import cKDTree

    from surgplan.printing.thickness import walls_in_a_case

    measured = measured or walls_in_a_case(surface)
    known = np.isfinite(measured.thickness)
    if not known.any():
        return np.full(len(surface.vertices), np.nan, np.float32)
    _, nearest = cKDTree(measured.points[known]).query(surface.vertices)
    return np.asarray(measured.thickness[known][nearest], np.float32)


def map_colors(values: NDArray[np.float32], easy_mm: float, limit_mm: float) -> NDArray[np.uint8]:
    """(n, 3) a colour for each value, (n,) mm; the last of `STEPS` lies at `limit_mm`."""
    share = (np.asarray(values, np.float64) - easy_mm) / (limit_mm - easy_mm)
    at = np.clip(np.nan_to_num(share), 0, 1) * (len(STEPS) - 1)
    found = np.stack([np.interp(at, np.arange(len(STEPS)), channel) for channel in STEPS.T], axis=1)
    single = np.float32(limit_mm)  # as the values are: a limit that is just kept is not passed
    found[values > single if limit_mm > easy_mm else values < single] = BEYOND
    found[np.isnan(values)] = UNKNOWN
    return np.asarray(np.rint(found), np.uint8)


def view_of(surface: Surface, vertex: int) -> View:
    """The side that a vertex lies on, told from the middle of the surface; others may hide it."""
    low, high = surface.bounds
    towards = surface.vertices[vertex] - (low + high) / 2
    return max(VIEWS.values(), key=lambda view: float(towards @ np.array(view.eye)))


def draw_legend(pen: Any, size: tuple[int, int], easy_mm: float, limit_mm: float) -> None:
    """A bar of the colours at the lower right, from harmless to the limit, and what lies beyond it."""
    wide, tall = size
    type_face = font(max(13, wide // 42))
    gap, length, height = wide // 50, wide // 3, max(6, tall // 60)
    more = length // 5
    left, top = wide - gap - length, tall - gap - height
    shown = map_colors(np.linspace(easy_mm, limit_mm, length - more).astype(np.float32), easy_mm, limit_mm)
    for x, color in enumerate(shown.tolist()):
        pen.line([(left + x, top), (left + x, top + height)], fill=tuple(color))
    pen.rectangle([left + length - more + 2, top, left + length, top + height], fill=BEYOND)
    first, beyond = ("0", "more") if limit_mm > easy_mm else (f"{easy_mm:.3g}", "less")
    told = ((left, first, "ld"), (left + length - more, f"{limit_mm:.3g} mm", "rd"), (left + length, beyond, "rd"))
    for x, text, anchor in told:
        pen.text((x, top - 4), text, fill=INK, font=type_face, anchor=anchor, stroke_width=2, stroke_fill=SHADOW)

"""Rendered views of the structures: what is seen from where. A child process (`painter.py`) only draws."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.navigation.stage import NavigationPlan
from surgplan.report.cameras import VIEWS, Camera
from surgplan.report.painter import Painter
from surgplan.report.pictures import Kind, Picture
from surgplan.report.surface_map import MapKind, Maps, view_of

HEIGHT_SHARE = 0.8

TOGETHER_VIEWS, STRUCTURE_VIEWS, PLAN_VIEWS = (
    ("front", "left", "right", "above"),
    ("front", "left", "above"),
    ("front", "left", "above"),
)


@dataclass(frozen=True)
class Shot:
    """One picture to render: which surfaces (by number), which of them see-through, whether the plan is shown."""

    name: str
    kind: Kind
    caption: str
    camera: Camera
    shown: tuple[int, ...]
    ghosts: tuple[int, ...] = ()
    structure: str = ""
    map: int = -1
    """Which of the structure's maps colours it; −1: none."""

    def as_dict(self, plan: NavigationPlan | None, maps: Mapping[int, Maps]) -> dict[str, Any]:
        """What the child needs to know: what to draw, and what to write over it."""
        legend = maps[self.shown[0]][self.map] if self.map >= 0 else None
        return {
            "letters": self.camera.view.letters,
            "tags": _tags(self.camera, plan) if self.kind is Kind.PLAN and plan is not None else None,
            "legend": (legend.easy_mm, legend.limit_mm) if legend is not None else None,
            "few_colors": self.kind is not Kind.PLAN and legend is None,
            "eye": self.camera.view.eye,
            "up": self.camera.view.up,
            "middle": self.camera.middle.tolist(),
            "mm_per_pixel": self.camera.mm_per_pixel,
            "shown": self.shown,
            "ghosts": self.ghosts,
            "plan": self.kind is Kind.PLAN,
            "map": self.map,
        }


def structure_shots(surfaces: Sequence[Surface], size: tuple[int, int], single: int) -> list[Shot]:
    """All structures together, and the first `single` ones each alone."""
    boxes = _boxes(surfaces)
    there = list(boxes)
    if not there:
        return []
    shots = [*_together(surfaces, boxes, _around(list(boxes.values())), size)]
    for number in there[:single] if len(there) > 1 else ():
        label = surfaces[number].label
        for name in STRUCTURE_VIEWS:
            view = VIEWS[name]
            camera = Camera.framing(view, boxes[number], size)
            caption = f"{label.name}, {view.words}"
            shots.append(
                Shot(
                    f"structure-{label.file_stem}-{name}.png",
                    Kind.STRUCTURE,
                    caption,
                    camera,
                    (number,),
                    (),
                    label.name,
                )
            )
    return shots


def plan_shots(surfaces: Sequence[Surface], plan: NavigationPlan | None, size: tuple[int, int]) -> list[Shot]:
    """The plan within all structures."""
    boxes = _boxes(surfaces)
    if not boxes or plan is None or not (len(plan.points) or plan.trajectories):
        return []
    points, paths = plan_positions(plan)
    places = np.vstack([points, paths.reshape(-1, 3)])
    everything = _around([*boxes.values(), *(np.array([place, place]) for place in places)])
    shots = []
    for name in PLAN_VIEWS:
        camera = Camera.framing(VIEWS[name], everything, size)
        caption = f"plan, {VIEWS[name].words}: numbers as in the table, structures drawn see-through"
        shots.append(Shot(f"plan-{name}.png", Kind.PLAN, caption, camera, tuple(boxes), tuple(boxes)))
    return shots


def _boxes(surfaces: Sequence[Surface]) -> dict[int, Array]:
    """The bounds of each surface that has triangles, by number."""
    return {number: surface.bounds for number, surface in enumerate(surfaces) if len(surface.triangles)}


def map_shots(surfaces: Sequence[Surface], maps: Mapping[int, Maps], size: tuple[int, int], single: int) -> list[Shot]:
    """Each of the first `single` structures that has maps, seen from the side on which each is worst."""
    shots = []
    for number, several in maps.items():
        surface = surfaces[number]
        if number >= single or not len(surface.triangles):
            continue
        for which, each in enumerate(several):
            label, view = surface.label, view_of(surface, each.worst)
            distance = each.kind is MapKind.DISTANCE
            name = f"{'map' if distance else 'thickness'}-{label.file_stem}.png"
            caption = f"{label.name}, {each.title}, {view.words}; {each.told}"
            camera = Camera.framing(view, surface.bounds, size)
            kind = Kind.MAP if distance else Kind.THICKNESS
            shots.append(Shot(name, kind, caption, camera, (number,), (), label.name, which))
    return shots


def _together(
    surfaces: Sequence[Surface], boxes: dict[int, Array], everything: Array, size: tuple[int, int]
) -> list[Shot]:
    ghosts = tuple(number for number in boxes if _encloses_another(number, boxes))
    names = ", ".join(surfaces[number].label.name for number in boxes)
    seen_through = ", ".join(surfaces[number].label.name for number in ghosts)
    tail = f"; {seen_through} drawn see-through" if ghosts else ""
    return [
        Shot(
            f"all-{name}.png",
            Kind.TOGETHER,
            f"{names}, {VIEWS[name].words}{tail}",
            Camera.framing(VIEWS[name], everything, size),
            tuple(boxes),
            ghosts,
        )
        for name in TOGETHER_VIEWS
    ]


def _encloses_another(number: int, boxes: dict[int, Array]) -> bool:
    """Whether another structure's box lies within this one's: it would be hidden."""
    low, high = boxes[number]
    return any((low < box[0]).all() and (box[1] < high).all() for other, box in boxes.items() if other != number)


def _around(boxes: Sequence[Array]) -> Array:
    return np.array([np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)])


def plan_positions(plan: NavigationPlan) -> tuple[Array, Array]:
    """(n, 3) landmarks then fiducials, and (m, 2, 3) entries and targets of the trajectories, LPS mm."""
    paths = np.array([[path.entry, path.target] for path in plan.trajectories], dtype=np.float64)
    return plan.points.positions, paths.reshape(-1, 2, 3)


class Views:
    """Pictures of the structures from several sides; `single` structures are also shown each alone.

    Those of structures alone are drawn from the beginning, in another process; those for which plan and maps must be
    known, when `pictures` asks for them. `closed` are the numbers of surfaces that are closed solids: they are drawn
    twice as fast. Whoever begins it must close it.
    """

    def __init__(self, surfaces: Sequence[Surface], width: int, single: int, closed: Collection[int] = ()) -> None:
        self._surfaces, self._single = surfaces, single
        self._size = (width, round(width * HEIGHT_SHARE))
        self._painter = Painter()
        shots = structure_shots(surfaces, self._size, single)
        order = [*_meshes(surfaces, closed, self._size), *_order(surfaces, None, shots, {})]
        self._shots = shots
        self._first = self._painter.draw(order, len(shots)) if shots else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the drawing, done or not."""
        self._painter.close()

    def pictures(self, plan: NavigationPlan | None, maps: Mapping[int, Maps]) -> tuple[Picture, ...]:
        """All pictures; `maps` are those of the surfaces, by number, of which something is known at each vertex.

        Raises
        ------
        CannotRender
            The rendering process ended without pictures.
        """
        if self._first is None:
            return ()
        shots = plan_shots(self._surfaces, plan, self._size)
        shots += map_shots(self._surfaces, maps, self._size, self._single)
        rest = self._painter.draw(_order(self._surfaces, plan, shots, maps), len(shots))
        drawn = zip((*self._shots, *shots), (*self._first.result(), *rest.result()), strict=True)
        return tuple(
            Picture(shot.name, shot.kind, shot.caption, png, self._size, shot.structure) for shot, png in drawn
        )


def render_views(
    surfaces: Sequence[Surface],
    plan: NavigationPlan | None,
    width: int,
    single: int,
    closed: Collection[int] = (),
    maps: Mapping[int, Maps] = MappingProxyType({}),
) -> tuple[Picture, ...]:
    """All `Views` at once."""
    with Views(surfaces, width, single, closed) as views:
        return views.pictures(plan, maps)


def _meshes(surfaces: Sequence[Surface], closed: Collection[int], size: tuple[int, int]) -> list[bytes]:
    """What the child reads first: one line of JSON, then the bare numbers of the meshes."""
    header = {
        "size": size,
        "meshes": [
            {
                "color": each.label.color,
                "closed": number in closed,
                "vertices": len(each.vertices),
                "triangles": len(each.triangles),
            }
            for number, each in enumerate(surfaces)
        ],
    }
    parts = [json.dumps(header).encode("ascii") + b"\n"]
    for each in surfaces:
        parts += [each.vertices.astype("<f4").tobytes(), each.triangles.astype("<i4").tobytes()]
    return parts


def _order(
    surfaces: Sequence[Surface], plan: NavigationPlan | None, shots: Sequence[Shot], maps: Mapping[int, Maps]
) -> list[bytes]:
    """What it reads then, several times: one line of JSON, then the colours of the maps."""
    points, paths = plan_positions(plan) if plan is not None else (np.empty((0, 3)), np.empty((0, 2, 3)))
    told = {
        "points": points.tolist(),
        "paths": paths.tolist(),
        "maps": [len(maps.get(number, ())) for number in range(len(surfaces))],
        "shots": [shot.as_dict(plan, maps) for shot in shots],
    }
    colors = [one.colors.tobytes() for number in range(len(surfaces)) for one in maps.get(number, ())]
    return [json.dumps(told).encode("ascii") + b"\n", *colors]


def _tags(camera: Camera, plan: NavigationPlan) -> list[tuple[float, float, str]]:
    """Where the numbers of points and the names of trajectories stand, pixels."""
    points, paths = plan_positions(plan)
    names = [str(number) for number in range(1, len(points) + 1)]
    names += [f"T{number}" for number in range(1, len(paths) + 1)]
    places = camera.project(np.vstack([points, paths[:, 0]]))
    return [(x, y, name) for (x, y), name in zip(places.tolist(), names, strict=True)]

"""Rendered views of the structures, made off-screen by VTK in a child process.

VTK ends the process when it finds no way to render; a child's end is only an error. The parent decides what is seen
from where, the child (`render_child.py`) only draws.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.navigation.stage import NavigationPlan
from surgplan.report.cameras import VIEWS, Camera
from surgplan.report.marks import draw_letters, draw_scale, draw_tags, png
from surgplan.report.pictures import Kind, Picture
from surgplan.report.surface_map import MapKind, Maps, draw_legend, view_of

TIME_LIMIT_S = 120.0
HEIGHT_SHARE = 0.8
ENVIRONMENT = {"VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow", "LIBGL_ALWAYS_SOFTWARE": "1"}
"""VTK would look for an X server first, and crash where there is no libX11; without EGL it takes OSMesa by itself.
Mesa draws in software, so that pictures do not depend on the graphics card."""

TOGETHER_VIEWS, STRUCTURE_VIEWS, PLAN_VIEWS = (
    ("front", "left", "right", "above"),
    ("front", "left", "above"),
    ("front", "left", "above"),
)


class CannotRender(RuntimeError):
    """This machine cannot render off-screen."""


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

    def as_dict(self) -> dict[str, Any]:
        """What the child needs to know."""
        return {
            "eye": self.camera.view.eye,
            "up": self.camera.view.up,
            "middle": self.camera.middle.tolist(),
            "mm_per_pixel": self.camera.mm_per_pixel,
            "shown": self.shown,
            "ghosts": self.ghosts,
            "plan": self.kind is Kind.PLAN,
            "map": self.map,
        }


def planned_shots(
    surfaces: Sequence[Surface], plan: NavigationPlan | None, size: tuple[int, int], single: int
) -> list[Shot]:
    """All structures together, the first `single` ones each alone, and the plan within all of them."""
    there = [number for number, surface in enumerate(surfaces) if len(surface.triangles)]
    if not there:
        return []
    boxes = {number: surfaces[number].bounds for number in there}
    everything = _around(list(boxes.values()))
    shots = [*_together(surfaces, boxes, everything, size)]
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
    if plan is not None and (len(plan.points) or plan.trajectories):
        points, paths = plan_positions(plan)
        everything = _around([everything, *(np.array([p, p]) for p in np.vstack([points, paths.reshape(-1, 3)]))])
        for name in PLAN_VIEWS:
            camera = Camera.framing(VIEWS[name], everything, size)
            caption = f"plan, {VIEWS[name].words}: numbers as in the table, structures drawn see-through"
            shots.append(Shot(f"plan-{name}.png", Kind.PLAN, caption, camera, tuple(there), tuple(there)))
    return shots


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


def render_views(
    surfaces: Sequence[Surface],
    plan: NavigationPlan | None,
    width: int,
    single: int,
    closed: Collection[int] = (),
    maps: Mapping[int, Maps] = MappingProxyType({}),
) -> tuple[Picture, ...]:
    """Pictures of the structures from several sides; `single` structures are also shown each alone.

    `closed` are the numbers of surfaces that are closed solids: they are drawn twice as fast. `maps` are those of the
    surfaces, by number, of which something is known at each vertex.

    Raises
    ------
    CannotRender
        The rendering process ended without pictures.
    """
    size = (width, round(width * HEIGHT_SHARE))
    shots = [*planned_shots(surfaces, plan, size, single), *map_shots(surfaces, maps, size, single)]
    if not shots:
        return ()
    frames = _rendered(_order(surfaces, plan, shots, closed, size, maps), len(shots), size)
    with closing(frames):  # each is finished while the next one is drawn
        return tuple(_finished(shot, frame, plan, maps) for shot, frame in zip(shots, frames, strict=True))


def _order(
    surfaces: Sequence[Surface],
    plan: NavigationPlan | None,
    shots: Sequence[Shot],
    closed: Collection[int],
    size: tuple[int, int],
    maps: Mapping[int, Maps],
) -> list[bytes]:
    """What the child reads: one line of JSON, then the bare numbers of the meshes."""
    points, paths = plan_positions(plan) if plan is not None else (np.empty((0, 3)), np.empty((0, 2, 3)))
    header = {
        "size": size,
        "meshes": [
            {
                "color": each.label.color,
                "closed": number in closed,
                "vertices": len(each.vertices),
                "triangles": len(each.triangles),
                "maps": len(maps.get(number, ())),
            }
            for number, each in enumerate(surfaces)
        ],
        "points": points.tolist(),
        "paths": paths.tolist(),
        "shots": [shot.as_dict() for shot in shots],
    }
    parts = [json.dumps(header).encode("ascii") + b"\n"]
    for number, each in enumerate(surfaces):
        parts += [each.vertices.astype("<f4").tobytes(), each.triangles.astype("<i4").tobytes()]
        parts += [one.colors.tobytes() for one in maps.get(number, ())]
    return parts


def _rendered(order: Sequence[bytes], count: int, size: tuple[int, int]) -> Generator[NDArray[np.uint8], None, None]:
    """(height, width, 3) pixels of each picture, as soon as it is drawn."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-P", "-m", "surgplan.report.render_child"]  # -P: nothing from the current folder
    with tempfile.TemporaryFile() as told:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                env={**environment, **ENVIRONMENT},
            )
        except OSError as error:
            raise CannotRender(f"no process could be started: {error.strerror}") from None
        late = threading.Event()
        with child, _ended(child, late):
            assert child.stdin is not None
            assert child.stdout is not None
            with suppress(BrokenPipeError):  # a child that ends early is told by its code
                for part in order:
                    child.stdin.write(part)
                child.stdin.close()
            for _ in range(count):
                pixels = child.stdout.read(size[0] * size[1] * 3)
                if len(pixels) < size[0] * size[1] * 3:
                    break
                yield np.frombuffer(pixels, np.uint8).reshape(size[1], size[0], 3)
            else:
                return
            code = child.wait()
        if late.is_set():
            raise CannotRender(f"VTK did not end within {TIME_LIMIT_S:.0f} s")
        told.seek(0)
        raise CannotRender(_why(code, told.read().decode("utf-8", "replace")))


@contextmanager
def _ended(child: subprocess.Popen[bytes], late: threading.Event) -> Iterator[None]:
    """Let the child live as long as it is wanted, and not beyond the time limit; `late` tells that it came to that."""

    def kill() -> None:
        late.set()
        child.kill()

    clock = threading.Timer(TIME_LIMIT_S, kill)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
        child.kill()


def _why(code: int, told: str) -> str:
    if "EGL" in told or "OSMesa" in told:
        return "VTK found neither EGL nor OSMesa"
    if code < 0:
        return f"VTK was ended by {signal.Signals(-code).name}"
    last = told.strip().splitlines()[-1:]
    return f"the drawing process ended with code {code}" + (f" ({last[0]})" if last else "")


def _finished(shot: Shot, frame: NDArray[np.uint8], plan: NavigationPlan | None, maps: Mapping[int, Maps]) -> Picture:
    """Letters, scale bar and numbers drawn over the picture."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(frame)
    pen = ImageDraw.Draw(picture)
    if shot.kind is Kind.PLAN and plan is not None:
        points, paths = plan_positions(plan)
        tags = [str(number) for number in range(1, len(points) + 1)]
        tags += [f"T{number}" for number in range(1, len(paths) + 1)]
        draw_tags(pen, picture.size, shot.camera.project(np.vstack([points, paths[:, 0]])), tags)
    draw_letters(pen, picture.size, shot.camera.view.letters)
    draw_scale(pen, picture.size, shot.camera.mm_per_pixel)
    if shot.map >= 0:
        shown = maps[shot.shown[0]][shot.map]
        draw_legend(pen, picture.size, shown.easy_mm, shown.limit_mm)
    data = png(picture, few_colors=shot.kind is not Kind.PLAN and shot.map < 0)
    return Picture(shot.name, shot.kind, shot.caption, data, picture.size, shot.structure)

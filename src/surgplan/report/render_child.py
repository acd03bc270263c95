"""Runs in a process of its own: draws meshes with VTK. Reads orders from stdin, writes PNGs to stdout."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from surgplan.report.marks import draw_letters, draw_scale, draw_tags, png
from surgplan.report.painter import LENGTH_BYTES
from surgplan.report.surface_map import draw_legend

Mesh = tuple[dict[str, Any], NDArray[np.float32], NDArray[np.int32]]

LIGHTS = (((-0.6, 0.7, 1.0), 0.85), ((0.5, -0.1, 1.0), 0.38))
"""Where lights stand, seen from the camera (right, up, towards it), and how bright they are."""

BACKGROUND = (0.125, 0.145, 0.17)
GHOST_OPACITY, GHOST_AMBIENT = 0.36, 0.3
AMBIENT = 0.1
MAP = "map-{}"
POINT_COLOR, PATH_COLOR = (1.0, 0.85, 0.25), (0.25, 0.95, 1.0)
SHADE_STRENGTH = 0.62
SHADE_REACH = (0.012, 0.045)
"""How far, as a share of the picture's width, something in front darkens what lies behind it."""


def main() -> None:
    """Draw what stdin asks for, one order after the other, until it ends."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    stage = _Stage(*read_meshes(source))
    while line := source.readline():
        order = json.loads(line)
        stage.prepare(order, read_maps(source, order, stage.counts))
        for shot in order["shots"]:
            data = finished(shot, stage.drawn(shot))
            target.write(len(data).to_bytes(LENGTH_BYTES, "little") + data)
        target.flush()


def finished(shot: dict[str, Any], pixels: NDArray[np.uint8]) -> bytes:
    """The PNG of a picture, (height, width, 3), with numbers, letters, scale bar and legend drawn over it."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    if shot["tags"] is not None:
        places = np.array([[x, y] for x, y, _ in shot["tags"]]).reshape(-1, 2)
        draw_tags(pen, picture.size, places, [name for *_, name in shot["tags"]])
    draw_letters(pen, picture.size, shot["letters"])
    draw_scale(pen, picture.size, shot["mm_per_pixel"])
    if shot["legend"] is not None:
        draw_legend(pen, picture.size, *shot["legend"])
    return png(picture, few_colors=shot["few_colors"])


def read_meshes(stream: BinaryIO) -> tuple[tuple[int, int], list[Mesh]]:
    """Size of the pictures, and the meshes: what is told of each, (n, 3) vertices in mm, (m, 3) triangles."""
    header = json.loads(stream.readline())
    meshes = []
    for told in header["meshes"]:
        vertices = np.frombuffer(stream.read(told["vertices"] * 12), "<f4").reshape(-1, 3)
        triangles = np.frombuffer(stream.read(told["triangles"] * 12), "<i4").reshape(-1, 3)
        meshes.append((told, vertices, triangles))
    return header["size"], meshes


def read_maps(stream: BinaryIO, order: dict[str, Any], counts: list[int]) -> list[list[NDArray[np.uint8]]]:
    """The maps of each mesh: a colour for each vertex, (n, 3)."""
    return [
        [np.frombuffer(stream.read(vertices * 3), np.uint8).reshape(-1, 3) for _ in range(several)]
        for several, vertices in zip(order["maps"], counts, strict=True)
    ]


class _Stage:
    """One window and one renderer for all pictures."""

    def __init__(self, size: tuple[int, int], meshes: list[Mesh]) -> None:
        import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
        from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

        self.wide, self.tall = size
        self.counts = [len(vertices) for _, vertices, _ in meshes]
        self.window = vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(self.wide, self.tall)
        self.renderer = vtkRenderer()
        self.renderer.SetBackground(*BACKGROUND)
        self.window.AddRenderer(self.renderer)
        self.renderer.UseFXAAOn()
        self.renderer.AutomaticLightCreationOff()
        for place, brightness in LIGHTS:
            self.renderer.AddLight(_light(place, brightness))
        self.actors = [_mesh_actor(mesh) for mesh in meshes]
        self.marks = _Marks([], [])
        for actor in self.actors:
            self.renderer.AddActor(actor)

    def prepare(self, order: dict[str, Any], maps: list[list[NDArray[np.uint8]]]) -> None:
        """Take over the marks and maps of an order, instead of those of the order before."""
        from vtkmodules.util.numpy_support import numpy_to_vtk

        for actor in self.marks.actors:
            self.renderer.RemoveActor(actor)
        self.marks = _Marks(order["points"], order["paths"])
        for actor in self.marks.actors:
            self.renderer.AddActor(actor)
        for actor, several in zip(self.actors, maps, strict=True):
            for number, colors in enumerate(several):
                array = numpy_to_vtk(colors, deep=True)
                array.SetName(MAP.format(number))
                actor.GetMapper().GetInput().GetPointData().AddArray(array)

    def drawn(self, shot: dict[str, Any]) -> NDArray[np.uint8]:
        """(height, width, 3) pixels."""
        for number, actor in enumerate(self.actors):
            actor.SetVisibility(number in shot["shown"])
            _see_through(actor, number in shot["ghosts"])
            actor.GetMapper().SetScalarVisibility(shot["map"] >= 0)
            actor.GetMapper().SelectColorArray(MAP.format(shot["map"]))
        for actor in self.marks.actors:
            actor.SetVisibility(shot["plan"])
        self.marks.set_size(shot["mm_per_pixel"] * self.wide)
        self._aim(shot)
        self.window.Render()
        near, far = self.renderer.GetActiveCamera().GetClippingRange()
        depth = self._depth()
        behind = _how_far_behind(depth * (far - near), depth >= 1, shot["mm_per_pixel"])
        return np.asarray(np.clip(self._pixels() * (1 - SHADE_STRENGTH * behind[:, :, None]) + 0.5, 0, 255), np.uint8)

    def _aim(self, shot: dict[str, Any]) -> None:
        eye, middle = np.array(shot["eye"], float), np.array(shot["middle"])
        camera = self.renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(middle + eye * 1000))
        camera.SetViewUp(*shot["up"])
        camera.SetParallelScale(shot["mm_per_pixel"] * self.tall / 2)
        self.renderer.ResetCameraClippingRange()

    def _pixels(self) -> NDArray[np.uint8]:
        """(height, width, 3) colours, top row first."""
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkUnsignedCharArray

        found = vtkUnsignedCharArray()
        self.window.GetPixelData(0, 0, self.wide - 1, self.tall - 1, 0, found, 0)
        return np.asarray(vtk_to_numpy(found).reshape(self.tall, self.wide, 3)[::-1])

    def _depth(self) -> NDArray[np.float32]:
        """(height, width) from 0 (near) to 1 (nothing there), top row first; linear in parallel projection."""
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkFloatArray

        found = vtkFloatArray()
        self.window.GetZbufferData(0, 0, self.wide - 1, self.tall - 1, found)
        return np.asarray(vtk_to_numpy(found).reshape(self.tall, self.wide)[::-1])


def _how_far_behind(
    depth_mm: NDArray[np.float32], empty: NDArray[np.bool_], mm_per_pixel: float
) -> NDArray[np.float32]:
    """(height, width) from 0 to 1: how much a place lies behind its surroundings; 0 where it is `empty`.

    It shows what lies in front of what, as ambient occlusion does, at a small part of its price.

    Source: Luft, Colditz and Deussen, "Image enhancement by unsharp masking the depth buffer", ACM TOG 25(3), 2006.
    """
    if empty.all():
        return np.zeros_like(depth_mm)
    # the empty background must not count as far away: it would light up every edge
    filled = np.where(empty, depth_mm[~empty].max(), depth_mm)
    coarse = filled[::2, ::2]  # a mean over many pixels needs no finer ones
    total = np.zeros_like(depth_mm)
    for share in SHADE_REACH:
        reach = max(1, round(share * coarse.shape[1]))
        around = np.repeat(np.repeat(_blurred(coarse, reach), 2, axis=0), 2, axis=1)
        behind = filled - around[: filled.shape[0], : filled.shape[1]]
        total += np.clip(behind / (3.2 * reach * mm_per_pixel), 0, 1)
    return np.where(empty, 0, total / len(SHADE_REACH))


def _blurred(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Mean over squares of 2 `reach` + 1 pixels, twice: nearly a Gaussian."""
    for _ in range(2):
        for _ in range(2):  # along rows, then, turned, along columns
            edge = np.pad(values, [(0, 0), (reach + 1, reach)], mode="edge")
            total = np.cumsum(edge, axis=1, dtype=np.float64)
            values = ((total[:, 2 * reach + 1 :] - total[:, : -2 * reach - 1]) / (2 * reach + 1)).T.astype(np.float32)
    return values


def _light(place: tuple[float, float, float], brightness: float) -> Any:
    from vtkmodules.vtkRenderingCore import vtkLight

    light = vtkLight()
    light.SetLightTypeToCameraLight()
    light.SetPosition(*place)
    light.SetFocalPoint(0, 0, 0)
    light.SetIntensity(brightness)
    return light


def _mesh_actor(mesh: Mesh) -> Any:
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    from surgplan.surface.vtk_mesh import to_polydata

    told, vertices, triangles = mesh
    normals = vtkPolyDataNormals()
    normals.SetInputData(to_polydata(vertices.astype(np.float64), triangles))
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(normals.GetOutput())  # apart from the filter, so that a map does not make it run again
    mapper.SetScalarModeToUsePointFieldData()
    actor = vtkActor()
    actor.SetMapper(mapper)
    _paint(actor, tuple(channel / 255 for channel in told["color"]))
    actor.GetProperty().SetBackfaceCulling(told["closed"])  # the inside of a solid is never seen
    return actor


def _paint(actor: Any, color: tuple[float, ...], ambient: float = AMBIENT) -> None:
    look = actor.GetProperty()
    look.SetColor(*color)
    look.SetAmbient(ambient)
    look.SetDiffuse(0.88)
    look.SetSpecular(0.12)
    look.SetSpecularPower(25)


def _see_through(actor: Any, wanted: bool) -> None:
    look = actor.GetProperty()
    look.SetOpacity(GHOST_OPACITY if wanted else 1.0)
    look.SetAmbient(GHOST_AMBIENT if wanted else AMBIENT)
    if wanted:
        actor.ForceTranslucentOn()
    else:
        actor.ForceTranslucentOff()


class _Marks:
    """Landmarks and markers as balls, trajectories as rods with a point at the target."""

    def __init__(self, points: list[list[float]], paths: list[list[list[float]]]) -> None:
        from vtkmodules.vtkFiltersSources import vtkConeSource, vtkSphereSource

        self.balls = [vtkSphereSource() for _ in points]
        for ball, place in zip(self.balls, points, strict=True):
            ball.SetCenter(*place)
            ball.SetThetaResolution(24)
            ball.SetPhiResolution(16)
        self.rods = [_rod(entry, target) for entry, target in paths]
        self.tips = []
        for entry, target in paths:
            tip = vtkConeSource()
            tip.SetDirection(*(np.array(target) - entry))
            tip.SetResolution(24)
            self.tips.append((tip, np.array(target), np.array(entry)))
        self.actors = [_source_actor(ball, POINT_COLOR) for ball in self.balls]
        self.actors += [_source_actor(source, PATH_COLOR) for source in (*self.rods, *(tip for tip, *_ in self.tips))]

    def set_size(self, field_mm: float) -> None:
        """Make marks as large as a picture of that width needs them."""
        for ball in self.balls:
            ball.SetRadius(0.009 * field_mm)
        for rod in self.rods:
            rod.SetRadius(0.0035 * field_mm)
        for tip, target, entry in self.tips:
            along = (target - entry) / np.linalg.norm(target - entry)
            length = 0.03 * field_mm
            tip.SetRadius(0.009 * field_mm)
            tip.SetHeight(length)
            tip.SetCenter(*(target - along * length / 2))


def _rod(entry: list[float], target: list[float]) -> Any:
    from vtkmodules.vtkFiltersCore import vtkTubeFilter
    from vtkmodules.vtkFiltersSources import vtkLineSource

    line = vtkLineSource()
    line.SetPoint1(*entry)
    line.SetPoint2(*target)
    tube = vtkTubeFilter()
    tube.SetInputConnection(line.GetOutputPort())
    tube.SetNumberOfSides(16)
    tube.CappingOn()
    return tube


def _source_actor(source: Any, color: tuple[float, float, float]) -> Any:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(source.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    _paint(actor, color, ambient=0.35)
    return actor


if __name__ == "__main__":
    main()

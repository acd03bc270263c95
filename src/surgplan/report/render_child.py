"""Runs in a process of its own: renders meshes to pictures. Reads and writes pickles of plain values."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np

Mesh = tuple[str, str, tuple[int, int, int], Any, Any]

VIEWS = {
    "front": ((0, -1, 0), (0, 0, 1), "R", "L", "S", "I", "from the front"),
    "left": ((1, 0, 0), (0, 0, 1), "A", "P", "S", "I", "from the patient's left"),
    "above": ((0, 0, 1), (0, -1, 0), "L", "R", "A", "P", "from above"),
}
"""Name → where the camera stands (LPS), what is up, letters at left, right, top and bottom edge, caption."""

BACKGROUND = (0.97, 0.975, 0.98)


def main() -> None:
    """Render all that stdin asks for."""
    meshes, width = pickle.load(sys.stdin.buffer)
    stage = _Stage(meshes, width)
    found = {}
    together = ", ".join(name for name, *_ in meshes)
    for view in VIEWS:
        found[f"all-{view}.png"] = (stage.shot(view, None), f"{together}, {VIEWS[view][-1]}")
    for number, (name, stem, *_) in enumerate(meshes if len(meshes) > 1 else ()):
        found[f"{stem}-front.png"] = (stage.shot("front", number), f"{name}, from the front")
    sys.stdout.buffer.write(pickle.dumps(found))


class _Stage:
    """One window and one renderer for all pictures."""

    def __init__(self, meshes: list[Mesh], width: int) -> None:
        import vtkmodules.vtkRenderingFreeType
        import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
        from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

        self.width, self.height = width, width * 3 // 4
        self.window = vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(self.width, self.height)
        self.renderer = vtkRenderer()
        self.renderer.SetBackground(*BACKGROUND)
        self.renderer.UseFXAAOn()
        self.window.AddRenderer(self.renderer)
        self.actors = [_actor(mesh) for mesh in meshes]
        self.bounds = [np.array([mesh[3].min(axis=0), mesh[3].max(axis=0)]) for mesh in meshes]
        for actor in self.actors:
            self.renderer.AddActor(actor)

    def shot(self, view: str, only: int | None) -> bytes:
        """A PNG of all meshes, the first one seen through when it hides others, or of one alone."""
        for number, actor in enumerate(self.actors):
            actor.SetVisibility(only is None or number == only)
            ghost = only is None and number == 0 and len(self.actors) > 1
            actor.GetProperty().SetOpacity(0.35 if ghost else 1.0)
            if ghost:
                actor.ForceTranslucentOn()
            else:
                actor.ForceTranslucentOff()
        bounds = self.bounds if only is None else [self.bounds[only]]
        scale = self._aim(view, np.min([b[0] for b in bounds], axis=0), np.max([b[1] for b in bounds], axis=0))
        return _with_marks(self._pixels(), VIEWS[view], scale)

    def _aim(self, view: str, low: Any, high: Any) -> float:
        """Parallel projection that shows the whole box; mm for each pixel."""
        eye, up = np.array(VIEWS[view][0], float), np.array(VIEWS[view][1], float)
        right = np.cross(up, eye)
        size, middle = high - low, (low + high) / 2
        wide, tall = float(np.abs(right) @ size), float(np.abs(up) @ size)
        half = 0.5 * max(tall / 0.82, wide / 0.86 * self.height / self.width)
        camera = self.renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(middle + eye * 1000))
        camera.SetViewUp(*up)
        camera.SetParallelScale(half)
        self.renderer.ResetCameraClippingRange()
        return 2 * half / self.height

    def _pixels(self) -> Any:
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

        self.window.Render()
        grab = vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        data = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return data.reshape(self.height, self.width, -1)[::-1, :, :3]


def _actor(mesh: Mesh) -> Any:
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    from surgplan.surface.vtk_mesh import to_polydata

    _, _, color, vertices, triangles = mesh
    normals = vtkPolyDataNormals()
    normals.SetInputData(to_polydata(vertices, triangles))
    normals.SplittingOff()
    normals.ConsistencyOff()
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*(channel / 255 for channel in color))
    look.SetAmbient(0.12)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.12)
    look.SetSpecularPower(20)
    return actor


def _with_marks(pixels: Any, view: tuple[Any, ...], mm_per_pixel: float) -> bytes:
    """Letters at the edges and a scale bar, drawn over the picture."""
    import io

    from PIL import Image, ImageDraw

    from surgplan.report.marks import draw_letters, draw_scale

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    pen = ImageDraw.Draw(picture)
    draw_letters(pen, picture.size, view[2:6], (60, 66, 75))
    draw_scale(pen, picture.size, mm_per_pixel, (60, 66, 75))
    file = io.BytesIO()
    picture.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG", optimize=False)
    return file.getvalue()


if __name__ == "__main__":
    main()

"""Runs in a process of its own: makes solids with manifold3d, and checks the volumes of each boolean.

The order is a list of `Solid` and the largest share of volume by which inclusion and exclusion may miss. The answer is
("made", [(vertices, triangles, volume), …]), ("broken", why) or ("wrong", what).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from surgplan.printing.solids import Solid


class Wrong(Exception):
    """The volumes do not add up."""


class Maker:
    """Makes each solid once."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._made: dict[int, Any] = {}
        self._halves: dict[tuple[int, tuple[float, ...], float], Any] = {}

    def of(self, solid: Solid) -> Any:
        """The `manifold3d.Manifold` of a note."""
        if id(solid) not in self._made:
            self._made[id(solid)] = getattr(self, f"_{solid.op}")(solid)
        return self._made[id(solid)]

    def _mesh(self, solid: Solid) -> Any:
        from surgplan.surface.solid import solid_of_mesh

        assert solid.mesh is not None
        return solid_of_mesh(*solid.mesh)

    def _relief(self, solid: Solid) -> Any:
        assert solid.relief is not None
        return solid.relief.solid()

    def _simple(self, solid: Solid) -> Any:
        return self.of(solid.of[0]).simplify(solid.tolerance_mm)

    def _union(self, solid: Solid) -> Any:
        whole = self.of(solid.of[0])
        for each in solid.of[1:]:
            other = self.of(each)
            joined = whole + other
            self._check("union", whole.volume() + other.volume(), joined.volume() + (whole ^ other).volume())
            whole = joined
        return whole

    def _minus(self, solid: Solid) -> Any:
        return self._parted(*map(self.of, solid.of))[1]

    def _both(self, solid: Solid) -> Any:
        return self._parted(*map(self.of, solid.of))[0]

    def _parted(self, body: Any, tool: Any) -> tuple[Any, Any]:
        common, rest = body.split(tool)
        self._check("difference", body.volume(), common.volume() + rest.volume())
        return common, rest

    def _beyond(self, solid: Solid) -> Any:
        assert solid.plane is not None
        normal, offset = np.array(solid.plane[0]), solid.plane[1]
        key, turned = ((id(solid.of[0]), tuple((sign * normal).tolist()), sign * offset) for sign in (1.0, -1.0))
        if key not in self._halves:
            body = self.of(solid.of[0])
            front, back = body.split_by_plane(normal.tolist(), offset)
            self._check("cut", body.volume(), front.volume() + back.volume())
            self._halves[key], self._halves[turned] = front, back
        return self._halves[key]

    def _check(self, what: str, expected: float, found: float) -> None:
        if abs(found - expected) > self._share * max(abs(expected), 1e-3):
            raise Wrong(f"the volumes of a {what} add up to {found:.6g} instead of {expected:.6g} mm³")


def main() -> None:
    """Make what the order wants."""
    from surgplan.surface.child import answer, read_order
    from surgplan.surface.solid import NotManifold

    solids, share = read_order()
    maker = Maker(share)
    try:
        answer(("made", [_mesh_of(maker.of(solid)) for solid in solids]))
    except NotManifold as error:
        answer(("broken", str(error)))
    except Wrong as error:
        answer(("wrong", str(error)))


def _mesh_of(solid: Any) -> tuple[Any, Any, float]:
    mesh = solid.to_mesh()
    vertices = np.ascontiguousarray(np.asarray(mesh.vert_properties)[:, :3], dtype=np.float64)
    return vertices, np.asarray(mesh.tri_verts).astype(np.int32), float(solid.volume())


if __name__ == "__main__":
    main()

"""Bodies for printing, of known size, and the mixed lot that nesting is tried on."""

from __future__ import annotations

import numpy as np
import trimesh

from surgplan.model.frames import LPS, PRINT, Frame, Transform
from surgplan.model.labels import Label
from surgplan.model.plate import Assembly
from surgplan.model.surface import Surface


def body(mesh: trimesh.Trimesh, name: str = "x", frame: Frame = LPS) -> Surface:
    return Surface(Label(1, name), mesh.vertices, mesh.faces, frame)


def box(low: tuple[float, ...], high: tuple[float, ...]) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[low, high])


def joined(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    """One solid of all."""
    import manifold3d

    solids = [
        manifold3d.Manifold(manifold3d.Mesh(np.asarray(each.vertices, np.float32), np.asarray(each.faces, np.uint32)))
        for each in meshes
    ]
    mesh = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add).to_mesh()
    return trimesh.Trimesh(np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts), process=False)


def mixed_parts(count: int, seed: int, size: float = 1.0) -> list[Surface]:
    """Boxes and rods turned anyhow, balls, rings and angles, far from each other."""
    chance = np.random.default_rng(seed)
    found = []
    for number in range(count):
        kind, turn = number % 5, trimesh.transformations.random_rotation_matrix(chance.random(3))
        if kind == 0:
            mesh = trimesh.creation.box(chance.uniform(8, 45, 3))
        elif kind == 1:
            mesh = trimesh.creation.icosphere(2, chance.uniform(5, 20))
        elif kind == 2:
            outer = chance.uniform(8, 25)
            mesh = trimesh.creation.annulus(0.6 * outer, outer, chance.uniform(5, 30), sections=24)
        elif kind == 3:
            mesh = trimesh.creation.capsule(chance.uniform(10, 50), chance.uniform(3, 9), count=[12, 12])
        else:
            long, tall = chance.uniform(20, 45, 2)
            mesh = joined(box((0, 0, 0), (long, 9, 9)), box((0, 0, 0), (9, tall, 9)))
        if kind in (0, 3):
            mesh.apply_transform(turn)
        mesh.apply_scale(size)
        found.append(body(mesh.apply_translation(chance.uniform(-100, 100, 3)), f"part-{number}"))
    return found


def unplaced(parts: list[Surface]) -> list[Assembly]:
    """Each by itself, at life size, standing as it lies."""
    return [Assembly(each.label.name, (each,), (Transform(PRINT, LPS, np.eye(4)),)) for each in parts]

"""Any mesh through any chain of formats: within float32, outward, in its frame."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.case.convert import convert
from surgplan.formats.meshes import WRITABLE, read_mesh, write_mesh
from surgplan.model.frames import LPS
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from tests.property.strategies import names, positions, rotations

FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
KEPT_MM = 1.2e-4
"""Half a step of float32 at 2000 mm, and the 0.00001 mm to which 3MF is written."""


@settings(max_examples=25)
@given(
    turn=rotations(),
    place=positions,
    lengths=st.tuples(*[st.floats(3, 400)] * 3),
    name=names,
    color=st.tuples(*[st.integers(0, 255)] * 3),
    chain=st.lists(st.sampled_from(WRITABLE), min_size=1, max_size=4),
)
def test_no_chain_of_formats_moves_mirrors_or_scales(turn, place, lengths, name, color, chain) -> None:  # type: ignore[no-untyped-def]
    corners = np.vstack([np.zeros(3), np.diag(lengths)]) @ turn.T + place
    meant = Surface(Label(1, name, color), corners, FACES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "start.ply"
        write_mesh(path, meant)
        for step, ending in enumerate(chain):
            target = Path(folder) / f"{step}{ending}"
            convert((path,), target)
            path = target
        found, findings = read_mesh(path)
    assert not findings
    assert found.frame == LPS
    assert np.abs(found.corners - meant.corners).max() < KEPT_MM * (1 + len(chain))
    assert abs(found.volume_mm3 - np.prod(lengths) / 6) < 1e-3 * meant.area_mm2
    if ".stl" not in chain:
        assert found.label.color == color
        assert found.label.name == name.strip() or found.label.name == name

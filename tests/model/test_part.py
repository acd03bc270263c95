from __future__ import annotations

import pytest
import trimesh

from surgplan.model.frames import RAS
from surgplan.model.labels import Label
from surgplan.model.part import Modification, Part, parts_of
from surgplan.model.surface import Surface


def box(name: str) -> Surface:
    mesh = trimesh.creation.box((1, 2, 3))
    return Surface(Label(3, name, (1, 2, 3)), mesh.vertices, mesh.faces)


def test_a_part_remembers_its_structure_and_what_was_done() -> None:
    part = Part.of(box("bone"))
    done = Modification("cut", "cut in two", {"pins": 2}, 6.0, 3.0, 0.0)
    half = part.changed(box("bone"), done)
    assert (half.structure, half.name, half.colour) == ("bone", "bone", (1, 2, 3))
    assert half.modifications == (done,)
    assert part.modifications == ()


def test_no_two_parts_have_one_name_and_empty_surfaces_make_none() -> None:
    empty = box("bone").with_mesh(box("bone").vertices, box("bone").triangles[:0])
    parts = parts_of([box("bone"), box("bone"), empty, box("bone 2")])
    assert [part.name for part in parts] == ["bone", "bone 2", "bone 2 2"]
    assert [part.body.label.name for part in parts] == ["bone", "bone 2", "bone 2 2"]
    assert [part.surface.label.name for part in parts] == ["bone", "bone", "bone 2"]


def test_a_part_in_another_frame_or_without_name_is_refused() -> None:
    turned = Surface(Label(1, "bone"), box("bone").vertices, box("bone").triangles, RAS)
    with pytest.raises(ValueError, match="RAS"):
        Part.of(turned)
    with pytest.raises(ValueError, match="name"):
        Part(box("bone"), "bone", " ", (0, 0, 0))

"""Chains of frames: found, refused where there is none, and where two disagree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from surgplan.errors import BadInput
from surgplan.model.frames import IJK, LPS, PRINT, RAS, Frame, Transform
from surgplan.navigation.frames_graph import Edge, FrameGraph
from tests.property.strategies import affine_transforms, positions, rigid_transforms

TRACKER, ROBOT, GUIDE = Frame("tracker"), Frame("robot"), Frame("guide")


def edge(fixed: Frame, moving: Frame, *offset: float) -> Edge:
    return Edge(Transform.translation(fixed, moving, offset), "test")


@given(rigid_transforms(LPS, TRACKER), rigid_transforms(ROBOT, TRACKER), affine_transforms(PRINT, LPS), positions)
def test_a_chain_is_the_product_of_its_transforms(a: Transform, b: Transform, c: Transform, point: np.ndarray) -> None:
    graph = FrameGraph([Edge(each, "test") for each in (a, b, c)])
    there = graph.chain(PRINT, ROBOT)
    np.testing.assert_allclose(there.apply(point), (c @ a @ b.inverse()).apply(point), atol=1e-6)
    np.testing.assert_allclose(graph.chain(ROBOT, PRINT).apply(there.apply(point)), point, atol=1e-5)


def test_ras_is_always_joined_to_lps() -> None:
    graph = FrameGraph([edge(LPS, TRACKER, 1, 2, 3)])
    assert graph.chain(RAS, TRACKER).apply([0, 0, 0]).tolist() == [-1, -2, 3]


def test_a_frame_that_nothing_reaches_is_an_error_that_tells_what_is_reached() -> None:
    graph = FrameGraph([edge(LPS, TRACKER, 1, 2, 3), edge(ROBOT, GUIDE, 0, 0, 1)])
    with pytest.raises(BadInput, match="no chain of transforms leads from tracker; from there one reaches LPS, RAS"):
        graph.chain(ROBOT, TRACKER)
    assert [len(group) for group in graph.islands] == [3, 2]


def test_a_frame_that_is_not_known_is_told_with_those_that_are() -> None:
    graph = FrameGraph([edge(LPS, TRACKER, 1, 2, 3)])
    with pytest.raises(BadInput, match="one of LPS, RAS, tracker"):
        graph.chain(LPS, Frame("Tracker"))


def test_two_scans_are_two_worlds() -> None:
    """The same name with another scope is another frame."""
    graph = FrameGraph([edge(LPS, IJK, 0, 0, 0), edge(Frame("LPS", "second"), Frame("IJK", "second"), 5, 0, 0)])
    with pytest.raises(BadInput, match="no chain"):
        graph.chain(LPS, Frame("LPS", "second"))


def test_two_ways_that_disagree_are_an_error() -> None:
    around = [edge(LPS, TRACKER, 10, 0, 0), edge(ROBOT, LPS, 0, 10, 0), edge(ROBOT, TRACKER, 10, 10.6, 0)]
    with pytest.raises(BadInput, match=r"differs by 0\.60 mm from the way by"):
        FrameGraph(around)
    assert len(FrameGraph(around, tolerance_mm=1.0).edges) == 4


def test_two_transforms_between_the_same_frames_are_compared_too() -> None:
    with pytest.raises(BadInput, match=r"differs by 2\.00 mm"):
        FrameGraph([edge(LPS, TRACKER, 0, 0, 0), edge(TRACKER, LPS, 0, 0, 2)])
    FrameGraph([edge(LPS, TRACKER, 0, 0, 1), edge(TRACKER, LPS, 0, 0, -1)])


def test_a_turned_way_is_found_though_it_agrees_at_the_origin() -> None:
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.01), -np.sin(0.01)], [np.sin(0.01), np.cos(0.01)]]
    with pytest.raises(BadInput, match="differs by"):
        FrameGraph([edge(LPS, TRACKER, 0, 0, 0), Edge(Transform(LPS, TRACKER, turned), "old")])


def test_the_way_names_its_transforms() -> None:
    graph = FrameGraph([edge(LPS, TRACKER, 1, 2, 3), edge(TRACKER, GUIDE, 0, 0, 1)])
    assert [str(each) for each in graph.way(LPS, GUIDE)] == ["tracker from guide (test)", "LPS from tracker (test)"]

"""Frames joined by transforms: which frame reaches which, and whether all ways between two say the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.model.frames import LPS, RAS, RAS_FROM_LPS, Frame, Transform

TOLERANCE_MM = 0.5
"""Two ways between the same frames may differ by this much at the corners of `REACH`."""

REACH = 250.0
"""Half the edge of the cube about a frame's origin, mm or voxels, over which ways are compared."""


@dataclass(frozen=True, eq=False)
class Edge:
    """A transform, and where it comes from."""

    transform: Transform
    source: str

    def __str__(self) -> str:
        return f"{self.transform.fixed} from {self.transform.moving} ({self.source})"


class FrameGraph:
    """Frames and the transforms between them.

    Parameters
    ----------
    edges:
        In any order; LPS and RAS are joined by themselves when one of them occurs.
    tolerance_mm:
        How far two ways may differ.

    Raises
    ------
    BadInput
        Two ways between the same frames differ by more.
    """

    def __init__(self, edges: Iterable[Edge], tolerance_mm: float = TOLERANCE_MM) -> None:
        self.edges = tuple(edges)
        named = {frame for edge in self.edges for frame in (edge.transform.fixed, edge.transform.moving)}
        joined = any({edge.transform.fixed, edge.transform.moving} == {LPS, RAS} for edge in self.edges)
        if named & {LPS, RAS} and not joined:
            self.edges += (Edge(RAS_FROM_LPS, "by definition"),)
        self._tolerance = tolerance_mm
        self._ways: dict[Frame, dict[Frame, tuple[Edge, ...]]] = {}
        for frame in self.frames:
            self._ways[frame] = self._reached(frame)
        for edge in self.edges:
            self._compare(edge)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All frames, by name."""
        named = {frame for edge in self.edges for frame in (edge.transform.fixed, edge.transform.moving)}
        return tuple(sorted(named, key=str))

    @property
    def islands(self) -> tuple[tuple[Frame, ...], ...]:
        """Frames that reach one another, each group by name; the largest group first."""
        left, groups = set(self.frames), []
        for frame in self.frames:
            if frame in left:
                group = tuple(sorted(self._ways[frame], key=str))
                groups.append(group)
                left -= set(group)
        return tuple(sorted(groups, key=lambda group: (-len(group), str(group[0]))))

    def chain(self, fixed: Frame, moving: Frame) -> Transform:
        """The transform from `moving` to `fixed`, by the shortest way.

        Raises
        ------
        BadInput
            One of the frames is not known, or no chain of transforms leads from one to the other.
        """
        for frame in (fixed, moving):
            if frame not in self._ways:
                known = ", ".join(map(str, self.frames)) or "none"
                raise BadInput(f"frame {frame}", "is not known here", f"one of {known}", "Name it as the files do")
        if fixed not in self._ways[moving]:
            reached = ", ".join(str(frame) for frame in sorted(self._ways[moving], key=str) if frame != moving)
            found = f"no chain of transforms leads from {moving}; from there one reaches {reached or 'nothing'}"
            raise BadInput(f"frame {fixed}", found, advice="Register the two: surgplan register")
        return self._composed(self._ways[moving][fixed], moving)

    def way(self, fixed: Frame, moving: Frame) -> tuple[Edge, ...]:
        """The transforms that `chain` goes through, in the order of going."""
        self.chain(fixed, moving)
        return self._ways[moving][fixed]

    def _reached(self, start: Frame) -> dict[Frame, tuple[Edge, ...]]:
        """Breadth first: the shortest way to each frame."""
        found: dict[Frame, tuple[Edge, ...]] = {start: ()}
        queue = deque([start])
        while queue:
            at = queue.popleft()
            for edge in self.edges:
                ends = edge.transform.fixed, edge.transform.moving
                if at in ends:
                    other = ends[1] if at == ends[0] else ends[0]
                    if other not in found:
                        found[other] = (*found[at], edge)
                        queue.append(other)
        return found

    def _composed(self, way: tuple[Edge, ...], start: Frame) -> Transform:
        whole = Transform.identity(start, start)
        for edge in way:
            step = edge.transform if edge.transform.moving == whole.fixed else edge.transform.inverse()
            whole = step @ whole
        return whole

    def _compare(self, edge: Edge) -> None:
        """Each transform against the shortest way between its frames that does without it."""
        others = FrameGraph.__new__(FrameGraph)
        others.edges = tuple(each for each in self.edges if each is not edge)
        way = others._reached(edge.transform.moving).get(edge.transform.fixed)
        if way is None:
            return
        by_way = self._composed(way, edge.transform.moving)
        ends = [-REACH, REACH]
        corners = np.array(np.meshgrid(ends, ends, ends)).reshape(3, -1).T
        apart = float(np.linalg.norm(by_way.apply(corners) - edge.transform.apply(corners), axis=1).max())
        if apart > self._tolerance:
            told = " and ".join(str(each) for each in way)
            advice = "One of them is out of date or belongs to another scan: leave it out"
            found = f"differs by {apart:.2f} mm from the way by {told}"
            raise BadInput(f"transform {edge}", found, f"at most {self._tolerance:g} mm", advice)

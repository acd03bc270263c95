"""What a tracker recorded: poses of tools over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from surgplan.model.frames import Array, Frame


@dataclass(frozen=True, eq=False)
class Recording:
    """Poses over time.

    Parameters
    ----------
    times:
        (n,) seconds, growing.
    poses:
        (to, from) → (n, 4, 4), carries points of `from` to `to`, mm; NaN while the tracker did not see the tool.

    Raises
    ------
    ValueError
        Shapes that do not fit, or times that do not grow.
    """

    times: Array
    poses: Mapping[tuple[Frame, Frame], Array]

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or not len(self.times) or (np.diff(self.times) <= 0).any():
            raise ValueError("a recording needs times that grow")
        for (to, of), poses in self.poses.items():
            if poses.shape != (len(self.times), 4, 4):
                raise ValueError(f"the poses of {of} in {to} have the shape {poses.shape}")

    def pose(self, to: Frame, of: Frame) -> Array | None:
        """(n, 4, 4) carries points of `of` to `to`: recorded so, the other way round, or by way of a third frame."""
        found = self._direct(to, of)
        if found is not None:
            return found
        frames = {frame for pair in self.poses for frame in pair}
        for between in sorted(frames - {to, of}, key=str):
            one, other = self._direct(to, between), self._direct(between, of)
            if one is not None and other is not None:
                return np.asarray(one @ other)
        return None

    def _direct(self, to: Frame, of: Frame) -> Array | None:
        if (to, of) in self.poses:
            return self.poses[to, of]
        if (of, to) in self.poses:
            poses = self.poses[of, to]
            back = np.full_like(poses, np.nan)
            turn = np.swapaxes(poses[:, :3, :3], 1, 2)
            back[:, :3, :3], back[:, 3] = turn, [0.0, 0.0, 0.0, 1.0]
            back[:, :3, 3] = -(turn @ poses[:, :3, 3, None])[..., 0]
            return back
        return None

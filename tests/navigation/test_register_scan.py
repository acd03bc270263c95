"""Two scans of the example's head, one with the intensities of an MR, at places that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from surgplan.errors import BadInput, WrongUsage
from surgplan.examples.render import render
from surgplan.examples.scenes import skull
from surgplan.findings import Level
from surgplan.model.frames import LPS, Frame, Transform
from surgplan.model.points import PointSet
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.register import RegisterParams
from surgplan.navigation.register_scan import register_scans

Array = NDArray[np.float64]
MR = Frame("LPS", "mr")
TARGETS = PointSet.from_array([[28, 18, 24], [0, -80, -40], [0, 0, 70]], prefix="T")
INTENSITIES = {"skin": 330, "brain": 520, "ventricles": 180, "tumour": 800, "skull": 60, "jaw": 60}
"""Of an MR: bone is dark, fluid is not bright, fat and brain are."""


def ct(step_mm: float) -> Volume:
    grid = Grid(np.array([228, 228, 240]) // step_mm, [step_mm] * 3, (-114, -124, -150))
    return Volume(grid, render(skull(), grid, 1), Modality.CT)


def mr(turn_deg: float, shift_mm: float, step_mm: float) -> tuple[Volume, Transform]:
    """An MR of the same head elsewhere, with noise and a bias field, and the transform from its world to the CT's."""
    scene = skull()
    parts = tuple(replace(part, hu=INTENSITIES.get(part.name, 700) - 1000) for part in scene.parts)
    grid = Grid(np.array([208, 220, 210]) // step_mm, [step_mm] * 3, (-102, -108, -126))
    values = render(replace(scene, parts=parts), grid, 2) + 1000.0
    k, j, _ = np.indices(values.shape) / np.array(values.shape)[:, None, None, None]
    values = values * (1 + 0.3 * (k - 0.5) - 0.2 * (j - 0.5)) + np.random.default_rng(0).normal(0, 25, values.shape)
    turn = Rotation.from_rotvec(np.radians(turn_deg) * np.array([0.6, -0.64, 0.48])).as_matrix()
    shift = shift_mm * np.array([0.36, 0.48, -0.8]) + [250, -90, 40]
    there = Grid(grid.size, grid.spacing, turn @ grid.origin + shift, turn @ grid.direction)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, shift
    volume = Volume(there, np.clip(values, 0, 3000).astype(np.int16), Modality.MR)
    return volume, Transform(MR, LPS, matrix).inverse()


@pytest.mark.parametrize("step_mm", [6.0, pytest.param(3.0, marks=pytest.mark.slow)])
def test_an_mr_is_laid_on_a_ct(step_mm: float) -> None:
    moving, truth = mr(8, 12, step_mm)
    made = register_scans(ct(step_mm), moving, RegisterParams(), MR, [TARGETS])
    error = np.linalg.norm((made.transform @ (truth.inverse() @ TARGETS)).positions - TARGETS.positions, axis=1)
    assert error.max() < step_mm / 3
    assert error.max() < made.accuracy.worst.tre_95_mm
    assert (made.transform.fixed, made.transform.moving) == (LPS, MR)
    assert not [finding for finding in made.findings if finding.level is Level.REFUSE]


@pytest.mark.slow
def test_the_same_scans_give_the_same_bytes() -> None:
    moving, _ = mr(8, 12, 3.2)
    one, other = (register_scans(ct(3.0), moving, RegisterParams(), MR, [TARGETS]) for _ in range(2))
    np.testing.assert_array_equal(one.transform.matrix, other.transform.matrix)


@pytest.mark.slow
def test_a_start_that_is_hopeless_is_refused() -> None:
    """Turned over by 150°, the runs end anywhere: they do not agree, or the error is not told as small."""
    moving, truth = mr(150, 60, 4.0)
    made = register_scans(ct(4.0), moving, RegisterParams(), MR, [TARGETS])
    error = np.linalg.norm((made.transform @ (truth.inverse() @ TARGETS)).positions - TARGETS.positions, axis=1)
    assert error.max() > 10
    assert [finding for finding in made.findings if finding.level is Level.REFUSE]


def test_scans_that_show_nothing_are_refused() -> None:
    grid = Grid((40, 40, 40), (3, 3, 3), (0, 0, 0))
    plain = Volume(grid, np.zeros(grid.shape, np.int16))
    with pytest.raises(BadInput, match="same value everywhere"):
        register_scans(plain, plain, RegisterParams(), MR)
    tiny = Volume(Grid((40, 40, 5), (3, 3, 3), (0, 0, 0)), np.zeros((5, 40, 40), np.int16))
    with pytest.raises(BadInput, match="40 × 40 × 5 voxels"):
        register_scans(tiny, plain, RegisterParams(), MR)
    with pytest.raises(WrongUsage, match="both scans lie in LPS"):
        register_scans(plain, plain, RegisterParams(), LPS)

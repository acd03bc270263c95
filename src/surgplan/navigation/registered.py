"""A registration's error as files keep it: enough to predict the error at any place of the fixed frame again."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from surgplan.navigation.tre import ErrorModel
from surgplan.params import Params

ROUNDING = 1e-9
"""A covariance may differ from its transpose, and its eigenvalues lie below 0, by this part of the largest."""


class RegistrationError(Params):
    """The covariance of the small motion by which a registration may be off, in the frame LPS of its fixed side."""

    middle_mm: tuple[float, float, float] = Field(description="the place about which the motion turns, LPS mm")
    motion_covariance: tuple[tuple[float, ...], ...] = Field(
        description="of turn (rad), shift (mm) and, with a scale, growth: 6 × 6 or 7 × 7"
    )
    degrees: float | None = Field(
        None, gt=0, description="degrees of freedom of the estimated FLE; none: it was stated"
    )
    frame_of_reference_uid: str = Field("", max_length=64, description="of the scan that the registration leads to")

    @model_validator(mode="after")
    def _is_covariance(self) -> Self:
        size = len(self.motion_covariance)
        if size not in (6, 7) or any(len(row) != size for row in self.motion_covariance):
            raise ValueError("motion_covariance is not 6 × 6 or 7 × 7")
        matrix = np.array(self.motion_covariance)
        # turns are of another size than shifts: each is held to its own
        scale = np.sqrt(np.maximum(np.diag(matrix), 0))
        matrix = matrix / np.outer(scale, scale).clip(1e-300)
        if np.abs(matrix - matrix.T).max() > ROUNDING or np.linalg.eigvalsh(matrix).min() < -ROUNDING * size:
            raise ValueError("motion_covariance is no covariance: not symmetric, or a variance is negative")
        return self

    @classmethod
    def of(cls, model: ErrorModel, frame_of_reference: str = "") -> Self:
        """What is stored of a model."""
        degrees = float(model.degrees) if np.isfinite(model.degrees) else None
        covariance = (model.motion_covariance + model.motion_covariance.T) / 2
        table: dict[str, Any] = {"middle_mm": model.middle.tolist(), "motion_covariance": covariance.tolist()}
        return cls(**table, degrees=degrees, frame_of_reference_uid=frame_of_reference)

    def model(self) -> ErrorModel:
        """The error over space."""
        degrees = np.inf if self.degrees is None else self.degrees
        return ErrorModel(np.array(self.middle_mm), np.array(self.motion_covariance), degrees)

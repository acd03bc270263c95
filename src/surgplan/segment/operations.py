"""The operations that a structure's `refine` list may hold: one table of parameters for each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surgplan.params import Params

Vector = tuple[float, float, float]


class KeepLargest(Params):
    """Keep the largest connected parts."""

    op: Literal["keep_largest"]
    n: int = Field(1, ge=1, description="how many")


class KeepAbove(Params):
    """Keep the connected parts from a volume on."""

    op: Literal["keep_above"]
    volume_mm3: float = Field(gt=0, description="the smallest that is kept, in mm³")


class KeepDense(Params):
    """Keep the connected parts of which a tenth is dense: bone has a cortex."""

    op: Literal["keep_dense"]
    dense_hu: float = Field(description="the intensity that counts as dense, in HU")


class KeepTouching(Params):
    """Keep the connected parts that come near a landmark or touch a structure found before."""

    op: Literal["keep_touching"]
    landmark: str | None = Field(None, description="a landmark of the case file")
    structure: str | None = Field(None, description="a structure found before")
    within_mm: float = Field(2.0, ge=0, le=50, description="how near they must come, in mm")

    @model_validator(mode="after")
    def _one_of_both(self) -> KeepTouching:
        if (self.landmark is None) == (self.structure is None):
            raise ValueError("keep_touching takes either a landmark or a structure")
        return self


class Fill(Params):
    """Fill cavities that have no way out."""

    op: Literal["fill"]
    up_to_mm3: float | None = Field(None, gt=0, description="only up to this volume, in mm³")


class FillSlices(Params):
    """Fill what is closed in a slice along any axis, though open in space: marrow behind a pierced cortex."""

    op: Literal["fill_slices"]
    up_to_mm2: float | None = Field(None, gt=0, description="only up to this area, in mm²")


class Close(Params):
    """Close gaps and clefts."""

    op: Literal["close"]
    gap_mm: float = Field(gt=0, le=30, description="up to this wide, in mm")


class Open(Params):
    """Cut off spikes and bridges, and round what stays."""

    op: Literal["open"]
    width_mm: float = Field(gt=0, le=30, description="thinner than this, in mm")


class CutThin(Params):
    """Cut off shells and bridges; what stays keeps its boundary."""

    op: Literal["cut_thin"]
    width_mm: float = Field(gt=0, le=30, description="thinner than this, in mm")


class Median(Params):
    """Each voxel follows the majority of those around it: noise on the boundary goes."""

    op: Literal["median"]
    radius_mm: float = Field(gt=0, le=10, description="how far around it, in mm")


class Smooth(Params):
    """Round the boundary at constant volume, by a Gaussian."""

    op: Literal["smooth"]
    sigma_mm: float = Field(gt=0, le=10, description="standard deviation of the Gaussian, in mm")


class Grow(Params):
    """Grow by a margin, the same in all directions."""

    op: Literal["grow"]
    by_mm: float = Field(gt=0, le=50, description="the margin, in mm")


class Shrink(Params):
    """Shrink by a margin, the same in all directions."""

    op: Literal["shrink"]
    by_mm: float = Field(gt=0, le=50, description="the margin, in mm")


class Box(Params):
    """A box with sides along the patient's axes."""

    min_mm: Vector = Field(description="its least x, y, z, in mm LPS")
    max_mm: Vector = Field(description="its greatest x, y, z, in mm LPS")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(low >= high for low, high in zip(self.min_mm, self.max_mm, strict=True)):
            raise ValueError("each number of min_mm must be below that of max_mm")
        return self


class CropBox(Box):
    """Keep what lies in a box with sides along the patient's axes."""

    op: Literal["crop_box"]


class CropSphere(Params):
    """Keep what lies round a landmark."""

    op: Literal["crop_sphere"]
    landmark: str = Field(description="a landmark of the case file")
    radius_mm: float = Field(gt=0, le=1000, description="how far around it, in mm")


class Add(Params):
    """Add another structure."""

    op: Literal["add"]
    structure: str = Field(description="a structure found before")


class Subtract(Params):
    """Take away another structure, with a margin round it."""

    op: Literal["subtract"]
    structure: str = Field(description="a structure found before")
    margin_mm: float = Field(0.0, ge=0, le=50, description="how much more round it, in mm")


class Intersect(Params):
    """Keep what lies in another structure, or in a margin round it."""

    op: Literal["intersect"]
    structure: str = Field(description="a structure found before")
    margin_mm: float = Field(0.0, ge=0, le=50, description="how much more round it, in mm")


class KeepSide(Params):
    """Keep the left or the right half: what lies beyond the body's middle, or beyond a landmark."""

    op: Literal["keep_side"]
    side: Literal["left", "right"] = Field(description="the patient's side that is kept")
    landmark: str | None = Field(None, description="a landmark in the middle plane; without it, the body's middle")


Operation = Annotated[
    KeepLargest
    | KeepAbove
    | KeepDense
    | KeepTouching
    | Fill
    | FillSlices
    | Close
    | Open
    | CutThin
    | Median
    | Smooth
    | Grow
    | Shrink
    | CropBox
    | CropSphere
    | Add
    | Subtract
    | Intersect
    | KeepSide,
    Field(discriminator="op"),
]

"""`model.toml`: what a network expects, what it gives, and whose it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from surgplan.formats.name_table import NamedValue
from surgplan.params import Params

Three = tuple[float, float, float]
Whole = Annotated[int, Field(ge=8, le=1024)]
Interpolation = Literal["nearest", "linear", "cubic"]
PAIRS = ("LR", "AP", "IS")


class ClipAndScale(Params):
    """nnU-Net's `CTNormalization`: clipped, then mean and standard deviation of the training set's foreground."""

    kind: Literal["ct"]
    low: float = Field(description="clipped below this: percentile_00_5 of nnU-Net's plan, in HU")
    high: float = Field(description="clipped above this: percentile_99_5, in HU")
    mean: float = Field(description="subtracted")
    std: float = Field(gt=0, description="divided by")


class ZScore(Params):
    """nnU-Net's `ZScoreNormalization`, MONAI's `NormalizeIntensity`: the scan's own mean and standard deviation."""

    kind: Literal["z-score"]
    nonzero: bool = Field(False, description="only voxels other than 0 count and are changed")


class Shift(Params):
    """MONAI's `NormalizeIntensity` with numbers: subtracted, then divided."""

    kind: Literal["shift"]
    subtrahend: float = Field(description="subtracted")
    divisor: float = Field(description="divided by")

    @field_validator("divisor")
    @classmethod
    def _not_zero(cls, divisor: float) -> float:
        if divisor == 0:
            raise ValueError("nothing is divided by 0")
        return divisor


class Range(Params):
    """MONAI's `ScaleIntensityRange`: from one range of intensities to another."""

    kind: Literal["range"]
    a_min: float = Field(description="this intensity becomes b_min")
    a_max: float = Field(description="this intensity becomes b_max")
    b_min: float = Field(0.0, description="lower end of what comes out")
    b_max: float = Field(1.0, description="upper end of what comes out")
    clip: bool = Field(False, description="whether what lies beyond is clipped")

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if self.a_min >= self.a_max:
            raise ValueError(f"`a_min` {self.a_min:g} is not below `a_max` {self.a_max:g}")
        return self


class NoScaling(Params):
    """The intensities as they are."""

    kind: Literal["none"]


Intensity = Annotated[ClipAndScale | ZScore | Shift | Range | NoScaling, Field(discriminator="kind")]


class InputCard(Params):
    """What the network's input is: axes, spacing, intensities, patch."""

    orientation: str = Field(
        description="where its three axes grow to, in order: RAS for MONAI, SAR or SPL for nnU-Net"
    )
    spacing_mm: Three = Field(description="voxel size along these axes, in mm")
    patch: tuple[Whole, Whole, Whole] = Field(description="voxels along these axes that the network sees at once")
    overlap: float = Field(0.5, ge=0, le=0.9, description="share of a patch that the next one covers too")
    interpolation: Interpolation | tuple[Interpolation, Interpolation, Interpolation] = Field(
        "linear", description="how the scan is brought to this spacing, for all axes or for each"
    )
    normalise_first: bool = Field(
        True, description="scale intensities before resampling, as nnU-Net does, or after it, as MONAI's bundles do"
    )

    @field_validator("orientation")
    @classmethod
    def _three_axes(cls, code: str) -> str:
        if len(code) != 3 or any(sum(letter in pair for letter in code) != 1 for pair in PAIRS):
            raise ValueError("it is not one letter of each of LR, AP and IS")
        return code

    @field_validator("spacing_mm")
    @classmethod
    def _sizes(cls, spacing: Three) -> Three:
        if not all(0.05 <= step <= 50 for step in spacing):
            raise ValueError("a spacing lies between 0.05 and 50 mm")
        return spacing

    @property
    def interpolations(self) -> tuple[Interpolation, Interpolation, Interpolation]:
        """For each axis."""
        given = self.interpolation
        return (given, given, given) if isinstance(given, str) else given


class OutputCard(Params):
    """What comes out of the network."""

    kind: Literal["softmax", "sigmoid", "argmax"] = Field(
        description="softmax: one channel for the background and each label, the highest counts (probabilities or "
        "logits); sigmoid: one channel for each label, which may overlap; argmax: one channel with the labels' values"
    )
    logits: bool = Field(True, description="for sigmoid: whether the sigmoid has still to be applied")
    threshold: float = Field(0.5, gt=0, lt=1, description="for sigmoid: probability from which a voxel is the label's")


class ModelCard(Params):
    """The whole `model.toml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="what recipes call it")
    version: str = Field(max_length=40, description="its version")
    description: str = Field(max_length=400, description="what it segments, and in what scans")
    licence: str = Field(min_length=1, max_length=200, description="whose terms it is used under")
    source: str = Field("", max_length=400, description="where it comes from: paper, repository, training data")
    modality: Literal["CT", "MR", "any"] = Field(description="what scans it was trained on")
    file: str = Field("model.onnx", description="the ONNX file in the same folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of that file")
    external: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(
        default_factory=dict, description="SHA-256 of each file with weights that the ONNX file names"
    )
    working_memory_mb: float = Field(
        0.0, ge=0, description="memory that the network takes for one patch, in MiB, as `surgplan models` measures it"
    )
    intensity: Intensity = Field(description="how intensities are scaled")
    input: InputCard = Field(description="what the network expects")
    output: OutputCard = Field(description="what it gives")
    label: tuple[NamedValue, ...] = Field(min_length=1, max_length=1000, description="what its channels or values mean")

    @field_validator("label")
    @classmethod
    def _each_once(cls, labels: tuple[NamedValue, ...]) -> tuple[NamedValue, ...]:
        for what in ("value", "name"):
            seen = [getattr(label, what) for label in labels]
            if len(set(seen)) != len(seen):
                raise ValueError(f"two labels share the {what} {max(seen, key=seen.count)!r}")
        if any(label.value < 1 for label in labels):
            raise ValueError("labels have values from 1; 0 is the background")
        return labels

    @model_validator(mode="after")
    def _values_are_channels(self) -> ModelCard:
        values = sorted(label.value for label in self.label)
        if self.output.kind != "argmax" and values != list(range(1, len(values) + 1)):
            raise ValueError(f"labels of a {self.output.kind} network are numbered 1, 2, 3, …, not {values}")
        return self

    @property
    def channels(self) -> int:
        """How many channels the network gives."""
        return {"softmax": len(self.label) + 1, "sigmoid": len(self.label), "argmax": 1}[self.output.kind]

"""One structure of a recipe: how it is found, refined, called and shown."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from surgplan.model.anatomy import anatomy_of
from surgplan.model.labels import BONE_COLOR, LONGEST_NAME, Code, Label, Side, rgb_of
from surgplan.model.sides import side_told
from surgplan.params import Params
from surgplan.segment.air import AirwayParams, LungParams
from surgplan.segment.body import BodyParams
from surgplan.segment.contrast import ContrastParams
from surgplan.segment.mask_params import MaskKey, MaskParams, NetworkParams, TotalSegmentatorParams
from surgplan.segment.operations import Operation
from surgplan.segment.otsu import OtsuParams
from surgplan.segment.pelvis import PelvisParams
from surgplan.segment.seeds import GrowParams, SplitParams
from surgplan.segment.thresholds import HysteresisParams, LocalParams
from surgplan.segment.vessel import TubesParams, VesselParams

Method = Literal[
    "threshold",
    "hysteresis",
    "local",
    "otsu",
    "grow",
    "split",
    "vessel",
    "tubes",
    "contrast",
    "airway",
    "lung",
    "body",
    "pelvis",
    "mask",
    "network",
    "totalsegmentator",
]

MOST_STRUCTURES = 255
"""As many as a label map of one byte a voxel holds."""

NEEDS_THRESHOLD = frozenset({"threshold", "hysteresis", "local", "grow", "vessel", "tubes"})
"""Methods that cannot work without `threshold_hu`."""

NEEDS_HU = NEEDS_THRESHOLD | {"contrast", "airway", "lung", "pelvis"}
"""Methods whose parameters are Hounsfield units, which only CT has."""

SEEDED = frozenset({"grow", "split", "vessel"})
"""Methods that start from landmarks."""

LEAKING = SEEDED | {"threshold", "hysteresis", "local", "otsu", "tubes", "contrast", "airway", "lung"}
"""Methods that may leave the patient: intensities alone do not tell bone from a table, nor lung from the room."""


class StructureParams(Params):
    """How one structure is found in the scan, what it is called and how it is shown."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="what the structure is called")
    method: Method = Field("threshold", description="how it is found")
    threshold_hu: tuple[float, float] | None = Field(
        None, description="lowest and highest intensity that belong to it, in HU"
    )
    hysteresis: HysteresisParams | None = Field(None, description="parameters of the method `hysteresis`")
    local: LocalParams | None = Field(None, description="parameters of the method `local`")
    otsu: OtsuParams | None = Field(None, description="parameters of the method `otsu`")
    grow: GrowParams | None = Field(None, description="parameters of the method `grow`")
    split: SplitParams | None = Field(None, description="parameters of the method `split`")
    vessel: VesselParams | None = Field(None, description="parameters of the method `vessel`")
    tubes: TubesParams | None = Field(None, description="parameters of the method `tubes`")
    contrast: ContrastParams | None = Field(None, description="parameters of the method `contrast`")
    airway: AirwayParams | None = Field(None, description="parameters of the method `airway`")
    lung: LungParams | None = Field(None, description="parameters of the method `lung`")
    body: BodyParams | None = Field(None, description="parameters of the method `body`")
    pelvis: PelvisParams | None = Field(None, description="parameters of the method `pelvis`")
    boundary: Literal["threshold", "half-maximum"] = Field(
        "threshold",
        description="where its surface lies: at the lower threshold, or half way between inside and outside",
    )
    thinnest_mm: float = Field(0.0, ge=0, le=20, description="cut off shells and bridges thinner than this, in mm")
    keep_largest: int | None = Field(None, ge=1, description="keep this many connected parts, the largest ones")
    min_volume_mm3: float = Field(0.0, ge=0, description="drop connected parts that are smaller, in mm³")
    dense_hu: float | None = Field(
        None, description="keep only connected parts of which a tenth reaches this intensity, in HU"
    )
    close_mm: float = Field(0.0, ge=0, le=10, description="close gaps up to this wide, in mm")
    fill_holes: bool = Field(False, description="fill every cavity that has no way out, however large")
    fill_holes_mm3: float = Field(0.0, ge=0, description="fill cavities that have no way out up to this volume, in mm³")
    mask: MaskParams | None = Field(None, description="parameters of method `mask`")
    network: NetworkParams | None = Field(None, description="parameters of method `network`")
    totalsegmentator: TotalSegmentatorParams | None = Field(None, description="parameters of method `totalsegmentator`")
    sure_hu: float = Field(
        50.0,
        gt=0,
        le=1000,
        description="how sure its surface is, is told for thresholds so much higher and lower, in HU",
    )
    refine: tuple[Operation, ...] = Field((), max_length=50, description="more operations, in the order of the list")
    helper: bool = Field(False, description="only for structures after it to refer to: not in the label map")
    color: str | None = Field(
        None, pattern=r"^#[0-9a-fA-F]{6}$", description="its colour, as #rrggbb; without it, that of its mask or name"
    )
    side: Side = Field(
        Side.NONE, description="the patient's side on which it must lie: left, right, or empty for what its name tells"
    )
    code: tuple[str, str, str] | None = Field(
        None,
        description="its coded meaning: scheme, value, meaning, as SCT, 272673000, Bone; without it, that of its name",
    )
    optional: bool = Field(False, description="no error when the scan does not hold it")

    @field_validator("threshold_hu")
    @classmethod
    def _in_order(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and limits[0] >= limits[1]:
            raise ValueError(f"the lower threshold {limits[0]:g} is not below the upper one, {limits[1]:g}")
        return limits

    @model_validator(mode="after")
    def _fits_its_method(self) -> StructureParams:
        if self.threshold_hu is None:
            if self.method in NEEDS_THRESHOLD:
                raise ValueError(f"key `threshold_hu` is missing: method `{self.method}` needs it")
            if self.boundary == "half-maximum":
                raise ValueError('`boundary = "half-maximum"` needs `threshold_hu`')
        if self.method == "network" and self.network is None:
            raise ValueError("key `network.model` is missing: method `network` needs it")
        own = self.method.replace("-", "_")
        if own in METHOD_TABLES and getattr(self, own) is None and _has_needed(METHOD_TABLES[own]):
            raise ValueError(f"table `{own}` is missing: method `{self.method}` needs it")
        for name in METHOD_TABLES:
            if name != own and getattr(self, name) is not None:
                raise ValueError(f"table `{name}` is given, but the method is `{self.method}`")
        return self

    @model_validator(mode="after")
    def _is_a_label(self) -> StructureParams:
        self.label(1)
        return self

    def label(self, value: int, level: float | None = None) -> Label:
        """The structure's label with this value and boundary level.

        What the recipe does not say comes from the table of structures, as far as that has the name.
        """
        known = anatomy_of(self.name)
        color = rgb_of(self.color) if self.color else known[0].color if known else BONE_COLOR
        code = Code(*self.code) if self.code else known[0].code if known else None
        return Label(value, self.name, color, self.side or side_told(self.name), code, level)

    @property
    def mask_key(self) -> MaskKey | None:
        """The mask that it takes, when something else finds it."""
        return self.table.key(self.name) if isinstance(self.table, MASK_TABLES) else None

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest intensity that belong to it; without `threshold_hu`, all do."""
        return self.threshold_hu or (float("-inf"), float("inf"))

    @property
    def landmarks(self) -> tuple[str, ...]:
        """The landmarks of the case file that it refers to."""
        named = [getattr(operation, "landmark", None) for operation in self.refine]
        seeds = (*getattr(self.table, "landmarks", ()), *getattr(self.table, "against", ()))
        return tuple(name for name in (*seeds, *named) if name)

    @property
    def table(self) -> Any:
        """The parameters of its method: the table of that name, or its defaults; None for a method without any."""
        name = self.method.replace("-", "_")
        if name not in METHOD_TABLES:
            return None
        given = getattr(self, name)
        return METHOD_TABLES[name]() if given is None else given


MASK_TABLES = (MaskParams, NetworkParams, TotalSegmentatorParams)

METHOD_TABLES: dict[str, type[Params]] = {
    "mask": MaskParams,
    "network": NetworkParams,
    "totalsegmentator": TotalSegmentatorParams,
    "hysteresis": HysteresisParams,
    "local": LocalParams,
    "otsu": OtsuParams,
    "grow": GrowParams,
    "split": SplitParams,
    "vessel": VesselParams,
    "tubes": TubesParams,
    "contrast": ContrastParams,
    "airway": AirwayParams,
    "lung": LungParams,
    "body": BodyParams,
    "pelvis": PelvisParams,
}
"""Key in a structure's table → the parameters of the method of that name."""


def _has_needed(model: type[Params]) -> bool:
    return any(info.is_required() for info in model.model_fields.values())

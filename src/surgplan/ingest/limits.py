"""The checks of the input gate: what each measures, its limits, where they come from, and what may be accepted."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, model_validator

from surgplan.params import Params

RECIPE = "the recipe"
AHMED = "Ahmed et al., 3D Print Med 10, 2024: jaws from 5 mm slices are further off than from 3 mm and less"
ACR = "McCollough et al., Med Phys 31, 2004: the ACR phantom's air reads -1005 to -970 HU"
CHRISTIANSON = "Christianson et al., AJR 205, 2015"
WINDER = "Winder and Bibb, J Oral Maxillofac Surg 63, 2005: bone up to about 2000 HU"
CAMPOS = "Campos et al., World J Radiol 6, 2014: grey values of cone-beam CT are no Hounsfield units"
KIM = "Kim et al., Eur Radiol 17, 2007: abdominal CT at 5:1 looks the same, at 10:1 it does not"
WALTER_REED = "Walter Reed 3D Medical Applications Center, CT scanning guidelines"
NEVER = "never"


class GateLimits(Params):
    """Limits of the input gate, `[ingest.limits]`: a recipe can tighten or widen them within their ranges."""

    feature_mm: float | None = Field(
        None, gt=0, le=20, description="smallest structure that matters: voxels and slices may be half as long, in mm"
    )
    refuse_step_mm: float = Field(5.0, gt=0, le=10, description="refuse voxels or slices longer than this, in mm")
    noise_hu: float = Field(50.0, gt=0, le=500, description="warn when soft tissue is noisier than this, in HU")
    metal_mm3: float = Field(1000.0, ge=0, description="warn when there is more metal than this, in mm³")
    air_hu: float = Field(50.0, gt=0, le=200, description="warn when air is further than this from -1000 HU")
    clipped_hu: float = Field(2000.0, gt=0, description="warn when values are cut off below this, in HU")
    cut_share: float = Field(
        0.05, ge=0, le=1, description="warn when the body covers more than this share of a side of the scan"
    )
    age_months: float = Field(6.0, gt=0, le=600, description="warn when the scan is older than this, in months")

    @model_validator(mode="after")
    def _feature_is_not_beyond_refusal(self) -> GateLimits:
        if self.feature_mm is not None and self.feature_mm / 2 > self.refuse_step_mm:
            raise ValueError("feature_mm is more than twice refuse_step_mm: it could never warn")
        return self


@dataclass(frozen=True)
class Check:
    """One check: what it looks at, when it notes, warns and refuses, why, and whether a refusal may be accepted."""

    name: str
    looks_at: str
    note: str
    warn: str
    refuse: str
    source: str
    acceptable: bool = True


CHECKS = (
    Check(
        "slice-step",
        "the longest side of a voxel, or the slices' thickness when that is more",
        "",
        "over `max_step_mm` (3), or over half of `feature_mm`",
        "over `refuse_step_mm` (5)",
        AHMED,
    ),
    Check("detail", "two voxels against the printer's thinnest wall", "always", "", "", "the printer's profile"),
    Check("anisotropy", "the longest side of a voxel by its shortest", "", "over `max_anisotropy` (6)", "", RECIPE),
    Check(
        "slice-count", "the fewest voxels along an axis", "", "below 20", "", "surgplan: fewer show no structure whole"
    ),
    Check("slice-gaps", "the slices' distance against their thickness", "", "over 1.05", "", "DICOM SliceThickness"),
    Check(
        "hu-scale",
        "the darkest voxel, and the air at the sides of the scan",
        "",
        "no voxel below -600 HU; air further than `air_hu` (50) from -1000 HU",
        "a CT without a value below 0 HU, so even without fat; air further than 200 HU off",
        ACR,
    ),
    Check(
        "clipped", "whether many voxels have the highest value", "always", "it is below `clipped_hu` (2000)", "", WINDER
    ),
    Check(
        "metal-in-scan",
        "voxels of 3000 HU and more, beside another such",
        "20 mm³",
        "over `metal_mm3` (1000)",
        "",
        RECIPE,
    ),
    Check(
        "noise",
        "the commonest standard deviation in 5 × 5 voxels of soft tissue (0 to 100 HU)",
        "always",
        "over `noise_hu` (50): a third of the way from soft tissue to bone at 200 HU",
        "",
        CHRISTIANSON,
    ),
    Check(
        "field-of-view",
        "how much of each side of the scan the body covers; its largest part counts",
        "the first or last slice, or over 0.2 % of another side",
        "over `cut_share` (5 %) of another side",
        "",
        RECIPE,
    ),
    Check("cbct", "the scanner's name, and what the image says of itself", "", "a cone-beam CT", "", CAMPOS),
    Check(
        "contrast",
        "the header, and bright, even regions 9 mm wide",
        "contrast agent given or seen",
        "given or seen where `aim` is bone; neither where it is vessel",
        "",
        WALTER_REED,
    ),
    Check("lossy", "the transfer syntax, LossyImageCompression, and the ratio", "", "compressed with loss", "", KIM),
    Check(
        "kernel",
        "ConvolutionKernel against a table of vendors' names",
        "known to be sharp or smooth",
        "sharp where `aim` is vessel or soft tissue; smooth where it is bone",
        "",
        WALTER_REED,
    ),
    Check("scan-age", "the date of the scan against `planned_on`", "always", "over `age_months` (6)", "", RECIPE),
    Check(
        "modality",
        "whether a file that does not say so holds a CT",
        "it does",
        "it does not",
        "",
        "DICOM PS3.3 C.7.3.1",
    ),
    Check(
        "patient-position",
        "directions of axial slices against PatientPosition",
        "",
        "they are turned round against what the position says",
        "",
        "DICOM PS3.3 C.7.3.1.1.2",
    ),
    Check(
        "orientation",
        "PatientOrientation against ImageOrientationPatient",
        "",
        "",
        "a letter says the opposite of the directions",
        "DICOM PS3.3 C.7.6.1.1.1",
        acceptable=False,
    ),
    Check("quadruped", "AnatomicalOrientationType", "", "QUADRUPED", "", "DICOM PS3.3 C.7.1.1"),
)
BY_NAME = {check.name: check for check in CHECKS}
NEVER_ACCEPTED = (
    ("orientation", "a header that contradicts itself about left and right"),
    ("geometry", "broken geometry: gaps, mixed or sheared slices, left-handed or unknown axes"),
    ("side", "a structure on the wrong side of the body"),
    ("privacy", "anything that tells who the patient is"),
)
"""What no one can accept away, and what it is."""

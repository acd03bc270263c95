"""What in multi-frame images differs from frame to frame: the functional groups of DICOM PS3.3 C.7.6.16.

In single-frame images the same elements lie in the data set itself, so both are read in one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from surgplan.formats.dicom_fields import Fields

if TYPE_CHECKING:
    from surgplan.formats.dicom import SliceHeader

GROUPS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence"),
    *("CTReconstructionSequence", "MREchoSequence", "MRDiffusionSequence"),
)
"""The functional groups whose elements single-frame images have, too."""


def with_groups(header: SliceHeader, groups: Mapping[str, Fields]) -> SliceHeader:
    """The header with what the groups say; what is absent in them stays as it was."""
    plane, turned, measures, values, kernel, echo, diffusion = (groups[name] for name in GROUPS)
    position, orientation = plane.numbers("ImagePositionPatient"), turned.numbers("ImageOrientationPatient")
    spacing, slope = measures.numbers("PixelSpacing"), values.number("RescaleSlope")
    intercept = values.number("RescaleIntercept")
    if slope == 0:
        raise ValueError("its RescaleSlope is 0: every pixel would have the same value")
    return replace(
        header,
        position=(position[0], position[1], position[2]) if len(position) == 3 else header.position,
        orientation=orientation if len(orientation) == 6 else header.orientation,
        pixel_spacing=(spacing[0], spacing[1]) if len(spacing) == 2 else header.pixel_spacing,
        thickness=_first(measures.number("SliceThickness"), header.thickness),
        slope=header.slope if slope is None else slope,
        intercept=header.intercept if intercept is None else intercept,
        kernel="/".join(kernel.texts("ConvolutionKernel")) or header.kernel,
        echo_time=_first(echo.number("EchoTime"), echo.number("EffectiveEchoTime"), header.echo_time),
        diffusion=_first(diffusion.number("DiffusionBValue"), header.diffusion),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def framed(first: SliceHeader, fields: Fields) -> Iterator[SliceHeader]:
    """One header for each frame: the shared functional groups, then the frame's own."""
    shared = _grouped(first, fields.item("SharedFunctionalGroupsSequence"))
    own = list(fields.items("PerFrameFunctionalGroupsSequence"))
    for frame in range(first.frames):
        header = replace(shared, frame=frame, instance=frame + 1)
        yield _grouped(header, own[frame]) if frame < len(own) else header


def _grouped(header: SliceHeader, group: Fields) -> SliceHeader:
    content = group.item("FrameContentSequence")
    kind = group.item("CTImageFrameTypeSequence").texts("FrameType")
    kind = kind or group.item("MRImageFrameTypeSequence").texts("FrameType")
    heart = group.item("CardiacSynchronizationSequence")
    temporal, acquisition = content.whole("TemporalPositionIndex"), content.whole("FrameAcquisitionNumber")
    return replace(
        with_groups(header, {name: group.item(name) for name in GROUPS}),
        temporal=header.temporal if temporal is None else temporal,
        acquisition=header.acquisition if acquisition is None else acquisition,
        stack=content.text("StackID") or header.stack,
        trigger_time=_first(heart.number("NominalCardiacTriggerDelayTime"), header.trigger_time),
        image_type=tuple(part.upper() for part in kind) or header.image_type,
    )


def padding(fields: Fields, signed: bool, bits_allocated: int) -> tuple[int, int] | None:
    """Lowest and highest stored value that stand for "no pixel"; what was written with the wrong sign is turned."""
    value = fields.number("PixelPaddingValue")
    if value is None:
        return None
    limit = fields.number("PixelPaddingRangeLimit")
    ends = [int(value), int(value if limit is None else limit)]
    half = 1 << (bits_allocated - 1)
    if signed:
        ends = [end - 2 * half if end >= half else end for end in ends]
    else:
        ends = [end + 2 * half if end < 0 else end for end in ends]
    return min(ends), max(ends)

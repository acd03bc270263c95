"""The bones of a pelvis, parted at the joints: hips, sacrum and thigh bones, each side by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput, EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.volume import Grid
from surgplan.params import Params
from surgplan.segment.coarse import averaged, coarse_grid, coarsened, refined_labels, steps_for
from surgplan.segment.combine import intersect
from surgplan.segment.components import parts_of
from surgplan.segment.given import Found, Scene
from surgplan.segment.morphology import close_gaps
from surgplan.segment.pelvis_frame import Disc, PelvisFrame, centred, find_disc, find_joints
from surgplan.segment.region import Box, Mask, Region
from surgplan.segment.slicewise import fill_slices
from surgplan.segment.territories import marrow_speed, territories

WORKING_MM = 2.0
"""So fine a grid parts the bones: a joint's gap is wider."""

JOINT_MM = 3.0
"""So fine a grid finds the joints."""

PARTS = {"left femur": 1, "right femur": 2, "left hip": 3, "right hip": 4, "sacrum": 5, "spine": 6}

Labels = NDArray[np.uint8]


class PelvisParams(Params):
    """One bone of a pelvis, found by where it lies to the hip joints and to the lumbosacral disc."""

    part: Literal["left hip", "right hip", "sacrum", "left femur", "right femur", "spine"] = Field(
        description="which bone"
    )
    of: str = Field(description="the structure, found before, that holds all bone of the pelvis")
    streaks: str | None = Field(
        None, description="a structure, found before: what metal brightens; left out, but for the head in its socket"
    )
    marrow_mm: float = Field(6.0, ge=0, le=20, description="close the bone's gaps up to this wide to fill its marrow")


@dataclass(frozen=True, eq=False)
class Parted:
    """The whole pelvis: which part has which block of a coarse grid, and what was found."""

    owner: Labels
    steps: tuple[int, int, int]
    frame: PelvisFrame
    disc: Disc | None


def pelvis(scene: Scene, name: str, params: PelvisParams) -> Found:
    """One bone of the pelvis.

    Raises
    ------
    BadInput
        The scan shows no two hip joints.
    EmptyLabel
        It shows nothing of this bone.
    """
    bone = scene.structure(params.of, name)
    key = ("pelvis", params.of)
    if key not in scene.memory:
        scene.memory[key] = part_pelvis(scene, bone, name)
    parted: Parted = scene.memory[key]
    owner = refined_labels(parted.owner, parted.steps, bone.box)
    number = PARTS[params.part]
    own = bone.with_mask(bone.mask & (owner == number)).trimmed()
    if params.streaks is not None:
        own = _without_streaks(own, scene.structure(params.streaks, name), parted.frame)
    if not own.voxels:
        raise EmptyLabel(f"structure `{name}`", f"the scan shows no {params.part}", advice="Set optional = true")
    own = _without_crumbs(own)
    if params.marrow_mm:
        others = bone.mask & (owner != number) & (owner != 0)
        filled = fill_slices(close_gaps(own, params.marrow_mm))
        inner = filled.within(bone.box).mask & ~others
        own = bone.with_mask(inner).trimmed()
    return Found(own, None, _told(name, params, parted))


HEAD = (1.17, -0.1)
"""Middle of a thigh bone's head: how far beside and below the middle of the frame, in half joint distances."""

HEAD_RADIUS = 0.34
"""Radius of the head with its socket's cartilage, in half joint distances: 26 mm where the joints lie 153 mm apart."""


def _head(frame: PelvisFrame, grid: Grid, box: Box, side: int, radius: float) -> Mask:
    """The voxels nearer to the middle of a head than a radius (half joint distances); `side` is 1 for the left."""
    x, y, z = (axis / frame.half for axis in frame.of_voxels(grid, box))
    return np.asarray((side * x - HEAD[0]) ** 2 + y**2 + (z - HEAD[1]) ** 2 < radius**2)


def _without_streaks(own: Region, streaks: Region, frame: PelvisFrame) -> Region:
    """The bone without what metal brightens round it, but for the socket, where no muscle lies."""
    bright = intersect(own, streaks).within(own.box).mask
    for side in (1, -1):
        bright &= ~_head(frame, own.grid, own.box, side, HEAD_RADIUS)
    return own.with_mask(own.mask & ~bright).trimmed()


CRUMB = 0.03
"""Parts that are smaller than this share of the largest belong to a neighbour, or to nothing."""


def _without_crumbs(region: Region) -> Region:
    parts = parts_of(region)
    voxels = parts.voxels
    kept = voxels >= CRUMB * voxels.max()
    mask = np.zeros(region.box.shape, dtype=np.bool_)
    parts.runs.paint(mask, kept[parts.of_run], True)
    return region.with_mask(mask)


def _told(name: str, params: PelvisParams, parted: Parted) -> tuple[Finding, ...]:
    x, y, z = parted.frame.origin
    measured = f"hip joints {2 * parted.frame.half:.0f} mm apart round ({x:.0f}, {y:.0f}, {z:.0f}) mm LPS"
    if parted.disc is not None:
        tilt = np.rad2deg(parted.disc.tilt)
        measured += f"; lumbosacral disc {np.hypot(parted.disc.y, parted.disc.z):.0f} mm above, tilted {tilt:.0f}°"
        return (Finding("pelvis", Level.NOTE, measured, subject=name),)
    if params.part not in ("sacrum", "spine"):
        return (Finding("pelvis", Level.NOTE, f"{measured}; no lumbosacral disc found", subject=name),)
    advice = "Look where the sacrum ends and the spine begins"
    return (Finding("pelvis", Level.WARN, f"{measured}; no lumbosacral disc found", advice=advice, subject=name),)


def part_pelvis(scene: Scene, bone: Region, name: str) -> Parted:
    """Part all bone at the joints.

    Raises
    ------
    BadInput
        The scan shows no two hip joints.
    """
    volume = scene.volume
    rough = steps_for(volume.grid, JOINT_MM)
    thick = fill_slices(close_gaps(coarsened(bone, rough, 0.3), JOINT_MM))
    whole = thick.within(Box((0, 0, 0), thick.grid.shape)).mask
    frame = find_joints(thick.grid, whole)
    if frame is None:
        found = "shows no two hip joints, from which the bones of the pelvis are told apart"
        advice = "Take a scan that reaches below both hip joints, or another recipe; a joint prosthesis may hide one"
        raise BadInput(f"structure `{name}`", found, advice=advice)
    frame = centred(frame, thick.grid, whole)
    rough_hu = averaged(volume.array, rough, -200, 1000)
    disc = find_disc(coarse_grid(volume.grid, rough), rough_hu, frame)
    steps = steps_for(volume.grid, WORKING_MM)
    intensities = averaged(volume.array, steps, -200, 1000)
    solid = coarsened(bone, steps, 0.5)
    domain = fill_slices(close_gaps(solid, 3 * max(JOINT_MM, *solid.spacing_kji)))
    seeds = _seeds(frame, disc, solid, domain)
    box = domain.box
    owner = np.zeros(solid.box.shape, dtype=np.uint8)
    local = {number: seed[box.slices] for number, seed in seeds.items()}
    speed = marrow_speed(intensities[box.slices])
    owner[box.slices] = territories(speed, domain.mask, local, solid.spacing_kji)
    return Parted(owner, steps, frame, disc)


def _seeds(frame: PelvisFrame, disc: Disc | None, solid: Region, domain: Region) -> dict[int, Mask]:
    """Places that belong to one bone for certain, by where they lie to the joints; lengths in half joint distances."""
    x, y, z = frame.of_voxels(solid.grid, solid.box)
    half, bone = frame.half, solid.mask
    inside = domain.within(solid.box).mask
    seeds = {}
    for side, femur, hip in ((1, 1, 3), (-1, 2, 4)):
        lateral = side * x
        head = _head(frame, solid.grid, solid.box, side, HEAD_RADIUS / 2)
        shaft = (lateral > 1.25 * half) & (z < -0.22 * half) & (y > -0.75 * half)
        seeds[femur] = (bone & shaft) | (inside & head)
        inner = (lateral < 0.65 * half) & (lateral > 0.2 * half) & (z < 0.12 * half)
        wing = (lateral > 0.75 * half) & (z > 0.5 * half) & (z < 1.5 * half)
        seeds[hip] = bone & (inner | wing)
    near = np.abs(x)
    seeds[5] = bone & (near < 0.15 * half) & (y > 0.5 * half) & (z > -0.2 * half) & (z < 0.75 * half)
    if disc is None:
        seeds[5] |= bone & (near < 0.4 * half) & (y > 0.35 * half) & (z > 0.2 * half) & (z < 0.75 * half)
        return seeds
    above, behind = disc.above(y, z), disc.behind(y, z)
    seeds[5] &= above < -0.35 * half
    wide = np.where(behind < 0, 0.55, 0.45) * half  # the sacroiliac joint begins at 0.65 in front, and runs inwards
    wings = (near < wide) & (z > 0.2 * half) & (z < 1.3 * half) & (y > 0.2 * half)
    seeds[5] |= inside & wings & (above < -0.05 * half) & (np.abs(behind) < 0.55 * half) & ~(seeds[3] | seeds[4])
    body = (near < 0.4 * half) & (np.abs(behind) < 0.22 * half)
    arch = (near < 0.15 * half) & (z > disc.z + 0.22 * half * np.sin(disc.tilt) + 4) & (y > disc.y)
    spine = (body & (above > 0.05 * half)) | (arch & (above < 0)) | ((near < 0.4 * half) & (above > 0.5 * half))
    seeds[6] = bone & spine & ~seeds[5]
    return seeds

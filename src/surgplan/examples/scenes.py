"""The three examples: what is where, of what intensity, and what a perfect program would find."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.examples.shapes import Shape, Vector, arc, ball, capsule, ellipsoid, half_space, slab, tube, volume_mm3

AIR, SOFT, BRAIN, CSF, BONE, MARROW, BLOOD, ENHANCED, MARKER = -1000, 40, 35, 5, 1040, -60, 350, 160, 2000


@dataclass(frozen=True)
class Part:
    """A shape filled with one intensity, HU; parts are laid over each other in order.

    `exact_ball` is (centre, radius) where the shape is a ball: then its blur is computed in closed form.
    """

    name: str
    shape: Shape
    hu: float
    exact_ball: tuple[Vector, float] | None = None


@dataclass(frozen=True)
class Scene:
    """Parts, the region that the scan covers (low, high mm LPS), and the truth."""

    name: str
    parts: tuple[Part, ...]
    low: Vector
    high: Vector
    truth: dict[str, Any] = field(default_factory=dict)


def _ball(name: str, centre: Vector, radius: float, hu: float) -> Part:
    return Part(name, ball(centre, radius), hu, (centre, radius))


HEAD_CENTRE, SKIN = (0.0, 0.0, -5.0), (82.0, 98.0, 92.0)
VAULT_OUTER, VAULT_INNER = (73.0, 89.0, 76.0), (66.5, 82.5, 69.5)
TUMOUR_CENTRE, TUMOUR_RADIUS = (28.0, 18.0, 24.0), 13.0
MARKER_RADIUS, STAND_OFF = 2.5, 4.0

MARKER_DIRECTIONS: tuple[Vector, ...] = (
    (0.1, -0.8, 0.75),
    (0.75, -0.5, 0.5),
    (-0.6, -0.62, 0.55),
    (0.85, 0.35, 0.42),
    (-0.8, 0.5, 0.35),
    (-0.15, 0.55, 0.85),
)
"""Where the six markers sit, from the head's centre: no two of them are mirror images."""


def markers() -> tuple[Vector, ...]:
    """(6,) centres of the markers, LPS mm, standing off the skin along its normal."""
    places: list[Vector] = []
    radii = np.array(SKIN)
    for direction in MARKER_DIRECTIONS:
        unit = np.array(direction) / np.linalg.norm(np.array(direction) / radii)
        normal = unit / radii**2
        normal /= np.linalg.norm(normal)
        place = np.array(HEAD_CENTRE) + unit + normal * (STAND_OFF + MARKER_RADIUS)
        x, y, z = (float(round(value, 3)) for value in place)
        places.append((x, y, z))
    return tuple(places)


def _cranium() -> Shape:
    vault = ellipsoid((0, 0, 0), VAULT_OUTER) - ellipsoid((0, 0, 0), VAULT_INNER)
    face = ellipsoid((0, -52, -58), (46, 38, 44)) - ellipsoid((0, -46, -62), (30, 27, 30))
    brow = capsule((-36, -76, -28), (36, -76, -28), 6.5)
    cheeks = arc((0, -22, -52), (66, 62, 0), 4.5) & half_space((0, 2, 0), (0, 1, 0))
    base = capsule((-62, 4, -52), (-40, 8, -52), 8) | capsule((40, 8, -52), (62, 4, -52), 8)
    bone = vault | (face - ellipsoid((0, 0, 0), VAULT_INNER)) | brow | cheeks | base
    bone = bone - ellipsoid((31, -82, -42), (17, 24, 15)) - ellipsoid((-31, -82, -42), (17, 24, 15))
    bone = bone - ellipsoid((0, -90, -66), (10, 18, 15))
    return bone - ellipsoid((0, 22, -72), (16, 19, 14))


def _jaw() -> Shape:
    body = arc((0, -38, -112), (42, 44, 0), 8.5) & half_space((0, -30, 0), (0, 1, 0))
    left = capsule((42, -32, -110), (50, -8, -74), 7, 6) | ball((50, -8, -72), 7)
    right = capsule((-42, -32, -110), (-50, -8, -74), 7, 6) | ball((-50, -8, -72), 7)
    return body | left | right


def skull() -> Scene:
    """A head with six markers on the skin, a tumour on the left, ventricles, a jaw that is a bone of its own."""
    cranium, jaw = _cranium(), _jaw()
    skin = (
        ellipsoid(HEAD_CENTRE, SKIN) | ellipsoid((0, -40, -80), (62, 66, 66)) | capsule((0, 20, -90), (0, 25, -190), 56)
    )
    ventricles = capsule((11, -18, 12), (15, 32, 14), 5.5) | capsule((-11, -18, 12), (-15, 32, 14), 5.5)
    fiducials = [_ball(f"marker-{n}", place, MARKER_RADIUS, MARKER) for n, place in enumerate(markers(), 1)]
    parts = (
        Part("skin", skin, SOFT),
        Part("brain", ellipsoid((0, 0, 0), VAULT_INNER), BRAIN),
        Part("ventricles", ventricles, CSF),
        _ball("tumour", TUMOUR_CENTRE, TUMOUR_RADIUS, ENHANCED),
        Part("skull", cranium, BONE),
        Part("jaw", jaw, BONE),
        *fiducials,
    )
    truth = {
        "volumes_mm3": {
            "skull": volume_mm3(cranium),
            "jaw": volume_mm3(jaw),
            "tumour": 4 / 3 * np.pi * TUMOUR_RADIUS**3,
            "ventricles": volume_mm3(ventricles),
        },
        "markers_mm": [list(place) for place in markers()],
        "marker_diameter_mm": 2 * MARKER_RADIUS,
        "tumour": {"centre_mm": list(TUMOUR_CENTRE), "radius_mm": TUMOUR_RADIUS, "side": "left"},
    }
    return Scene("skull", parts, (-115, -125, -152), (115, 105, 98), truth)


def femur() -> Scene:
    """A left femur with cortex and marrow, broken obliquely at the shaft: a gap of 3 mm parts two fragments."""
    cortex_mm, gap_mm = 6.0, 3.0
    shaft = capsule((0, 0, 150), (6, 0, -150), 14.5, 15.5)
    neck = capsule((0, 0, 150), (-38, -4, 178), 15, 14)
    head = ball((-42, -5, 182), 23)
    trochanter = ball((6, 4, 160), 20)
    condyles = ellipsoid((-16, 8, -172), (20, 27, 24)) | ellipsoid((28, 8, -172), (20, 27, 24))
    flare = capsule((6, 0, -120), (6, 4, -165), 16, 26)
    outer = shaft | neck | head | trochanter | condyles | flare
    gap = slab((3, 0, 30), (0.45, 0.1, 1.0), gap_mm)
    bone = (outer - outer.shrunk(cortex_mm)) - gap
    marrow = outer.shrunk(cortex_mm) - gap
    # what is laid under the cortex reaches into it: else its own blurred edge would lie under the cortex's, which then
    # were at half height elsewhere than where it ends
    under = outer.shrunk(cortex_mm / 2) - gap
    muscle = capsule((-5, 5, 260), (0, 5, -260), 78)
    truth = {
        "volumes_mm3": {"femur": volume_mm3(bone), "marrow": volume_mm3(marrow)},
        "gap_mm": gap_mm,
        "cortex_mm": cortex_mm,
        "head": {"centre_mm": [-42.0, -5.0, 182.0], "radius_mm": 23.0},
        "side": "left",
    }
    parts = (Part("thigh", muscle, SOFT), Part("marrow", under, MARROW), Part("femur", bone, BONE))
    return Scene("femur", parts, (-90, -85, -205), (90, 95, 215), truth)


def vessel() -> Scene:
    """A contrast-filled aorta with renal and iliac branches, narrowed to 40 % of its diameter at one place."""
    radius, degree, place, width = 11.0, 0.6, 20.0, 7.0

    def centre(z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(6.0 * np.sin(z / 60.0))

    def bore(z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(radius * (1 - degree * np.exp(-((z - place) ** 2) / (2 * width**2))))

    aorta = tube(centre, bore, -80, 130, radius + 8)
    low = float(centre(np.float64(-76)))  # type: ignore[arg-type]
    branches = capsule((low, 0, -76), (34, -6, -125), 7.5, 6) | capsule((low, 0, -76), (-42, -4, -125), 7.5, 6)
    renal_at = float(centre(np.float64(60)))  # type: ignore[arg-type]
    renals = capsule((renal_at, 0, 60), (55, 14, 52), 3.5) | capsule((renal_at, 0, 66), (-52, 14, 58), 3.5)
    lumen = aorta | branches | renals
    body = ellipsoid((0, 20, 0), (105, 80, 400))
    truth = {
        "volumes_mm3": {"aorta": volume_mm3(lumen, 0.5)},
        "stenosis": {
            "degree_by_diameter": degree,
            "centre_mm": [float(centre(np.float64(place))), 0.0, place],  # type: ignore[arg-type]
            "diameter_mm": 2 * radius * (1 - degree),
            "normal_diameter_mm": 2 * radius,
            "formula": "radius(z) = 11 (1 - 0.6 exp(-(z - 20)² / (2 · 7²)))",
        },
    }
    parts = (Part("body", body, SOFT), Part("aorta", lumen, BLOOD))
    return Scene("vessel", parts, (-110, -65, -115), (110, 105, 125), truth)


SCENES = {"skull": skull, "femur": femur, "vessel": vessel}

"""The operations that a recipe's list `[[print.prepare]]` may hold: one table of parameters for each.

Lengths that concern the printer (walls, pins, gaps, letters) are those of the print; positions are those of the body.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from surgplan.params import Params
from surgplan.segment.operations import Box, Vector


class OnParts(Params):
    """What operations on parts have in common."""

    structure: str = Field("", description="only parts of this structure; without it, of all")


class OnPlane(OnParts):
    """A plane by a point and a normal, or by three landmarks."""

    normal: Vector | None = Field(None, description="direction across the plane, LPS; with a point or a landmark")
    point_mm: Vector | None = Field(None, description="a point of the plane, in mm LPS")
    landmark: str | None = Field(None, description="a landmark of the case file in the plane, instead of point_mm")
    landmarks: tuple[str, str, str] | None = Field(None, description="three landmarks in the plane, instead of these")

    @property
    def has_plane(self) -> bool:
        """Whether any key of a plane is given."""
        return any(each is not None for each in (self.normal, self.point_mm, self.landmark, self.landmarks))

    def check_plane(self) -> None:
        """`ValueError` when the keys tell no plane."""
        if self.landmarks is not None:
            if self.normal is not None or self.point_mm is not None or self.landmark is not None:
                raise ValueError("a plane by three landmarks takes no normal, point_mm or landmark")
            if len(set(self.landmarks)) < 3:
                raise ValueError("the three landmarks of a plane must differ")
        elif self.normal is None or (self.point_mm is None) == (self.landmark is None):
            raise ValueError("a plane needs `normal` with either `point_mm` or `landmark`, or three `landmarks`")
        elif max(map(abs, self.normal)) < 1e-9:
            raise ValueError("the normal of a plane must have a length")


class CropBox(OnParts, Box):
    """Keep what lies in a box with sides along the patient's axes."""

    do: Literal["crop_box"]


class CropPlane(OnPlane):
    """Keep what lies on the side of a plane that its normal points to."""

    do: Literal["crop_plane"]

    @model_validator(mode="after")
    def _is_a_plane(self) -> CropPlane:
        self.check_plane()
        return self


class Cut(OnPlane):
    """Cut parts in two by a plane, or into as many as fit the printer, with connectors that hold them together."""

    do: Literal["cut"]
    fit: bool = Field(False, description="instead of a plane: find planes so that every part fits the printer")
    margin_mm: float = Field(5.0, ge=0, le=50, description="with fit: room on each side of the build volume, in mm")
    connector: Literal["pins", "dovetail", "none"] = Field("pins", description="what holds the two together")
    pins: int = Field(2, ge=1, le=12, description="how many pins each cut gets, if there is room")
    pin_mm: float = Field(5.0, ge=1, le=50, description="diameter of a pin, or width of a dovetail's neck, in mm")
    smallest_pin_mm: float = Field(2.5, ge=1, le=50, description="thinnest that pins may become to find room, in mm")
    pin_length_mm: float = Field(6.0, ge=1, le=100, description="how far it reaches into the other part, in mm")
    gap_mm: float = Field(0.2, ge=0.02, le=5, description="clearance all round a connector, in mm")
    wall_mm: float = Field(1.0, ge=0.2, le=20, description="least material round a connector's socket, in mm")

    @model_validator(mode="after")
    def _is_a_plane(self) -> Cut:
        if self.fit and self.has_plane:
            raise ValueError("`fit` finds the planes: leave the keys of a plane out")
        if not self.fit:
            self.check_plane()
        if self.smallest_pin_mm > self.pin_mm:
            raise ValueError("smallest_pin_mm must not be above pin_mm")
        return self


class Hollow(OnParts):
    """Hollow out what is thicker than twice the wall, with holes through which powder or resin leaves."""

    do: Literal["hollow"]
    wall_mm: float = Field(2.0, ge=0.3, le=50, description="thickness of the wall that stays, in mm")
    drain_mm: float | None = Field(
        None, ge=0.5, le=30, description="diameter of a drain hole, in mm; without it, the printer's, or 4 mm"
    )
    drains: int = Field(2, ge=0, le=8, description="drain holes of each cavity")
    smallest_mm3: float = Field(200.0, gt=0, description="cavities smaller than this stay solid, in mm³ on the print")


class Thicken(OnParts):
    """Thicken walls that are thinner than told, there only."""

    do: Literal["thicken"]
    wall_mm: float = Field(1.0, ge=0.2, le=10, description="the thinnest that a wall may stay, in mm")
    smallest_mm2: float = Field(5.0, ge=0, description="thin places smaller than this stay as they are, in mm²")


class Window(OnParts):
    """Cut a round window that can be taken out: the plug is a part of its own, tapered so that it cannot fall in."""

    do: Literal["window"]
    point_mm: Vector | None = Field(None, description="its middle, near the surface, in mm LPS")
    landmark: str | None = Field(None, description="a landmark of the case file as its middle, instead of point_mm")
    diameter_mm: float = Field(ge=3, le=300, description="diameter at the surface, in mm")
    depth_mm: float = Field(15.0, gt=0, le=300, description="how far in it cuts, in mm")
    taper_deg: float = Field(10.0, ge=1, le=40, description="how much it narrows inward on each side, in degrees")
    gap_mm: float = Field(0.2, ge=0.02, le=5, description="clearance all round, in mm")

    @model_validator(mode="after")
    def _one_of_both(self) -> Window:
        if (self.point_mm is None) == (self.landmark is None):
            raise ValueError("a window takes either point_mm or landmark")
        return self


class Struts(OnParts):
    """Bridges from loose bodies of a part to its others, over the shortest ways."""

    do: Literal["struts"]
    diameter_mm: float = Field(3.0, ge=0.5, le=30, description="diameter of a strut, in mm")
    each: int = Field(2, ge=1, le=6, description="struts to each loose body")
    longest_mm: float = Field(40.0, gt=0, le=500, description="longest strut: bodies farther away stay loose, in mm")
    smallest_mm3: float = Field(20.0, ge=0, description="loose bodies smaller than this are dropped, in mm³")


class Base(OnParts):
    """A foot under the part: a plate on posts that carry it."""

    do: Literal["base"]
    thickness_mm: float = Field(3.0, ge=0.5, le=50, description="of the plate, in mm")
    gap_mm: float = Field(4.0, ge=0, le=200, description="from the plate to the part's lowest point, in mm")
    posts: int = Field(4, ge=1, le=20, description="how many posts")
    post_mm: float = Field(6.0, ge=1, le=50, description="diameter of a post, in mm")
    margin_mm: float = Field(3.0, ge=0, le=50, description="how far the plate reaches beyond the posts, in mm")


class Mirror(OnParts):
    """Turn left into right, about the middle of the part; names, marks and findings say so."""

    do: Literal["mirror"]


class Join(Params):
    """Structures printed as one: what lies in both belongs to the one that is named later."""

    do: Literal["join"]
    structures: tuple[str, ...] = Field(min_length=2, description="their names, as bone and the tumour in it")
    fuse: bool = Field(False, description="one solid in the colour of the first, instead of one of several colours")


class Text(OnParts):
    """Letters in the surface, on the flattest place that has room."""

    do: Literal["text"]
    text: str = Field(
        "{case} {side}",
        min_length=1,
        max_length=120,
        description="what it says; {case}, {structure}, {part}, {side} (R or L), {scale} and {date} are filled in",
    )
    date: str = Field("", max_length=20, description="date of the scan for {date}: personal, so nothing else tells it")
    height_mm: float = Field(6.0, ge=1.5, le=100, description="height of capital letters, in mm")
    smallest_mm: float = Field(3.0, ge=1.5, le=100, description="lowest that they may become to find room, in mm")
    depth_mm: float = Field(0.6, ge=0.1, le=5, description="how deep or high the letters are, in mm")
    raised: bool = Field(False, description="embossed: letters stand out instead of being cut in")
    landmark: str | None = Field(None, description="a landmark of the case file near which it stands")
    within_mm: float = Field(30.0, gt=0, le=500, description="how near to the landmark its middle must lie, in mm")
    facing: Literal["any", "superior", "inferior", "anterior", "posterior", "left", "right"] = Field(
        "any", description="the side of the part on which it stands"
    )
    arrows: bool = Field(False, description="add arrows that point to superior and anterior, with their letters")

    @model_validator(mode="after")
    def _in_order(self) -> Text:
        if self.smallest_mm > self.height_mm:
            raise ValueError("smallest_mm must not be above height_mm")
        return self


class Cube(Params):
    """A cube beside the parts, to measure the printer with."""

    do: Literal["cube"]
    edge_mm: float = Field(20.0, ge=5, le=100, description="its edge, in mm on the print")


class Calipers(OnParts):
    """Distances between landmarks that shall be measured on the print, with dimples for the calipers' tips."""

    do: Literal["calipers"]
    between: tuple[tuple[str, str], ...] = Field(min_length=1, description="pairs of landmarks of the case file")
    dimple_mm: float = Field(1.5, ge=0, le=5, description="diameter of the dimples, in mm; 0 for none")
    within_mm: float = Field(5.0, gt=0, le=50, description="how near to the surface a landmark must lie, in mm")


Operation = Annotated[
    Join | CropBox | CropPlane | Mirror | Thicken | Struts | Window | Cut | Hollow | Base | Text | Calipers | Cube,
    Field(discriminator="do"),
]

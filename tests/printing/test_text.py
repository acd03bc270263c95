"""Letters: read by another font's eyes, as deep as told, the right way round, and refused where there is no room."""

from __future__ import annotations

import io

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from surgplan.errors import WrongUsage
from surgplan.findings import Level
from surgplan.model.labels import Side
from surgplan.model.surface import Surface
from surgplan.printing.glyphs import draw, writable
from surgplan.report.views import render_views
from tests.printing.bodies import ball, box, mesh_of, prepared, surface

SIZE = 32


def slab(side: Side = Side.NONE) -> Surface:
    """A plate that faces anterior, in small triangles."""
    vertices, faces = trimesh.remesh.subdivide_to_size(*_box(), 1.5)
    return surface(trimesh.Trimesh(vertices, faces), "bone", side)


def _box() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    mesh = trimesh.creation.box((24, 6, 24))
    return mesh.vertices, mesh.faces


def ink(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is drawn, its box scaled to a square."""
    rows, columns = np.nonzero(picture > 0.5)
    part = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    image = Image.fromarray((255 * part).astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image, float) / 255


def printed(letter: str, mirrored: bool = False) -> NDArray[np.float64]:
    """A letter of the font that Pillow brings."""
    image = Image.new("L", (120, 120))
    ImageDraw.Draw(image).text((20, 10), letter, fill=255, font=ImageFont.load_default(80))
    values = np.asarray(image, float) / 255
    return ink(values[:, ::-1] if mirrored else values)


def seen(part: Surface) -> NDArray[np.float64]:
    """The letters on the front of a plate, in a picture that the report's renderer makes of it."""
    pictures = {each.name: each for each in render_views([part], None, 480, 1, closed={0})}
    front = np.asarray(Image.open(io.BytesIO(pictures["all-front.png"].png)).convert("L"), float)
    middle = front[70:315, 110:370]  # without the plate's rim and the picture's own letters
    return ink((np.abs(middle - np.median(middle)) > 6).astype(float))


@pytest.mark.parametrize("side", ["R", pytest.param("L", marks=pytest.mark.slow)])
def test_a_letter_on_the_part_is_read_in_a_picture(side: str) -> None:
    text = {"do": "text", "text": "{side}", "height_mm": 12, "facing": "anterior", "depth_mm": 0.8}
    chosen = Side.RIGHT if side == "R" else Side.LEFT
    (part,) = prepared(slab(chosen), text).parts
    found = seen(part.body)
    known = {(letter, turned): printed(letter, turned) for letter in "RL" for turned in (False, True)}
    like = {name: float(np.corrcoef(found.ravel(), other.ravel())[0, 1]) for name, other in known.items()}
    assert max(like, key=lambda name: like[name]) == (side, False), like


@pytest.mark.slow
def test_letters_are_as_deep_as_told_on_a_flat_surface() -> None:
    text = {"do": "text", "text": "AB 12", "height_mm": 8, "depth_mm": 0.6}
    (part,) = prepared(box((60, 40, 20)), text | {"facing": "superior"}).parts
    mesh = mesh_of(part)
    floor = mesh.triangles_center[(mesh.face_normals[:, 2] > 0.99) & (mesh.triangles_center[:, 2] < 9.99), 2]
    assert len(floor) > 100
    assert floor == pytest.approx(9.4, abs=0.01)


def test_letters_are_as_deep_as_told_on_a_round_surface() -> None:
    text = {"do": "text", "text": "AB 12", "height_mm": 8, "depth_mm": 0.6}
    (part,) = prepared(ball(40), text).parts
    mesh = mesh_of(part)
    away = np.linalg.norm(mesh.triangles_center, axis=1)
    outward = np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles_center) / away
    floor = away[(outward > 0.95) & (away < 39.7)]
    assert len(floor) > 100
    assert np.abs(floor - 39.4).max() < 0.05 + 40 * (1 - np.cos(0.035))  # the ball's own triangles lie within it
    assert part.modifications[0].outside_mm == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_raised_letters_stand_out_by_their_height() -> None:
    (part,) = prepared(box((60, 40, 20)), {"do": "text", "text": "AB", "raised": True, "facing": "superior"}).parts
    assert mesh_of(part).bounds[1][2] == pytest.approx(10.6, abs=0.01)


@pytest.mark.slow
def test_scale_and_date_are_filled_in_and_the_scale_is_never_left_out() -> None:
    plate = box((80, 60, 20))
    made = prepared(plate, {"do": "text", "text": "{case} {date}", "date": "2024-05-01"}, scale=2.0)
    assert "`CASE-7 2024-05-01 SCALE 2`" in made.findings[0].measured.replace(" / ", " ")


def test_text_that_has_no_room_is_refused_with_its_size() -> None:
    made = prepared(ball(6), {"do": "text", "text": "a long story about a small bone"})
    (told,) = made.findings
    assert told.level is Level.REFUSE
    assert "no place has room for the text `A LONG STORY ABOUT A SMALL BONE`" in told.measured
    assert "mm in one line" in told.measured


@pytest.mark.slow
def test_letters_do_not_break_through_a_thin_wall() -> None:
    made = prepared(box((60, 1.2, 40)), {"do": "text", "text": "AB", "depth_mm": 1.0})
    assert [finding.level for finding in made.findings] == [Level.REFUSE]
    (part,) = prepared(box((60, 1.2, 40)), {"do": "text", "text": "AB", "depth_mm": 1.0, "raised": True}).parts
    mesh_of(part)


@pytest.mark.slow
def test_a_text_stands_where_it_is_wanted() -> None:
    spot = {"spot": (0, 20, 0)}
    made = prepared(box((80, 40, 60)), {"do": "text", "text": "AB", "landmark": "spot"}, landmarks=spot)
    cut = mesh_of(made.parts[0])
    inner = cut.vertices[np.abs(cut.vertices[:, 1] - 19.4) < 0.01]
    assert len(inner) > 20
    assert np.linalg.norm(inner - [0, 20, 0], axis=1).max() < 12


def test_words_that_cannot_be_written_are_refused() -> None:
    assert writable("Größe × 2") == "GROSSE * 2"
    with pytest.raises(WrongUsage, match="cannot be engraved: 漢"):
        prepared(ball(20), {"do": "text", "text": "漢"})
    with pytest.raises(WrongUsage, match=r"`\{name\}` cannot be filled in"):
        prepared(ball(20), {"do": "text", "text": "{name}"})
    with pytest.raises(WrongUsage, match="says nothing"):
        prepared(ball(20), {"do": "text", "text": "{side}"})


def test_every_letter_fits_its_line() -> None:
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-=/":
        drawn = draw((letter,), 10.0)
        points = np.vstack(drawn.strokes)
        half = 0.5 * 0.9 * 10 / 6.9
        assert points[:, 0].min() >= half - 1e-9
        assert points[:, 0].max() <= drawn.width - half + 1e-9

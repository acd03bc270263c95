"""Letters of single strokes, drawn for this program: capitals, digits, signs and arrows, as milled by a round tool.

On a grid 4 wide and 6 high; strokes are lines through points, and the widths of letters follow from what is drawn.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from surgplan.model.frames import Array

CAP = 6.0
"""Height of a capital on the grid."""
STROKE = 0.9
"""Width of a stroke on the grid: 15 % of the height."""
APART = 1.7
"""From one letter's strokes to the next one's, middle to middle."""
SPACE = 2.2
"""Width of a space."""
LINE = 9.0
"""From one line to the next."""

_DRAWN = {
    "A": "0,0 2,6 4,0; .7,2.1 3.3,2.1",
    "B": "0,0 0,6 2.6,6 3.5,5.2 3.5,4 2.6,3.2 0,3.2; 2.6,3.2 3.9,2.3 3.9,.9 2.9,0 0,0",
    "C": "4,4.9 3,6 1.2,6 0,4.7 0,1.3 1.2,0 3,0 4,1.1",
    "D": "0,0 0,6 2.4,6 4,4.4 4,1.6 2.4,0 0,0",
    "E": "3.6,0 0,0 0,6 3.6,6; 0,3.1 2.8,3.1",
    "F": "0,0 0,6 3.6,6; 0,3.1 2.8,3.1",
    "G": "4,4.9 3,6 1.2,6 0,4.7 0,1.3 1.2,0 3,0 4,1.1 4,2.7 2.3,2.7",
    "H": "0,0 0,6; 4,0 4,6; 0,3.1 4,3.1",
    "I": "0,0 0,6",
    "J": "3,6 3,1.3 2,0 1,0 0,1.3",
    "K": "0,0 0,6; 3.8,6 0,2.4; 1.2,3.5 4,0",
    "L": "0,6 0,0 3.4,0",
    "M": "0,0 0,6 2.4,2.2 4.8,6 4.8,0",
    "N": "0,0 0,6 4,0 4,6",
    "O": "1.2,0 2.8,0 4,1.3 4,4.7 2.8,6 1.2,6 0,4.7 0,1.3 1.2,0",
    "P": "0,0 0,6 2.7,6 3.9,5.1 3.9,3.6 2.7,2.7 0,2.7",
    "Q": "1.2,0 2.8,0 4,1.3 4,4.7 2.8,6 1.2,6 0,4.7 0,1.3 1.2,0; 2.4,1.8 4.2,-.4",
    "R": "0,0 0,6 2.7,6 3.9,5.1 3.9,3.7 2.7,2.8 0,2.8; 2,2.8 4,0",
    "S": "3.8,5 2.8,6 1.2,6 .1,5 .1,4 1.1,3.2 2.9,2.8 3.9,2 3.9,1 2.8,0 1.1,0 0,1",
    "T": "0,6 4,6; 2,6 2,0",
    "U": "0,6 0,1.3 1.2,0 2.8,0 4,1.3 4,6",
    "V": "0,6 2,0 4,6",
    "W": "0,6 1.3,0 2.8,4.6 4.3,0 5.6,6",
    "X": "0,0 4,6; 0,6 4,0",
    "Y": "0,6 2,3 4,6; 2,3 2,0",
    "Z": "0,6 4,6 0,0 4,0",
    "0": "1.2,0 2.8,0 4,1.3 4,4.7 2.8,6 1.2,6 0,4.7 0,1.3 1.2,0; .7,1.2 3.3,4.8",
    "1": "0,4.7 1.6,6 1.6,0; 0,0 3.2,0",
    "2": "0,4.8 1.1,6 2.8,6 3.9,4.9 3.9,3.8 0,0 4,0",
    "3": "0,5 1.1,6 2.8,6 3.7,5.2 3.7,4 2.8,3.2 1.4,3.2; 2.8,3.2 3.9,2.3 3.9,1 2.8,0 1.1,0 0,1",
    "4": "3,0 3,6 0,1.7 4.1,1.7",
    "5": "3.6,6 .4,6 0,3.2 1.2,3.8 2.6,3.8 3.9,2.7 3.9,1.2 2.7,0 1.1,0 0,.9",
    "6": "3.5,5.4 2.6,6 1.4,6 0,4.5 0,1.3 1.2,0 2.8,0 3.9,1.2 3.9,2.4 2.8,3.5 1.2,3.5 0,2.4",
    "7": "0,6 4,6 1.4,0",
    "8": "1.2,3.2 .2,4 .2,5.2 1.2,6 2.8,6 3.8,5.2 3.8,4 2.8,3.2 1.2,3.2 0,2.2 0,1 1.2,0 2.8,0 4,1 4,2.2 2.8,3.2",
    "9": ".5,.6 1.4,0 2.6,0 4,1.5 4,4.7 2.8,6 1.2,6 .1,4.8 .1,3.6 1.2,2.5 2.8,2.5 4,3.6",
    ".": "0,0 0,.1",
    ",": ".5,.2 0,-1.1",
    ":": "0,.8 0,.9; 0,3.6 0,3.7",
    "-": "0,2.9 2.4,2.9",
    "_": "0,-.4 3.6,-.4",
    "/": "0,-.5 2.8,6.5",
    "+": "0,2.9 3,2.9; 1.5,1.4 1.5,4.4",
    "=": "0,2 2.8,2; 0,4 2.8,4",
    "*": "0,1.6 2.6,4.2; 0,4.2 2.6,1.6",
    "%": "0,0 4,6; .2,5.2 1,5.2 1,6 .2,6 .2,5.2; 3,0 3.8,0 3.8,.8 3,.8 3,0",
    "#": "1,0 1.6,6; 2.8,0 3.4,6; 0,2 4,2; .3,4.1 4.3,4.1",
    "(": "1.2,7 0,5 0,1 1.2,-1",
    ")": "0,7 1.2,5 1.2,1 0,-1",
    "'": "0,6 0,4.6",
}
SAID = {"×": "*", "–": "-", "—": "-", "−": "-", ";": ",", '"': "'", "&": "+", "ß": "SS"}
"""Signs that are drawn as others."""


@dataclass(frozen=True)
class Drawing:
    """Strokes in mm, each (n, 2) right and up from the lower left end of the letters, and the room that they take."""

    strokes: tuple[Array, ...]
    width: float
    height: float


def writable(text: str) -> str:
    """The text in the letters that there are: capitals without accents.

    Raises
    ------
    ValueError
        It holds signs that cannot be drawn; the message names them.
    """
    spelled = "".join(SAID.get(letter, letter) for letter in text)
    plain = "".join(each for each in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(each)).upper()
    unknown = sorted({letter for letter in plain if letter not in _DRAWN and letter not in " \n"})
    if unknown:
        raise ValueError(f"has signs that cannot be engraved: {' '.join(unknown)}")
    return plain


def line_width(line: str) -> float:
    """Width of a line on the grid, middle of its first stroke to that of its last."""
    widths = [SPACE - APART if letter == " " else _width(letter) for letter in line]
    return sum(widths) + APART * max(0, len(widths) - 1)


def draw(lines: tuple[str, ...], cap_mm: float) -> Drawing:
    """Lines of writable text, one below the other, with capitals of this height, mm, outer edge to outer edge."""
    unit_mm = cap_mm / (CAP + STROKE)
    strokes = []
    for number, line in enumerate(lines):
        x, y = STROKE / 2, STROKE / 2 + LINE * (len(lines) - 1 - number)
        for letter in line:
            if letter != " ":
                strokes += [unit_mm * (stroke + np.array([x, y])) for stroke in _strokes(letter)]
            x += (SPACE - APART if letter == " " else _width(letter)) + APART
    width = max(map(line_width, lines)) + STROKE
    return Drawing(tuple(strokes), unit_mm * width, unit_mm * (CAP + STROKE + LINE * (len(lines) - 1)))


def arrow(direction: Array, letter: str, cap_mm: float) -> Drawing:
    """An arrow in a square of the capitals' height that points along (2,) right and up, and its letter beside it."""
    unit_mm = cap_mm / (CAP + STROKE)
    along = direction / np.linalg.norm(direction)
    across = np.array([-along[1], along[0]])
    middle = np.full(2, (CAP + STROKE) / 2)
    tip = middle + along * CAP / 2
    shaft = np.array([middle - along * CAP / 2, tip])
    head = np.array([tip - 2 * along + 1.5 * across, tip, tip - 2 * along - 1.5 * across])
    start = CAP + STROKE + APART - STROKE / 2
    named = [stroke + np.array([start, STROKE / 2]) for stroke in _strokes(letter)]
    width = start + _width(letter) + STROKE / 2
    return Drawing(tuple(unit_mm * each for each in (shaft, head, *named)), unit_mm * width, cap_mm)


def beside(left: Drawing, right: Drawing, cap_mm: float) -> Drawing:
    """Two drawings side by side, on the height of the last line."""
    if not left.strokes:
        return right
    shift = left.width + 1.5 * APART * cap_mm / (CAP + STROKE)
    moved = tuple(stroke + np.array([shift, 0.0]) for stroke in right.strokes)
    return Drawing((*left.strokes, *moved), shift + right.width, max(left.height, right.height))


def stroke_width(cap_mm: float) -> float:
    """Width of a stroke, mm, of capitals of this height."""
    return STROKE * cap_mm / (CAP + STROKE)


def _strokes(letter: str) -> list[Array]:
    pieces = _DRAWN[letter].split(";")
    return [np.array([[float(value) for value in point.split(",")] for point in piece.split()]) for piece in pieces]


def _width(letter: str) -> float:
    return max(float(stroke[:, 0].max()) for stroke in _strokes(letter))

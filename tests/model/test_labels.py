from __future__ import annotations

import numpy as np
import pytest

from surgplan.model.labels import Code, Label, LabelMap, Side, file_stem
from surgplan.model.volume import Grid

GRID = Grid((4, 3, 2), (1, 1, 1), (0, 0, 0))
BONE, TUMOUR = Label(1, "bone", level=250.0), Label(2, "tumour", (200, 30, 30), Side.LEFT, Code("SCT", "1", "x"))


def array(kind: type = np.uint8) -> np.ndarray:
    values = np.zeros((2, 3, 4), kind)
    values[0, 0] = [0, 1, 1, 2]
    return values


def test_a_label_map_counts_and_finds() -> None:
    labels = LabelMap(GRID, array(), (BONE, TUMOUR))
    np.testing.assert_array_equal(labels.counts(), [21, 2, 1])
    assert labels.label("tumour").side == Side.LEFT
    assert labels.mask(BONE).sum() == 2
    assert labels.with_level("bone", 300.0).label("bone").level == 300.0
    assert labels.label("bone").level == 250.0
    with pytest.raises(KeyError):
        labels.label("liver")
    with pytest.raises(ValueError, match="read-only"):
        labels.array[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ((), "needs a label"),
        ((BONE,), r"voxels have the values \[2\]"),
        ((BONE, Label(1, "tumour")), "share the value 1"),
        ((BONE, Label(2, "bone")), "share the name 'bone'"),
        ((BONE, Label(2, "Bone ")), "share the file stem 'bone'"),
        ((Label(1, "a"), Label(300, "b")), r"values \[2\]"),
    ],
)
def test_labels_that_do_not_fit(labels: tuple[Label, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LabelMap(GRID, array(), labels)


def test_other_voxels_are_refused() -> None:
    with pytest.raises(ValueError, match="int16"):
        LabelMap(GRID, array(np.int16), (BONE, TUMOUR))
    with pytest.raises(ValueError, match="shape"):
        LabelMap(GRID, array()[:1], (BONE, TUMOUR))
    assert LabelMap(GRID, array(np.uint16), (BONE, TUMOUR)).counts()[2] == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"value": 0}, "between 1 and 65535"),
        ({"value": 65536}, "between 1 and 65535"),
        ({"name": " "}, "printable"),
        ({"name": "a\tb"}, "printable"),
        ({"name": "x" * 65}, "1 to 64"),
        ({"color": (1, 2)}, "three numbers"),
        ({"color": (1, 2, 256)}, "three numbers"),
        ({"side": "middle"}, "middle"),
    ],
)
def test_what_is_no_label(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Label(**{"value": 1, "name": "bone", **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Left femur", "left-femur"),
        ("../../etc/passwd", "etc-passwd"),
        ("Schädel", "schadel"),
        ("头骨", "structure"),
        (".hidden", "hidden"),
        ("a" * 64, "a" * 64),
        ("CON", "con"),
        ("T1/2", "t1-2"),
    ],
)
def test_names_become_safe_file_names(name: str, stem: str) -> None:
    assert file_stem(name) == stem

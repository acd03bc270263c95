"""What may show a face: told by names, methods and voxels; doubt counts as a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.case.faceless import KEPT_MM, blanked
from surgplan.case.sources import load_source
from surgplan.ingest.stage import IngestParams
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.privacy.faces import find_faces, has_skull
from tests.report.cases import places

GRID = Grid((56, 64, 56), (4.0, 4.0, 4.0), (-110.0, -126.0, -110.0))


def head(open_mm: float = 0.0) -> Volume:
    """A ball of brain in bone of 5 mm in skin of 15 mm in air; the bone's front may be open."""
    where = places(GRID)
    away = np.linalg.norm(where, axis=-1)
    values = np.select([away < 75, away < 85, away < 100], [35, 1000, 40], -1000).astype(np.int16)
    gap = (np.abs(where[..., 0]) < open_mm / 2) & (where[..., 1] < 0) & (away < 86)
    return Volume(GRID, np.where(gap, np.minimum(values, 40), values), Modality.CT)


def labelled(volume: Volume, *names: str) -> LabelMap:
    """Bone, and all that is no air and no bone, under these names."""
    array = np.select([volume.array > 500, volume.array > -500], [1, 2], 0).astype(np.uint8)
    labels = tuple(Label(number, name) for number, name in enumerate(names, 1))
    return LabelMap(volume.grid, np.where(array <= len(names), array, 0).astype(np.uint8), labels)


def test_a_closed_ring_of_bone_round_soft_tissue_is_a_skull_and_an_open_one_is_none() -> None:
    assert has_skull(head())
    assert not has_skull(head(open_mm=90.0))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_skull_is_found_however_the_scan_lies(axes: tuple[int, int, int]) -> None:
    volume = head()
    grid = Grid(
        tuple(volume.grid.size[n] for n in axes),  # type: ignore[arg-type]
        volume.grid.spacing[list(axes)],
        volume.grid.origin,
        volume.grid.direction[:, list(axes)],
    )
    array = volume.array.transpose(2, 1, 0).transpose(axes).transpose(2, 1, 0)
    assert has_skull(Volume(grid, np.ascontiguousarray(array), Modality.CT))


@pytest.mark.parametrize(
    ("names", "methods", "skins"),
    [
        (("bone", "skin"), {}, ["skin"]),
        (("bone", "Haut"), {}, ["Haut"]),  # told by where it lies
        (("bone", "Haut"), {"Haut": "body"}, ["Haut"]),
        (("skull",), {}, []),
        (("femur",), {}, []),  # whatever a name says, there is a skull
    ],
)
def test_skin_is_found_by_name_method_and_place(
    names: tuple[str, ...], methods: dict[str, str], skins: list[str]
) -> None:
    volume = head()
    found = find_faces(volume, labelled(volume, *names), methods)
    assert found.why == "a skull is in the scan"
    assert list(found.skins) == skins


def test_skin_of_another_name_is_found_where_nobody_told_the_modality() -> None:
    ct = head()
    volume = Volume(GRID, np.clip(ct.array, -100, 300) + 120, Modality.OTHER)
    assert find_faces(volume, labelled(ct, "bone", "Haut"), {}).skins == ("Haut",)


def test_what_surely_lies_elsewhere_shows_no_face_and_doubt_does() -> None:
    limb = head(open_mm=90.0)
    assert not find_faces(limb, labelled(limb, "femur"), {}).why
    assert not find_faces(limb, labelled(limb, "Left tibia", "skin"), {}).skins
    for name in ("bone", "C2 vertebra", "tumour", "something"):
        assert find_faces(limb, labelled(limb, name), {}).why == "nothing tells that the scan shows no head", name


def test_away_from_the_structures_the_scan_is_air() -> None:
    volume = head()
    labels = labelled(volume, "skull")
    left = blanked(volume, labels)
    away = np.abs(np.linalg.norm(places(GRID), axis=-1) - 80)
    assert (left.array[labels.array > 0] == volume.array[labels.array > 0]).all()
    assert (left.array[away > 5 + 4 * np.sqrt(3) + KEPT_MM] == -1000).all()
    assert (left.array != -1000).sum() < 1.35 * (labels.array > 0).sum()


@pytest.mark.parametrize(
    ("scan", "skull"),
    [
        ("ct_head_thick/ct_example.nii.gz", True),
        ("ct_pelvis_3mm/example_ct.nii.gz", False),
        pytest.param("ct_abdomen_j2k", False, marks=pytest.mark.slow),
        pytest.param("ct_ge_chest_contrast", False, marks=pytest.mark.slow),
    ],
)
def test_real_scans_with_and_without_a_skull(test_data: Path, scan: str, skull: bool) -> None:
    assert has_skull(load_source(test_data / scan, IngestParams()).volume) is skull

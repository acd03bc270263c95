"""Masks from elsewhere: NIfTI, NRRD, MetaImage, layered `.seg.nrrd`, DICOM SEG and RTSTRUCT, or a folder of such files.

Each structure becomes a `NamedMask` on the grid of its own file; what overlaps stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.images import image_suffix, is_image_file, placed, read_stored
from surgplan.formats.name_table import NamedValue, NameTable
from surgplan.formats.nifti_names import nifti_label_names
from surgplan.formats.segmentations import MOST_LABELS, segments_of
from surgplan.model.labels import Label
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Grid

MOST_FILES = 2000
"""More structures than any program names."""
IS_IT_A_SCAN = "Is it a scan? Pass a mask: whole numbers, 0 where the structure is not"

Read = tuple[tuple[NamedMask, ...], tuple[Finding, ...]]


def read_masks(
    path: Path, names: NameTable | None = None, wanted: Collection[str] | None = None, grid: Grid | None = None
) -> Read:
    """All masks of a file or of a folder of files, and what was doubtful about them.

    Parameters
    ----------
    names:
        What the numbers of a label image, or the files of a folder, are called.
    wanted:
        The names that are needed: in a folder that has a file of each of these names, the others are not read.
    grid:
        The scan's, on which the contours of an RT Structure Set are filled.

    Raises
    ------
    Missing
        There is no such file or folder.
    BadInput
        It holds no masks, a scan, or two structures of one name; or a file is damaged.
    """
    table = names or NameTable()
    if path.is_dir():
        masks, findings = _folder(path, table, wanted, grid)
    elif path.is_file():
        masks, findings = _file(path, table, grid)
    else:
        raise Missing(path, "there is no such file or folder", advice="Check the path of the masks")
    masks, same = _each_name_once(path, masks)
    return masks, (*findings, *same)


def mask_name(path: Path) -> str:
    """What the mask of a file is called when nothing else says: the file's name without its ending."""
    stem = path.name.removesuffix(image_suffix(path)) if is_image_file(path) else path.stem
    return (stem.removesuffix(".seg") or stem)[:64]


def _folder(path: Path, table: NameTable, wanted: Collection[str] | None, grid: Grid | None) -> Read:
    files = [each for each in sorted(path.iterdir()) if each.is_file() and _is_mask_file(each)]
    if not files:
        advice = "Name the folder that holds one file for each structure"
        raise BadInput(path, "holds no mask files", "NIfTI, NRRD, MHA or DICOM SEG files", advice)
    if len(files) > MOST_FILES:
        raise BadInput(path, f"holds {len(files)} image files", f"at most {MOST_FILES}", "Is it a folder of masks?")
    named = [(table.files.get(mask_name(each), mask_name(each)), each) for each in files]
    if wanted is not None and set(wanted) <= {name for name, _ in named}:
        files = [each for name, each in named if name in wanted]
    masks: list[NamedMask] = []
    findings: list[Finding] = []
    for each in files:
        try:
            more, told = _file(each, table, grid, mask_name(each))
        except NotAMask as error:
            advice = "Move it elsewhere if it is no mask"
            findings.append(Finding("no mask", Level.WARN, f"left out: {error.found}", "", advice, subject=each.name))
            continue
        masks += more
        findings += told
    if not masks:
        raise BadInput(path, f"none of its {len(files)} image files is a mask", advice=IS_IT_A_SCAN)
    return tuple(masks), tuple(findings)


def _is_mask_file(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return is_image_file(path) or path.suffix.lower() == ".dcm"


class NotAMask(BadInput):
    """A file holds an image, but not one that says which voxels belong to what."""


def _file(path: Path, table: NameTable, grid: Grid | None, one: str = "") -> Read:
    """The masks of one file. `one` is what the file is called among others in a folder: then that is the name of a
    single structure in it, whatever the file itself says."""
    if not is_image_file(path):
        from surgplan.formats.dicom_seg import read_dicom_masks

        return read_dicom_masks(path, grid)
    stored = read_stored(path)
    own, array = placed(path, stored)
    segments = segments_of(path, stored.keys)
    if segments:
        with blaming(path, "Save the segmentation again"):
            return tuple(_of_segments(path, own, array, segments)), stored.findings
    if array.ndim != 3:
        raise NotAMask(path, f"holds {array.shape[3]} values for each voxel without names", "one", IS_IT_A_SCAN)
    array, told = _whole(path, array)
    with blaming(path):
        return tuple(_of_values(path, own, array, table, one)), (*stored.findings, *told)


def _of_segments(path: Path, grid: Grid, array: NDArray[Any], segments: list[tuple[int, Label]]) -> Iterator[NamedMask]:
    layers = array[..., np.newaxis] if array.ndim == 3 else array
    for layer, label in segments:
        if not 0 <= layer < layers.shape[3]:
            raise BadInput(path, f"segment {label.name!r} lies in layer {layer}", f"0 to {layers.shape[3] - 1}")
        voxels = layers[..., layer] == label.value
        told = {"color": label.color, "side": label.side or None, "code": label.code, "source": path.name}
        yield NamedMask.cut(label.name, grid, voxels, **told)


def _whole(path: Path, array: NDArray[Any]) -> tuple[NDArray[Any], tuple[Finding, ...]]:
    """Whole numbers; shares between 0 and 1 count where they are at least one half, which is told."""
    low, high = array.min(), array.max()
    if array.dtype.kind not in "iu":
        if not np.isfinite([low, high]).all():
            raise NotAMask(path, "holds values that are not finite", "whole numbers", IS_IT_A_SCAN)
        if low >= 0 and high <= 1 and not np.array_equal(array, array >= 1):
            measured = "it holds shares between 0 and 1; taken where they are at least 0.5"
            return array >= 0.5, (Finding("fractional mask", Level.NOTE, measured, subject=mask_name(path)),)
        if not np.array_equal(array, np.rint(array)):
            raise NotAMask(path, f"holds values from {low:g} to {high:g}", "whole numbers", IS_IT_A_SCAN)
    if low < 0 or high > 65535:
        raise NotAMask(path, f"holds values from {low:g} to {high:g}", "0 to 65535", IS_IT_A_SCAN)
    return array.astype(np.uint16, copy=False), ()


def _of_values(path: Path, grid: Grid, array: NDArray[Any], table: NameTable, one: str) -> Iterator[NamedMask]:
    values = [int(value) for value in np.flatnonzero(np.bincount(array.ravel())) if value]
    if len(values) > MOST_LABELS:
        raise NotAMask(path, f"holds {len(values)} different values", f"at most {MOST_LABELS}", IS_IT_A_SCAN)
    names = _names_in(path, table)
    if len(values) <= 1 and (one or not names):
        name = table.files.get(mask_name(path), mask_name(path))
        yield NamedMask.cut(name, grid, array > 0, source=path.name)
        return
    for named in _named(path, values, names, one or "label"):
        yield NamedMask.cut(named.name, grid, array == named.value, source=path.name, **named.told)


def _names_in(path: Path, table: NameTable) -> dict[int, NamedValue]:
    """What values are called: by the table, else by the file itself."""
    if table.values or not image_suffix(path).startswith(".nii"):
        return dict(table.values)
    return {value: NamedValue(value=value, name=name) for value, name in nifti_label_names(path).items()}


def _named(path: Path, values: list[int], names: dict[int, NamedValue], several: str) -> list[NamedValue]:
    """What each value of the image is called; without names they are `several-1`, `several-2`, …"""
    if not names:
        return [NamedValue(value=value, name=f"{several[:58]}-{value}") for value in values]
    nameless = [value for value in values if value not in names]
    if nameless:
        found = f"holds the values {', '.join(map(str, nameless[:10]))}, which the table of names does not have"
        raise BadInput(path, found, advice="Add them to the table, or take the right one")
    return [names[value] for value in values]


def _each_name_once(path: Path, masks: Iterable[NamedMask]) -> Read:
    """Without masks that another file of the same name holds as well; two that differ cannot both be meant."""
    kept: dict[str, NamedMask] = {}
    findings = []
    for mask in masks:
        other = kept.setdefault(mask.name, mask)
        if other is mask:
            continue
        if not _same(mask, other):
            found = f"two masks are called `{mask.name}` and differ: in {other.source} and in {mask.source}"
            raise BadInput(path, found, "each name once", "Rename one, or name the file that is meant")
        measured = f"{mask.source} holds the same as {other.source}; left out"
        findings.append(Finding("mask twice", Level.NOTE, measured, subject=mask.name))
    return tuple(kept.values()), tuple(findings)


def _same(one: NamedMask, other: NamedMask) -> bool:
    same_place = one.start == other.start and one.grid.matches(other.grid)
    return same_place and np.array_equal(one.array, other.array)

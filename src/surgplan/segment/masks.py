"""Structures that something else has found: masks that the case gives, networks, TotalSegmentator.

All of them reach this stage as masks; where a mask comes from is the first half of its key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from surgplan.errors import BadInput, EmptyLabel, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.anatomy import anatomy_of
from surgplan.model.labels import file_stem
from surgplan.model.masks import NamedMask
from surgplan.params import nearest
from surgplan.segment.given import Found, Given, Scene
from surgplan.segment.mask_params import EVERY, GIVEN, MaskKey, MaskParams
from surgplan.segment.placing import place
from surgplan.segment.structure import MOST_STRUCTURES, StructureParams

HOW_TO_GIVE = "Pass --masks FOLDER, or name them in the case file: masks = …"


def from_mask(scene: Scene, params: StructureParams) -> Found:
    """The structure as its mask shows it, on the scan's grid.

    Raises
    ------
    WrongUsage
        No such mask is given, or several could be meant.
    BadInput
        It does not lie in the scan's frame.
    EmptyLabel
        It has no voxels.
    """
    key = params.mask_key
    assert key is not None
    mask = scene.given.masks[mask_meant(scene.given.masks, key, params.name)]
    region, findings = place(mask, scene.volume)
    if not region.voxels:
        advice = "Leave it out, or set optional = true"
        raise EmptyLabel(f"structure `{params.name}`", f"its mask {_told(mask, key)} is empty", advice=advice)
    return Found(region, None, findings)


def _told(mask: NamedMask, key: MaskKey) -> str:
    return f"`{mask.name}`" + (f" in {mask.source}" if mask.source else f" of {key[0]}")


def mask_meant(masks: Collection[MaskKey], key: MaskKey, structure: str) -> MaskKey:
    """The key of the mask that is meant: of that name, or of the same structure under another of its names.

    Raises
    ------
    WrongUsage
        There is none, or several could be meant.
    """
    if key in masks:
        return key
    source, name = key
    here = [other for where, other in masks if where == source]
    wanted = anatomy_of(name)
    same = [other for other in here if wanted is not None and anatomy_of(other) == wanted]
    if len(same) == 1:
        return source, same[0]
    if len(same) > 1:
        found = f"`{name}` could be any of the masks {', '.join(f'`{each}`' for each in sorted(same))}"
        raise WrongUsage(f"structure `{structure}`", found, advice="Say which: mask = { name = … }")
    advice = nearest(name, here) if here else HOW_TO_GIVE if source == GIVEN else f"Nothing came from {source}"
    raise WrongUsage(f"structure `{structure}`", f"needs the mask `{name}`, which is not given", advice=advice)


def with_masks(
    structures: Sequence[StructureParams], given: Given
) -> tuple[tuple[StructureParams, ...], list[Finding]]:
    """The structures, with what their masks say of colour, side and code where the recipe is silent; a structure called
    `*` becomes one for each mask that no other takes.

    Raises
    ------
    WrongUsage
        There are no masks for `*`.
    BadInput
        There are more than a label map holds, or two would share a file name.
    """
    taken = {key for each in structures if (key := _taken(each, given))}
    result: list[StructureParams] = []
    findings: list[Finding] = []
    for structure in structures:
        if not _is_every(structure):
            result.append(_informed(structure, given))
            continue
        more, told = _every(structure, given, taken)
        result += more
        findings += told
    if len(result) > MOST_STRUCTURES:
        raise BadInput("masks", f"are {len(result)} structures", f"at most {MOST_STRUCTURES}", "Name those wanted")
    stems = [file_stem(structure.name) for structure in result]
    if len(set(stems)) != len(stems):
        found = f"two structures would share the file name {max(stems, key=stems.count)!r}"
        raise BadInput("masks", found, advice="Rename one in a table: --mask-names FILE")
    return tuple(result), findings


def _is_every(structure: StructureParams) -> bool:
    return structure.method == "mask" and structure.name == EVERY


def _taken(structure: StructureParams, given: Given) -> MaskKey | None:
    """The given mask that a structure takes by its own name or by another one; None when it takes none."""
    key = structure.mask_key
    if key is None or _is_every(structure):
        return None
    try:
        return mask_meant(given.masks, key, structure.name)
    except WrongUsage:
        return None  # told when the structure is made


def _every(
    structure: StructureParams, given: Given, taken: set[MaskKey]
) -> tuple[list[StructureParams], list[Finding]]:
    """One structure for each mask that is left, the smallest first: what lies within another one keeps its voxels."""
    rest = [(key, mask) for key, mask in given.masks.items() if key[0] == GIVEN and key not in taken]
    left = dict(sorted(rest, key=lambda each: (each[1].volume_mm3, each[0])))
    if not left and not taken:
        raise WrongUsage("structure `*`", "takes all masks, and none are given", advice=HOW_TO_GIVE)
    findings = []
    made = []
    for (_, name), mask in left.items():
        if not mask.voxels:
            measured = f"its mask in {mask.source or 'the case'} has no voxels; left out"
            findings.append(Finding("empty mask", Level.WARN, measured, "", "Check that it is not needed", "", name))
            continue
        named = structure.model_copy(update={"name": name, "mask": MaskParams(name=name), "optional": True})
        made.append(_informed(named, given))
    return made, findings


def _informed(structure: StructureParams, given: Given) -> StructureParams:
    """The structure, with what its mask's file says where the recipe is silent."""
    key = _taken(structure, given)
    if key is None:
        return structure
    mask = given.masks[key]
    update: dict[str, object] = {}
    if structure.color is None and mask.color is not None:
        update["color"] = "#" + "".join(f"{channel:02x}" for channel in mask.color)
    if structure.code is None and mask.code is not None:
        update["code"] = (mask.code.scheme, mask.code.value, mask.code.meaning)
    if not structure.side and mask.side:
        update["side"] = mask.side
    return structure.model_copy(update=update) if update else structure

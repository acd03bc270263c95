"""A copy of a case from which no face can be made: without the skin, and with the scan blanked away from what is kept.

Print and report are made again by their own stages, so that every picture and every model comes from what was kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from surgplan.case.casefile import CasePlan
from surgplan.case.manifest import FileRecord, Manifest
from surgplan.case.workshop import LABELS, STAGES, VOLUME, Workshop
from surgplan.errors import Refused
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written
from surgplan.model.labels import LabelMap
from surgplan.model.volume import Modality, Volume
from surgplan.privacy.faces import SOURCE, Faces
from surgplan.segment.morphology import grow
from surgplan.segment.region import Box, Region

KEPT_MM = 2.0
"""So far round what is kept the scan stays: less than skin and fat measure over most of the face's bones."""
AIR_HU = -1000


def faceless_copy(case: Path, plan: CasePlan, manifest: Manifest, faces: Faces, folder: Path) -> Manifest:
    """Make the copy in an empty folder; its manifest names its files and tells what was left out.

    Raises
    ------
    Refused
        Nothing is left without the face.
    """
    from surgplan.formats.images import write_volume
    from surgplan.formats.segmentations import write_labels

    shop = Workshop(plan, case, manifest)
    labels = _without(shop.labels, faces.skins)
    volume = blanked(shop.volume, labels)
    gone = {label.file_stem for label in shop.labels.labels if label.name in faces.skins}
    stages = dict(manifest.stages)
    surface, segment = stages["surface"], stages["segment"]
    kept = {name: record for name, record in surface.outputs.items() if Path(name).stem not in gone}
    measures = [each for each in surface.results["measures"] if each["name"] not in faces.skins]
    of_kept = {
        name: [each for each in segment.results.get(name, ()) if each["name"] not in faces.skins]
        for name in ("certainty", "left_out")
    }
    stages["surface"] = surface.model_copy(
        update={"outputs": kept, "results": {**surface.results, "measures": measures}}
    )
    told = {"results": {**segment.results, **of_kept}, "findings": [*segment.findings, _told(faces)]}
    stages["segment"] = segment.model_copy(update=told)
    _link(case, folder, [*kept, *stages["navigation"].outputs])
    for stage, written in (
        ("ingest", write_volume(folder / VOLUME, volume)),
        ("segment", write_labels(folder / LABELS, labels)),
    ):
        stages[stage] = stages[stage].model_copy(update={"outputs": _records(folder, (written,))})
    copy = manifest.model_copy(update={"stages": stages})
    if not faces.skins:
        _link(case, folder, stages["print"].outputs)
    return _made_again(plan, folder, copy, ("print", "report") if faces.skins else ("report",))


def _made_again(plan: CasePlan, folder: Path, manifest: Manifest, names: tuple[str, ...]) -> Manifest:
    for stage in STAGES:
        if stage.name in names:
            made = stage.run(Workshop(plan, folder, manifest))
            found = [finding.as_dict() for finding in made.findings]
            changed = {"outputs": _records(folder, made.written), "results": made.results, "findings": found}
            stages = {**manifest.stages, stage.name: manifest.stages[stage.name].model_copy(update=changed)}
            manifest = manifest.model_copy(update={"stages": stages})
    return manifest


def _without(labels: LabelMap, names: tuple[str, ...]) -> LabelMap:
    kept = tuple(label for label in labels.labels if label.name not in names)
    if not kept:
        advice = "Pass --with-face if whoever gets the case may see the face"
        raise Refused("case", f"shows nothing but a face: {', '.join(names)}", "a structure that shows none", advice)
    gone = [label.value for label in labels.labels if label.name in names]
    array = np.where(np.isin(labels.array, gone), 0, labels.array).astype(labels.array.dtype)
    return LabelMap(labels.grid, array, kept)


def blanked(volume: Volume, labels: LabelMap) -> Volume:
    """The scan where it is at most `KEPT_MM` from a labelled voxel; air, or the lowest intensity, everywhere else."""
    whole = Box((0, 0, 0), labels.array.shape)
    near = grow(Region(labels.grid, whole, labels.array > 0).trimmed(), KEPT_MM)
    low = volume.array.min()
    value = max(low, AIR_HU) if volume.modality is Modality.CT else low
    array = np.full_like(volume.array, value)
    inside = near.box.slices
    array[inside] = np.where(near.mask, volume.array[inside], value)
    return replace(volume, array=array)


def _told(faces: Faces) -> dict[str, str]:
    measured = f"left out of this copy for sharing, because it may show a face ({faces.why}): the scan farther than "
    measured += f"{KEPT_MM:g} mm from the structures" + "".join(f", {name}" for name in faces.skins)
    advice = "Share it with --with-face where the patient has agreed to that"
    return Finding("face", Level.NOTE, measured, "no recognizable face", advice, SOURCE).as_dict()


def _records(folder: Path, written: tuple[Written, ...]) -> dict[str, FileRecord]:
    return {
        each.path.relative_to(folder).as_posix(): FileRecord(sha256=each.sha256, size=each.size) for each in written
    }


def _link(case: Path, folder: Path, names: Iterable[str]) -> None:
    """Links cost neither time nor room; the copy only reads them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to((case / name).resolve())

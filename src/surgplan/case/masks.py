"""The masks that a case gives: where their files lie, what their bytes are, and what the recipe needs of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from surgplan.case.digest import source_digest, source_files
from surgplan.errors import WrongUsage
from surgplan.findings import Finding
from surgplan.formats.atomic import sha256_of
from surgplan.model.volume import Volume
from surgplan.segment.given import Given
from surgplan.segment.mask_params import EVERY, GIVEN
from surgplan.segment.stage import SegmentParams


@dataclass(frozen=True)
class MaskFiles:
    """A file or folder of masks, and the table of their names, if there is one."""

    path: Path
    names: Path | None = None

    @property
    def note(self) -> str:
        """Where they lie on this machine, to be noted outside of the case; see `from_note`."""
        return "".join(f"{path.resolve()}\n" for path in (self.path, self.names) if path is not None)

    @classmethod
    def from_note(cls, text: str) -> MaskFiles:
        """The inverse of `note`."""
        path, _, names = text.strip().partition("\n")
        return cls(Path(path), Path(names) if names else None)

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of what a run reads: inputs of the segmentation.

        Raises
        ------
        Missing
            There is no such file or folder.
        """
        found = {"masks": source_digest(self.path, source_files(self.path))}
        return found | ({"names of masks": sha256_of(self.names)} if self.names and self.names.is_file() else {})


def takes_masks(params: SegmentParams) -> bool:
    """Whether any structure comes from a mask that the case gives."""
    return any(structure.method == "mask" for structure in params.structures)


def with_masks_of(
    volume: Volume, given: Given, files: MaskFiles | None, params: SegmentParams
) -> tuple[Given, tuple[Finding, ...]]:
    """What the case gives, with the masks that the structures need, and what was doubtful about their files.

    Raises
    ------
    Missing, BadInput, WrongUsage
        The files are not there, hold no masks, or their table of names is none; or masks are given to a recipe that
        takes none.
    """
    if files is None:
        return given, ()
    if not takes_masks(params):
        advice = 'Choose a recipe that does, for example -r masks, or give a structure method = "mask"'
        raise WrongUsage(files.path, "masks are given, and the recipe takes none", advice=advice)
    from surgplan.formats.masks import read_masks
    from surgplan.formats.name_table import read_name_table

    keys = [structure.mask_key for structure in params.structures if structure.method == "mask"]
    wanted = {key[1] for key in keys if key is not None}
    names = read_name_table(files.names) if files.names else None
    masks, findings = read_masks(files.path, names, None if EVERY in wanted else wanted, volume.grid)
    return replace(given, masks={**given.masks, **{(GIVEN, mask.name): mask for mask in masks}}), findings

"""Case file and case plan: which scan, which recipe, and what only this patient has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from surgplan.case.log import operator
from surgplan.case.masks import MaskFiles
from surgplan.case.recipe import Recipe, find_recipe, load_recipe, recipe_named_in, recipe_tables
from surgplan.case.registered import read_registration_error
from surgplan.case.source_note import remembered
from surgplan.case.toml_files import parse_setting, parse_value, read_toml
from surgplan.errors import WrongUsage
from surgplan.model.frames import LPS, LPS_FROM_RAS, RAS
from surgplan.model.labels import file_stem
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.navigation.registered import RegistrationError
from surgplan.params import Params, nearest
from surgplan.segment.given import Given
from surgplan.segment.mask_params import EVERY

STAGE_TABLES = ("ingest", "structure", "networks", "surface", "print", "navigation", "registration", "report")

Vector = tuple[float, float, float]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class LandmarkEntry(Params):
    """One `[[landmark]]` of a case file."""

    name: Name = Field(description="what the point is called")
    position_mm: Vector = Field(description="where it lies, three numbers in mm")
    frame: Literal["LPS", "RAS"] = Field("LPS", description="frame of position_mm")
    description: str = Field("", max_length=200, description="how the point was found")
    uncertainty_mm: float | None = Field(None, gt=0, le=100, description="standard deviation of the position, in mm")

    def landmark(self) -> Landmark:
        """The landmark in LPS."""
        given = LPS if self.frame == "LPS" else RAS
        point = Landmark(self.name, self.position_mm, given, self.description, self.uncertainty_mm)  # type: ignore[arg-type]
        return point if given == LPS else LPS_FROM_RAS @ point


class TrajectoryEntry(Params):
    """One `[[trajectory]]` of a case file."""

    name: Name = Field(description="what the trajectory is called")
    entry: str | Vector = Field(description="a landmark's name, or a position in LPS mm")
    target: str | Vector = Field(description="a landmark's name, or a position in LPS mm")
    avoid: tuple[str, ...] = Field((), description="structures to keep away from")
    margin_mm: float = Field(0.0, ge=0, le=100, description="distance to keep from them, in mm")
    diameter_mm: float = Field(0.0, ge=0, le=50, description="diameter of the instrument or screw, in mm")
    depth_mm: float | None = Field(
        None, gt=0, le=1000, description="how far it goes from the entry, in mm; to the target when left out"
    )
    axis: tuple[str, ...] = Field((), description="two landmarks: the angle to the line from one to the other is told")
    registration: str | RegistrationError | None = Field(
        None, description="JSON of `surgplan register`, relative to the case file: its error widens the path"
    )

    def trajectory(self, landmarks: PointSet, structures: Sequence[str], where: str) -> Trajectory:
        """The trajectory in LPS; unknown names are `WrongUsage`."""
        for name in self.avoid:
            if name not in structures and EVERY not in structures:
                raise WrongUsage(
                    where,
                    f"trajectory `{self.name}` avoids `{name}`, which is no structure",
                    advice=nearest(name, [*structures]),
                )
        ends = [self._end(which, landmarks, where) for which in ("entry", "target")]
        try:
            return Trajectory(
                self.name, ends[0], ends[1], LPS, self.avoid, self.margin_mm, self.diameter_mm, self.depth_mm, self.axis
            )
        except ValueError as error:
            raise WrongUsage(where, str(error), advice="Move the entry or the target") from None

    def with_error(self, folder: Path) -> TrajectoryEntry:
        """The same with the registration's error itself in place of the name of its file, relative to `folder`."""
        if not isinstance(self.registration, str):
            return self
        return self.model_copy(update={"registration": read_registration_error(folder / self.registration)})

    def _end(self, which: str, landmarks: PointSet, where: str) -> Any:
        given = getattr(self, which)
        if not isinstance(given, str):
            return given
        try:
            return landmarks[given].position
        except KeyError:
            known = [point.name for point in landmarks]
            found = f"{which} of trajectory `{self.name}` is `{given}`, which is no landmark"
            raise WrongUsage(where, found, advice=nearest(given, known)) from None


class CaseFile(Params):
    """What a `case.toml` holds besides the tables that override its recipe's."""

    case: Name = Field(description="name of the case, never a patient's; printed on the model")
    source: str | None = Field(None, description="folder or file of the scan, relative to the case file")
    recipe: str = Field(description="name or path of the recipe")
    masks: str | None = Field(
        None, description="folder or file of masks made elsewhere, relative to the case file; for method `mask`"
    )
    mask_names: str | None = Field(None, description="table of the masks' names: .json, .toml or .csv")
    landmark: tuple[LandmarkEntry, ...] = Field((), description="points that only this patient has")
    trajectory: tuple[TrajectoryEntry, ...] = Field((), description="planned straight paths")


@dataclass(frozen=True)
class CasePlan:
    """A case with everything resolved: nothing is looked up after this."""

    case: str
    scan: Path | None
    recipe_name: str
    recipe: Recipe
    landmarks: PointSet
    trajectories: tuple[Trajectory, ...]
    entries: CaseFile
    masks: MaskFiles | None = None

    @property
    def given(self) -> Given:
        """What the segmentation may look at beside the scan; masks are read from their files apart."""
        return Given(self.landmarks)

    @property
    def errors(self) -> dict[str, RegistrationError]:
        """Trajectory → the error of the registration by which it is followed, for those that name one."""
        told = {entry.name: entry.registration for entry in self.entries.trajectory}
        return {name: error for name, error in told.items() if isinstance(error, RegistrationError)}

    @property
    def source(self) -> Path:
        """Where the scan lies; `WrongUsage` when nobody said so: a report can be made again without it."""
        if self.scan is None:
            advice = "Add `source = …`, the folder of the scan"
            raise WrongUsage("case.toml", "key `source` is missing", advice=advice)
        return self.scan

    def accepting(self, names: Sequence[str], by: str | None) -> CasePlan:
        """The same plan, which also overrides these refusals of the input gate; whoever does is in it from then on.

        Raises
        ------
        WrongUsage
            One of them cannot be overridden.
        """
        ingest = self.recipe.ingest
        accept = tuple(dict.fromkeys((*ingest.accept, *names)))
        if not accept or (accept == ingest.accept and ingest.operator):
            return self
        table = {**ingest.model_dump(), "accept": accept, "operator": operator(by)}
        changed = type(ingest).from_table(table, "--accept")
        return replace(self, recipe=self.recipe.model_copy(update={"ingest": changed}))

    def case_toml(self) -> dict[str, Any]:
        """The tables of the case folder's own `case.toml`: complete, without the path of the scan.

        Paths are machine-dependent and often carry patients' names, so those of the scan and the masks stay out.
        """
        outside = {"source", "masks", "mask_names"}
        tables = self.entries.model_dump(mode="json", exclude=outside, exclude_defaults=True)
        return {**tables, "case": self.case, "recipe": self.recipe_name, **self.recipe.model_dump(mode="json")}


def plan_case(
    given: Path,
    recipe: str | None = None,
    name: str | None = None,
    settings: Sequence[str] = (),
    tables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    source: Path | None = None,
    masks: MaskFiles | None = None,
) -> CasePlan:
    """What a command line asks for: a scan with a recipe, or a case file; `masks` come before the case file's.

    `source` names the scan of a case file whose own does not hold.

    Precedence: `tables` (options of the command line), `settings` (`--set`), environment, case file, recipe, default.

    Raises
    ------
    WrongUsage
        Unknown recipe, key, landmark or structure, or a value out of range.
    """
    is_case_file = given.suffix == ".toml"
    where = given.name
    stored: dict[str, Any] = read_toml(given) if is_case_file else {}
    over = {key: stored.pop(key) for key in STAGE_TABLES if key in stored}
    description = stored.pop("description", "")
    if name is not None or "case" not in stored:
        stored["case"] = name or default_case_name(given)
    if recipe is not None:
        stored["recipe"] = recipe
    if "recipe" not in stored:
        raise WrongUsage(where, "no recipe was named", advice="Pass -r NAME; `surgplan recipes` lists them")
    entries = CaseFile.from_table(stored, where, also=STAGE_TABLES)
    followed = tuple(entry.with_error(given.parent) for entry in entries.trajectory)
    entries = entries.model_copy(update={"trajectory": followed})
    named_here = is_case_file and recipe is None
    if named_here and set(STAGE_TABLES) <= set(over):  # a case's own: the recipe may be elsewhere, or have changed
        base, called = {"description": description}, where
    else:
        holder = recipe_named_in(given, "names", entries.recipe) if named_here else None
        recipe_path = holder or find_recipe(entries.recipe, given.parent)
        base, called = recipe_tables(recipe_path), recipe_path.name
    overrides: list[tuple[str, dict[str, Any]]] = [(where, over)] if over else []
    overrides += _from_environment(os.environ if environment is None else environment)
    overrides += [(f"--set {setting}", parse_setting(setting)) for setting in settings]
    overrides += [("command line", dict(tables))] if tables else []
    chosen = load_recipe(base, called, overrides)
    landmarks = _landmarks(entries, where)
    names = [structure.name for structure in chosen.structure]
    paths = tuple(entry.trajectory(landmarks, names, where) for entry in entries.trajectory)
    scan = source or (_source_of(given, entries) if is_case_file else given)
    masks = masks or (_masks_of(given, entries) if is_case_file else None)
    return CasePlan(entries.case, scan, _plain_name(entries.recipe), chosen, landmarks, paths, entries, masks)


def _plain_name(recipe: str) -> str:
    """What a recipe is called wherever the case tells it: paths belong to a machine, and may carry names."""
    return Path(recipe).stem if recipe.endswith(".toml") or os.sep in recipe else recipe


def default_case_name(given: Path) -> str:
    """A name for a case that has none.

    Folder names of scans often carry patients' names, so it does not come from there; a case file's folder was named
    by whoever planned the case.
    """
    return file_stem(given.resolve().parent.name) if given.suffix == ".toml" else "case"


def _source_of(case_file: Path, entries: CaseFile) -> Path | None:
    if entries.source is not None:
        return case_file.parent / entries.source
    place = remembered(case_file.parent, "source")
    return Path(place) if place else None


def _masks_of(case_file: Path, entries: CaseFile) -> MaskFiles | None:
    if entries.masks is not None:
        table = case_file.parent / entries.mask_names if entries.mask_names else None
        return MaskFiles(case_file.parent / entries.masks, table)
    note = remembered(case_file.parent, "masks")
    return MaskFiles.from_note(note) if note else None


def _landmarks(entries: CaseFile, where: str) -> PointSet:
    try:
        return PointSet((entry.landmark() for entry in entries.landmark), LPS)
    except ValueError as error:
        raise WrongUsage(where, str(error), advice="Rename or correct that landmark") from None


def _from_environment(environment: Mapping[str, str]) -> Iterable[tuple[str, dict[str, Any]]]:
    """`SURGPLAN_SURFACE_TOLERANCE_MM=0.1` sets `surface.tolerance_mm`."""
    tables = "|".join(table for table in STAGE_TABLES if table != "structure")
    for variable in sorted(environment):
        match = re.fullmatch(f"SURGPLAN_({tables})_(.+)", variable, re.IGNORECASE)
        if match:
            table, key = match[1].lower(), match[2].lower()
            yield variable, {table: {key: parse_value(environment[variable])}}

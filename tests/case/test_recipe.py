from __future__ import annotations

from pathlib import Path

import pytest

from surgplan.case.casefile import plan_case
from surgplan.case.recipe import find_recipe, load_recipe, recipe_paths, recipe_tables
from surgplan.errors import WrongUsage

RECIPE = """
description = "for the tests"
[[structure]]
name = "bone"
threshold_hu = [250, 3071]
[surface]
tolerance_mm = 0.3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(RECIPE)
    (tmp_path / "case.toml").write_text('case = "one"\nsource = "scan"\nrecipe = "mine.toml"\n')
    return tmp_path


@pytest.mark.parametrize("name", recipe_paths())
def test_every_shipped_recipe_is_valid_and_says_what_it_is_for(name: str) -> None:
    path = find_recipe(name)
    recipe = load_recipe(recipe_tables(path), path.name)
    assert recipe.structure
    assert len(recipe.description) > 10


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="Did you mean `ct-skull`"):
        find_recipe("ct-skul")
    with pytest.raises(WrongUsage, match="no such recipe file"):
        find_recipe("absent/recipe.toml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[surfcae]\ntolerance_mm = 1", "unknown key `surfcae`.*Did you mean `surface`"),
        ("[surface]\ntolerence_mm = 1", "unknown key `surface.tolerence_mm`.*Did you mean `tolerance_mm`"),
        ("[surface]\ntolerance_mm = -1", r"`surface.tolerance_mm` is -1: .*greater than 0"),
        ("[surface]\ntolerance_mm = 'x'", "`surface.tolerance_mm` is 'x'"),
        ("[[structure]]\nname = 'bone'\nthreshold_hu = [300, 100]", "threshold_hu"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_right_one(folder: Path, line: str, message: str) -> None:
    case = folder / "case.toml"
    case.write_text(case.read_text() + line + "\n")
    with pytest.raises(WrongUsage, match=message) as caught:
        plan_case(case)
    assert caught.value.subject.startswith("case.toml")


def test_precedence_is_option_variable_case_recipe_default(folder: Path) -> None:
    case = folder / "case.toml"

    def tolerance(**more: object) -> float:
        return plan_case(case, environment=more.pop("environment", {}), **more).recipe.surface.tolerance_mm  # type: ignore[arg-type]

    variable = {"SURGPLAN_SURFACE_TOLERANCE_MM": "0.5"}
    assert tolerance() == 0.3
    case.write_text(case.read_text() + "[surface]\ntolerance_mm = 0.4\n")
    assert tolerance() == 0.4
    assert tolerance(environment=variable) == 0.5
    assert tolerance(environment=variable, settings=["surface.tolerance_mm=0.6"]) == 0.6
    both = {"surface": {"tolerance_mm": 0.7}}
    assert tolerance(environment=variable, settings=["surface.tolerance_mm=0.6"], tables=both) == 0.7


def test_a_wrong_variable_is_blamed_on_itself(folder: Path) -> None:
    with pytest.raises(WrongUsage, match="SURGPLAN_SURFACE_TOLERANCE_MM"):
        plan_case(folder / "case.toml", environment={"SURGPLAN_SURFACE_TOLERANCE_MM": "-1"})


def test_a_recipe_extends_another(folder: Path) -> None:
    (folder / "finer.toml").write_text('extends = "mine.toml"\n[surface]\ntolerance_mm = 0.05\n')
    tables = recipe_tables(folder / "finer.toml")
    recipe = load_recipe(tables, "finer.toml")
    assert recipe.surface.tolerance_mm == 0.05
    assert recipe.structure[0].name == "bone"


def test_recipes_that_extend_each_other_are_refused(folder: Path) -> None:
    (folder / "a.toml").write_text('extends = "b.toml"\n')
    (folder / "b.toml").write_text('extends = "a.toml"\n')
    with pytest.raises(WrongUsage, match="circles"):
        recipe_tables(folder / "a.toml")


def test_setting_an_unknown_structure_is_refused(folder: Path) -> None:
    with pytest.raises(WrongUsage, match=r"no structure is named `bome`.*Did you mean `bone`"):
        plan_case(folder / "case.toml", settings=["structure.bome.keep_largest=2"])


def test_landmarks_in_ras_are_carried_to_lps(folder: Path) -> None:
    case = folder / "case.toml"
    case.write_text(
        case.read_text() + '[[landmark]]\nname = "nasion"\nposition_mm = [1.0, 2.0, 3.0]\nframe = "RAS"\n'
        '[[landmark]]\nname = "target"\nposition_mm = [1.0, 2.0, 3.0]\n'
        '[[trajectory]]\nname = "biopsy"\nentry = "nasion"\ntarget = "target"\navoid = ["bone"]\n'
    )
    plan = plan_case(case)
    assert plan.landmarks["nasion"].position.tolist() == [-1.0, -2.0, 3.0]
    assert plan.trajectories[0].entry.tolist() == [-1.0, -2.0, 3.0]
    assert plan.trajectories[0].target.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ('entry = "nasoin"\ntarget = [0.0, 0.0, 1.0]', "nasoin.*Did you mean `nasion`"),
        ('entry = "nasion"\ntarget = "nasion"', "same point"),
        ('entry = "nasion"\ntarget = [0.0, 0.0, 1.0]\navoid = ["vessels"]', "avoids `vessels`, which is no structure"),
        ('entry = "nasion"\ntarget = [0.0, 0.0, nan]', "target"),
    ],
)
def test_a_trajectory_that_cannot_be_meant_is_refused(folder: Path, path: str, message: str) -> None:
    case = folder / "case.toml"
    case.write_text(
        case.read_text() + '[[landmark]]\nname = "nasion"\nposition_mm = [1.0, 2.0, 3.0]\n'
        f'[[trajectory]]\nname = "biopsy"\n{path}\n'
    )
    with pytest.raises(WrongUsage, match=message):
        plan_case(case)


def test_two_landmarks_of_one_name_are_refused(folder: Path) -> None:
    case = folder / "case.toml"
    case.write_text(case.read_text() + '[[landmark]]\nname = "n"\nposition_mm = [1.0, 2.0, 3.0]\n' * 2)
    with pytest.raises(WrongUsage, match="two landmarks"):
        plan_case(case)


def test_the_cases_own_file_leads_to_the_same_plan(folder: Path) -> None:
    from surgplan.case.toml_files import write_toml

    plan = plan_case(folder / "case.toml", settings=["structure.bone.keep_largest=3"])
    (folder / "again").mkdir()
    (folder / "again" / "mine.toml").write_text(RECIPE)
    again = folder / "again" / "case.toml"
    again.write_text(write_toml({**plan.case_toml(), "source": "scan"}))
    assert plan_case(again).recipe == plan.recipe


def test_a_recipe_that_is_not_there_is_told_with_the_file_that_names_it(folder: Path) -> None:
    (folder / "finer.toml").write_text('extends = "lost.toml"\n')
    with pytest.raises(WrongUsage, match=r"finer\.toml: extends lost\.toml: there is no such recipe file"):
        recipe_tables(folder / "finer.toml")
    (folder / "case.toml").write_text('case = "a"\nsource = "scan"\nrecipe = "lost.toml"\n')
    with pytest.raises(WrongUsage, match=r"case\.toml: names lost\.toml: there is no such recipe file"):
        plan_case(folder / "case.toml")


def test_a_case_is_planned_from_its_own_file_alone(finished_case: Path, tmp_path: Path) -> None:
    """Its recipe was a file, which is elsewhere or has changed since: the path of that is nowhere in the case."""
    moved = tmp_path / "case.toml"
    moved.write_bytes((finished_case / "case.toml").read_bytes())
    plan, there = plan_case(moved), plan_case(finished_case / "case.toml")
    assert plan.recipe == there.recipe
    assert plan.recipe_name == "femur"
    for name in ("case.toml", "manifest.json", "log.jsonl", "report/index.html"):
        assert str(finished_case.parent) not in (finished_case / name).read_text("utf-8"), name

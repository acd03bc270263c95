"""The structures of the shipped recipes are valid, coded rightly, and say what they are for."""

import tomllib
from pathlib import Path

import pytest

from surgplan.segment.stage import SegmentParams

PIPELINES = Path(__file__).parents[2] / "pipelines"
RECIPES = sorted(PIPELINES.glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_structures_are_valid(path):
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    if "extends" not in tables:
        SegmentParams.from_table({"structures": tables["structure"]}, path.name)
    assert tables["description"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_tells_what_it_is_for_what_it_needs_and_where_it_fails(path):
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for word in (f"# {path.stem}:", "# For:", "# Needs:", "# Fails:"):
        assert any(line.startswith(word) for line in comments), word


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_codes_are_those_of_dicom(path):
    from pydicom.sr._concepts_dict import concepts

    meanings = {code: meaning for entry in concepts["SCT"].values() for code, (meaning, *_) in entry.items()}
    known = {(code, entry[code][0]) for entry in concepts["SCT"].values() for code in entry}
    for structure in tomllib.loads(path.read_text(encoding="utf-8")).get("structure", []):
        scheme, value, meaning = structure.get("code", ("SCT", "272673000", "Bone"))
        assert scheme == "SCT"
        assert (value, meaning) in known, meanings.get(value)

"""Networks and TotalSegmentator in a case: real processes, real files, a real small network.

TotalSegmentator itself is not here: a stand-in of that name, made below, takes the same options and leaves the same
files, as version 2.18 does. What is tested is everything of surgplan's that calls it and reads what it leaves.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import tomli_w

from surgplan.case.casefile import plan_case
from surgplan.case.steps import networks_step
from surgplan.errors import SurgplanError
from surgplan.formats.images import read_volume
from surgplan.formats.segmentations import read_labels
from surgplan.model.masks import NamedMask
from tests.networks import model_folder
from tests.program import surgplan

pytest.importorskip("onnxruntime")

RECIPE = """
[[structure]]
name = "Left femur"
method = "network"
network = { model = "bone-net", label = "bone" }
"""


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    array = np.full((24, 40, 40), -1000, np.int16)
    array[:, 4:36, 4:36] = 40
    array[6:18, 12:24, 22:32] = 700
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3.0, 3.0, 3.0))
    image.SetOrigin((-58.5, -58.5, 0.0))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    return tmp_path / "scan.nrrd"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    model_folder(tmp_path / "models" / "bone", input={"spacing_mm": [3.0, 3.0, 3.0]})
    return tmp_path / "models"


def recipe(folder: Path, text: str = RECIPE) -> Path:
    (folder / "lab.toml").write_text(text)
    return folder / "lab.toml"


def test_a_network_is_run_once_and_its_mask_is_kept(scan, models, tmp_path):
    case = tmp_path / "case"
    words = ("run", scan, "-r", recipe(tmp_path), "-o", case, "--json")
    first = surgplan(*words, SURGPLAN_MODELS=str(models))
    assert first.code == 0, first.err
    assert first.json["ran"][:3] == ["ingest", "networks", "segment"]
    mask = case / "networks" / "network-bone-net" / "bone.seg.nrrd"
    (label,) = read_labels(mask).labels
    np.testing.assert_array_equal(read_labels(mask).array > 0, sitk.GetArrayFromImage(sitk.ReadImage(str(scan))) > 200)
    manifest = json.loads((case / "manifest.json").read_text())
    record = manifest["stages"]["networks"]
    facts = record["results"]["network bone-net"]
    assert (facts["model"], facts["licence"], len(facts["sha256"])) == ("bone-net", "CC0-1.0", 64)
    assert "networks/network-bone-net/bone.seg.nrrd" in manifest["stages"]["segment"]["inputs"]
    (label,) = read_labels(case / "labels.seg.nrrd").labels
    assert (label.name, str(label.side), label.code.meaning) == ("Left femur", "left", "Femur")
    ahead = surgplan(*words, "--dry-run", SURGPLAN_MODELS=str(models)).json["stages"]
    assert set(ahead.values()) == {"up to date"}
    # a report that is made again still knows of the network
    assert facts["sha256"] in (case / "report" / "index.html").read_text()
    assert surgplan("report", case, SURGPLAN_MODELS=str(models)).code == 0
    assert json.loads((case / "manifest.json").read_text())["stages"]["networks"] == record
    assert facts["sha256"] in (case / "report" / "index.html").read_text()
    # what follows is made from the stored mask: the network is not run again
    change = ("--set", "structure.Left femur.keep_largest=1", "--dry-run")
    ahead = surgplan(*words, *change, SURGPLAN_MODELS=str(models)).json["stages"]
    assert (ahead["networks"], ahead["segment"]) == ("up to date", "would run: its parameters changed")


@pytest.mark.slow
def test_masks_of_a_network_that_the_recipe_drops_leave_the_case(scan, models, tmp_path):
    case = tmp_path / "case"
    words = ("run", scan, "-o", case, "--json")
    surgplan(*words, "-r", recipe(tmp_path), SURGPLAN_MODELS=str(models))
    plain = '[[structure]]\nname = "bone"\nthreshold_hu = [200, 3071]\n'
    ended = surgplan(*words, "-r", recipe(tmp_path, plain))
    assert ended.code == 0, ended.err
    assert not list((case / "networks").rglob("*.nrrd"))
    assert "networks" not in json.loads((case / "manifest.json").read_text())["stages"]


def test_segment_leaves_the_mask_beside_its_result(scan, models, tmp_path):
    ended = surgplan(
        "segment", scan, "-r", recipe(tmp_path), "-o", tmp_path / "out.seg.nrrd", SURGPLAN_MODELS=str(models)
    )
    assert ended.code == 0, ended.err
    assert [Path(line).name for line in ended.out.split()] == ["out.seg.nrrd", "bone.seg.nrrd"]
    assert Path(ended.out.split()[1]).parts[-3] == "out-networks"


@pytest.mark.parametrize(
    ("change", "code", "error"),
    [
        ("hash", 3, "has the SHA-256"),
        ("labels", 3, "`label`"),
        ("name", 5, "model `bone-nett`: there is none of that name. Did you mean `bone-net`?"),
        ("label", 3, "model `bone-net`: needs the mask `femur`"),
        ("memory", 7, "would take"),
    ],
)
def test_what_cannot_be_run_is_told(scan, models, tmp_path, monkeypatch, change, code, error):
    text = RECIPE
    folder = models / "bone"
    if change == "hash":
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\x00")
    elif change == "labels":
        tables = tomllib.loads((folder / "model.toml").read_text())
        (folder / "model.toml").write_text(tomli_w.dumps({**tables, "label": []}))
    elif change == "name":
        text = RECIPE.replace("bone-net", "bone-nett")
    elif change == "label":
        text = RECIPE.replace('"bone" }', '"femur" }')
    else:
        text = RECIPE + "[networks]\nmemory_gb = 0.0001\n"
    monkeypatch.setenv("SURGPLAN_MODELS", str(models))
    with pytest.raises(SurgplanError) as caught:
        masks_of(scan, recipe(tmp_path, text), tmp_path)
    assert caught.value.exit_code == code
    assert error in caught.value.message


def masks_of(scan: Path, chosen: Path, folder: Path) -> Mapping[Any, NamedMask]:
    """What the networks and programs of a recipe find."""
    plan = plan_case(scan, str(chosen), "case")
    return networks_step(read_volume(scan), plan.recipe.segment, plan.recipe.networks, folder / "networks").noun


def test_models_are_listed_explained_and_checked(scan, models):
    (models / "broken").mkdir()
    (models / "broken" / "model.toml").write_text("name = 3")
    listed = surgplan("models", SURGPLAN_MODELS=str(models))
    assert listed.code == 0
    assert "bone-net" in listed.out
    assert "cannot be used" in listed.out
    assert str(models) in listed.out
    told = surgplan("models", "bone-net", "--check", "--scan", scan, SURGPLAN_MODELS=str(models))
    assert told.code == 0, told.err
    for words in (
        "CC0-1.0",
        "3 × 3 × 3 mm along RAS",
        "softmax, 2 channels",
        "memory for one patch",
        "patches on this scan",
    ):
        assert words in told.out
    values = surgplan("models", models / "bone", "--json").json
    assert (values["name"], values["label"]) == ("bone-net", [{"value": 1, "name": "bone"}])


STAND_IN = """#!{python}
# Stands in for TotalSegmentator 2.18: the options that surgplan passes, one NIfTI file of 0 and 1 for each class.
import argparse, pathlib, sys
import SimpleITK as sitk

if "--version" in sys.argv:
    print("2.18.0")
    sys.exit()
parser = argparse.ArgumentParser()
parser.add_argument("-i", required=True)
parser.add_argument("-o", required=True)
parser.add_argument("-ta", "--task", default="total")
parser.add_argument("-rs", "--roi_subset", nargs="+")
parser.add_argument("-f", "--fast", action="store_true")
given = parser.parse_args()
known = {{"femur_left": 600, "hip_left": 5000}}
for name in given.roi_subset or known:
    if name not in known:
        sys.exit(f"ValueError: {{name}} is not a class of {{given.task}}")
scan = sitk.ReadImage(given.i)
folder = pathlib.Path(given.o)
folder.mkdir()
(folder / "statistics.json").write_text("{{}}")
for name in given.roi_subset or known:
    sitk.WriteImage(sitk.Cast(scan > known[name], sitk.sitkUInt8), str(folder / f"{{name}}.nii.gz"))
{extra}
"""


def program(folder: Path, extra: str = "") -> str:
    """A PATH on which the stand-in is found first."""
    (folder / "bin").mkdir()
    path = folder / "bin" / "TotalSegmentator"
    path.write_text(STAND_IN.format(python=sys.executable, extra=extra))
    path.chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


TOTAL = """
[[structure]]
name = "femur_left"
method = "totalsegmentator"
totalsegmentator = { fast = true }
"""


def test_totalsegmentator_is_called_and_its_masks_become_structures(scan, tmp_path):
    target = tmp_path / "out.seg.nrrd"
    words = ("segment", scan, "-r", recipe(tmp_path, TOTAL), "-o", target, "--json")
    ended = surgplan(*words, PATH=program(tmp_path))
    assert ended.code == 0, ended.err
    told = ended.json["totalsegmentator total fast"]
    assert told == {"version": "2.18.0", "task": "total", "fast": True}
    (label,) = read_labels(target).labels
    assert (label.name, str(label.side), label.code.value) == ("femur_left", "left", "71341001")
    assert read_labels(target).counts()[1] == 12 * 12 * 10


def test_an_empty_class_is_an_empty_structure(scan, tmp_path):
    text = TOTAL.replace("femur_left", "hip_left")
    ended = surgplan(
        "segment", scan, "-r", recipe(tmp_path, text), "-o", tmp_path / "x.seg.nrrd", PATH=program(tmp_path)
    )
    assert ended.code == 3
    assert "structure `hip_left`: its mask `hip_left`" in ended.error


@pytest.mark.parametrize(
    ("label", "extra", "hours", "code", "error"),
    [
        ("femur_right", "", 1.0, 3, "ended with code 1: ValueError: femur_right is not a class of total"),
        ("femur_left", 'print("no memory"); sys.exit(3)', 1.0, 3, "ended with code 3: no memory"),
        ("femur_left", "import os; os.kill(os.getpid(), 9)", 1.0, 7, "was killed"),
        ("femur_left", "import time; time.sleep(60)", 0.0008, 7, "took more than 0.0008 h"),
        ("femur_left", '(folder / "femur_left.nii.gz").unlink()', 1.0, 3, "made no mask of femur_left"),
        ("femur_left", '(folder / "femur_left.nii.gz").write_bytes(b"x")', 1.0, 3, "femur_left.nii.gz"),
    ],
)
def test_a_program_that_fails_is_told(scan, tmp_path, monkeypatch, label, extra, hours, code, error):
    text = TOTAL.replace("femur_left", label) + f"[networks]\nhours = {hours}\n"
    monkeypatch.setenv("PATH", program(tmp_path, extra))
    with pytest.raises(SurgplanError) as caught:
        masks_of(scan, recipe(tmp_path, text), tmp_path)
    assert caught.value.exit_code == code
    assert error in caught.value.message


def test_without_the_program_exit_5_says_how_to_install_it(scan, tmp_path):
    ended = surgplan(
        "segment", scan, "-r", recipe(tmp_path, TOTAL), "-o", tmp_path / "x.seg.nrrd", PATH="/usr/bin:/bin"
    )
    assert ended.code == 5
    assert "pip install TotalSegmentator" in ended.error


def test_a_name_that_is_no_class_is_told_before_anything_runs(scan, tmp_path):
    text = TOTAL.replace("femur_left", "Left femur")
    ended = surgplan("segment", scan, "-r", recipe(tmp_path, text), "-o", tmp_path / "x.seg.nrrd", PATH="/usr/bin:/bin")
    assert ended.code == 2
    assert 'totalsegmentator = { label = "femur_left" }' in ended.error

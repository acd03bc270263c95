"""Scenes of 3D Slicer: well-formed, each node with its storage node and a file. Slicer itself is not run."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from surgplan.errors import BadInput
from surgplan.formats.mrml import SceneItem, read_scene, write_scene

ITEMS = (
    SceneItem("volume", "volume", "../volume.nrrd"),
    SceneItem("segmentation", "labels", "../labels.seg.nrrd"),
    SceneItem("model", 'Vessel <a> & "b"', "../surfaces/vessel 100%.ply", (255, 0, 51)),
    SceneItem("model", "skull", "../surfaces/skull.ply"),
    SceneItem("points", "landmarks", "landmarks.mrk.json"),
    SceneItem("line", "Zugang übers Ohr", "trajectory-1.mrk.json"),
    SceneItem("transform", "lps_from_ras", "lps_from_ras.tfm"),
)
CLASSES = {  # tag → class, from the sources of 3D Slicer
    "Volume": "vtkMRMLScalarVolumeNode",
    "VolumeArchetypeStorage": "vtkMRMLVolumeArchetypeStorageNode",
    "VolumeDisplay": "vtkMRMLScalarVolumeDisplayNode",
    "Segmentation": "vtkMRMLSegmentationNode",
    "SegmentationStorage": "vtkMRMLSegmentationStorageNode",
    "SegmentationDisplay": "vtkMRMLSegmentationDisplayNode",
    "Model": "vtkMRMLModelNode",
    "ModelStorage": "vtkMRMLModelStorageNode",
    "ModelDisplay": "vtkMRMLModelDisplayNode",
    "MarkupsFiducial": "vtkMRMLMarkupsFiducialNode",
    "MarkupsFiducialDisplay": "vtkMRMLMarkupsFiducialDisplayNode",
    "MarkupsLine": "vtkMRMLMarkupsLineNode",
    "MarkupsDisplay": "vtkMRMLMarkupsDisplayNode",
    "MarkupsJsonStorage": "vtkMRMLMarkupsJsonStorageNode",
    "LinearTransform": "vtkMRMLLinearTransformNode",
    "TransformStorage": "vtkMRMLTransformStorageNode",
}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    folder = tmp_path / "navigation"
    (tmp_path / "surfaces").mkdir()
    folder.mkdir()
    for item in ITEMS:
        (folder / item.file).write_text("here")
    write_scene(folder / "scene.mrml", ITEMS)
    return folder / "scene.mrml"


def test_nodes_and_storage_nodes_fit_and_every_file_is_there(scene: Path) -> None:
    root = ElementTree.parse(scene).getroot()
    assert root.tag == "MRML"
    by_id = {element.attrib["id"]: element for element in root}
    assert len(by_id) == len(root) == 3 * len(ITEMS) - 1  # a transform is not displayed
    for name, element in by_id.items():
        assert name.rstrip("0123456789") == CLASSES[element.tag]
    stored = {name for name, element in by_id.items() if "fileName" in element.attrib}
    seen = []
    for element in root:
        roles = dict(each.split(":") for each in element.get("references", "").split(";") if each)
        assert set(roles.values()) <= set(by_id)
        seen += [roles["storage"]] if roles else []
    assert sorted(seen) == sorted(stored)
    files = [unquote(by_id[name].attrib["fileName"]) for name in stored]
    assert sorted(files) == sorted(item.file for item in ITEMS)
    assert all((scene.parent / file).is_file() for file in files)
    for element in root.findall("ModelStorage") + root.findall("MarkupsJsonStorage"):
        assert element.get("coordinateSystem") == "LPS"
    segmentation = root.find("Segmentation")
    assert segmentation is not None
    assert "referenceImageGeometryRef:vtkMRMLScalarVolumeNode1;" in segmentation.attrib["references"]


def test_names_and_colours_come_back(scene: Path) -> None:
    assert read_scene(scene) == [(item.kind, item.name, item.file) for item in ITEMS]
    displays = ElementTree.parse(scene).getroot().findall("ModelDisplay")
    assert [each.get("color") for each in displays] == ["1 0 0.2", None]


def test_a_scene_of_a_file_that_is_not_there_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"would name \.\./volume\.nrrd, which is not there"):
        write_scene(tmp_path / "scene.mrml", ITEMS[:1])
    assert not (tmp_path / "scene.mrml").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("</MRML>", "", "is no XML, or cut short"),
        ("MRML ", "SVG ", "is no XML"),
        ("storage:vtkMRMLModelStorageNode2", "storage:vtkMRMLModelStorageNode1", "two nodes refer"),
        ("storage:vtkMRMLModelStorageNode2", "storage:vtkMRMLModelStorageNode9", "which is no such node"),
        ("storage:vtkMRMLModelStorageNode2", "storage:vtkMRMLTransformStorageNode1", "which is no such node"),
        ("storage:vtkMRMLTransformStorageNode1;", "", "has no storage"),
        ('id="vtkMRMLModelStorageNode2"', 'id="vtkMRMLModelStorageNode1"', "two nodes of one id"),
        ('"LPS"', '"RAS"', "lies in RAS, not LPS"),
        ("../volume.nrrd", "/volume.nrrd", "not a path relative"),
        ("<MRML", "<!DOCTYPE MRML><MRML", "document type"),
    ],
)
def test_a_broken_scene_is_refused(old: str, new: str, told: str, scene: Path) -> None:
    text = scene.read_text("utf-8")
    assert old in text
    scene.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadInput, match=told):
        read_scene(scene)

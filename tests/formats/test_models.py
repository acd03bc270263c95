"""Model folders: what a card must say, and what a hostile one may not do. Truth of weights apart: the onnx package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import tomli_w
from onnx import external_data_helper, helper

from surgplan.errors import BadInput, Missing
from surgplan.formats.models import check_model, open_model, read_model
from surgplan.formats.onnx_files import external_files
from tests.networks import card, gaussian_kernel, model_folder, network

pytest.importorskip("onnxruntime")


def test_a_whole_folder_is_opened_and_run(tmp_path):
    model = read_model(model_folder(tmp_path / "m"))
    assert check_model(model) == ((tmp_path / "m" / "model.onnx").resolve(),)
    found = open_model(model, 1)(np.full((1, 1, 16, 16, 16), 300, np.float32))
    assert found.shape == (2, 16, 16, 16)
    assert (found[1] > found[0]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": []}, "`label`"),
        ({"label": [{"value": 0, "name": "air"}]}, "0 is the background"),
        ({"label": [{"value": 2, "name": "bone"}]}, "are numbered 1, 2, 3"),
        ({"label": [{"value": 1, "name": "a"}, {"value": 1, "name": "b"}]}, "share the value 1"),
        ({"sha256": "abc"}, "`sha256`"),
        ({"licence": ""}, "`licence`"),
        ({"name": "../x"}, "`name`"),
        ({"extra": 1}, "unknown key `extra`"),
        ({"input": {"orientation": "RLS"}}, "not one letter of each"),
        ({"input": {"orientation": "ras"}}, "not one letter of each"),
        ({"input": {"spacing_mm": [0, 1, 1]}}, "between 0.05 and 50 mm"),
        ({"input": {"patch": [4, 16, 16]}}, "patch"),
        ({"input": {"patch": [100_000, 16, 16]}}, "patch"),
        ({"input": {"overlap": 1.0}}, "overlap"),
        ({"intensity": {"kind": "magic"}}, "magic"),
        ({"intensity": {"kind": "ct", "low": 0, "high": 1, "mean": 0, "std": 0}}, "std"),
        ({"intensity": {"kind": "range", "a_min": 1, "a_max": 1}}, "is not below"),
        ({"output": {"kind": "soft"}}, "kind"),
    ],
)
def test_a_broken_card_is_bad_input_and_names_the_place(tmp_path, changes, words):
    folder = model_folder(tmp_path / "m")
    tables = card(**{key: value for key, value in changes.items() if key != "intensity"})
    if "intensity" in changes:
        tables["intensity"] = changes["intensity"]
    (folder / "model.toml").write_text(tomli_w.dumps(tables))
    with pytest.raises(BadInput, match=r"model\.toml") as caught:
        read_model(folder)
    assert words in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"= 1", b"name = ", b"[" * 50_000, b"", b'name = "' + b"x" * 2_000_000 + b'"']
)
def test_what_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "model.toml").write_bytes(text)
    with pytest.raises(BadInput, match=r"model\.toml"):
        read_model(tmp_path)


def test_a_missing_folder_or_network_is_missing(tmp_path):
    with pytest.raises(Missing, match=r"model\.toml: there is no such file"):
        read_model(tmp_path / "none")
    folder = model_folder(tmp_path / "m")
    (folder / "model.onnx").unlink()
    with pytest.raises(Missing, match=r"model\.onnx"):
        check_model(read_model(folder))


def test_another_hash_is_refused(tmp_path):
    folder = model_folder(tmp_path / "m")
    other = network((300.0,), gaussian_kernel(0, 1), "softmax").SerializeToString()
    (folder / "model.onnx").write_bytes(other)
    with pytest.raises(
        BadInput, match=f"has the SHA-256 {hashlib.sha256(other).hexdigest()[:16]}…, expected"
    ) as caught:
        open_model(read_model(folder), 1)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["/etc/passwd", "../m2/model.onnx", "sub/../../x", "", "link.onnx"])
def test_a_network_outside_of_its_folder_is_refused(tmp_path, name):
    folder = model_folder(tmp_path / "m", file=name)
    outside = tmp_path / "elsewhere.onnx"
    outside.write_bytes(b"x")
    (folder / "link.onnx").symlink_to(outside)
    with pytest.raises(BadInput, match="expected a file in its own folder"):
        check_model(read_model(folder))


def with_weights_apart(folder: Path, location: str) -> onnx.ModelProto:
    """A network whose weights lie in another file, by the onnx package's own hand."""
    made = network((200.0,), gaussian_kernel(2, 1.0), "softmax")
    tensor = made.graph.initializer[0]
    data = tensor.raw_data
    external_data_helper.set_external_data(tensor, location, 0, len(data))
    tensor.ClearField("raw_data")
    folder.mkdir(exist_ok=True)
    target = folder / location
    if target.resolve().is_relative_to(folder.resolve()):
        target.write_bytes(data)
    return made


def save(folder: Path, made: onnx.ModelProto, **changes) -> Path:
    data = made.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    (folder / "model.toml").write_text(tomli_w.dumps(card(sha256=hashlib.sha256(data).hexdigest(), **changes)))
    return folder


def test_weights_beside_the_network_are_hashed_too(tmp_path):
    folder = tmp_path / "m"
    made = with_weights_apart(folder, "weights.bin")
    assert external_files(made.SerializeToString()) == {"weights.bin"}
    right = hashlib.sha256((folder / "weights.bin").read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=r"reads weights from 'weights\.bin', whose SHA-256 the card does not tell"):
        check_model(read_model(save(folder, made)))
    with pytest.raises(BadInput, match=r"weights\.bin: has the SHA-256"):
        check_model(read_model(save(folder, made, external={"weights.bin": "0" * 64})))
    model = read_model(save(folder, made, external={"weights.bin": right}))
    found = open_model(model, 1)(np.full((1, 1, 16, 16, 16), 300, np.float32))
    assert found[1, 8, 8, 8] > found[0, 8, 8, 8]


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin"])
def test_weights_outside_of_the_folder_are_refused(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    folder = tmp_path / "m"
    made = with_weights_apart(folder, location)
    with pytest.raises(BadInput, match="expected a file in its own folder"):
        check_model(read_model(save(folder, made, external={location: "0" * 64})))


def test_weights_of_graphs_within_graphs_are_found():
    inner = with_inner_weights()
    assert external_files(inner.SerializeToString()) == {"hidden.bin"}


def with_inner_weights() -> onnx.ModelProto:
    made = network((200.0,), gaussian_kernel(0, 1), "softmax")
    tensor = onnx.TensorProto()
    tensor.CopyFrom(made.graph.initializer[0])
    data = tensor.raw_data
    external_data_helper.set_external_data(tensor, "hidden.bin", 0, len(data))
    tensor.ClearField("raw_data")
    branch = helper.make_graph([helper.make_node("Constant", [], ["o"], value=tensor)], "branch", [], [])
    node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    made.graph.node.append(node)
    return made


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x3a\xff\xff\xff\xff\x0f", b"\x07", b"\xff" * 30, b"\x3a\x02\x2a\x7f", b"PK\x03\x04" * 9]
)
def test_what_is_no_onnx_file_is_told(data):
    with pytest.raises(ValueError, match=r"field|number"):
        external_files(data)


def test_graphs_nested_without_end_are_refused():
    data = b""
    for _ in range(200):  # graph → node → attribute → graph → …
        for number in (6, 5, 1):
            data = bytes([number << 3 | 2]) + varint(len(data)) + data
    with pytest.raises(ValueError, match="deep in one another"):
        external_files(bytes([7 << 3 | 2]) + varint(len(data)) + data)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_a_damaged_network_with_the_right_hash_is_refused(tmp_path):
    folder = model_folder(tmp_path / "m")
    data = (folder / "model.onnx").read_bytes()
    for broken in (data[:100], b"", b"\x08\x08", data[:-40]):
        (folder / "model.onnx").write_bytes(broken)
        (folder / "model.toml").write_text(tomli_w.dumps(card(sha256=hashlib.sha256(broken).hexdigest())))
        with pytest.raises(BadInput, match=r"model\.onnx"):
            open_model(read_model(folder), 1)


@pytest.mark.parametrize("labels", [1, 3])
def test_channels_without_a_label_are_refused(tmp_path, labels):
    named = [{"value": n + 1, "name": f"label {n}"} for n in range(labels)]
    model = read_model(model_folder(tmp_path / "m", (200.0, 700.0), label=named))
    with pytest.raises(BadInput, match=f"gives 3 channels, expected {labels + 1}, for {labels} labels"):
        open_model(model, 1)(np.zeros((1, 1, 16, 16, 16), np.float32))


def test_without_onnxruntime_the_cure_is_told(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Missing, match=r"pip install 'surgplan\[networks\]'") as caught:
        open_model(read_model(model_folder(tmp_path / "m")), 1)
    assert caught.value.exit_code == 5

"""Small networks made on the spot: a Gaussian filter (or nothing) and thresholds, as ONNX files with their cards."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomli_w
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def gaussian_kernel(radius: int, sigma: float) -> NDArray[np.float32]:
    """(k, k, k) of sum 1; a single 1 when the radius is 0."""
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-9)) ** 2)
    kernel = line[:, None, None] * line[None, :, None] * line[None, None, :]
    return (kernel / kernel.sum()).astype(np.float32)


def network(levels: tuple[float, ...], kernel: NDArray[np.float32], output: str) -> onnx.ModelProto:
    """Filters, then tells above which of the ascending levels a voxel lies.

    softmax: channel n is highest between level n and n + 1; sigmoid: channel n is positive above level n; argmax: the
    number of levels passed.
    """
    k = kernel.shape[0]
    if output == "sigmoid":
        weights, bias = [kernel] * len(levels), [-level for level in levels]
    else:  # straight lines that cross at the levels: slope n, offset minus the sum of the levels passed
        weights = [n * kernel for n in range(len(levels) + 1)]
        bias = [-float(sum(levels[:n])) for n in range(len(levels) + 1)]
    tensors = [
        numpy_helper.from_array(np.stack(weights)[:, None].astype(np.float32), "w"),
        numpy_helper.from_array(np.array(bias, dtype=np.float32), "b"),
    ]
    last = "y" if output != "argmax" else "channels"
    nodes = [helper.make_node("Conv", ["x", "w", "b"], [last], kernel_shape=[k] * 3, pads=[k // 2] * 6)]
    if output == "argmax":
        nodes.append(helper.make_node("ArgMax", ["channels"], ["index"], axis=1, keepdims=1))
        nodes.append(helper.make_node("Cast", ["index"], ["y"], to=TensorProto.FLOAT))
    size = [1, 1, "a", "b", "c"]
    graph = helper.make_graph(
        nodes,
        "filter",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, "a", "b", "c"])],
        tensors,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


def card(**changes: Any) -> dict[str, Any]:
    """The tables of a `model.toml` for a network that looks at Hounsfield units as they are."""
    tables: dict[str, Any] = {
        "name": "bone-net",
        "version": "1.0",
        "description": "bone above a level",
        "licence": "CC0-1.0",
        "modality": "CT",
        "sha256": "0" * 64,
        "intensity": {"kind": "none"},
        "input": {"orientation": "RAS", "spacing_mm": [1.0, 1.0, 1.0], "patch": [16, 16, 16]},
        "output": {"kind": "softmax"},
        "label": [{"value": 1, "name": "bone"}],
    }
    for key, value in changes.items():
        tables[key] = {**tables[key], **value} if isinstance(value, dict) and key in tables else value
    return tables


def model_folder(
    folder: Path,
    levels: tuple[float, ...] = (200.0,),
    kernel: NDArray[np.float32] | None = None,
    **changes: Any,
) -> Path:
    """A model folder with the right hash; `changes` go into the card."""
    tables = card(**changes)
    made = network(levels, gaussian_kernel(0, 1) if kernel is None else kernel, tables["output"]["kind"])
    data = made.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    if "sha256" not in changes:
        tables["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "model.toml").write_text(tomli_w.dumps(tables))
    return folder

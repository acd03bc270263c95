"""Model folders: an ONNX file and its `model.toml`, checked before a byte of the network is run."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.formats.atomic import sha256_of
from surgplan.formats.limits import check_memory
from surgplan.formats.model_card import ModelCard
from surgplan.formats.onnx_files import external_files

CARD = "model.toml"
LARGEST_CARD = 1 << 20
LARGEST_MODEL = 1 << 31
"""Protocol Buffers hold no more in one file; larger networks keep their weights in files beside it."""
HOW_TO_INSTALL = "Install it: pip install 'surgplan[networks]'"

Patch = NDArray[np.float32]
Infer = Callable[[Patch], Patch]
"""From one patch (1, 1, a, b, c) to its channels (channels, a, b, c)."""


@dataclass(frozen=True)
class Model:
    """A model folder whose card was read; its files are looked at by `check_model`."""

    folder: Path
    card: ModelCard
    card_sha256: str


def read_model(folder: Path) -> Model:
    """The card of a model folder.

    Raises
    ------
    Missing
        There is no such folder, or no `model.toml` in it.
    BadInput
        The card is broken, or lacks what a run needs: labels, hash, spacing.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise BadInput(path, f"holds {path.stat().st_size} bytes", f"at most {LARGEST_CARD}", "Is it a card?")
        data = path.read_bytes()
        table = tomllib.loads(data.decode("utf-8"))
    except FileNotFoundError:
        raise Missing(path, "there is no such file", advice="Name the folder that holds model.toml") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {(error.strerror or '').lower()}", advice="Check the folder") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(path, f"is not valid TOML: {error}", advice="Correct that place in the file") from None
    try:
        card = ModelCard.from_table(table, str(path))
    except WrongUsage as error:  # a model that somebody passed on is input, not a command line
        raise BadInput(error.subject, error.found, error.expected, error.advice) from None
    return Model(folder, card, hashlib.sha256(data).hexdigest())


def check_model(model: Model) -> tuple[Path, ...]:
    """Whether the files of the model are those that its card tells; their paths, the ONNX file first.

    Raises
    ------
    Missing
        A file is not there.
    BadInput
        It has another hash, or names weights outside of its folder.
    """
    path = _inside(model, model.card.file)
    _check_hash(path, model.card.sha256)
    if path.stat().st_size >= LARGEST_MODEL:
        raise BadInput(path, f"holds {path.stat().st_size} bytes", f"less than {LARGEST_MODEL}", "Keep weights apart")
    try:
        named = external_files(path.read_bytes())
    except ValueError as error:
        raise BadInput(path, f"is no ONNX file: {error}", advice="Export the network again") from None
    weights = []
    for name in sorted(named):
        if name not in model.card.external:
            found = f"reads weights from {name[:80]!r}, whose SHA-256 the card does not tell"
            raise BadInput(path, found, advice=f"Add it to {CARD}: [external], or export the network as one file")
        weights.append(_inside(model, name))
        _check_hash(weights[-1], model.card.external[name])
    return path, *weights


def _inside(model: Model, name: str) -> Path:
    """A file of the folder, which links do not lead out of."""
    folder = model.folder.resolve()
    path = (model.folder / name).resolve()
    if not name or Path(name).is_absolute() or "\\" in name or ".." in Path(name).parts or folder not in path.parents:
        raise BadInput(
            model.folder / CARD, f"names the file {name[:80]!r}", "a file in its own folder", "Move it there"
        )
    if not path.is_file():
        raise Missing(model.folder / name, "there is no such file", advice=f"Copy it beside {CARD}")
    return path


def _check_hash(path: Path, wanted: str) -> None:
    found = sha256_of(path)
    if found != wanted:
        advice = "It is another network, or damaged: get it again, or correct the card if you trust it"
        raise BadInput(path, f"has the SHA-256 {found[:16]}…", f"{wanted[:16]}…, as its card says", advice)


def open_model(model: Model, threads: int) -> Infer:
    """Check the model and make it ready to run, on the processor, the same way each time.

    Raises
    ------
    Missing
        onnxruntime is not installed, or a file of the model is not there.
    BadInput
        As `check_model`; or the network is not what its card says.
    """
    paths = check_model(model)
    try:
        import onnxruntime
    except ImportError:
        raise Missing("onnxruntime", "is not installed; networks need it", advice=HOW_TO_INSTALL) from None
    check_memory(paths[0], 2 * sum(path.stat().st_size for path in paths))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    # with weights apart, the path tells where they lie; otherwise the very bytes that were hashed are run
    what: Any = str(paths[0]) if len(paths) > 1 else paths[0].read_bytes()
    try:
        session = onnxruntime.InferenceSession(what, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises kinds of its own
        raise BadInput(paths[0], f"cannot be run: {_reason(error)}", advice="Export the network again") from None
    _check_shapes(paths[0], session, model.card)
    return _runner(paths[0], session, model.card)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _check_shapes(path: Path, session: Any, card: ModelCard) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 5:
        found = f"takes {len(inputs)} inputs, the first of {len(inputs[0].shape) if inputs else 0} dimensions"
        raise BadInput(path, found, "one of batch, channel and three axes", "Export a network of one 3D channel")
    wanted = (1, 1, *card.input.patch)
    fixed = [(size, right) for size, right in zip(inputs[0].shape, wanted, strict=True) if isinstance(size, int)]
    if any(size != right for size, right in fixed):
        raise BadInput(
            path, f"takes patches of {inputs[0].shape}", f"{list(wanted)}, as its card says", "Correct `patch`"
        )
    channels = outputs[0].shape[1] if len(outputs[0].shape) == 5 else None
    if isinstance(channels, int):
        _check_channels(path, channels, card)


def _check_channels(path: Path, channels: int, card: ModelCard) -> None:
    if channels != card.channels:
        expected = f"{card.channels}, for {len(card.label)} labels of a {card.output.kind} network"
        raise BadInput(path, f"gives {channels} channels", expected, f"Name every label in {CARD}")


def _runner(path: Path, session: Any, card: ModelCard) -> Infer:
    given = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}.get(given.type)
    if kind is None:
        raise BadInput(path, f"takes {given.type}", "real numbers", "Export the network with real numbers as input")

    def infer(patch: Patch) -> Patch:
        try:
            (made, *_) = session.run(None, {given.name: patch.astype(kind, copy=False)})
        except Exception as error:
            raise BadInput(path, f"failed on a patch: {_reason(error)}", advice="Check `patch` in its card") from None
        found = np.asarray(made)
        if found.ndim != 5 or found.shape[0] != 1 or found.shape[2:] != patch.shape[2:]:
            raise BadInput(path, f"gives {found.shape} for {patch.shape}", "channels of the patch's own size")
        _check_channels(path, found.shape[1], card)
        result: Patch = found[0].astype(np.float32, copy=False)
        if not np.isfinite(result).all():
            raise BadInput(path, "gives values that are not finite", advice="Check `intensity` in its card")
        return result

    return infer

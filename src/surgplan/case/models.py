"""Where models of the lab are looked up, and by what name."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from surgplan.errors import Missing, SurgplanError
from surgplan.formats.models import CARD, Model, read_model
from surgplan.params import nearest

HOW_TO_ADD = (
    "Put the folder of a model (an ONNX file and its model.toml) into one of those that `surgplan models` lists"
)


def model_folders() -> tuple[Path, ...]:
    """The folders that hold models: `$SURGPLAN_MODELS`, then the user's configuration."""
    folders = [Path(entry) for entry in os.environ.get("SURGPLAN_MODELS", "").split(os.pathsep) if entry]
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return (*folders, Path(config) / "surgplan" / "models")


def known_models() -> dict[str, Model | SurgplanError]:
    """Name → model, or what is wrong with its card; of two of one name, the one that is looked up first."""
    found: dict[str, Model | SurgplanError] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            try:
                model = read_model(card.parent)
                found.setdefault(model.card.name, model)
            except SurgplanError as error:
                found.setdefault(_stated_name(card) or card.parent.name, error)
    return dict(sorted(found.items()))


def _stated_name(card: Path) -> str:
    """The name in a broken card, so that the error comes up when the model is asked for."""
    try:
        return str(tomllib.loads(card.read_text("utf-8")).get("name", ""))[:64]
    except (OSError, ValueError, RecursionError):
        return ""


def find_model(name: str) -> Model:
    """The model of that name, or of the folder when it is a path.

    Raises
    ------
    Missing
        There is none.
    BadInput
        Its card is broken.
    """
    if os.sep in name or (Path(name) / CARD).is_file():
        return read_model(Path(name))
    known = known_models()
    if name not in known:
        advice = nearest(name, list(known)) if known else HOW_TO_ADD
        raise Missing(f"model `{name}`", "there is none of that name", advice=advice)
    found = known[name]
    if isinstance(found, SurgplanError):
        raise found
    return found

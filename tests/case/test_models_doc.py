"""The examples of docs/masks-and-models.md are what the program takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from surgplan.case.casefile import CaseFile
from surgplan.formats.model_card import ModelCard
from surgplan.segment.networks.params import NetworkLimits
from surgplan.segment.structure import StructureParams

PAGE = Path(__file__).parents[2] / "docs" / "masks-and-models.md"


def test_every_example_is_read():
    blocks = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)]
    case, card, recipe = blocks
    entries = {key: value for key, value in case.items() if key != "structure"}
    assert CaseFile.from_table(entries, "docs").masks == "segmentations/"
    assert ModelCard.from_table(card, "docs").channels == 3
    assert NetworkLimits.from_table(recipe["networks"], "docs").threads == 2
    for table in (*case["structure"], *recipe["structure"]):
        assert StructureParams.from_table(table, "docs").mask_key is not None

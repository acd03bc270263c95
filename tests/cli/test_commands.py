"""Walks over every command: each has help, is documented, and refuses nonsense with exit code 2."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import click
import pytest

from surgplan.cli.main import COMMANDS, run, surgplan

ROOT = Path(__file__).parents[2]


def command(name: str) -> click.Command:
    found = surgplan.get_command(click.Context(surgplan), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"surgplan {name}" in told
    assert len((command(name).help or "").strip()) > 20


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert parameter.help[0].isupper() or parameter.help[0].islower()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_unknown_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--no-such-option"]) == 2
    assert "--no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_every_command_can_speak_json_and_be_quiet(name: str) -> None:
    options = {option for parameter in command(name).params for option in parameter.opts}
    assert {"--json", "--quiet", "--verbose"} <= options


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_documentation(name: str) -> None:
    assert f"## surgplan {name}" in (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_the_generated_pages_are_up_to_date() -> None:
    for name, text in importlib.import_module("surgplan.cli.docs").generated().items():
        assert text == (ROOT / "docs" / name).read_text("utf-8"), f"docs/{name}: run `make docs`"


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segmnt"]) == 2
    assert "surgplan segment" in capsys.readouterr().err


def test_help_lists_the_commands_in_the_order_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    places = [told.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_SURGPLAN_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["recipes"], ["printers"], ["info"], ["example"]])
def test_lists_are_one_json_document(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.parametrize("words", [["show", "generic-fdm"], ["generic-fdm"]])
def test_a_printer_is_shown_with_its_sources(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["printers", *words]) == 0
    told = capsys.readouterr().out
    assert re.search(r"smallest_wall_mm +0\.9 +two lines of 0\.45 mm", told)
    assert "Prusa i3 MK3S+ handbook" in told


@pytest.mark.parametrize("command", ["printers", "recipes"])
@pytest.mark.parametrize("words", [["show"], ["show", "one", "two"], ["one", "two"]])
def test_show_takes_one_name(command: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, *words]) == 2
    assert f"surgplan {command} show NAME" in capsys.readouterr().err


def test_an_error_is_a_json_document_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", str(tmp_path / "nothing"), "-o", str(tmp_path / "v.nrrd"), "--json"]) == 5
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["exit_code"] == 5
    assert told["advice"]

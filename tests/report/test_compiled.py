"""Compiled templates are kept, made again when a template changes, and never needed."""

from __future__ import annotations

import sys

import jinja2
import pytest

from surgplan.report.compiled import compiled_beside


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "greeting.j2").write_text("Hello {{ name }}")
    return tmp_path


def greeting(folder):
    """The page, from a new environment, as a new process has it; and how often a template was compiled."""
    counted = []

    class Counting(jinja2.Environment):
        def compile(self, *arguments, **words):
            counted.append(arguments)
            return super().compile(*arguments, **words)

    environment = Counting(loader=jinja2.FileSystemLoader(folder), bytecode_cache=compiled_beside(folder))
    return environment.get_template("greeting.j2").render(name="you"), len(counted)


def kept(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "greeting.j2"]


def test_a_template_is_compiled_once_and_again_when_it_changes(folder):
    assert [greeting(folder) for _ in range(2)] == [("Hello you", 1), ("Hello you", 0)]
    assert len(kept(folder)) == 1
    (folder / "greeting.j2").write_text("Bye {{ name }}")
    assert [greeting(folder) for _ in range(2)] == [("Bye you", 1), ("Bye you", 0)]


@pytest.mark.parametrize("damage", [b"", b"j2", b"no bytecode at all", 40])
def test_a_damaged_one_is_made_again(folder, damage):
    greeting(folder)
    [path] = kept(folder)
    path.write_bytes(path.read_bytes()[:damage] if isinstance(damage, int) else damage)
    assert [greeting(folder) for _ in range(2)] == [("Hello you", 1), ("Hello you", 0)]


def test_none_is_kept_where_that_is_not_wanted_or_cannot_be(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert greeting(folder) == ("Hello you", 1)
    assert not kept(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (folder / "__pycache__").write_text("a file in its place")
    assert greeting(folder) == ("Hello you", 1)

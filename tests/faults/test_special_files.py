"""Pipes, devices and links in the place of files: nothing waits for ever, nothing reads without end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.toml_files import read_toml
from surgplan.errors import BadInput
from surgplan.formats.images import read_image
from surgplan.formats.markups import read_points
from surgplan.formats.meshes import read_mesh
from surgplan.formats.transforms import read_tfm
from tests.formats.slices import write_series
from tests.program import surgplan

PIPES = {
    "scan.nrrd": ("ingest", "{path}", "-o", "{folder}/volume.nrrd"),
    "scan": ("ingest", "{path}", "-o", "{folder}/volume.nrrd"),
    "mesh.stl": ("check", "{path}"),
    "mesh.3mf": ("check", "{path}"),
    "case.toml": ("run", "{path}", "-o", "{folder}/case"),
    "manifest.json": ("verify", "{folder}"),
}


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    ended = surgplan(*(word.format(path=path, folder=tmp_path) for word in PIPES[name]), timeout=40)
    assert ended.code == 3, ended.err
    assert f"{name}: is a pipe" in ended.error


READERS = {
    "scan.mha": read_image,
    "mesh.ply": read_mesh,
    "points.fcsv": read_points,
    "x.tfm": read_tfm,
    "recipe.toml": read_toml,
}


@pytest.mark.parametrize("name", READERS)
def test_a_device_is_refused_before_it_is_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/null")
    with pytest.raises(BadInput, match=f"{name}: is a pipe, socket or device"):
        READERS[name](tmp_path / name)


def test_strange_things_beside_a_series_do_no_harm(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-1000, 1500, (24, 6, 8)).astype(np.int16)
    write_series(tmp_path / "scan", array, np.arange(24) * 2.0)
    os.mkfifo(tmp_path / "scan" / "pipe.dcm")
    for name, target in (("loop", "loop"), ("up", ".."), ("zero.dcm", "/dev/zero"), ("lost.dcm", "nowhere")):
        (tmp_path / "scan" / name).symlink_to(target)
    ended = surgplan("ingest", tmp_path / "scan", "-o", tmp_path / "volume.nrrd", timeout=60)
    assert ended.code == 0, ended.err

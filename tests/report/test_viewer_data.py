"""What the page holds for the viewer: small enough, as exact as it says, the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from surgplan.findings import Level
from surgplan.model.volume import Modality, Volume
from surgplan.report import page, reduced, viewer_build, viewer_scan
from surgplan.report.packing import packed
from surgplan.report.stage import ReportParams, make_report
from surgplan.report.surface_map import MapKind, SurfaceMap
from surgplan.report.viewer_build import BuiltViewer
from surgplan.report.viewer_scan import packed_scan
from tests.report.cases import grid, small_case, sphere, turned

BARE = ReportParams(pictures=False, single_structures=0)


def unpacked(data, rows, columns, kind):
    """What the browser does, written for numpy: sums of unfolded differences, wrapping round."""
    size = np.dtype(kind).itemsize
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(size, -1)
    folded = sum(plane.astype(kind) << kind(8 * n) for n, plane in enumerate(planes)).astype(kind)
    steps = np.where(folded & kind(1), ~(folded >> kind(1)), folded >> kind(1)).astype(kind)
    return np.cumsum(steps.reshape(columns, rows), axis=1, dtype=kind).T


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_numbers_are_packed_without_loss(kind):
    table = np.random.default_rng(1).integers(0, np.iinfo(kind).max, (500, 3), dtype=kind, endpoint=True)
    table[:3] = [[0, 0, 0], [np.iinfo(kind).max] * 3, [0, 1, 2]]
    assert (unpacked(packed(table), 500, 3, kind) == table).all()
    with pytest.raises(ValueError, match="unsigned"):
        packed(table.astype(np.int16))


def restored(kept):
    size = kept.grid.size
    numbers = unpacked(kept.data, int(np.prod(size)), 1, np.uint16).reshape(kept.grid.shape)
    return kept.low + kept.step * numbers


@pytest.mark.parametrize("modality", list(Modality))
def test_a_small_scan_is_kept_as_it_is(modality):
    where = grid((20, 18, 14), (0.5, 0.5, 2.0), turned(20))
    volume = Volume(where, np.random.default_rng(2).integers(-1024, 3071, where.shape).astype(np.int16), modality)
    kept = packed_scan(volume, 10**6)
    assert kept.block == (1, 1, 1)
    assert (restored(kept) == volume.array).all()


@pytest.mark.parametrize("most_voxels", [4000, 900])
def test_blocks_lie_where_their_voxels_lie(monkeypatch, most_voxels):
    """A scan whose intensity is a linear function of the place: a block's mean is that of its middle."""
    monkeypatch.setattr(viewer_scan, "MOST_VOXELS", most_voxels)
    where = grid((36, 24, 12), (0.5, 0.6, 2.0), turned(20))
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in where.size], indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    value = where.lps_from_ijk.apply(ijk.reshape(-1, 3)) @ [10.0, -7.0, 3.0]
    volume = Volume(where, value.reshape(where.shape).astype(np.float32), Modality.CT)
    kept = packed_scan(volume, 10**6)
    assert np.prod(kept.grid.size) <= most_voxels
    assert max(kept.grid.spacing) <= 2 * 2.0  # thick slices are not joined before thin voxels are
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in kept.grid.size], indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    expected = kept.grid.lps_from_ijk.apply(ijk.reshape(-1, 3)) @ [10.0, -7.0, 3.0]
    whole = (ijk + 1 <= np.array(where.size) // np.array(kept.block)).all(axis=-1).ravel()
    np.testing.assert_allclose(restored(kept).ravel()[whole], expected[whole], atol=kept.step / 2 + 1e-3)


def test_the_scan_is_reduced_until_it_fits(monkeypatch):
    where = grid((40, 40, 30))
    noise = np.random.default_rng(3).integers(-1024, 3071, where.shape).astype(np.int16)
    volume = Volume(where, noise, Modality.CT)
    full = packed_scan(volume, None)
    assert (restored(full) == noise).all()
    for most in (50_000, 20_000, 3_000):
        kept = packed_scan(volume, most)
        assert len(kept.data) <= most
        assert kept.block != (1, 1, 1) or kept.step > 1
    given = replace(
        small_case(),
        volume=volume,
        labels=replace(small_case().labels, grid=where, array=np.zeros(where.shape, np.uint8)),
    )
    if viewer_build.built_viewer() is not None:
        monkeypatch.setattr(page, "MOST_BYTES", 1_000_000)
        assert len(make_report(given, BARE).html.encode()) <= 1_000_000


def test_surfaces_are_reduced_within_what_is_told(monkeypatch):
    """Corners stay on the ball, the middle of triangles near what is told; values stay with their places."""
    monkeypatch.setattr(reduced, "MOST_TRIANGLES", 8000)
    monkeypatch.setattr(reduced, "SMALL", 1000)
    ball = sphere(40.0)
    height = ball.vertices[:, 2].astype(np.float32)
    maps = {0: (SurfaceMap(MapKind.DISTANCE, height, 0.0, 1.0),)}
    (made,) = reduced.reduced([ball], maps, full=False)
    assert 1000 < len(made.surface.triangles) <= 8000
    assert 0 < made.moved.p95 <= made.moved.maximum < 1
    np.testing.assert_allclose(np.linalg.norm(made.surface.vertices, axis=1), 40, atol=1e-3)
    middles = np.linalg.norm(made.surface.corners.mean(axis=1), axis=1)
    assert (40 - middles).max() == pytest.approx(made.moved.maximum, rel=0.5)
    np.testing.assert_allclose(made.maps[0].values, made.surface.vertices[:, 2], atol=1e-4)
    (same,) = reduced.reduced([ball], maps, full=True)
    assert same.surface is ball
    assert same.moved is None


def test_the_only_script_that_runs_is_the_viewers(monkeypatch):
    built = BuiltViewer(
        "console.log(1)", ".viewer {}", ({"name": "three", "version": "1", "licence": "MIT", "text": "<&"},)
    )
    monkeypatch.setattr("surgplan.report.viewer_build.built_viewer", lambda: built)
    one, again = make_report(small_case(), BARE), make_report(small_case(), BARE)
    assert one.html == again.html
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", one.html, re.DOTALL)
    running = [text for attributes, text in scripts if "type=" not in attributes]
    assert running == ["console.log(1)"]
    digest = base64.b64encode(hashlib.sha256(b"console.log(1)").digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', one.html)[1]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.count("script-src") == 1
    assert "connect-src" not in policy  # default-src 'none' holds
    (told,) = [json.loads(text) for attributes, text in scripts if 'id="viewer-scene"' in attributes]
    assert [each["name"] for each in told["structures"]] == ["ball", "pea"]
    assert "&lt;&amp;" in one.html  # the licence


def test_without_the_built_viewer_the_report_says_the_cure(monkeypatch, tmp_path):
    monkeypatch.setattr("surgplan.report.viewer_build.built_viewer", lambda: viewer_build_from(tmp_path))
    made = make_report(small_case(), BARE)
    assert "<script" not in made.html
    (finding,) = [each for each in made.findings if each.check == "viewer"]
    assert finding.level is Level.NOTE
    assert "make setup" in finding.advice
    assert "make setup" in made.html


viewer_build_from = viewer_build.built_viewer


def test_a_damaged_viewer_is_none(tmp_path):
    assert viewer_build_from(tmp_path) is None
    (tmp_path / "licences.json").write_text("[]")
    for bad in ("", "a</script>b"):
        (tmp_path / "viewer.js").write_text(bad)
        assert viewer_build_from(tmp_path) is None
    (tmp_path / "viewer.js").write_text("good")
    assert viewer_build_from(tmp_path).script == "good"

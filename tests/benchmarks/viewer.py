"""How fast a report opens and turns, in headless Chromium drawn by software: `python -m tests.benchmarks.viewer CASE`.

CASE is a finished case; its scan is shown with a surface of 499,142 triangles instead of its own. Wall times depend on
what else the machine does: the load is printed beside them.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from surgplan.case.casefile import plan_case
from surgplan.case.manifest import read_manifest
from surgplan.case.workshop import Workshop
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.report.stage import ReportParams, make_report
from tests.report.browser import chromium, opened_report, started

AROUND, ALONG = 707, 354
TURNS = 15
TURN = """async (turns) => {
  const canvas = document.querySelector('.v-pane canvas');
  canvas.focus();
  const pixel = new Uint8Array(4), gl = canvas.getContext('webgl2'), start = performance.now();
  for (let n = 0; n < turns; n++) {
    canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  }
  return (turns * 1000) / (performance.now() - start);
}"""


def bumpy(label: Label) -> Surface:
    """A ball with waves."""
    rows, columns = np.linspace(0, np.pi, ALONG + 1)[1:-1], np.arange(AROUND) * 2 * np.pi / AROUND
    down, round_ = np.meshgrid(rows, columns, indexing="ij")
    radius = 80 * (1 + 0.05 * np.sin(9 * round_) * np.sin(7 * down))
    ring = np.stack([np.sin(down) * np.cos(round_), np.sin(down) * np.sin(round_), np.cos(down)], axis=-1)
    vertices = np.vstack([(radius[..., None] * ring).reshape(-1, 3), [[0, 0, 80.0], [0, 0, -80.0]]])
    row, column = np.meshgrid(np.arange(ALONG - 2), np.arange(AROUND), indexing="ij")
    a, b = row * AROUND + column, row * AROUND + (column + 1) % AROUND
    sides = np.concatenate([np.stack([a, a + AROUND, b], -1), np.stack([b, a + AROUND, b + AROUND], -1)]).reshape(-1, 3)
    first = np.arange(AROUND)
    last = first + (ALONG - 2) * AROUND
    top = np.stack([np.full(AROUND, len(vertices) - 2), first, np.roll(first, -1)], -1)
    bottom = np.stack([np.full(AROUND, len(vertices) - 1), np.roll(last, -1), last], -1)
    return Surface(label, vertices, np.vstack([sides, top, bottom]).astype(np.int32))


def spent() -> float:
    """Processor time of this process and all that it has waited for, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def spent_by_browser() -> float:
    """Processor time of the processes that this one has started, and those that they have, s."""
    import psutil

    total = 0.0
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            used = each.cpu_times()
            total += used.user + used.system
    return total


def main(case: Path) -> None:
    """Print what was measured."""
    manifest = read_manifest(case)
    if manifest is None:
        raise SystemExit(f"{case} is no finished case")
    given = Workshop(plan_case(case / "case.toml"), case, manifest).report_input()
    before, start = spent(), time.perf_counter()
    whole = make_report(given, ReportParams())
    took, used = time.perf_counter() - start, spent() - before
    print(f"report: {took:.1f} s, processor {used:.1f} s, {len(whole.html) / 1e6:.1f} MB")
    surface = bumpy(given.surfaces[0].label)
    heavy = replace(given, surfaces=(surface, *given.surfaces[1:]), distances=(), job={})
    pages = {"as it is": whole.html, f"{len(surface.triangles):,} triangles": None}
    bare = ReportParams(pictures=False, single_structures=0)
    heavy_html = make_report(heavy, bare).html
    with tempfile.TemporaryDirectory() as folder, started() as driver:
        for name, html in pages.items():
            path = Path(folder) / "index.html"
            path.write_text(html or heavy_html, "utf-8")
            with chromium(driver) as browser:
                before = spent_by_browser()
                with opened_report(browser, path) as seen:
                    ready, opening = int(seen.page.get_attribute("#viewer-root", "data-ms")), spent_by_browser()
                    rate = seen.page.evaluate(TURN, TURNS)
                    turning = (spent_by_browser() - opening) / TURNS
            size, load = len(html or heavy_html) / 1e6, os.getloadavg()[0]
            print(f"{name}: {size:.1f} MB, ready after {ready} ms (processor {opening - before:.1f} s)", end="")
            print(f", {rate:.1f} frames/s (processor {turning * 1000:.0f} ms a frame), load {load:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

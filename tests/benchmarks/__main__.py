"""`python -m tests.benchmarks`: run the benchmarks and write docs/benchmarks.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks import bench_dicom2stl, bench_read, bench_truth, growth, kernels, side_by_side
from tests.benchmarks.case_large import BUILD, Scan, example, run_surgplan, surgplan
from tests.benchmarks.machine import facts
from tests.benchmarks.measure import BenchmarkFailed, run, summary
from tests.benchmarks.pages import GROWTH_PLOT, TRUTH_PLOT, page
from tests.benchmarks.plot import growth_plot, truth_plot
from tests.benchmarks.truth import compare

DOCS = Path(__file__).parents[2] / "docs"
PARTS = ("dicom2stl", "help", "read", "kernels", "libraries", "growth", "accuracy", "truth")


def say(line: str) -> None:
    """Progress, for the person who waits."""
    print(line, file=sys.stderr, flush=True)


def measured(part: str, scan: Scan, times: int) -> Any:
    """The results of one part."""
    case = BUILD / "case"
    if part == "dicom2stl":
        return bench_dicom2stl.bench(scan, times, say)
    if part == "read":
        return bench_read.bench(scan, times, say)
    if part == "truth":
        return bench_truth.bench(say)
    if part == "help":
        return summary([run([*surgplan(), "--help"], BUILD / "logs" / "help.log") for _ in range(10)])
    if not (case / "manifest.json").is_file():
        run_surgplan(scan, case)
    if part == "kernels":
        return kernels.bench(scan.series, case, scan.recipe, say)
    if part == "growth":
        return growth.bench(case, growth.SLICES, say)
    if part == "libraries":
        return side_by_side.bench(case, say)
    return compare(case, scan.truth) if scan.truth else {}


def main() -> int:
    """Run what was asked for; what was not, keeps its old results."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], metavar="PART", help=f"of {', '.join(PARTS)} [default: all]")
    parser.add_argument("--runs", type=int, default=3, help="rounds of each command [default: 3]")
    parser.add_argument("--size", default="large", help="size of the example [default: large]")
    parser.add_argument("--series", type=Path, help="a DICOM series instead of the example")
    parser.add_argument("--recipe", default="ct-bone", help="recipe for that series [default: ct-bone]")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of benchmarks.json and benchmarks.md")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    stored = given.output / "benchmarks.json"
    results = json.loads(stored.read_text()) if stored.is_file() else {}
    try:
        scan = Scan(given.series.name, given.series, given.recipe) if given.series else example(size=given.size)
        for part in given.parts or PARTS:
            results[part] = measured(part, scan, given.runs)
    except BenchmarkFailed as failure:
        say(f"benchmark failed: {failure}")
        return 1
    results["machine"] = facts()
    given.output.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (given.output / "benchmarks.md").write_text(page(results))
    if results.get("truth"):
        (given.output / TRUTH_PLOT).write_text(truth_plot(results["truth"]))
    if results.get("growth"):
        (given.output / GROWTH_PLOT).write_text(growth_plot(results["growth"]))
    print(given.output / "benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

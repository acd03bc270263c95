"""The process in which mutants are read: `python -m tests.fuzz.worker FOLDER`.

It takes one request a line on stdin, makes that mutant, lets the real program code read it, and answers with a line of
JSON. It may crash, hang or be killed: the hunt starts another one.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz import oracle
from tests.fuzz.catalogue import MESHES, mutant_of, originals
from tests.fuzz.mutants import Mutant, Original
from tests.fuzz.target import SCANS, Ended, inside, outside

MOST_BYTES = 2 << 30
"""The memory that reading a mutant may take: the resident size of the process, and of each child."""
SPARE = 3 << 30
"""Address space beyond what the idle worker has; more is refused by the system, which is a find as well."""
CODES = (
    (SCANS, (0, 3, 5, 8)),
    (MESHES, (0, 3, 4)),
    (("seg", "mask", "points", "tfm"), (0, 3)),
    (("recipe", "case"), (0, 2, 3, 5, 6)),
    (("manifest",), (0, 3, 4, 5)),
)
ALLOWED = {kind: codes for kinds, codes in CODES for kind in kinds}


def main() -> None:
    """Answer requests until stdin ends."""
    scratch = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    _limit_memory()
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(judged(asked, scratch)) + "\n")
        answers.flush()


def _limit_memory() -> None:
    import SimpleITK
    import trimesh

    del SimpleITK, trimesh
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, used + SPARE))


def requested(asked: dict[str, Any]) -> Mutant:
    """The mutant that a request names, or whose saved files it names."""
    if "saved" not in asked:
        return mutant_of(asked["kind"], asked["seed"], asked["number"], asked.get("real", True))
    original = next(each for each in originals(asked["kind"]) if each.name == asked["original"])
    folder = Path(asked["saved"])
    files = {name: (folder / name).read_bytes() for name in asked["files"]}
    return Mutant(original, files, asked["story"], asked["must_fail"], asked["special"], asked["entry"])


def judged(asked: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Let the program read one mutant, and say what is wrong with how that ended."""
    mutant = requested(asked)
    shutil.rmtree(scratch, ignore_errors=True)
    folder, out, temporary = (scratch / name for name in ("mutant", "out", "tmp"))
    for each in (folder, out, temporary):
        each.mkdir(parents=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    entry = mutant.write(folder)
    _reset_peak()
    began, used = time.perf_counter(), _processor_time()
    run = outside if asked.get("outside") else inside
    ended = run(asked["kind"], entry, out, asked["number"])
    if ended is None:
        return {"faults": [], "code": None, "seconds": 0.0}
    spent = _processor_time() - used
    faults = [*_faults(mutant, folder, out, ended, asked["kind"]), *_left(temporary, scratch)]
    peak = max(_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    if peak > MOST_BYTES:
        faults.append(["memory", f"{peak / (1 << 20):.0f} MiB"])
    if spent > asked.get("limit_s", 10.0):
        faults.append(["hang", f"{spent:.1f} s of processor time"])
    return {
        "faults": faults,
        "code": ended.code,
        "told": (ended.errors or [""])[0][:400],
        "seconds": round(time.perf_counter() - began, 3),
        "spent": round(spent, 3),
        "peak": peak,
        "story": mutant.story,
        "original": mutant.original.name,
    }


def _faults(mutant: Mutant, folder: Path, out: Path, ended: Ended, kind: str) -> list[list[str]]:
    faults = []
    told = (ended.errors or [""])[0]
    if ended.code == 1 or "Traceback" in ended.err:
        where = re.search(r"(\w+) at (\w+\.py:\d+)", told)
        faults.append(["bug", where[0] if where else ended.err[-300:]])
    elif ended.code not in ALLOWED[kind]:
        faults.append(["exit", f"code {ended.code}: {told[:200]}"])
    if ended.code not in (0, 1) and len(ended.errors) != 1:
        faults.append(["message", f"{len(ended.errors)} messages: {ended.err[-300:]}"])
    if ended.code not in (0, 1, 4) and not _names(mutant, folder, told):
        faults.append(["unnamed", told[:300]])
    if any(unicodedata.category(letter) in ("Cc", "Cf") for letter in ended.err.replace("\n", "")):
        faults.append(["raw", repr(ended.err[:300])])
    listed = "series" in ended.told  # a list may name what it cannot read
    if ended.code in (0, 4) and mutant.must_fail and not listed:
        faults.append(["cut", "a file that was cut short was accepted"])
    volume = out / "volume.nrrd"
    if ended.code == 0 and kind in SCANS and volume.is_file():
        findings = ended.told.get("findings", [])
        wrong = oracle.contradiction(mutant, folder, oracle.written(volume), findings, place_of(mutant.original))
        if wrong:
            faults.append(["geometry", wrong])
    return faults


@cache
def place_of(original: Original) -> oracle.Place | None:
    """Where the program puts the original; None when it refuses that."""
    with tempfile.TemporaryDirectory() as folder:
        entry = Mutant(original, original.files, "").write(Path(folder))
        inside(original.kind, entry, Path(folder), 1)
        volume = Path(folder, "volume.nrrd")
        return oracle.written(volume) if volume.is_file() else None


def _names(mutant: Mutant, folder: Path, told: str) -> bool:
    """Whether a message names one of the mutant's files, or the folder that was given."""
    names = {Path(name).name for name in (*mutant.files, *mutant.special)} | {str(folder), "out/mesh"}
    return any(name in told or ascii(name)[1:-1] in told for name in names)


def _left(temporary: Path, scratch: Path) -> list[list[str]]:
    """What was left behind where nothing should be."""
    found = [*temporary.rglob("*"), *scratch.parent.rglob("*escaped*"), *(scratch / "out").rglob("*.part*")]
    return [["left", str(path.relative_to(scratch.parent))] for path in found[:1]]


def _processor_time() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Highest resident size since the last reset, bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()

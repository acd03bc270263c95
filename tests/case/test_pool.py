"""Jobs side by side: limits hold, nothing is left behind, one bad job ends alone. The jobs are real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from surgplan.case.pool import GRACE_S, Job, JobEnd, Limits, Pool

PLENTY = 1 << 40


def job(tmp_path: Path, name: str, code: str, needs: int = 0) -> Job:
    return Job(name, (sys.executable, "-c", code), tmp_path / "logs" / f"{name}.log", needs)


def worked(pool: Pool, seconds: float = 30, each: Callable[[Pool], None] = lambda pool: None) -> dict[str, JobEnd]:
    ends: dict[str, JobEnd] = {}
    until = time.monotonic() + seconds
    while pool.busy:
        assert time.monotonic() < until, "the pool does not come to an end"
        ends |= {end.job.name: end for end in pool.step()}
        each(pool)
        time.sleep(0.01)
    return ends


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    return False


def test_each_job_tells_how_it_ended(tmp_path: Path) -> None:
    pool = Pool(Limits(2, PLENTY))
    pool.submit(job(tmp_path, "good", "import sys; print('made'); print('step 1', file=sys.stderr)"))
    pool.submit(job(tmp_path, "bad", "raise SystemExit(3)"))
    pool.submit(job(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"))
    ends = worked(pool)
    assert {name: end.code for name, end in ends.items()} == {"good": 0, "bad": 3, "killed": -9}
    assert ends["good"].out == "made\n"
    assert ends["good"].job.log.read_text() == "step 1\n"


def test_no_more_jobs_at_once_than_allowed(tmp_path: Path) -> None:
    seen: list[int] = []
    pool = Pool(Limits(3, PLENTY))
    for number in range(7):
        pool.submit(job(tmp_path, str(number), "import time; time.sleep(0.1)"))
    assert len(worked(pool, each=lambda pool: seen.append(len(pool.running)))) == 7
    assert max(seen) == 3


def test_jobs_that_need_more_memory_than_there_is_run_one_after_the_other(tmp_path: Path) -> None:
    seen: list[int] = []
    pool = Pool(Limits(4, memory_bytes=100))
    for number in range(3):
        pool.submit(job(tmp_path, str(number), "import time; time.sleep(0.05)", needs=60))
    pool.submit(job(tmp_path, "huge", "pass", needs=1000))
    assert len(worked(pool, each=lambda pool: seen.append(len(pool.running)))) == 4
    assert max(seen) == 1


def test_a_job_that_hangs_and_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    pool = Pool(Limits(2, PLENTY, job_seconds=1.0, retries=3))
    pool.submit(job(tmp_path, "hangs", code))
    pool.submit(job(tmp_path, "good", "print('fine')"))
    ends = worked(pool)
    assert ends["good"].code == 0
    assert ends["hangs"].why == "took more than 1 s"
    assert ends["hangs"].tries == 1, "what was too slow once is too slow again"
    assert ends["hangs"].seconds < 1 + GRACE_S + 5
    assert not is_alive(int(ends["hangs"].out))


def test_a_job_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    pool = Pool(Limits(1, PLENTY, job_bytes=120_000_000))
    pool.submit(job(tmp_path, "greedy", "import time; held = b'x' * 200_000_000; time.sleep(60)"))
    end = worked(pool)["greedy"]
    assert end.why == "took more than 0.1 GB of memory"
    assert 120e6 < end.peak_bytes < 400e6


def test_a_killed_job_is_tried_again_and_a_refused_one_is_not(tmp_path: Path) -> None:
    once = (
        f"import os, pathlib; p = pathlib.Path({str(tmp_path / 'seen')!r}); e = p.exists(); p.touch(); e or os.abort()"
    )
    pool = Pool(Limits(1, PLENTY, retries=2, retry=frozenset([7])))
    pool.submit(job(tmp_path, "once", once))
    pool.submit(job(tmp_path, "always", "raise SystemExit(7)"))
    pool.submit(job(tmp_path, "refused", "raise SystemExit(3)"))
    ends = worked(pool)
    assert {name: (end.code, end.tries) for name, end in ends.items()} == {
        "once": (0, 2),
        "always": (7, 3),
        "refused": (3, 1),
    }


def test_stopping_ends_everything_soon(tmp_path: Path) -> None:
    pool = Pool(Limits(2, PLENTY))
    for number in range(4):
        pool.submit(job(tmp_path, str(number), "import time; time.sleep(600)"))
    pool.step()
    pids = [each.process.pid for each in pool.running]
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < GRACE_S + 1
    assert not pool.busy
    assert not any(map(is_alive, pids))


def test_jobs_end_when_the_one_who_runs_them_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from surgplan.case.pool import Job, Limits, Pool\n"
        "pool = Pool(Limits(1, 1 << 40))\n"
        "sleep = (sys.executable, '-c', 'import time; time.sleep(600)')\n"
        f"pool.submit(Job('x', sleep, Path({str(tmp_path / 'log')!r})))\n"
        "pool.step()\n"
        "print(pool.running[0].process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < until
        time.sleep(0.02)

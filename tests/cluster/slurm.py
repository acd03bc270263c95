"""A real Slurm of several nodes on one machine, for as long as a test takes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
"""Where jobs look: the environment variable does not reach them."""
NODES = 3

TEMPLATE = """\
ClusterName=surgplan
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2 RealMemory=4000
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no Slurm can be started here, or ""."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (make cluster installs them)"
    if os.geteuid() != 0:
        return "only root can start a Slurm"
    return f"{CONFIGURATION} is in use" if CONFIGURATION.exists() else ""


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Start munge, the controller and the nodes; stop all of them."""
    (folder / "state").mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    port = 16800 + os.getpid() % 100
    text = TEMPLATE.format(
        folder=folder, host=socket.gethostname(), port=port, nodes=NODES, first=port + 200, last=port + 199 + NODES
    )
    (folder / "slurm.conf").write_text(text)
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.symlink_to(folder / "slurm.conf")
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    try:
        _run("munged", "--force", f"--key-file={key}", f"--socket={folder}/munge.sock", *files)
        _run("slurmctld")
        for number in range(1, NODES + 1):
            (folder / f"spool.n{number}").mkdir()
            _run("slurmd", "-N", f"n{number}")
        _wait_until_idle()
        yield
    finally:
        for pid in [*folder.glob("slurmd.*.pid"), folder / "slurmctld.pid", folder / "munge.pid"]:
            with suppress(OSError, ValueError):
                os.kill(int(pid.read_text()), 15)
        CONFIGURATION.unlink()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def _wait_until_idle() -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        done = subprocess.run(["sinfo", "-h", "-t", "idle", "-o", "%D"], capture_output=True, text=True, check=False)
        if done.stdout.strip() == str(NODES):
            return
        time.sleep(0.5)
    raise AssertionError("the nodes of Slurm do not become idle")

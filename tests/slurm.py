"""SLURM on this machine alone, for tests: one node, daemons and state of its own, any user."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.soc
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
MinJobAge=86400
KillWait=5
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} RealMemory=100000 State=UNKNOWN
PartitionName=test Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def found() -> bool:
    """True where the packages are installed (Debian: slurm-wlm, munge)."""
    with_sbin()
    return all(map(shutil.which, PROGRAMS))


def with_sbin() -> None:
    """Daemons lie where only root's PATH looks."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"


@contextlib.contextmanager
def one_node(folder: Path, cpus: int = 4) -> Iterator[dict[str, str]]:
    """A running SLURM, ended with the block; the environment in which its commands find it.

    `cpus` of them are pretended. Its memory, too: jobs ask for more than a small machine has, and use less.
    """
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = dict(zip(("controller", "node"), free_ports(2), strict=True))
    configuration = folder / "slurm.conf"
    text = CONFIGURATION.format(folder=folder, user=getpass.getuser(), host=socket.gethostname(), cpus=cpus, **ports)
    configuration.write_text(text)
    # The executor hides SLURM's variables from `srun`, which would then look in /etc.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o700)
    path = os.pathsep.join([str(srun.parent), os.environ["PATH"]])
    environment = os.environ | {"SLURM_CONF": str(configuration), "PATH": path}
    files = [f"--{name}={folder}/munge.{name[:3]}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    with contextlib.ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={key}", *files],
            ["slurmctld", "-D", "-i"],
            ["slurmd", "-D", "-N", "localhost"],
        ):
            stack.enter_context(daemon(command, environment, folder / f"{command[0]}.log"))
            if command[0] == "munged":
                wait_until((folder / "munge.soc").exists)
        wait_until(lambda: "idle" in asked(["sinfo", "-h", "-o", "%T"], environment))
        yield environment
        subprocess.run(["scancel", "--user", getpass.getuser()], env=environment, check=False)
        wait_until(lambda: not queued(environment))


@contextlib.contextmanager
def daemon(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with open(log, "w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def asked(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def queued(environment: dict[str, str]) -> list[str]:
    """The comments (rule and wildcards) of all jobs that wait, run or are just being ended."""
    return asked(["squeue", "-h", "-o", "%k"], environment).split()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""A real SLURM on this machine, from Debian's packages: for tests, demo and benchmarks.

    python tests/slurm_node.py up|down|status [NODES]

It needs root and Debian, and neither systemd nor cgroups. Daemons listen on 127.0.0.1; jobs run as
root, so this is for containers and machines of a test. All state lies in one folder, which may be
removed after `down`; outside it stand links in /etc/slurm, where the commands of SLURM look, and a
line in /etc/hosts where this machine's name is not one of 127.x.x.x, at which srun listens.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import daemons
from daemons import Unavailable, install, lasting, process, said, wait

STATE = Path(os.environ.get("PSSRFLOW_SLURM", Path.home() / ".pssrflow-slurm"))
ETC, HOSTS, MARK = Path("/etc/slurm"), Path("/etc/hosts"), "# pssrflow slurm_node"
PACKAGES = ["munge", "slurmctld", "slurmd", "slurm-client"]
PORT = 6817
CONFIG = """ClusterName=pssrflow
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/slurmd.%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.%n.log
MailProg=/bin/true
MpiDefault=none
AccountingStorageType=accounting_storage/none
# No cgroups: processes are found through /proc, and nothing is pinned to cores.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# A job above its memory is killed within a second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# The node may claim more processors than it has.
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ReturnToService=2
KillWait=10
MaxArraySize=2000
MaxJobCount=20000
GresTypes=gpu
PartitionName=main Nodes={nodes} Default=YES MaxTime=INFINITE State=UP
"""
# Nodes share what this machine has.
NODE = """NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} \
RealMemory={memory} Gres=gpu:fake:1 State=UNKNOWN
"""
# slurmd looks for cgroups though nothing uses them, and gives up where there are none.
FILES = {
    "cgroup.conf": "CgroupPlugin=cgroup/v1\n",
    "gres.conf": "NodeName={nodes} Name=gpu Type=fake File={state}/gpu0\n",
    "slurm.conf": CONFIG,
}


def unavailable() -> str | None:
    """Why there can be no SLURM here; None if there can."""
    if why := daemons.unavailable("SLURM"):
        return why
    foreign = [f for f in FILES if (ETC / f).exists() and not _ours(ETC / f)]
    return f"{ETC}/{foreign[0]} is there: this machine has a SLURM of its own" if foreign else None


def _ours(link: Path) -> bool:
    return link.is_symlink() and Path(os.readlink(link)).parent == STATE


def names(nodes: int) -> list[str]:
    """Of the nodes."""
    return [f"n{number}" for number in range(1, nodes + 1)]


def up(nodes: int = 1) -> None:
    """Install what is missing, start what does not run, wait until the nodes take jobs."""
    if why := unavailable():
        raise Unavailable(why)
    for name in ("slurmctld", *(f"slurmd.{node}" for node in names(nodes))):
        (STATE / name).mkdir(parents=True, exist_ok=True)
    install("SLURM", PACKAGES)
    if _configured(nodes):
        down()
        _configured(nodes)
    for daemon in ("munged", "slurmctld", *(f"slurmd.{node}" for node in names(nodes))):
        start(daemon)
    _wait(lambda: takes_jobs(nodes), "the nodes take no jobs")


def _configured(nodes: int) -> bool:
    """Write the configuration; whether daemons run that have another."""
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // nodes
    said = {"host": host, "cpus": max(8, os.cpu_count() or 1) // nodes, "memory": memory}
    known = {"host": host, "state": STATE, "port": PORT, "nodes": ",".join(names(nodes))}
    texts = {name: text.format(**known) for name, text in FILES.items()}
    for number, node in enumerate(names(nodes), start=1):
        texts["slurm.conf"] += NODE.format(node=node, port=PORT + number, **said)
    old = STATE / "slurm.conf"
    if pid("slurmctld") and old.read_text() != texts["slurm.conf"]:
        return True
    ETC.mkdir(exist_ok=True)
    for name, text in texts.items():
        (STATE / name).write_text(text)
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(STATE / name)
    gpu = STATE / "gpu0"
    gpu.unlink(missing_ok=True)
    gpu.symlink_to("/dev/null")
    key = STATE / "munge.key"
    if not key.exists():
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
    # Those who speak to each other look for the names of nodes as well.
    strange = [name for name in (socket.gethostname(), *names(nodes)) if not _loopback(name)]
    if strange:
        HOSTS.write_text(f"127.0.0.1 {' '.join(strange)} {MARK}\n{HOSTS.read_text()}")
    return False


def _loopback(name: str) -> bool:
    with contextlib.suppress(OSError):
        return socket.gethostbyname(name).startswith("127.")
    return False


def start(daemon: str) -> None:
    """Start a daemon, if it does not run: munged, slurmctld, or slurmd.NODE."""
    if pid(daemon):
        return
    program, _, node = daemon.partition(".")
    arguments = ["-f", f"{STATE}/slurm.conf", *(["-N", node] if node else [])]
    if daemon == "munged":
        for old in STATE.glob("munge.socket*"):
            old.unlink()
        files = {"key": "munge.key", "socket": "munge.socket", "pid": "munged.pid"}
        files |= {"log": "munged.log", "seed": "munge.seed"}
        # It dislikes folders that not everybody may enter, such as /root.
        arguments = ["--force", *(f"--{key}-file={STATE}/{name}" for key, name in files.items())]
        arguments = [word.replace("--socket-file", "--socket") for word in arguments]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run([program, *arguments], check=True, env=os.environ | {"PATH": path})
    _wait(lambda: pid(daemon), f"{daemon} did not start")
    if daemon == "slurmctld":
        _wait(lambda: _quiet("scontrol", "ping"), "slurmctld does not answer")


def stop(daemon: str, how: int = signal.SIGTERM) -> None:
    """Stop a daemon, if it runs."""
    if found := pid(daemon):
        os.kill(found, how)
        _wait(lambda: not pid(daemon), f"{daemon} does not end")


def pid(daemon: str) -> int | None:
    """Process of a daemon that this folder's settings started."""
    return process(STATE / f"{daemon}.pid", daemon.partition(".")[0], STATE)


def takes_jobs(nodes: int = 1) -> bool:
    """Whether so many nodes can be given jobs."""
    states = said("sinfo", "-h", "-N", "-o", "%T").split()
    return sum(state in ("idle", "mixed", "allocated") for state in states) >= nodes


def down() -> None:
    """Cancel all jobs, stop the daemons, remove what lies outside the folder."""
    if pid("slurmctld"):
        subprocess.run(["scancel", "--user=root"], check=False)
        _wait(lambda: not said("squeue", "-h"), "some jobs do not end", fatal=False)
    for file in STATE.glob("slurmd.*.pid"):
        stop(file.stem)
    stop("slurmctld")
    stop("munged")
    for link in filter(_ours, map(ETC.joinpath, FILES)):
        link.unlink()
    if MARK in (text := HOSTS.read_text()):
        HOSTS.write_text("".join(x for x in text.splitlines(keepends=True) if MARK not in x))


def _wait(ready: Callable[[], object], why: str, fatal: bool = True) -> None:
    wait(ready, f"{why}; the logs are in {STATE}", fatal)


def _quiet(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def cluster(nodes: int = 1) -> contextlib.AbstractContextManager[None]:
    """SLURM while the context lasts; one that runs already goes on."""
    return lasting(bool(pid("slurmctld")), partial(up, nodes), down)


def main(what: str = "", nodes: str = "1") -> None:
    """What the command line says."""
    if what not in ("up", "down", "status"):
        sys.exit(__doc__)
    if what == "up":
        up(int(nodes))
    elif what == "down":
        down()
    print(said("sinfo") if takes_jobs() else "no SLURM of this folder takes jobs")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unavailable as error:
        sys.exit(str(error))

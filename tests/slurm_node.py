"""A real SLURM of one node on this machine, from Debian's packages: for tests, demo and benchmarks.

    python tests/slurm_node.py up|down|status

It needs root and Debian, and neither systemd nor cgroups. Daemons listen on 127.0.0.1; jobs run as
root, so this is for containers and machines of a test. All state lies in one folder, which may be
removed after `down`; outside it stand links in /etc/slurm, where the commands of SLURM look, and a
line in /etc/hosts where this machine's name is not one of 127.x.x.x, at which srun listens.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

STATE = Path(os.environ.get("PSSRFLOW_SLURM", Path.home() / ".pssrflow-slurm"))
ETC, HOSTS, MARK = Path("/etc/slurm"), Path("/etc/hosts"), "# pssrflow slurm_node"
PACKAGES = ["munge", "slurmctld", "slurmd", "slurm-client"]
DAEMONS = ["munged", "slurmctld", "slurmd"]
# The names of the programs behind Debian's links.
SUFFIX = "-wlm"
PORT = 6817
CONFIG = """ClusterName=pssrflow
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={next_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/slurmd
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
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
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:fake:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# slurmd looks for cgroups though nothing uses them, and gives up where there are none.
FILES = {
    "cgroup.conf": "CgroupPlugin=cgroup/v1\n",
    "gres.conf": "NodeName={host} Name=gpu Type=fake File={state}/gpu0\n",
    "slurm.conf": CONFIG,
}


def unavailable() -> str | None:
    """Why there can be no SLURM here; None if there can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    if not shutil.which("apt-get"):
        return "SLURM is taken from Debian's packages, and this is no Debian"
    foreign = [f for f in FILES if (ETC / f).exists() and not _ours(ETC / f)]
    return f"{ETC}/{foreign[0]} is there: this machine has a SLURM of its own" if foreign else None


def _ours(link: Path) -> bool:
    return link.is_symlink() and Path(os.readlink(link)).parent == STATE


def up(cpus: int | None = None) -> None:
    """Install what is missing, start what does not run, wait until the node takes jobs."""
    if why := unavailable():
        sys.exit(why)
    (STATE / "slurmctld").mkdir(parents=True, exist_ok=True)
    (STATE / "slurmd").mkdir(exist_ok=True)
    _install()
    _configure(cpus or max(8, os.cpu_count() or 1))
    start("munged")
    start("slurmctld")
    start("slurmd")
    _wait(takes_jobs, "the node takes no jobs")


def _install() -> None:
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ", *PACKAGES]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    if told == ["installed"] * len(PACKAGES):
        return
    # Debian starts a service that it installs, unless this file forbids it.
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    }
    try:
        subprocess.run(["apt-get", "-q", "update"], check=True, **quiet)
        install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *PACKAGES]
        subprocess.run(install, check=True, **quiet)
    finally:
        if made:
            policy.unlink()


def _configure(cpus: int) -> None:
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    said = {"host": host, "state": STATE, "cpus": cpus, "memory": memory}
    ETC.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (STATE / name).write_text(text.format(port=PORT, next_port=PORT + 1, **said))
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(STATE / name)
    gpu = STATE / "gpu0"
    gpu.unlink(missing_ok=True)
    gpu.symlink_to("/dev/null")
    key = STATE / "munge.key"
    if not key.exists():
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
    with contextlib.suppress(OSError):
        if socket.gethostbyname(socket.gethostname()).startswith("127."):
            return
    HOSTS.write_text(f"127.0.0.1 {socket.gethostname()} {host} {MARK}\n{HOSTS.read_text()}")


def start(daemon: str) -> None:
    """Start a daemon, if it does not run."""
    if pid(daemon):
        return
    arguments = {
        # It dislikes folders that not everybody may enter, such as /root.
        "munged": (
            "--force",
            f"--key-file={STATE}/munge.key",
            f"--socket={STATE}/munge.socket",
            f"--pid-file={STATE}/munged.pid",
            f"--log-file={STATE}/munged.log",
            f"--seed-file={STATE}/munge.seed",
        )
    }.get(daemon, ("-f", f"{STATE}/slurm.conf"))
    if daemon == "munged":
        for old in STATE.glob("munge.socket*"):
            old.unlink()
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run([daemon, *arguments], check=True, env=os.environ | {"PATH": path})
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
    with contextlib.suppress(OSError, ValueError):
        found = int((STATE / f"{daemon}.pid").read_text())
        program = os.readlink(f"/proc/{found}/exe").removesuffix(" (deleted)")
        # A number alone may be another process's, after a reboot.
        mine = str(STATE).encode() in Path(f"/proc/{found}/cmdline").read_bytes()
        if mine and Path(program).name.removesuffix(SUFFIX) == daemon:
            return found
    return None


def takes_jobs() -> bool:
    """Whether the node can be given jobs."""
    asked = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() in ("idle", "mixed", "allocated")


def down() -> None:
    """Cancel all jobs, stop the daemons, remove what lies outside the folder."""
    if pid("slurmctld"):
        subprocess.run(["scancel", "--user=root"], check=False)
        _wait(lambda: not _said("squeue", "-h"), "some jobs do not end", fatal=False)
    for daemon in reversed(DAEMONS):
        stop(daemon)
    for link in filter(_ours, map(ETC.joinpath, FILES)):
        link.unlink()
    if MARK in (text := HOSTS.read_text()):
        HOSTS.write_text("".join(x for x in text.splitlines(keepends=True) if MARK not in x))


def _wait(ready: Callable[[], object], why: str, fatal: bool = True) -> None:
    end = time.monotonic() + 60
    while not ready():
        if time.monotonic() > end:
            if fatal:
                sys.exit(f"{why}; the logs are in {STATE}")
            return
        time.sleep(0.2)


def _quiet(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def node() -> Iterator[None]:
    """SLURM while the context lasts; one that runs already goes on."""
    ran = bool(pid("slurmctld"))
    up()
    try:
        yield
    finally:
        if not ran:
            down()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["up"]:
            up()
        case ["down"]:
            down()
        case ["status"]:
            pass
        case _:
            sys.exit(__doc__)
    print(_said("sinfo") if takes_jobs() else "no SLURM of this folder takes jobs")

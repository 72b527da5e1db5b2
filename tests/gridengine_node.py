"""A real Grid Engine on this machine, from Debian's packages: for tests of the profile `generic`.

    python tests/gridengine_node.py up|down|status

It needs root and Debian, and no systemd. Jobs run as root, so this is for containers and machines
of a test. All state lies in one folder, which may be removed after `down`; a Grid Engine that the
machine has stays as it is, for folder and ports are others.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import daemons
from daemons import Unavailable, install, lasting, process, said

STATE = Path(os.environ.get("PSSRFLOW_GRIDENGINE", Path.home() / ".pssrflow-gridengine"))
PACKAGES = ["gridengine-master", "gridengine-exec", "gridengine-client"]
# By these, commands and jobs find it.
ENVIRONMENT = {
    "SGE_ROOT": str(STATE),
    "SGE_CELL": "default",
    "SGE_QMASTER_PORT": "6454",
    "SGE_EXECD_PORT": "6455",
}
COMMON, NUMBERS = STATE / "default/common", STATE / "qmaster/jobseqnum"
PROGRAMS, SHARE = Path("/usr/lib/gridengine"), Path("/usr/share/gridengine")
BOOTSTRAP = """admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {state}/spooldb
binary_path {programs}
qmaster_spool_dir {state}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
# Debian's Grid Engine runs no jobs of root.
GLOBAL = {"min_uid": "0", "min_gid": "0", "execd_spool_dir": f"{STATE}/execd"}
# What is asked for is taken from what the queue has, as on clusters that keep accounts of memory.
MEMORY = {"mem_free": "mf MEMORY <= YES YES 0 0"}
SCHEDULER = {"schedule_interval": "0:0:2", "flush_submit_sec": "1", "flush_finish_sec": "1"}
DAEMONS = ("qmaster", "execd")


def unavailable() -> str | None:
    """Why there can be no Grid Engine here; None if there can."""
    return daemons.unavailable("Grid Engine")


def up() -> None:
    """Install what is missing, start what does not run, wait until the node takes jobs."""
    if why := unavailable():
        raise Unavailable(why)
    install("Grid Engine", PACKAGES)
    os.environ.update(ENVIRONMENT)
    if not pid("qmaster"):
        stop("execd")
        _initialise()
        start("qmaster")
        _configure()
    start("execd")
    _wait(takes_jobs, "the node takes no jobs")


def _initialise() -> None:
    """Write the settings with which the master starts."""
    # Folders of runs remember the numbers of jobs, which must not come again.
    numbers = NUMBERS.read_text() if NUMBERS.exists() else "0\n"
    shutil.rmtree(STATE, ignore_errors=True)
    for folder in (COMMON, STATE / "spooldb", NUMBERS.parent / "job_scripts", STATE / "execd"):
        folder.mkdir(parents=True)
    NUMBERS.write_text(numbers)
    host = socket.gethostname()
    (COMMON / "bootstrap").write_text(BOOTSTRAP.format(state=STATE, programs=PROGRAMS))
    (COMMON / "act_qmaster").write_text(f"{host}\n")
    # One that connects is known by the first name of its address, which may be any of these.
    (COMMON / "host_aliases").write_text(" ".join([host, *_other_names(host)]) + "\n")
    settings = _changed((SHARE / "default-configuration").read_text(), GLOBAL)
    (STATE / "configuration").write_text(settings)
    resources = SHARE / "util/resources"
    _quietly(PROGRAMS / "spoolinit", "berkeleydb", "libspoolb", STATE / "spooldb", "init")
    for what, source in {
        "configuration": STATE / "configuration",
        "complexes": resources / "centry",
        "usersets": resources / "usersets",
        "pes": resources / "pe",
        "managers": "root",
    }.items():
        _quietly(PROGRAMS / "spooldefaults", what, source)


def _other_names(host: str) -> list[str]:
    lines = [line.partition("#")[0].split() for line in Path("/etc/hosts").read_text().splitlines()]
    names = {name for line in lines if line and line[0].startswith("127.") for name in line[1:]}
    return sorted((names | {"localhost"}) - {host})


def _configure() -> None:
    """Tell the master what it has."""
    host = socket.gethostname()
    _quietly("qconf", "-as", host)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    queue = {
        "qname": "main.q",
        "hostlist": host,
        # The node may claim more processors than it has, and be busy.
        "slots": str(max(8, os.cpu_count() or 1)),
        "load_thresholds": "NONE",
        "complex_values": f"mem_free={memory}M",
    }
    for show, write, change in (
        ("-sc", "-Mc", MEMORY),
        ("-ssconf", "-Msconf", SCHEDULER),
        ("-sq", "-Aq", queue),
    ):
        (STATE / "change").write_text(_changed(said("qconf", show), change))
        _quietly("qconf", write, STATE / "change")


def _changed(settings: str, change: dict[str, str]) -> str:
    for key, value in change.items():
        settings = re.sub(rf"^{key}\s.*$", f"{key} {value}", settings, flags=re.MULTILINE)
    return settings


def _quietly(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")


def start(daemon: str) -> None:
    """Start qmaster or execd, if it does not run."""
    if not pid(daemon):
        subprocess.run([PROGRAMS / f"sge_{daemon}"], check=True, env=os.environ | ENVIRONMENT)
        _wait(partial(pid, daemon), f"{daemon} did not start")
    if daemon == "qmaster":
        _wait(lambda: said("qconf", "-sh"), "the master does not answer")


def stop(daemon: str, how: int = signal.SIGTERM) -> None:
    """Stop qmaster or execd, if it runs."""
    if found := pid(daemon):
        os.kill(found, how)
        _wait(lambda: not pid(daemon), f"{daemon} does not end")


def pid(daemon: str) -> int | None:
    """Process of a daemon that this folder's settings started."""
    files = STATE.glob(f"{daemon}/**/{daemon}.pid")
    found = (process(file, f"sge_{daemon}", STATE) for file in files)
    return next(filter(None, found), None)


def takes_jobs() -> bool:
    """Whether the queue is there, and its node neither unknown nor in error."""
    if not pid("qmaster"):
        return False
    queues = [line.split() for line in said("qstat", "-f").splitlines() if "main.q" in line]
    # The sixth column tells what is wrong; without a node there is neither load nor architecture.
    return any(len(words) == 5 and words[4] != "-NA-" for words in queues)


def down() -> None:
    """Delete all jobs, stop the daemons."""
    if pid("qmaster"):
        said("qdel", "-f", "-u", "*")
        _wait(lambda: not said("qstat", "-u", "*"), "some jobs do not end", fatal=False)
    for daemon in reversed(DAEMONS):
        stop(daemon)


def _wait(ready: Callable[[], object], why: str, fatal: bool = True) -> None:
    daemons.wait(ready, f"{why}; the logs are in {STATE}", fatal)


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    """Grid Engine while the context lasts, also for what is started in it."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        with lasting(bool(pid("qmaster")), up, down):
            yield
    finally:
        for key in ENVIRONMENT.keys() - before.keys():
            del os.environ[key]
        os.environ.update(before)


def main(what: str = "") -> None:
    """What the command line says."""
    if what not in ("up", "down", "status"):
        sys.exit(__doc__)
    os.environ.update(ENVIRONMENT)
    if what == "up":
        up()
        print(*(f"export {key}={value}" for key, value in ENVIRONMENT.items()), sep="\n")
    elif what == "down":
        down()
    print(said("qstat", "-f") if takes_jobs() else "no Grid Engine of this folder takes jobs")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unavailable as error:
        sys.exit(str(error))

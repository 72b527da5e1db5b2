"""What the schedulers of tests share: Debian's packages, daemons, what their commands say."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# What some of Debian's programs have at the end of their names.
SUFFIX = "-wlm"


class Unavailable(Exception):
    """There can be no such scheduler here."""


def unavailable(scheduler: str) -> str | None:
    """Why there can be none here; None if there can."""
    if os.geteuid() != 0:
        return f"{scheduler}'s daemons need root"
    if not shutil.which("apt-get"):
        return f"{scheduler} is taken from Debian's packages, and this is no Debian"
    return None


def install(scheduler: str, packages: Sequence[str]) -> None:
    """Debian's packages, if they are not installed; their services are not started."""
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ", *packages]
    if said(*asked).split() == ["installed"] * len(packages):
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
        words = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
        subprocess.run(words, check=True, **quiet)
    except subprocess.CalledProcessError as error:
        why = f"Debian's packages of {scheduler} cannot be installed ({error})"
        raise Unavailable(why) from error
    finally:
        if made:
            policy.unlink()


def process(file: Path, program: str, state: Path) -> int | None:
    """Process of a daemon whose number is in a file, and which knows the folder of its state."""
    with contextlib.suppress(OSError, ValueError):
        found = int(file.read_text())
        its = Path(f"/proc/{found}")
        name = os.readlink(its / "exe").removesuffix(" (deleted)")
        # A number alone may be another process's, after a reboot.
        told = (its / "cmdline").read_bytes() + (its / "environ").read_bytes()
        if str(state).encode() in told and Path(name).name.removesuffix(SUFFIX) == program:
            return found
    return None


def wait(ready: Callable[[], object], why: str, fatal: bool = True) -> None:
    """Until something holds, for a minute at most."""
    end = time.monotonic() + 60
    while not ready():
        if time.monotonic() > end:
            if fatal:
                sys.exit(why)
            return
        time.sleep(0.2)


def said(*command: str) -> str:
    """What a command prints, whether or not it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def lasting(ran: bool, up: Callable[[], None], down: Callable[[], None]) -> Iterator[None]:
    """A scheduler while the context lasts; one that runs already goes on."""
    up()
    try:
        yield
    finally:
        if not ran:
            down()

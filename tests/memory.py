"""Memory that a process of a test has taken."""

from pathlib import Path


def peak_mb():
    """Peak resident memory of this process in MB.

    `getrusage` counts what its parent held before this program was started, and parents of tests
    are large.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024

"""Resolve requirements.in in a fresh venv; write the pip lock and the conda environment from it."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
HEADER = "# Written by `make lock` from requirements.in; do not edit.\n"


def resolve():
    """Exact pins of everything that requirements.in needs, without local version labels."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", "-r", HERE / "requirements.in"], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True)
    # A CPU build calls itself 2.13.0+cpu, which package indexes do not offer.
    return [re.sub(r"\+\w+$", "", line) for line in frozen.stdout.splitlines()]


def conda_environment(pins):
    """The same pins for `snakemake --sdm conda`."""
    head = (
        "channels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n"
    )
    return HEADER + head + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    pins = resolve()
    (HERE / "requirements.txt").write_text(HEADER + "\n".join(pins) + "\n")
    (HERE / "pssrflow.yaml").write_text(conda_environment(pins))

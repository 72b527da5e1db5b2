"""Where, when and by which command a figure was measured; imported first by every benchmark."""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The core, and what the tests make on purpose, such as a server that fails.
sys.path[1:1] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]


def command() -> str:
    """How this benchmark was started, without its arguments."""
    spec = sys.modules["__main__"].__spec__
    name = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).name
    return f"python -m {name}" if spec else f"python {name}"


def parser(description: str) -> argparse.ArgumentParser:
    """Parser of the command line, whose help is the docstring as it is written."""
    return argparse.ArgumentParser(
        prog=command(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def heading() -> str:
    """Machine, date and command, as Markdown."""
    called = " ".join([command(), *sys.argv[1:]])
    return f"{_processor()}, {os.cpu_count()} cores, {datetime.date.today()}, `{called}`\n"


def _processor():
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())

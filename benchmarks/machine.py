"""Where and when a figure was measured; printed by every benchmark."""

import datetime
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))


def heading():
    """Machine, date and command, as Markdown."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    command = " ".join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])
    return f"{model}, {os.cpu_count()} cores, {datetime.date.today()}, `{command}`\n"

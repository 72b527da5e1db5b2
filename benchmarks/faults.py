"""Runs that are killed, and files of a run that are deleted, cut short or changed.

    python -m benchmarks.faults kills [--count 40] [--seed 0]
    python -m benchmarks.faults files [--rounds 1] [--only TEXT] [--workers 2]

`kills`: a run of every stage (pairs, a calibration, an ensemble, the report, packages) is killed at
random moments until it has been killed so often, then ends; it is compared with a calm one.

`files`: one file of every kind that lies in a results folder, found by walking the tree, is
deleted, cut short and changed by one bit, in turn. The same command is run, and again with the
rules forced that read such a file; then what stands there is compared with the calm run. A kind is
"unharmed" where nothing that is read depends on it ("and stays gone": nor is it made anew),
"mended" where the same command made it anew, "named" where an error named it with a command, after
which it was mended.
"""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.machine import heading, parser
from benchmarks.tables import print_table
from runs import HR, LR, SHEET, TINY, command, contents, environment, prepare

LEARNT = {
    "learnt-hr": {"shape": [1, 512, 512], "tissue": 4, **HR},
    "learnt-lr": {"shape": [1, 128, 128], "tissue": 4, **LR, "spot_nm": 12},
}
CONFIG = TINY | {
    "crappify": {"fit": "calibration"},
    "calibrate": {"dark": 10, "require_fit": False},
    "simulate": TINY["simulate"] | LEARNT,
    "models": {
        "tiny": TINY["models"]["tiny"],
        "both": {"arch": "ensemble", "members": ["tiny", "tiny2"]},
        "tiny2": TINY["models"]["tiny"] | {"widths": [8, 12]},
    },
}
LEARNT_ROW = "learnt\ttrain\tsimulate:learnt-hr\tsimulate:learnt-lr\n"
# Every stage; and every kind of file, in as few jobs as they take.
ROWS = SHEET + LEARNT_ROW
FEW_ROWS = SHEET.splitlines(keepends=True)[0] + LEARNT_ROW + "test\ttest\tsimulate:test\t\n"
TARGETS = ("all", "results/models/tiny/tiny.bioimageio.zip")
# Rules that read a finished file, by what its path holds; of what many jobs follow on, no more
# than these run.
READERS = {
    "hr.ome.zarr": ("crappify_acquisition", "register_pair"),
    "lr.ome.zarr": ("register_pair", "train_model"),
    "sr.ome.zarr": ("evaluate_prediction", "report"),
    "models": ("predict_init", "report"),
    "calibration": ("crappify_acquisition", "register_pair"),
    "metrics": ("report",),
    "registration": ("evaluate_prediction", "report"),
}
ALONE = {"crappify_acquisition", "register_pair", "train_model"}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the run in `folder`."""
    return subprocess.Popen(
        command(*arguments, *TARGETS),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run in `folder`; how it ended, and what it said."""
    process = start(folder, *arguments)
    said, _ = process.communicate()
    return process.returncode, said


def project(folder: Path, rows: str = ROWS) -> Path:
    """A folder with configuration and sample sheet."""
    folder.mkdir()
    prepare(folder, CONFIG, rows)
    return folder


def calm(folder: Path, rows: str = ROWS) -> Path:
    """A run that nobody disturbs."""
    code, said = run(project(folder, rows))
    if code:
        raise SystemExit(said)
    return folder


def kills(folder: Path, count: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Kill a run so often; a row of the table."""
    expected, killed = contents(calm(folder / "calm")), project(folder / "killed")
    moments, done, refused = random.Random(seed), 0, 0
    while done < count:
        process = start(killed)
        try:
            said, _ = process.communicate(timeout=moments.uniform(1, 20))
            if not process.returncode:
                # It was finished: everything is made once more.
                shutil.rmtree(killed / "results")
            else:
                refused += 1
                # Jobs whose parent was killed alone go on for a while, and hold their stores.
                if refused > 10 * count:
                    raise SystemExit(said)
                time.sleep(1)
        except subprocess.TimeoutExpired:
            if done % 2:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            done += 1
    code, _ = run(killed)
    yield done, code, "equal" if contents(killed) == expected else "DIFFERS"


def kind_of(path: str) -> str:
    """A path without the names of samples and models, and without numbers."""
    named = re.sub(r"\b(learnt|train|test|pair|survey|tiny2?|other|both)(-[hl]r)?\b", "*", path)
    return re.sub(r"\d+", "N", named)


def kinds(results: Path) -> dict[str, str]:
    """A file of every kind below a folder, by its kind."""
    found: dict[str, str] = {}
    for path in sorted(p for p in results.rglob("*") if p.is_file()):
        name = str(path.relative_to(results))
        if not re.search(r"logs/|benchmarks/|\.lock$", name):
            found.setdefault(kind_of(name), name)
    return found


def damage(path: Path, how: str, chance: random.Random) -> None:
    """Delete a file, cut it short, or change one bit of it."""
    if how == "deleted":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    if how == "cut short":
        path.write_bytes(content[: int(chance.random() * len(content))])
    elif content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)


def figures(folder: Path, without: str = "") -> dict[str, object]:
    """Content of stores and models, and every table of metrics; but of one file."""
    damaged = folder / "results" / without
    if without and damaged.exists():
        # Nobody read it, so it may be no JSON.
        damaged.rename(damaged.with_suffix(".aside"))
    tables = {str(p): p.read_text() for p in sorted(folder.glob("results/*/*/metrics.csv"))}
    return contents(folder) | {name.split("/results/")[1]: text for name, text in tables.items()}


def verdict(folder: Path, name: str, expected: dict[str, object]) -> str:
    """What became of a damaged file, after the same command and after its readers were forced."""
    code, said = run(folder)
    word = "unharmed" if "Nothing to be done" in said else "mended"
    if not code and word == "unharmed":
        readers = next((r for part, r in READERS.items() if part in name), ())
        until = ("--until", *readers) if set(readers) <= ALONE else ()
        asked = "--forcerun", *readers, *until, "--"
        code, said = run(folder, *asked) if readers else (0, "")
    if code:
        word = "named"
        again = re.search(r"after: (rm [^\n]*?)\.\n", said)
        if "Traceback" in said or not (again or "remove the file" in said or "once more" in said):
            return f"FAILS: {said[-300:]}"
        mend = shlex.split(again[1])[1:] if again else [f"results/{name}"]
        for path in (p for pattern in mend for p in folder.glob(pattern)):
            path.unlink()
        code, said = run(folder)
    there, again = (folder / "results" / name).exists(), readable(folder / "results" / name)
    found = figures(folder, "" if again else name)
    known = {key: value for key, value in expected.items() if again or name not in key}
    if code or found != known:
        return f"{word}, then DIFFERS"
    return word if again else f"{word}, and stays {'damaged' if there else 'gone'}"


def readable(path: Path) -> bool:
    """Whether a file is there and, if it is JSON, can be read."""
    if path.suffix != ".json" or not path.exists():
        return path.exists()
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def files(
    folder: Path, rounds: int, seed: int, only: str, workers: int
) -> Iterator[tuple[object, ...]]:
    """Damage one file of every kind in every way; a row for each."""
    source = calm(folder / "calm", FEW_ROWS)
    expected = figures(source)

    def case(number: int, kind: str, name: str, how: str) -> tuple[object, ...]:
        copy = folder / str(number)
        shutil.copytree(source, copy, symlinks=True)
        damage(copy / "results" / name, how, random.Random(f"{seed} {number}"))
        row = kind, how, verdict(copy, name, expected)
        shutil.rmtree(copy)
        return row

    cases = [
        (kind, name, how)
        for kind, name in kinds(source / "results").items()
        for how in ("deleted", "cut short", "changed") * rounds
        if re.search(only, name)
    ]
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(case, range(len(cases)), *zip(*cases, strict=True))


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("what", choices=("kills", "files"))
    asked.add_argument("--count", type=int, default=40)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="damage only files in whose path this is found")
    asked.add_argument("--workers", type=int, default=2, help="cases at once")
    options = asked.parse_args()
    print(heading())
    with tempfile.TemporaryDirectory() as scratch:
        if options.what == "kills":
            rows = kills(Path(scratch), options.count, options.seed)
            print_table(["kills", "last return code", "final hashes"], rows)
        else:
            rows = files(Path(scratch), options.rounds, options.seed, options.only, options.workers)
            print_table(["file", "damage", "what became of it"], rows)


if __name__ == "__main__":
    main()

"""Runs that are killed, and stores on a server that fails, end with the hash of a calm run."""

import argparse
import functools
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.predict.base import Run, Sizes, content, repeated, store, write_workflow
from benchmarks.processes import SILENT, run_quietly, snakemake
from benchmarks.tables import print_table
from s3 import server

KILLS, KILLED_PARTS = 20, 32
KILLED: Sizes = (1, 256, 256), (1, 512, 512)
SERVER_KILLS = 5
DONE = "results/field/default/sr.done.json"


def kills(options: argparse.Namespace, folder: Path) -> None:
    """Kill a run of many parts at random moments, resume it, and compare with a calm one."""
    lr = store(folder / "lr.ome.zarr", repeated(1024), KILLED)
    calm = Run(folder / "calm", lr, options.weights[0], 1, KILLED, {"tile": 128})
    # At the precision of the rules, which is not that of `pixels`.
    calm.pixels(precision="auto")
    write_workflow(folder, {"parts": KILLED_PARTS, "tile": 128}, KILLED)
    run_quietly(folder, "ingest", "train")
    shards = Shards(folder / "results/field/default/sr.ome.zarr/0/c")
    again = [shards.written_again() for _ in strikes(lambda: _start(folder), KILLS, (8, 30))]
    run_quietly(folder, "predict")
    again.append(shards.written_again())
    names = ["kills", "parts", "shards", "shards written again", "final hash"]
    verdict = _verdict(content(folder / DONE), content(calm.done))
    print_table(names, [(len(again) - 1, KILLED_PARTS, len(shards.stamps), sum(again), verdict)])


class Shards:
    """Shards of a level, and when the file of each was last written."""

    def __init__(self, level: Path) -> None:
        self.level, self.stamps = level, {}

    def written_again(self) -> int:
        """How many have another file than at the last look."""
        again = 0
        for path in filter(Path.is_file, self.level.rglob("*")):
            stamp = path.stat().st_mtime_ns
            again += self.stamps.get(path, stamp) != stamp
            self.stamps[path] = stamp
        return again


def strikes(
    start: Callable[[], subprocess.Popen], most: int, moments: tuple[float, float]
) -> Iterator[None]:
    """Start a run and kill it with all that it started, until one of them ends by itself.

    Yields after every kill.

    Parameters
    ----------
    start : callable
    most : int
        Kills.
    moments : tuple of float
        Earliest and latest, in seconds after the start.
    """
    chance = random.Random(0)
    for _ in range(most):
        process = start()
        try:
            process.wait(timeout=chance.uniform(*moments))
            return
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        yield


def _start(folder, env=None):
    return snakemake(folder, "predict", start_new_session=True, env=env, **SILENT)


def _verdict(found, expected):
    return "equal" if found == expected else "DIFFERS"


def s3(options: argparse.Namespace, folder: Path) -> None:
    """The demo's predict row with its stores on an S3 server that fails now and then, killed."""
    with server("pssrflow", every=50) as (variables, application):
        predict = functools.partial(_predict_survey, folder, env=os.environ | variables)
        calm = predict("folder")
        killed = predict("server", "s3://pssrflow/demo", SERVER_KILLS)
    left = len(list((folder / "server/results").rglob("*.zarr")))
    names = ["requests", "failed on purpose", "files of stores in the results", "final hash"]
    verdict = _verdict(killed, calm)
    print_table(names, [(application.requests, application.failed, left, verdict)])


def _predict_survey(folder, name, stores=None, most=0, *, env):
    """Hash of the SR pixels, from a run in its own folder that is killed `most` times at most."""
    own = folder / name
    own.mkdir()
    shutil.copy(folder / "weights.safetensors", own)
    write_workflow(own, {"parts": 4, "tile": 128}, path="simulate:survey", stores=stores)
    for _ in strikes(lambda: _start(own, env), most, (15, 30)):
        pass
    run_quietly(own, "predict", env=env)
    return content(own / DONE)

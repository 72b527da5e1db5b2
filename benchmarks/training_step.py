"""What drawing patches costs: steps on patches drawn as in training, and on patches in memory.

The default network takes steps of a training on a simulated field, in turns: on batches that a
thread draws, crappifies and hands over, and on one batch that lies in memory.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import lightning_fabric
import yaml
from crappify import CHUNK, SHARD, make_field
from machine import ROOT, heading
from pssrflow.config.check import check_config
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.registry import settings_of
from pssrflow.crappify.stage import crappify
from pssrflow.keys import load_schema
from pssrflow.models.model import start
from pssrflow.pairs.field import open_field
from pssrflow.pairs.patches import Patches, prefetch
from pssrflow.train.loop import Trainer
from pssrflow.train.settings import Recipe


def defaults():
    """The configuration of the demo without its acquisitions: the default of every key."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    return check_config(config, load_schema(ROOT / "workflow/schemas/config.schema.yaml"), "config")


def setup(folder, config, batch):
    """A trainer of the default network, and the patches of a field of 4096 x 4096 HR pixels."""
    make_field(folder, 4096)
    crappifier = Crappifier.from_config(**settings_of(config["crappify"]))
    lr = folder / "lr.ome.zarr", folder / "lr.json"
    crappify(folder / "hr.ome.zarr", *lr, crappifier, 0, "s", CHUNK, SHARD, (1, 99), 2, 4000)
    field = open_field("s", folder / "hr.ome.zarr", lr[0], False, crappifier.scale)
    settings = {k: v for k, v in config["train"].items() if k != "resume"}
    recipe = Recipe(**settings | {"batch": batch, "max_time": None})
    network, facts = start(config["models"]["default"], crappifier.scale)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    trainer = Trainer(fabric, network, recipe, 100, folder, facts, {})
    return trainer, Patches([field], [field.region], crappifier, recipe.patch, 0, "train")


def measure(trainer, patches, rounds, steps):
    """Milliseconds of a step, drawn and in memory: a pair for every round."""
    draw = lambda step: [patches.batch(n) for n in trainer.recipe.numbers(step, 0, 1)]  # noqa: E731
    fixed, pairs, done = draw(0), [], 0
    for _ in range(rounds + 1):
        batches = prefetch(draw, range(done, done + steps + 8))
        # The thread is ahead, as it is in a training.
        for _ in range(4):
            trainer._step(next(batches))
        drawn = timed(trainer, [lambda b=batches: next(b)] * steps)
        batches.close()
        pairs.append((drawn, timed(trainer, [lambda: fixed] * steps)))
        done += steps + 8
    # The first round warms up.
    return pairs[1:]


def timed(trainer, sources):
    begin = time.perf_counter()
    for source in sources:
        trainer._step(source())
    return (time.perf_counter() - begin) / len(sources) * 1e3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8, help="patches in a step")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=25, help="steps in a turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        trainer, patches = setup(Path(scratch), defaults(), options.batch)
        pairs = measure(trainer, patches, options.rounds, options.steps)
    print(heading())
    print("| batches of a step | milliseconds, median |")
    print("|---|---|")
    for name, times in zip(("drawn while training", "in memory"), zip(*pairs)):
        print(f"| {name} | {statistics.median(times):.0f} |")
    share = statistics.median(1 - memory / drawn for drawn, memory in pairs)
    print(f"\nShare of the patches in a step: {100 * share:.1f} % (median of the rounds)")

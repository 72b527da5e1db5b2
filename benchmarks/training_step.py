"""What drawing patches costs: steps on patches drawn as in training, and on patches in memory.

The default network takes steps of a training on a simulated field, in turns: on batches that a
thread draws, crappifies and hands over, and on one batch that lies in memory.
"""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import lightning_fabric

from benchmarks.crappify import KEY, SIZES, make_field
from benchmarks.machine import heading, parser
from benchmarks.tables import print_table, seconds
from pssrflow.config.settings import Settings
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import settings_of
from pssrflow.crappify.stage import Work, crappify
from pssrflow.models.start import start
from pssrflow.pairs.field import open_field
from pssrflow.pairs.patches import Patches, prefetch
from pssrflow.run.memory import Budget
from pssrflow.train.loop import Trainer
from pssrflow.train.progress import Training
from pssrflow.volumes.store import Store

# Steps before those that are timed.
AHEAD = 4


def setup(folder: Path, settings: Settings, batch: int) -> tuple[Trainer, Patches]:
    """A trainer of the default network, and the patches of a field of 4096 x 4096 HR pixels."""
    make_field(folder, 4096)
    crappifier = Crappifier.from_config(**settings_of(settings.crappify.plain()))
    hr, lr = (folder / f"{name}.ome.zarr" for name in ("hr", "lr"))
    work = Work.of(Store(hr), Store(lr), crappifier, KEY)
    crappify(work, folder / "lr.json", SIZES, Budget(2, 4000))
    field = open_field("s", hr, lr, False, crappifier.scale)
    recipe = settings.train.changed(batch=batch, max_time=None)
    network, facts = start(settings.models["default"], crappifier.scale)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    trainer = Trainer(fabric, network, Training(recipe, 0, folder, {}), facts, 100)
    return trainer, Patches([field], [field.region], crappifier, recipe.patch, 0, "train")


def measure(
    trainer: Trainer, patches: Patches, rounds: int, steps: int
) -> list[tuple[float, float]]:
    """Milliseconds of a step, drawn and in memory: a pair for every round."""

    def draw(step):
        return [patches.batch(n) for n in trainer.recipe.numbers(step, 0, 1)]

    fixed, pairs, each = draw(0), [], steps + 2 * AHEAD
    for done in range(0, (rounds + 1) * each, each):
        batches = prefetch(draw, range(done, done + each))
        # The thread is ahead, as it is in a training.
        milliseconds(trainer, lambda b=batches: next(b), AHEAD)
        drawn = milliseconds(trainer, lambda b=batches: next(b), steps)
        batches.close()
        pairs.append((drawn, milliseconds(trainer, lambda: fixed, steps)))
    # The first round warms up.
    return pairs[1:]


def milliseconds(trainer: Trainer, source: Callable[[], Sequence], steps: int) -> float:
    """Of a step, with its batch from a source."""

    def walk():
        for _ in range(steps):
            trainer._step(source())

    return seconds(walk) / steps * 1e3


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--batch", type=int, default=8, help="patches in a step")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--steps", type=int, default=25, help="steps in a turn")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        trainer, patches = setup(Path(scratch), Settings(), options.batch)
        pairs = measure(trainer, patches, options.rounds, options.steps)
    print(heading())
    ways = zip(("drawn while training", "in memory"), zip(*pairs))
    rows = [(name, f"{statistics.median(times):.0f}") for name, times in ways]
    print_table(["batches of a step", "milliseconds, median"], rows)
    share = statistics.median(1 - memory / drawn for drawn, memory in pairs)
    print(f"\nShare of the patches in a step: {100 * share:.1f} % (median of the rounds)")


if __name__ == "__main__":
    main()

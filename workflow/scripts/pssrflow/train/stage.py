"""Stage train: train one network on open fields, say that it is done."""

import functools
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment

from pssrflow.crappify.chain import Crappifier
from pssrflow.models.folder import ModelFolder
from pssrflow.models.model import Model
from pssrflow.models.start import start
from pssrflow.pairs.field import Field
from pssrflow.pairs.patches import Drawing, Patches
from pssrflow.pairs.split import Splitting, patch_size
from pssrflow.run.devices import best_precision
from pssrflow.run.nodes import is_member
from pssrflow.train.loop import Trainer
from pssrflow.train.progress import Training
from pssrflow.train.settings import Settings

log = logging.getLogger(__name__)

# Share of the patches that are drawn as if their stack ended within the frames of a network.
ENDS = 0.25
# Lightning's names of our precisions.
PRECISIONS: dict[str, Any] = {"bf16": "bf16-mixed", "16": "16-mixed", "32": "32-true"}


def train(
    fields: Sequence[Field],
    crappifier: Crappifier,
    model: Model,
    training: Training,
    threads: int,
    done: Path | str,
) -> None:
    """Train; write best weights, last state, history and previews, then the done file.

    On several devices of one machine each has a process of its own. On several machines this is
    one of the processes that SLURM has started, see `run.nodes`.

    Parameters
    ----------
    fields : list of Field
        What is learnt from; weights that are used as they are need none.
    crappifier : Crappifier
    model : Model
    training : Training
    threads : int
    done : path-like
        JSON written last.

    Raises
    ------
    InputError
        Fields that are too small to split, weights that do not fit, or a loss that is not finite.
    """
    torch.set_num_threads(threads)
    run = functools.partial(
        _run,
        fields=fields,
        crappifier=crappifier,
        model=model,
        training=training,
        threads=threads,
    )
    fabric = _fabric(training.recipe)
    step, best, extended = fabric.launch(run)
    if is_member() and not fabric.is_global_zero:
        return
    about = {"recipe": training.recipe.deciding} | ({"extended": extended} if extended else {})
    psnr = best if math.isfinite(best) else None
    ModelFolder(training.folder, done).finish(step, psnr, **about)


def _fabric(recipe: Settings) -> lightning_fabric.Fabric:
    device = lightning_fabric.Fabric(accelerator=recipe.accelerator, devices=1).device
    chosen = best_precision(device) if recipe.precision == "auto" else recipe.precision
    log.info("device %s, precision %s", device, chosen)
    strategy: dict[str, Any] = {}
    if is_member():
        strategy = {"strategy": "ddp", "num_nodes": recipe.nodes, "plugins": [SLURMEnvironment()]}
    elif recipe.devices != 1:
        # Processes are spawned: Snakemake's script cannot be started a second time.
        strategy = {"strategy": "ddp_spawn", "plugins": [LightningEnvironment()]}
    return lightning_fabric.Fabric(
        accelerator=recipe.accelerator,
        devices=recipe.devices,
        precision=PRECISIONS[chosen],
        **strategy,
    )


def _run(fabric, fields, crappifier, model, training, threads):
    """What each process does; steps done, best validation PSNR, and where it was extended."""
    if fabric.world_size > 1:
        # Those of the job are of each of its machines.
        torch.set_num_threads(max(1, threads * training.recipe.nodes // fabric.world_size))
        if fabric.is_global_zero:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    torch.manual_seed(training.seed)
    network, facts = start(model, crappifier.scale)
    seen = [field.seen_by(facts.intensity) for field in fields]
    looks = network.stride, facts.frames
    drawn, held = _patches(seen, crappifier, training, *looks) if seen else (None, None)
    trainer = Trainer(fabric, network, training, facts, _per_epoch(training.recipe, drawn, fabric))
    trainer.restore()
    trainer.fit(drawn, held)
    return trainer.progress.step, trainer.progress.best, trainer.extended


def _patches(fields, crappifier, training, stride, frames):
    """Patches to learn from, and those that are held out, if any."""
    recipe = training.recipe
    # Twice the reach: neither side's downsampling or blur may look into the other.
    guard = 2 * crappifier.reach + stride
    wanted = recipe.patch, recipe.validation, training.kept
    size, splits = Splitting(*wanted, guard, stride, frames).of(fields)
    if size < recipe.patch:
        log.info("patches of %d LR pixels instead of %d", size, recipe.patch)
    for field, split in zip(fields, splits):
        if split.train and (few := frames.missing(split.train)):
            log.warning("planes of sample %s to learn from: %s", field.sample, few)
    if whole := [f.sample for f, s in zip(fields, splits) if s.train is None]:
        log.info("kept for the map of trust as a whole: %s", ", ".join(whole))
    fields, splits = zip(*((f, s) for f, s in zip(fields, splits) if s.train is not None))
    rest = crappifier, size, training.seed
    learnt = [s.train for s in splits]
    drawing = Drawing(training.zoom, frames, recipe.focus, ENDS)
    drawn = Patches(fields, learnt, *rest, "train", drawing)
    if not recipe.validation:
        return drawn, None
    held = _real_first([(f, s.validation) for f, s in zip(fields, splits)])
    fields, regions = zip(*held)
    rest = crappifier, patch_size(regions, size, 1), training.seed
    return drawn, Patches(fields, regions, *rest, "validation", Drawing(frames=frames))


def _real_first(held):
    """Held-out regions of acquired pairs alone, where there are any."""
    real = [(field, region) for field, region in held if field.lr is not None]
    if real and len(real) < len(held):
        log.info("validation on the acquired pairs alone: they show what to expect")
        return real
    return held


def _per_epoch(recipe, drawn, fabric):
    """Steps that draw as many pixels as the training regions hold."""
    per_step = recipe.batch * recipe.accumulate * fabric.world_size
    return drawn.pixels / (per_step * drawn.size**2) if drawn else 1

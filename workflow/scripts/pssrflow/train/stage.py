"""Stage train: open the data, train one network on it, say that it is done."""

import functools
import importlib.metadata
import logging
import math
from dataclasses import replace
from pathlib import Path

import lightning_fabric
import torch

from pssrflow.models.model import start
from pssrflow.pairs.field import split_field
from pssrflow.pairs.patches import Patches, patch_size
from pssrflow.run.devices import best_precision
from pssrflow.run.files import file_hash, write_json
from pssrflow.run.version import __version__
from pssrflow.train.loop import Trainer

log = logging.getLogger(__name__)


def train(
    fields, crappifier, model, recipe, seed, folder, done, threads, resume, identity, licence=None
):
    """Train; write best weights, last state, history and previews, then the done file.

    On several devices of one machine each has a process of its own. Several machines join where
    the cluster started a process on each, as `srun` and `torchrun` do; that is untested.

    Parameters
    ----------
    fields : list of Field
    crappifier : Crappifier
    model : dict
        `arch` and its options; `weights` to begin with, `train`: False to leave them as they are,
        and `intensity`, what of the acquisition is scaled to 0..1.
    recipe : Recipe
    seed : int
    folder : path-like
        `best.safetensors`, `last.pt`, `history.csv` and `previews/` go here.
    done : path-like
        JSON written last.
    threads : int
    resume : bool
        Go on from `last.pt` if it belongs to the same configuration, data and code.
    identity : dict
        JSON that names the data and the code; kept with the weights.
    licence : str, optional
        Of the weights, an SPDX identifier; kept with them.
    """
    torch.set_num_threads(threads)
    run = functools.partial(
        _run,
        fields=fields,
        crappifier=crappifier,
        model=model,
        recipe=recipe,
        seed=seed,
        folder=folder,
        resume=resume,
        identity=identity,
        threads=threads,
        licence=licence,
    )
    step, best = _fabric(recipe).launch(run)
    write_json(
        done,
        {
            "weights": "best.safetensors",
            "sha256": file_hash(Path(folder) / "best.safetensors"),
            "step": step,
            "validation_psnr": best if math.isfinite(best) else None,
        },
    )


def _fabric(recipe):
    place = {"accelerator": recipe.accelerator, "devices": recipe.devices}
    device = lightning_fabric.Fabric(accelerator=recipe.accelerator, devices=1).device
    chosen = best_precision(device) if recipe.precision == "auto" else recipe.precision
    log.info("device %s, precision %s", device, chosen)
    names = {"bf16": "bf16-mixed", "16": "16-mixed", "32": "32-true"}
    # Processes are spawned: Snakemake's script cannot be started a second time.
    several = recipe.devices != 1 or recipe.nodes != 1
    strategy = {"strategy": "ddp_spawn", "num_nodes": recipe.nodes} if several else {}
    return lightning_fabric.Fabric(**place, **strategy, precision=names[chosen])


def _run(
    fabric, fields, crappifier, model, recipe, seed, folder, resume, identity, threads, licence
):
    """What each process does; steps done and best validation PSNR."""
    if fabric.world_size > 1:
        torch.set_num_threads(max(1, threads // fabric.world_size))
        if fabric.is_global_zero:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    torch.manual_seed(seed)
    network, facts = start(model, crappifier.scale)
    seen = [
        replace(
            f,
            hr_intensity=f.hr_intensity.seen_by(facts["intensity"]),
            lr_intensity=f.lr_intensity.seen_by(facts["intensity"]),
        )
        for f in fields
    ]
    # Weights that are used as they are need no training rows.
    drawn, held = _patches(seen, crappifier, recipe, network.stride, seed) if seen else (None, None)
    per_step = recipe.batch * recipe.accumulate * fabric.world_size
    per_epoch = drawn.pixels / (per_step * drawn.size**2) if drawn else 1
    trainer = Trainer(
        fabric, network, recipe, per_epoch, folder, facts | identity, _label(licence), seed
    )
    trainer.restore(resume)
    trainer.fit(drawn, held)
    return trainer.progress.step, trainer.progress.best


def _label(licence):
    """What goes with weights but does not decide whether a checkpoint belongs to them."""
    return {
        "licence": licence,
        "versions": {"pssrflow": __version__}
        | {name: importlib.metadata.version(name) for name in ("torch", "numpy")},
    }


def _patches(fields, crappifier, recipe, stride, seed):
    size = patch_size([f.region for f in fields], recipe.patch, stride)
    if size < recipe.patch:
        log.info("patches of %d LR pixels instead of %d", size, recipe.patch)
    # Twice the reach: neither side's downsampling or blur may look into the other.
    guard = 2 * crappifier.reach + stride
    splits = [split_field(f.region, recipe.validation, size, guard, f.sample) for f in fields]
    drawn = Patches(fields, [s.train for s in splits], crappifier, size, seed, "train")
    if not recipe.validation:
        return drawn, None
    held = [(f, s.validation) for f, s in zip(fields, splits)]
    real = [(f, r) for f, r in held if f.lr is not None]
    if real and len(real) < len(held):
        log.info("validation on the acquired pairs alone: they show what to expect")
        held = real
    fields, regions = zip(*held)
    small = patch_size(regions, size, 1)
    return drawn, Patches(fields, regions, crappifier, small, seed, "validation")

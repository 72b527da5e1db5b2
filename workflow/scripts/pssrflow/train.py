"""Train one network on the pairs of all training rows, out of core, and go on after a kill."""

import contextlib
import hashlib
import json
import logging
import math
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import lightning_fabric
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from pssrflow.devices import best_precision
from pssrflow.errors import InputError
from pssrflow.jobs import write_json
from pssrflow.networks import bicubic, build, save_weights
from pssrflow.patches import Patches, patch_size, prefetch, split_field
from pssrflow.sources import file_hash

log = logging.getLogger(__name__)

EMA_DECAY = 0.995
# A gradient this many times the usual one is shortened; a single odd batch else undoes minutes.
CLIP = 3.0
VALIDATION_PATCHES = 64
PREVIEW_PIXELS = 96
# Settings of a recipe that may change between the runs of one training.
FREE_TO_CHANGE = {"max_time", "preview_every"}


@dataclass(frozen=True)
class Recipe:
    """How to train; the section `train` of the configuration.

    Attributes
    ----------
    max_time : float or None
        Seconds; the schedule ends with whichever of time, epochs and steps ends first.
    epochs : int
        Passes over the pixels of the training regions.
    max_steps : int or None
    validate_every : int
        Steps.
    preview_every : int
        Validations.
    batch : int
    patch : int
        LR pixels along y and x.
    loss : str
        A key of `LOSSES`.
    learning_rate, weight_decay : float
    warmup : int
        Steps.
    validation : float
        Share of every training field that is held out.
    precision : str
        "auto", "bf16", "16" or "32".
    """

    max_time: float | None
    epochs: int
    max_steps: int | None
    validate_every: int
    preview_every: int
    batch: int
    patch: int
    loss: str
    learning_rate: float
    weight_decay: float
    warmup: int
    validation: float
    precision: str

    def steps(self, per_epoch):
        """Steps of the whole training."""
        steps = math.ceil(self.epochs * per_epoch)
        return steps if self.max_steps is None else min(steps, self.max_steps)


LOSSES = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    # Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553; smooth below 1e-2 of the range.
    "charbonnier": lambda a, b: torch.sqrt((a - b).square() + 1e-4).mean(),
}


@dataclass
class Progress:
    """Where a training stands: what its checkpoint holds beside weights and optimiser.

    No random state: patches, noise and orientations are drawn from the number of the step.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    usual_gradient: float = math.inf
    history: list[dict] = field(default_factory=list)


def train(fields, crappifier, model, recipe, seed, folder, done, threads, resume, identity):
    """Train; write best weights, last state, history and previews, then the done file.

    Parameters
    ----------
    fields : list of Field
    crappifier : Crappifier
    model : dict
        `arch` and its options.
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
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    options = {k: v for k, v in model.items() if k != "arch"}
    network = build(model["arch"], crappifier.scale, **options)
    drawn, held = _patches(fields, crappifier, recipe, network.stride, seed)
    facts = {"arch": model["arch"], "scale": crappifier.scale, "options": options}
    per_epoch = drawn.pixels / (recipe.batch * drawn.size**2)
    trainer = Trainer(
        _fabric(recipe.precision), network, recipe, per_epoch, folder, facts | identity
    )
    trainer.restore(resume)
    trainer.fit(drawn, held)
    best = trainer.progress.best
    write_json(
        done,
        {
            "weights": "best.safetensors",
            "sha256": file_hash(trainer.folder / "best.safetensors"),
            "step": trainer.progress.step,
            "validation_psnr": best if math.isfinite(best) else None,
        },
    )


def _fabric(precision):
    device = lightning_fabric.Fabric(accelerator="auto", devices=1).device
    chosen = best_precision(device) if precision == "auto" else precision
    log.info("device %s, precision %s", device, chosen)
    names = {"bf16": "bf16-mixed", "16": "16-mixed", "32": "32-true"}
    return lightning_fabric.Fabric(accelerator="auto", devices=1, precision=names[chosen])


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
    regions = [s.validation for s in splits]
    small = patch_size(regions, size, 1)
    return drawn, Patches(fields, regions, crappifier, small, seed, "validation")


class Trainer:
    """The training loop and its state.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric
    network : torch.nn.Module
    recipe : Recipe
    steps_per_epoch : float
        Batches that hold as many pixels as the training regions.
    folder : path-like
    facts : dict
        Written into the weights; their hash decides whether a checkpoint belongs to this run.
    """

    def __init__(self, fabric, network, recipe, steps_per_epoch, folder, facts):
        self.fabric, self.recipe, self.facts = fabric, recipe, facts
        self.steps_per_epoch = steps_per_epoch
        self.steps = recipe.steps(steps_per_epoch)
        self.folder = Path(folder)
        (self.folder / "previews").mkdir(parents=True, exist_ok=True)
        self.progress = Progress()
        network = network.to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(network, avg_fn=_ema).to(fabric.device)
        self.learns = any(p.requires_grad for p in network.parameters())
        if self.learns:
            optimiser = torch.optim.AdamW(
                network.parameters(),
                recipe.learning_rate,
                betas=(0.9, 0.99),
                weight_decay=recipe.weight_decay,
            )
            self.network, self.optimiser = fabric.setup(network, optimiser)

    @property
    def identity(self):
        recipe = {k: v for k, v in asdict(self.recipe).items() if k not in FREE_TO_CHANGE}
        text = json.dumps([self.facts, recipe], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def restore(self, resume):
        """Go on from the last checkpoint if the same configuration, data and code made it."""
        state = self._checkpoint() if resume and self.learns else None
        if state is None:
            # Weights of another training must not be taken for this one's best.
            (self.folder / "best.safetensors").unlink(missing_ok=True)
            return
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        log.info("resumed at step %d of %d", self.progress.step, self.steps)

    def _checkpoint(self):
        path = self.folder / "last.pt"
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises whatever its bytes happen to mean
            log.warning("%s cannot be read (%s); training starts anew", path, error)
            return None
        if state["identity"] != self.identity:
            log.info("%s is of another configuration, data or code; training starts anew", path)
            return None
        return state

    def fit(self, drawn, held):
        """Train until the epochs or the time are over; SIGTERM saves the state first."""
        self.validation = (
            [_tensors(held.batch([n])) for n in range(VALIDATION_PATCHES)] if held else []
        )
        if not self.learns:
            self._check([])
            return
        batch, first = self.recipe.batch, self.progress.step
        batches = prefetch(
            lambda step: drawn.batch(range(step * batch, (step + 1) * batch)),
            range(first, self.steps),
        )
        with contextlib.closing(batches), _sigterm() as asked_to_stop:
            self._steps(batches, asked_to_stop)

    def _steps(self, batches, asked_to_stop):
        if self._out_of_time():
            return
        losses, last = [], time.monotonic()
        bar = tqdm(total=self.steps, initial=self.progress.step, unit="step", disable=None)
        for pair in batches:
            losses.append(self._step(*_tensors(pair)))
            bar.update()
            self.progress.seconds += time.monotonic() - last
            last = time.monotonic()
            if self._due():
                self._check(losses)
                losses, last = [], time.monotonic()
            if asked_to_stop.is_set():
                self._save()
                raise SystemExit(143)
            if self._out_of_time():
                log.info("stopped by train.max_time at step %d", self.progress.step)
                return

    def _due(self):
        step = self.progress.step
        return step % self.recipe.validate_every == 0 or step == self.steps or self._out_of_time()

    def _out_of_time(self):
        limit = self.recipe.max_time
        return limit is not None and self.progress.seconds >= limit

    def _step(self, lr, hr):
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        lr, hr = self.fabric.to_device((lr, hr))
        predicted = self.network(lr.contiguous(memory_format=torch.channels_last))
        loss = LOSSES[self.recipe.loss](predicted.float(), hr)
        if not torch.isfinite(loss):
            raise InputError(
                f"training step {self.progress.step}",
                f"the loss is {loss.item()}; the last good state is {self.folder / 'last.pt'}",
                "a lower train.learning_rate, or train.precision: '32'",
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._clip()
        self.optimiser.step()
        self.averaged.update_parameters(self.network.module)
        self.progress.step += 1
        return loss.item()

    def _clip(self):
        usual = self.progress.usual_gradient
        found = self.fabric.clip_gradients(self.network, self.optimiser, max_norm=CLIP * usual)
        norm = min(found.item(), CLIP * usual)
        # A blank batch has no gradient, and must not become the measure of the next ones.
        if norm > 0 and math.isfinite(norm):
            known = math.isfinite(usual)
            self.progress.usual_gradient = 0.98 * usual + 0.02 * norm if known else norm

    def _learning_rate(self):
        """Linear warm-up, then half a cosine down to a hundredth over the epochs or the time."""
        recipe, step = self.recipe, self.progress.step
        spent = step / self.steps
        if recipe.max_time:
            spent = max(spent, self.progress.seconds / recipe.max_time)
        warm = min(1.0, (step + 1) / max(1, recipe.warmup))
        cosine = 0.5 * (1 + math.cos(math.pi * min(spent, 1.0)))
        return recipe.learning_rate * warm * (0.01 + 0.99 * cosine)

    def _check(self, losses):
        progress = self.progress
        row = {
            "step": progress.step,
            "epoch": round(progress.step / self.steps_per_epoch, 2),
            "seconds": round(progress.seconds, 1),
            "learning_rate": self._learning_rate(),
            "loss": float(np.mean(losses)) if losses else math.nan,
            **self._validate(),
        }
        progress.history.append(row)
        if not self.validation or row["psnr"] > progress.best:
            progress.best = row["psnr"] if self.validation else progress.best
            with _replacing(self.folder / "best.safetensors") as scratch:
                save_weights(scratch, self.averaged.module, self.facts)
        self._save()
        log.info(
            "step %(step)d, epoch %(epoch).1f, %(seconds).0f s: loss %(loss).5f, "
            "validation PSNR %(psnr).2f dB (bicubic %(psnr_bicubic).2f)",
            row,
        )

    def _validate(self):
        """PSNR of the held-out patches, 1 being the acquisition's display window."""
        if not self.validation:
            return {"psnr": math.nan, "psnr_bicubic": math.nan}
        errors = []
        network, scale = self.averaged.module.eval(), self.facts["scale"]
        for lr, hr in self.validation:
            lr, hr = self.fabric.to_device((lr, hr))
            with torch.inference_mode(), self.fabric.autocast():
                predicted = network(lr.contiguous(memory_format=torch.channels_last)).float()
            plain = bicubic(lr, scale)
            errors.append([F.mse_loss(image, hr).item() for image in (predicted, plain)])
        if len(self.progress.history) % self.recipe.preview_every == 0:
            name = f"step_{self.progress.step:06d}.png"
            _preview(self.folder / "previews" / name, lr, plain, predicted, hr)
        psnr, plain = -10 * np.log10(np.mean(errors, axis=0))
        return {"psnr": float(psnr), "psnr_bicubic": float(plain)}

    def _save(self):
        """Write history and state by rename; a kill in between leaves the previous ones."""
        with _replacing(self.folder / "history.csv") as scratch:
            pd.DataFrame(self.progress.history).to_csv(scratch, index=False)
        if not self.learns:
            return
        state = {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
        }
        with _replacing(self.folder / "last.pt") as scratch:
            torch.save(state, scratch)


def _ema(averaged, current, count):
    # Early averages forget fast, or the untrained weights would linger for hundreds of steps.
    decay = torch.minimum((1 + count) / (10 + count), torch.tensor(EMA_DECAY))
    return averaged + (1 - decay) * (current - averaged)


def _tensors(arrays):
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


@contextlib.contextmanager
def _sigterm():
    """Event that a cluster's SIGTERM sets, so that the step in progress can end."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _preview(path, lr, plain, predicted, hr):
    """LR | bicubic | prediction | truth of one held-out patch, at the same contrast."""
    size = [min(n, PREVIEW_PIXELS * hr.shape[-1] // lr.shape[-1]) for n in hr.shape[-2:]]
    nearest = F.interpolate(lr, hr.shape[-2:], mode="nearest")
    images = [i[0, 0, : size[0], : size[1]].cpu().numpy() for i in (nearest, plain, predicted, hr)]
    low, high = np.percentile(images[-1], (0.5, 99.5))
    grey = np.clip((np.hstack(images) - low) / max(high - low, 1e-6) * 255, 0, 255)
    with _replacing(path) as scratch:
        Image.fromarray(grey.astype(np.uint8)).save(scratch, "png")


@contextlib.contextmanager
def _replacing(path):
    scratch = path.with_name(f".{path.name}")
    yield scratch
    scratch.replace(path)

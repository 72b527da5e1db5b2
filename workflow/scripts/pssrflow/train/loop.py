"""The training loop: patches in, steps, validations, checkpoints; on one device or several."""

import contextlib
import json
import logging
import math
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import lightning_fabric
import torch
from torch import nn
from tqdm import tqdm

from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.folder import write_history
from pssrflow.models.weights import save_tensors
from pssrflow.pairs.patches import Patches, prefetch
from pssrflow.plugins import load
from pssrflow.run.files import replacing
from pssrflow.train import checkpoint
from pssrflow.train.checkpoint import sigterm
from pssrflow.train.losses import Loss
from pssrflow.train.optimisers import Average, Clip
from pssrflow.train.progress import Progress, Training
from pssrflow.train.schedules import LearningRate, Moment
from pssrflow.train.validation import Validation, tensors

log = logging.getLogger(__name__)

EXTEND = "; to go on from its last state instead, stop this and set train.resume: extend"
# Steps between two looks at the losses on a device that works ahead of Python.
LOOK = 10


class Trainer:
    """The training loop and its state.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric
        Launched.
    network : torch.nn.Module
    training : Training
    facts : Facts
        Of the network, written into its weights.
    steps_per_epoch : float
        Steps that draw as many pixels as the training regions hold.
    """

    def __init__(
        self,
        fabric: lightning_fabric.Fabric,
        network: nn.Module,
        training: Training,
        facts: Facts,
        steps_per_epoch: float,
    ):
        self.fabric, self.training, self.recipe = fabric, training, training.recipe
        self.facts = replace(facts, **training.made_of)
        self.steps_per_epoch = steps_per_epoch
        self.steps = self.recipe.steps(steps_per_epoch)
        self.identity = self.recipe.identity(self.facts.to_json())
        training.previews.mkdir(parents=True, exist_ok=True)
        self.progress, self.saved = Progress(), time.monotonic()
        # Where it was extended, and how long it had been meant to be; and the best weights.
        self.extended: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self.board: Any = None
        self._prepare(network)

    def _prepare(self, network):
        """What learns, on its device."""
        recipe, device = self.recipe, self.fabric.device
        self.network = network.to(device, memory_format=torch.channels_last)
        self.average = Average(self.network, recipe.ema)
        self.learns = any(p.requires_grad for p in network.parameters())
        self.loss, self.clip = Loss(recipe.loss), Clip(recipe.clip, device)
        self.learning_rate = LearningRate(recipe)
        if self.learns:
            # By name: an optimiser that nobody names is in nobody's code hash.
            made = load(f"pssrflow.train.optimisers:{recipe.optimizer}")
            optimiser = made(self.network.parameters(), recipe)
            stepped = torch.compile(self.network) if recipe.compile else self.network
            self.wrapped, self.optimiser = self.fabric.setup(stepped, optimiser)

    def restore(self) -> None:
        """Go on from the last checkpoint if the same configuration, data and code made it.

        Else that training is set aside, with its weights, and this one starts anew.
        """
        states = [checkpoint.load(path) for path in (self.training.state, self.training.earlier)]
        mine = next((s for s in states if s and self._belongs(s)), None)
        self.fabric.barrier()
        if self.fabric.is_global_zero and mine is not states[0]:
            self._set_aside(states[0])
        if mine is not None:
            self._go_on(mine)

    def _belongs(self, state: dict[str, Any]) -> bool:
        """Whether this training goes on from a state."""
        if not (self.recipe.resume and self.learns and state["identity"] == self.identity):
            return False
        if self.recipe.resume == "extend":
            return True
        return state["lengths"] == self.recipe.lengths and not state["extended"]

    def _set_aside(self, state: dict[str, Any] | None) -> None:
        """Weights of another training must not be taken for this one's best, nor be lost."""
        training = self.training
        if state is not None:
            progress = Progress(**state["progress"])
            log.warning(
                "an earlier training, %d steps in %.0f s, is of another configuration, data or "
                "code; it is set aside in %s, and training starts anew%s",
                progress.step,
                progress.seconds,
                training.earlier.parent,
                EXTEND if state["identity"] == self.identity and self.recipe.resume else "",
            )
        for path in (*[training.state] * (state is not None), training.weights, training.history):
            if path.exists():
                training.earlier.parent.mkdir(exist_ok=True)
                path.replace(training.earlier.with_name(path.name))

    def _go_on(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.module.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.clip.usual = state["usual_gradient"].to(self.fabric.device)
        self.progress, self.best = Progress(**state["progress"]), state["best"]
        self.extended = list(state["extended"])
        if state["lengths"] != self.recipe.lengths:
            self.extended.append({"step": self.progress.step, **state["lengths"]})
            # What stood still then may move again.
            self.progress.stale = 0
        log.info("resumed at step %d of %d", self.progress.step, self.steps)
        if self.fabric.is_global_zero:
            # They may have been lost since.
            write_history(self.training.history, self.progress.history)
            self._write_best()

    def fit(self, drawn: Patches | None, held: Patches | None) -> None:
        """Train until the steps, the time or the improvement end; SIGTERM saves first.

        Parameters
        ----------
        drawn : Patches or None
            None for weights that are used as they are.
        held : Patches or None
        """
        self.validation = Validation(self.fabric, held, self.facts.scale)
        if drawn is None or not self.learns:
            self._check()
            return
        self.drawn = drawn
        if note := self.loss.note(drawn.size * self.facts.scale):
            log.info(note)
        with contextlib.ExitStack() as held_open:
            if self.recipe.tensorboard and self.fabric.is_global_zero:
                self.board = held_open.enter_context(contextlib.closing(self._board()))
            batches = held_open.enter_context(contextlib.closing(self._batches(drawn)))
            self._steps(batches, held_open.enter_context(sigterm()))

    def _board(self):
        # By a name that is not spelled out, so that it is in no code hash: curves train nothing.
        made = load(f"{__package__}.tensorboard:Board")
        return made(
            self.training.folder / "tensorboard", self.training.previews, self.progress.history
        )

    def _batches(self, drawn: Patches) -> Generator[list, None, None]:
        """Batches of this device, step by step, made ahead of time."""
        mine = self.fabric.global_rank, self.fabric.world_size
        return prefetch(
            lambda step: [drawn.batch(numbers) for numbers in self.recipe.numbers(step, *mine)],
            range(self.progress.step, self.steps),
        )

    def _steps(self, batches, asked_to_stop):
        if self._ends():
            return
        losses, last = [], time.monotonic()
        bar = tqdm(total=self.steps, initial=self.progress.step, unit="step", disable=None)
        for batch in batches:
            losses.append(self._step(batch))
            bar.update()
            now = self._agreed(time.monotonic() - last)
            self.progress.seconds, last = self.progress.seconds + now, time.monotonic()
            due = self._due()
            if due or self.fabric.device.type == "cpu" or len(losses) >= LOOK:
                self._take(losses)
                losses = []
            if due:
                self._check()
                last = time.monotonic()
            if self._agreed(asked_to_stop.is_set()):
                self._take(losses)
                self._save()
                raise SystemExit(143)
            if self._ends():
                return
            self._save_in_time(losses)
        limit = "max_steps" if self.steps == self.recipe.max_steps else "epochs"
        log.info("stopped by train.%s at step %d", limit, self.progress.step)

    def _agreed(self, value):
        """What the first of several processes found, so that all of them do the same."""
        return self.fabric.broadcast(value) if self.fabric.world_size > 1 else value

    def _due(self):
        step = self.progress.step
        return step % self.recipe.validate_every == 0 or step == self.steps or self._out_of_time()

    def _out_of_time(self):
        limit = self.recipe.max_time
        return limit is not None and self.progress.seconds >= limit

    def _ends(self):
        """Whether the time or the improvement is over; says which, once."""
        if self._out_of_time():
            log.info("stopped by train.max_time at step %d", self.progress.step)
            return True
        if self.recipe.stop_after and self.progress.stale >= self.recipe.stop_after:
            log.info("stopped: %d validations without improvement", self.progress.stale)
            return True
        return False

    def _step(self, batches):
        """One step of the optimiser over its batches; the mean loss, still on the device."""
        # Dropout and the like depend on the step alone, so that a resumed training meets the same.
        torch.manual_seed((self.training.seed << 32) + self.progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.progress.step, self._moment())
        total = 0.0
        for number, batch in enumerate(batches, start=1):
            lr, hr, *weight = self.fabric.to_device(tensors(batch))
            # Gradients of several devices are summed once a step.
            with self.fabric.no_backward_sync(self.wrapped, enabled=number < len(batches)):
                predicted = self.wrapped(lr.contiguous(memory_format=torch.channels_last))
                loss = self.loss(predicted.float(), hr, *weight) / len(batches)
                self.fabric.backward(loss)
            total = total + loss.detach()
        self.fabric.strategy.precision.unscale_gradients(self.optimiser.optimizer)
        self.clip(list(self.network.parameters()))
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.progress.step)
        self.progress.step += 1
        return total

    def _moment(self):
        progress, recipe = self.progress, self.recipe
        spent = progress.step / self.steps
        if recipe.max_time:
            spent = max(spent, progress.seconds / recipe.max_time)
        return Moment(spent, progress.step / self.steps_per_epoch, progress.drops)

    def _take(self, losses):
        """Note the losses of the latest steps, or stop where one is not a finite number."""
        if not losses:
            return
        means = self.fabric.all_reduce(torch.stack(losses), reduce_op="mean")
        for before, loss in enumerate(means.tolist()):
            if not math.isfinite(loss):
                self._refuse(self.progress.step - len(losses) + before, loss)
            self.progress.losses.append(loss)

    def _refuse(self, step, loss):
        numbers = [n for part in self.recipe.numbers(step, 0, 1) for n in part]
        raise InputError(
            f"training step {step}",
            f"the loss is {loss}; its patches are "
            f"{'; '.join(map(self.drawn.place_of, numbers))}; "
            f"the last good state is {self.training.state}",
            "a lower train.learning_rate, or train.precision: '32'",
        )

    def _check(self):
        """Validate, note a line of history, keep the best weights and the state."""
        progress, first = self.progress, self.fabric.is_global_zero
        row = self._row()
        progress.losses = []
        if first and len(progress.history) % self.recipe.preview_every == 0:
            path = self.training.previews / f"step_{progress.step:06d}.png"
            self.validation.preview(self.average.module, path)
        progress.history.append(row)
        if progress.note(row["psnr"], self.recipe.patience) and first:
            self._keep(row)
        self._save()
        if self.board:
            self.board.note(row)
        log.info(
            "step %(step)d, epoch %(epoch).1f, %(seconds).0f s: loss %(loss).5f, validation PSNR "
            "%(psnr).2f dB (bicubic %(psnr_bicubic).2f); %(left)s left",
            row | {"left": self._time_left()},
        )

    def _row(self):
        """Where the training stands, as a line of the history."""
        progress = self.progress
        measured = self.validation.measure(self.average.module)
        return {
            "step": progress.step,
            "epoch": round(progress.step / self.steps_per_epoch, 2),
            "seconds": round(progress.seconds, 1),
            "learning_rate": self.learning_rate(progress.step, self._moment()),
            "loss": sum(progress.losses) / len(progress.losses) if progress.losses else math.nan,
            **self._agreed(measured),
        }

    def _keep(self, row):
        """Write the weights, which are the best so far."""
        noted = {"step": row["step"], "validation_psnr": _number(row["psnr"])}
        facts = replace(self.facts, **self.training.label, **noted, extended=self.extended or None)
        # A copy, for these go on learning.
        tensors = {k: t.detach().cpu().clone() for k, t in self.average.module.state_dict().items()}
        self.best = {"tensors": tensors, "facts": json.dumps(facts.to_json())}
        self._write_best()

    def _write_best(self):
        if self.best is not None:
            facts = Facts.checked(json.loads(self.best["facts"]), self.training.weights)
            with replacing(self.training.weights) as scratch:
                save_tensors(scratch, self.best["tensors"], facts)

    def _time_left(self):
        """Time until the steps or the time end, as text."""
        progress, limit = self.progress, self.recipe.max_time
        if not progress.step:
            return "unknown time"
        left = (self.steps - progress.step) * progress.seconds / progress.step
        left = left if limit is None else min(left, limit - progress.seconds)
        minutes, seconds = divmod(round(max(left, 0)), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

    def _save_in_time(self, losses):
        every = self.recipe.checkpoint_every
        if self._agreed(every is not None and time.monotonic() - self.saved >= every):
            self._take(losses)
            losses.clear()
            self._save()

    def _save(self):
        """Write history and state by rename; a kill in between leaves the previous ones."""
        self.saved = time.monotonic()
        if not self.fabric.is_global_zero:
            return
        write_history(self.training.history, self.progress.history)
        if not self.learns:
            return
        state = {
            "identity": self.identity,
            "lengths": self.recipe.lengths,
            "extended": self.extended,
            "best": self.best,
            "network": self.network.state_dict(),
            "averaged": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "usual_gradient": self.clip.usual,
            "progress": vars(self.progress),
        }
        checkpoint.save(self.training.state, state)


def _number(value):
    """A number, or None where JSON has none."""
    return value if math.isfinite(value) else None

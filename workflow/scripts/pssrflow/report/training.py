"""How a training went."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from pssrflow.report.pictures import Picture, data_uri
from pssrflow.run.files import check_file, read_json
from pssrflow.run.layout import Layout

# A gain (dB) in the last fifth of a training that promises more.
STILL_RISING = 0.02

VALIDATION = (
    "Validation patches lie behind a guard band and have fixed noise; their PSNR takes the display "
    "window of the acquisition as its range."
)


@dataclass(frozen=True)
class Training:
    """How the training of one model went.

    Attributes
    ----------
    model : str
    trained : bool
        In this run; weights may also be used as they are.
    last : dict of str to float
        Last row of its history.
    recent : float
        What the validation PSNR (dB) gained in the last fifth; NaN if it was measured once.
    extended : list of int
        Steps at which it had been finished, and went on.
    picture : Picture, optional
        Its curves.
    """

    model: str
    trained: bool
    last: dict[str, float]
    recent: float
    extended: list[int] = field(default_factory=list)
    picture: Picture | None = None

    @property
    def text(self) -> str:
        """In words."""
        if not self.trained:
            return "Not trained in this run: its weights are used as they are."
        text = (
            f"{self.last['step']:.0f} steps, {self.last['epoch']:.1f} passes over the training "
            f"pixels, {self.last['seconds'] / 60:.1f} minutes. {VALIDATION}"
        )
        if self.extended:
            steps = ", ".join(map(str, self.extended))
            text += (
                f" It had been finished at step {steps} and was extended: its weights are not "
                "those that the configuration alone gives."
            )
        if math.isnan(self.recent):
            text += " It was validated once: whether it still rises, nobody knows."
        elif self.recent > STILL_RISING:
            text += (
                f" In the last fifth it still rose by {self.recent:.2f} dB: a longer training "
                "will do better."
            )
        return text


def training_of(layout: Layout, model: str) -> Training:
    """How the training of a model went, by its history."""
    path, done = layout.history(model), layout.trained(model)
    known = read_json(done)
    check_file(path, known["history"], done)
    history = pd.read_csv(path)
    last = {str(name): float(value) for name, value in history.iloc[-1].items()}
    if history["loss"].isna().all():
        return Training(model, False, last, math.nan)
    extended = [int(one["step"]) for one in known.get("extended", ())]
    return Training(model, True, last, _rise(history), extended, _curves(model, history))


def _rise(history):
    """Of the validation PSNR (dB) in the last fifth of the steps; NaN of a single validation."""
    known = history.dropna(subset="psnr")
    if len(known) < 2:
        # Without validation patches there is nothing to say.
        return math.nan if len(known) else 0.0
    # The curve between two validations, for the last fifth of few holds one alone.
    before = np.interp(0.8 * known["step"].iloc[-1], known["step"], known["psnr"])
    return float(known["psnr"].iloc[-1] - before)


def _curves(model, history):
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
    axes[0].plot(history["step"], history["loss"], marker=".")
    axes[0].set(xlabel="step", ylabel="training loss", yscale="log")
    axes[1].plot(history["step"], history["psnr"], marker=".", label="network")
    axes[1].plot(history["step"], history["psnr_bicubic"], color="grey", label="bicubic")
    axes[1].set(xlabel="step", ylabel="validation PSNR (dB)")
    axes[1].legend(frameon=False)
    return Picture(data_uri(figure), f"Training curve of {model}")

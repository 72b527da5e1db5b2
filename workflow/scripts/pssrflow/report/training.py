"""How a training went."""

import pandas as pd
from matplotlib import pyplot as plt

from pssrflow.report.pictures import _png

# A gain (dB) in the last fifth of a training that promises more.
STILL_RISING = 0.02


def _curve(results, model):
    history = pd.read_csv(f"{results}/models/{model}/history.csv")
    if history["loss"].isna().all():
        return {
            "model": model,
            "caption": "Not trained in this run: its weights are used as they are.",
        }
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
    axes[0].plot(history["step"], history["loss"], marker=".")
    axes[0].set(xlabel="step", ylabel="training loss", yscale="log")
    axes[1].plot(history["step"], history["psnr"], marker=".", label="network")
    axes[1].plot(history["step"], history["psnr_bicubic"], color="grey", label="bicubic")
    axes[1].set(xlabel="step", ylabel="validation PSNR (dB)")
    axes[1].legend(frameon=False)
    last = history.iloc[-1]
    recent = history[history["step"] >= 0.8 * last["step"]]["psnr"]
    caption = (
        f"{int(last['step'])} steps, {last['epoch']:.1f} passes over the training pixels, "
        f"{last['seconds'] / 60:.1f} minutes. Validation patches lie behind a guard band and have "
        "fixed noise; their PSNR takes the display window of the acquisition as its range."
    )
    if recent.iloc[-1] - recent.iloc[0] > STILL_RISING:
        caption += (
            f" In the last fifth it still rose by {recent.iloc[-1] - recent.iloc[0]:.2f} dB: "
            "a longer training will do better."
        )
    return {"model": model, "image": _png(figure), "caption": caption}

"""The folder of a model that is used without being trained here."""

from pathlib import Path

import pandas as pd

from pssrflow.models.weights import save_weights
from pssrflow.run.files import file_hash, write_json


def keep_untrained(network, facts, folder, done, step=0, validation_psnr=None):
    """Write weights, a history of one line and the done file, as a training does.

    Parameters
    ----------
    network : torch.nn.Module
    facts : dict
        What goes with the weights.
    folder, done : path-like
    step : int
    validation_psnr : float or None
        What is known of an earlier training.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch, best = folder / ".best.safetensors", folder / "best.safetensors"
    save_weights(scratch, network, facts)
    scratch.replace(best)
    known = {"step": step, "validation_psnr": validation_psnr}
    _write_history(folder, known)
    write_json(done, {"weights": best.name, "sha256": file_hash(best), **known})


def _write_history(folder, known):
    """One line, as the report reads of every model."""
    row = {"step": known["step"], "epoch": 0.0, "seconds": 0.0, "learning_rate": float("nan")}
    row |= {"loss": float("nan"), "psnr": known["validation_psnr"], "psnr_bicubic": float("nan")}
    scratch = folder / ".history.csv"
    pd.DataFrame([row]).to_csv(scratch, index=False)
    scratch.replace(folder / "history.csv")

"""Networks that are used without being trained here: from a package, or several as one."""

from pathlib import Path

import pandas as pd

from pssrflow.errors import InputError
from pssrflow.jobs import write_json
from pssrflow.networks import build, load_weights, save_weights
from pssrflow.sources import file_hash


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


def assemble(members, scale, folder, done):
    """Take several networks as one, whose prediction is their mean.

    Parameters
    ----------
    members : dict of str to path-like
        Weights, by the name that the configuration gives them.
    scale : int
    folder, done : path-like

    Raises
    ------
    InputError
        Weights of another scale, or networks that see grey levels in different ways.
    """
    loaded = {name: load_weights(path) for name, path in members.items()}
    facts = {name: facts for name, (_, facts) in loaded.items()}
    for name, of_one in facts.items():
        if of_one["scale"] != scale:
            raise InputError(name, f"weights of scale {of_one['scale']}", f"scale {scale}")
    seen = {name: of_one.get("intensity", "window") for name, of_one in facts.items()}
    if len(set(seen.values())) > 1:
        found = ", ".join(f"{name}: {kind}" for name, kind in seen.items())
        raise InputError("members", f"intensity differs ({found})", "the same for all members")
    described = [{"arch": f["arch"], "options": f["options"]} for f in facts.values()]
    network = build("ensemble", scale, members=described)
    for member, (found, _) in zip(network.members, loaded.values()):
        member.load_state_dict(found.state_dict())
    kept = {"arch": "ensemble", "scale": scale, "options": {"members": described}, "frames": 1}
    keep_untrained(network, kept | {"intensity": next(iter(seen.values()))}, folder, done)

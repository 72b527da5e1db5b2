"""Several networks taken as one."""

from pssrflow.errors import InputError
from pssrflow.models.folder import keep_untrained
from pssrflow.models.weights import load_weights
from pssrflow.networks.registry import build


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

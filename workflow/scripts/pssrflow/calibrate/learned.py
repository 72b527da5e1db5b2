"""A learned crappifier: a network of scale 1 that learns mean and spread of the real LR pixels.

The role of PSSR2's `train_crappifier`. It sees the downsampled HR image and is trained by the
likelihood of the LR image that was really acquired, doi:10.1109/ICNN.1994.374138 (Nix and
Weigend 1994).
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pssrflow.calibrate.twins import Twins, compare
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.learned import NoiseModel, save
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.pairs.grey import Matched
from pssrflow.seeded import generator

log = logging.getLogger(__name__)

PATCH, BATCH = 48, 8
LEARNING_RATE = 2e-3
# Below this spread (of 1) the likelihood of a saturated, noiseless pixel would grow for ever.
NARROWEST = -7.0


def learn(
    pairs: Sequence[Matched],
    crappify: Mapping[str, Any],
    steps: int,
    seed: int,
    path: Path | str,
) -> tuple[dict[str, Any], list[Twins]]:
    """Train on all but a quarter of each pair and write the weights.

    Parameters
    ----------
    pairs : list of Matched
    crappify : mapping
        Keys of the crappifier; its downsampling is kept, its noise replaced.
    steps : int
    seed : int
    path : path-like
        Safetensors that are written.

    Returns
    -------
    best : dict
        `crappify` with the network as their only noise.
    twins : list of Twins
        Of the quarter that was not learnt from.
    """
    clean = {**crappify, "before": [], "noise": []}
    planes = [(_crappified(pair, clean, seed), pair.lr) for pair in pairs]
    network = _trained([_learnt(p) for p in planes], steps, seed)
    save(path, network, {})
    best = {**clean, "noise": [{"name": "network", "weights": str(path)}]}
    twins = [
        compare(*map(_held, (pair.lr, _crappified(pair, best, seed), pair.mean))) for pair in pairs
    ]
    return best, twins


def _crappified(pair, crappify, seed):
    key = NoiseKey(seed, "calibration", 0, 0, 0, 0)
    return crappify_plane(pair.hr, Crappifier.from_config(**crappify), key, 0.0, GREY)


def _learnt(plane):
    clean, real = plane
    rows = slice(0, 3 * len(real) // 4)
    return clean[rows] / np.float32(GREY), real[rows] / np.float32(GREY)


def _held(image):
    return image[3 * len(image) // 4 :]


def _trained(planes, steps, seed):
    torch.manual_seed(seed)
    network = NoiseModel()
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        clean, real = _batch(planes, generator(seed, "learned crappifier", step))
        mean, spread = network(clean).chunk(2, dim=1)
        spread = spread.clamp(min=NARROWEST)
        loss = (spread + 0.5 * ((real - mean) * torch.exp(-spread)).square()).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % max(1, steps // 10) == 0:
            log.info("step %d of %d: negative log-likelihood %.4f", step, steps, loss.item())
    return network.eval()


def _batch(planes, rng):
    drawn = []
    for _ in range(BATCH):
        images = planes[rng.integers(len(planes))]
        size = [min(PATCH, n) for n in images[0].shape]
        y, x = (int(rng.integers(n - s + 1)) for n, s in zip(images[0].shape, size))
        drawn.append([image[y : y + size[0], x : x + size[1]] for image in images])
    return tuple(torch.from_numpy(np.stack(images))[:, None] for images in zip(*drawn))

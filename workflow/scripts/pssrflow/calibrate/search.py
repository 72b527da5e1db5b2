"""General search: parameters of any crappifier that make its noise that of the real LR images.

The role of PSSR2's `approximate_crappifier`, with pairs that were registered first.
"""

import copy
import logging

import numpy as np
import optuna

from pssrflow.calibrate.twins import compare
from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_plane
from pssrflow.crappify.steps import GREY
from pssrflow.errors import InputError

log = logging.getLogger(__name__)

# Draws of the noise that tell how sure the distance of one trial is.
REPEATS = 6


def search(pairs, settings, space, trials, seed):
    """Find the parameters whose noise is most like that of the real images.

    Parameters
    ----------
    pairs : list of Matched
    settings : dict
        Keys of the crappifier, as in the configuration.
    space : dict
        Key such as ``noise.0.intensity`` to its lowest and highest value.
    trials : int
    seed : int

    Returns
    -------
    best : dict
        `settings` with the parameters found.
    parameters : dict
        Value, low and high of each; the interval holds trials that no repetition of the noise
        tells from the best.
    twins : list of Twins
        Of each pair, with the best.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(
        lambda trial: _distance(pairs, placed(settings, _suggest(trial, space)), seed, 0), trials
    )
    best = placed(settings, study.best_params)
    again = [_distance(pairs, best, seed, draw) for draw in range(1, REPEATS + 1)]
    limit = study.best_value + 2 * np.std(again)
    close = [t.params for t in study.trials if t.value <= limit]
    parameters = {
        key: {
            "value": study.best_params[key],
            "low": min(c[key] for c in close),
            "high": max(c[key] for c in close),
            "unit": "as in crappify",
        }
        for key in space
    }
    log.info("%d trials, distance %.4f: %s", trials, study.best_value, study.best_params)
    return best, parameters, [_twins(pair, best, seed, 1) for pair in pairs]


def _suggest(trial, space):
    return {key: trial.suggest_float(key, *bounds) for key, bounds in space.items()}


def placed(settings, values):
    """Copy of `settings` with values at keys such as ``noise.0.intensity``.

    Raises
    ------
    InputError
        There is no such key.
    """
    settings = copy.deepcopy(settings)
    for key, value in values.items():
        *path, last = (int(part) if part.isdigit() else part for part in key.split("."))
        place = settings
        try:
            for part in path:
                place = place[part]
            _ = place[last]
            place[last] = value
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(
                f"calibrate.space.{key}",
                "no such key in crappify",
                "keys that crappify holds, such as width, scan.jitter or noise.0.intensity",
            ) from error
    return settings


def _distance(pairs, settings, seed, draw):
    """How far apart the noise of twins is: distributions, widths, correlations along the axes."""
    total = 0.0
    for pair in pairs:
        twins = _twins(pair, settings, seed, draw)
        correlations = zip(twins.real_correlation, twins.twin_correlation)
        # Distributions that differ in width alone hardly differ in Kolmogorov's distance.
        widths = np.log((twins.twin_sd + 0.1) / (twins.real_sd + 0.1))
        total += twins.distance + np.abs(widths).mean()
        total += sum(abs(a - b) for a, b in correlations) / 2
    return total / len(pairs)


def _twins(pair, settings, seed, draw):
    key = NoiseKey(seed, "calibration", draw, 0, 0, 0)
    twin = crappify_plane(pair.hr, Crappifier.from_config(**settings), key, 0.0, GREY)
    return compare(pair.lr, twin, pair.mean)

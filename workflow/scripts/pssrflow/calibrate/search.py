"""General search: parameters of any crappifier that make its noise that of the real LR images.

The role of PSSR2's `approximate_crappifier`, with pairs that were registered first.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from pssrflow.calibrate.settings import Settings
from pssrflow.calibrate.twins import Twins, compare
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.settings import placed
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.pairs.grey import Matched

log = logging.getLogger(__name__)

# Draws of the noise that tell how sure the distance of one trial is.
REPEATS = 6


def search(
    pairs: Sequence[Matched], crappify: Mapping[str, Any], settings: Settings, seed: int
) -> tuple[dict[str, Any], dict[str, dict[str, Any]], list[Twins]]:
    """Find the parameters whose noise is most like that of the real images.

    Parameters
    ----------
    pairs : list of Matched
    crappify : mapping
        Keys of the crappifier, as in the configuration.
    settings : Settings
        What is varied, from its lowest to its highest value, and how many trials.
    seed : int

    Returns
    -------
    best : dict
        `crappify` with the parameters found.
    parameters : dict
        Value, low and high of each; the interval holds trials that no repetition of the noise
        tells from the best.
    twins : list of Twins
        Of each pair, with the best.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))

    def tried(trial: optuna.Trial) -> float:
        values = {key: trial.suggest_float(key, *ends) for key, ends in settings.space.items()}
        return _distance(pairs, placed(crappify, values), seed, 0)

    study.optimize(tried, settings.trials)
    log.info("%d trials, distance %.4f: %s", len(study.trials), study.best_value, study.best_params)
    best = placed(crappify, study.best_params)
    again = [_distance(pairs, best, seed, draw) for draw in range(1, REPEATS + 1)]
    parameters = _intervals(study, study.best_value + 2 * np.std(again))
    return best, parameters, [_twins(pair, best, seed, 1) for pair in pairs]


def _intervals(study, limit):
    """The best parameters, and the range of those of a distance up to the limit."""
    close = [trial.params for trial in study.trials if trial.value <= limit]
    return {
        key: {
            "value": value,
            "low": min(params[key] for params in close),
            "high": max(params[key] for params in close),
            "unit": "as in crappify",
        }
        for key, value in study.best_params.items()
    }


def _distance(pairs, crappify, seed, draw):
    """How far apart the noise of twins is: distributions, widths, correlations along the axes."""
    total = 0.0
    for pair in pairs:
        twins = _twins(pair, crappify, seed, draw)
        correlations = zip(twins.real_correlation, twins.twin_correlation)
        # Distributions that differ in width alone hardly differ in Kolmogorov's distance.
        widths = np.log((twins.twin_sd + 0.1) / (twins.real_sd + 0.1))
        total += twins.distance + np.abs(widths).mean()
        total += sum(abs(a - b) for a, b in correlations) / 2
    return total / len(pairs)


def _twins(pair, crappify, seed, draw):
    key = NoiseKey(seed, "calibration", draw, 0, 0, 0)
    twin = crappify_plane(pair.hr, Crappifier.from_config(**crappify), key, 0.0, GREY)
    return compare(pair.lr, twin, pair.mean)

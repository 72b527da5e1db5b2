"""A network of scale 1 as a step of the crappifier; its weights are the configuration's to give."""

import functools
from typing import Any, ClassVar

import numpy as np

from pssrflow.crappify.custom import checked
from pssrflow.crappify.steps import GREY, Halo, Inner, Step, around
from pssrflow.keys import key
from pssrflow.plugins import load


class Network(Step):
    """A network of scale 1 that degrades: PSSR2's `train_crappifier`.

    It sees grey levels from 0 (black) to 1 (white). One output channel is the degraded image; two
    are the mean and the logarithm of the standard deviation that a draw has around it.
    """

    name: ClassVar[str] = "network"
    weights: str = key(..., "Weights of a network of scale 1 (.safetensors).", min_length=1)

    @functools.cached_property
    def _loaded(self) -> Any:
        # By name: torch takes seconds to load, and only those need it who run the step.
        return load("pssrflow.crappify.learned:load")(self.weights)

    @property
    def halo(self) -> Halo:
        return around(self._loaded.halo)

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        found = self._loaded.run(window / np.float32(GREY))
        mean = checked(self.weights, found[0], window.shape, "a network of scale 1")[inner]
        if len(found) == 1:
            return mean * np.float32(GREY)
        noise = np.exp(found[1][inner]) * rng.standard_normal(mean.shape, np.float32)
        return (mean + noise) * np.float32(GREY)

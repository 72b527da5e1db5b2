"""A network as a step of the crappifier."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pssrflow.crappify.custom import checked
from pssrflow.crappify.steps import GREY, Step, around


@dataclass(frozen=True)
class Network(Step):
    """A network of scale 1 that degrades: PSSR2's `train_crappifier`.

    It sees grey levels from 0 (black) to 1 (white). One output channel is the degraded image; two
    are the mean and the logarithm of the standard deviation that a draw has around it.

    Attributes
    ----------
    weights : str
        Safetensors that PSSRflow saved.
    """

    weights: str

    name: ClassVar = "network"

    @functools.cached_property
    def _loaded(self):
        from pssrflow.crappify.learned import load

        return load(self.weights)

    @property
    def halo(self):
        return around(self._loaded.halo)

    def apply(self, window, inner, rng):
        found = self._loaded.run(window / np.float32(GREY))
        mean = checked(self.weights, found[0], window.shape, "a network of scale 1")[inner]
        if len(found) == 1:
            return mean * np.float32(GREY)
        noise = np.exp(found[1][inner]) * rng.standard_normal(mean.shape, np.float32)
        return (mean + noise) * np.float32(GREY)

    def __getstate__(self):
        return {"weights": self.weights}

    def __setstate__(self, state):
        object.__setattr__(self, "weights", state["weights"])

"""Stage predict: tiles of a plane through a network, into a store of any size."""

from pssrflow.prediction.fill import interpolate
from pssrflow.prediction.halo import measure_halo

__all__ = ["interpolate", "measure_halo"]

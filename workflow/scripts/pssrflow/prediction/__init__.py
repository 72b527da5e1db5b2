"""Stage predict: tiles of a plane through a network, into a store of any size."""

from pssrflow.prediction.fill import interpolate
from pssrflow.prediction.halo import measure_halo
from pssrflow.prediction.place import lr_corner

__all__ = ["interpolate", "lr_corner", "measure_halo"]

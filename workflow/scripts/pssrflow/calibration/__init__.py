"""Calibration: how a real fast scan relates to a slow scan of the same field."""

from pssrflow.calibration.calibrate import fit_pairs, fit_single  # noqa: F401
from pssrflow.calibration.result import Calibration, Pair  # noqa: F401

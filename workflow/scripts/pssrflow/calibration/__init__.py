"""Calibration: how a real fast scan relates to a slow scan of the same field."""

from pssrflow.calibration.calibrate import fit_pairs  # noqa: F401
from pssrflow.calibration.result import Calibration, Pair  # noqa: F401
from pssrflow.calibration.single import fit_single  # noqa: F401

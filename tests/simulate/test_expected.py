"""The simulator knows the truth behind its scans."""

import numpy as np
from pssrflow.simulate.microscope import Place, expected, scan
from pssrflow.simulate.settings import Microscope


def test_the_mean_of_scans_is_what_is_expected():
    microscope, rows, cols = Microscope(dwell_us=20, gain=0.4), slice(250, 330), slice(40, 120)
    truth = expected(microscope, Place(3), 1, rows, cols)
    scans = [scan(microscope, Place(3, draw=d), 1, rows, cols) for d in range(60)]
    away = np.mean(scans, 0) - truth
    variance = microscope.gain * (truth - microscope.offset) + microscope.read_noise**2
    assert abs(away.mean()) < 0.1
    assert np.mean(away**2 / (variance / 60)) < 1.2

"""PSSR2's calibration of its crappifiers on pairs, run by PSSR2's own Python.

Called by `benchmarks.calibration` with a folder of hr/{pair}/1.tif and lr/{pair}/1.tif. For every
pair the intensities that `approximate_crappifier` finds are turned into a standard deviation of the
noise at the mean grey level. The last line that it prints is JSON.
"""

import contextlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import tifffile
from pssr.crappifiers import AdditiveGaussian, Crappifier, Poisson
from pssr.data import PairedImageDataset
from pssr.train import approximate_crappifier
from skopt.space import Real

from benchmarks.machine import heading, parser

# Steps of its Bayesian optimisation.
CALLS = 60


class PoissonGaussian(Crappifier):
    """PSSR2's two noises one after the other."""

    def __init__(self, poisson: float, gaussian: float, gain: float) -> None:
        self.steps = Poisson(poisson), AdditiveGaussian(gaussian, gain)

    def crappify(self, image: np.ndarray) -> np.ndarray:
        """Both, without clipping."""
        return self.steps[1].crappify(self.steps[0].crappify(image))


def calibrate(folder: Path, pair: str) -> dict[str, float]:
    """Noise (grey levels, standard deviation) of one pair."""
    hr, lr = (folder / name / pair for name in ("hr", "lr"))
    size = tifffile.imread(hr / "1.tif").shape[0]
    data = PairedImageDataset(hr, lr, hr_res=size, lr_scale=4, rotation=False)
    options = {"n_calls": CALLS, "random_state": 0}
    gaussian, gain = Real(0.0, 60.0), Real(-60.0, 60.0)
    one = approximate_crappifier(AdditiveGaussian, [gaussian, gain], data, opt_kwargs=options).x
    space = [Real(0.0, 4.0), gaussian, gain]
    two = approximate_crappifier(PoissonGaussian, space, data, opt_kwargs=options).x
    mean = float(tifffile.imread(hr / "1.tif").mean())
    return {"gaussian": one[0], "poisson and gaussian": math.hypot(two[0] * mean**0.5, two[1])}


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path)
    folder = arguments.parse_args().folder
    print(heading())
    np.random.seed(0)
    with contextlib.redirect_stdout(sys.stderr):
        found = [calibrate(folder, path.name) for path in sorted((folder / "hr").iterdir())]
    print(json.dumps(found))

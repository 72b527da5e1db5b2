"""Crappifiers by name: all of PSSR 2021 and those of PSSR2, as the configuration would write them.

PSSR adds noise to the HR image and then takes every fourth pixel by linear interpolation
(`scipy.ndimage.zoom`, order 1), or averages (`skimage.transform.rescale`, which blurs by half the
step first); PSSR2 averages first and adds noise to the LR image. Local-variance and plain Gaussian
noise of PSSR are given for images from 0 to 1. `scipy.ndimage.zoom` puts the first and last pixels
of both images on each other, which stretches the grid by a pixel or three over the whole plane;
here LR pixels are centred on the HR pixels that they stand for.

Fang et al. 2021, doi:10.1038/s41592-021-01080-z.
"""


def _before(*steps, downsample="linear"):
    return {"before": list(steps), "downsample": downsample, "noise": []}


def _after(*steps):
    return {"before": [], "downsample": "bilinear", "noise": list(steps)}


def _rescaled(*steps):
    # skimage blurs by (scale - 1) / 2 HR pixels against aliasing; at the usual scale of 4.
    return _before(*steps, {"name": "blur", "intensity": 1.5})


_FLUO_AG = {"name": "local_gaussian", "intensity": 0.5, "sigma": 5}
_EM_AG = {"name": "local_gaussian", "intensity": 0.05, "sigma": 3}
_FLUO_G = {"name": "gaussian", "intensity": 63.75}
_EM_G = {"name": "gaussian", "intensity": 38.25}
_POISSON = {"name": "poisson", "intensity": 1}
# Half a percent of salt, then half a percent of pepper.
_SP = {"name": "salt_pepper", "intensity": 1}

PRESETS = {
    "no_crap": _rescaled(),
    "fluo_G_D": _before(_FLUO_G),
    "fluo_AG_D": _before(_FLUO_AG),
    "fluo_SP_D": _before(_SP),
    "fluo_SP_AG_D": _before(_SP, _FLUO_AG),
    "fluo_downsampleonly_D": _before(),
    "em_AG_D": _before(_EM_AG),
    "em_G_D": _before(_EM_G),
    "em_P_D": _before(_POISSON),
    "em_AG_P_D": _before(_EM_AG, _POISSON),
    "em_downsampleonly_D": _before(),
    "new_crap": _rescaled(_SP, _FLUO_AG),
    "new_crap_AG_SP": _rescaled(_FLUO_AG, _SP),
    "AdditiveGaussian": _after({"name": "gaussian", "intensity": 13}),
    "Poisson": _after(_POISSON),
    "SaltPepper": _after({"name": "salt_pepper", "intensity": 0.5}),
    "Blur": _after({"name": "blur", "intensity": 2}),
}

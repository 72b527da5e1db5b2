"""The noise of HR frames, where a calibration knows it."""

from pathlib import Path

from pssrflow.calibrate.result import FITS
from pssrflow.crappify.steps import GREY
from pssrflow.evaluate.errors import Noise
from pssrflow.run.files import read_json
from pssrflow.volumes.volume import Volume


def noise_of_frames(fit: Path | str | None, volume: Volume) -> tuple[Noise | None, ...]:
    """Noise of the channels of an HR image, of the detectors that a calibration fits.

    Parameters
    ----------
    fit : path-like or None
        The fitted crappifier, beside which its figures lie.
    volume : Volume
        The HR image.

    Returns
    -------
    tuple of Noise or None
        None of a channel whose noise is not known: where the calibration does not fit, or saw no
        pair.
    """
    unknown = (None,) * len(volume.channels)
    figures = Path(fit).with_name("calibration.json") if fit else None
    if figures is None or not figures.is_file():
        return unknown
    told = read_json(figures)
    others = told.get("detectors") or {}
    found = (others.get(volume.detector(c), told) for c in range(len(unknown)))
    return tuple(_noise(one, volume, c) for c, one in enumerate(found))


def _noise(told, volume, channel):
    known = told.get("hr_noise") or {}
    slope, base = known.get("count_gain"), known.get("read_variance")
    if told.get("verdict") != FITS or slope is None or base is None:
        return None
    levels = volume.intensity.ranges[channel]
    unit = levels.span / GREY
    dark = (told["parameters"].get("dark") or {}).get("value") or 0.0
    return Noise(slope * unit, base * unit**2, levels.black + dark * unit)

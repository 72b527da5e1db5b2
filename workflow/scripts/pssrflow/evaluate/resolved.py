"""Resolution of a prediction, of what it is compared with and of the truth, over some pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.evaluate.baselines import CONSTANT, plain
from pssrflow.evaluate.intervals import Bootstrap, Found, ends, of_few, rounded
from pssrflow.evaluate.judged import Judged, Piece
from pssrflow.evaluate.resolution import RINGS, SEVENTH, TRUTH, Spectra, crossing

Floats = npt.NDArray[np.floating]

# Pieces of each channel that tell the resolution, and HR pixels below which a piece tells none.
PIECES, SMALLEST = 16, 32
# Draws of pieces that tell an interval.
DRAWS = 200
# Of lengths, which may be in micrometer, and of grey levels.
DIGITS = 6
# What a scan that no image was made of is called among them.
SCAN = "scan"
# What shares no noise with the images.
SECOND, FIRST, NONE = "the second scan", "the truth", "nothing: the LR image is made of the truth"


def independent(judged: Judged) -> str:
    """What there is that shares no noise with the images: `SECOND`, `FIRST` or `NONE`."""
    if judged.second is not None:
        return SECOND
    return NONE if judged.crappified else FIRST


def spectra_of(piece: Piece, judged: Judged) -> Spectra | None:
    """What a piece tells of frequencies; None where too little of it is known."""
    images = {name: i for name, i in piece.images.items() if name != CONSTANT}
    scans = {SECOND: piece.second, FIRST: piece.truth, NONE: None}
    scan = scans[independent(judged)]
    images |= {TRUTH: piece.truth} | ({} if scan is None else {SCAN: scan})
    images = _known(images)
    shape = images[TRUTH].shape
    if min(shape) < SMALLEST or any(not np.ptp(i) > 0 for i in images.values()):
        return None
    smallest = min(s.stop - s.start for box, _ in judged.boxes() for s in box)
    rings = max(1, min(RINGS, smallest // 2))
    return Spectra.of(images, plain(judged.scale), None if scan is None else SCAN, rings)


def _known(images: dict[str, Floats]) -> dict[str, Floats]:
    """The rows and columns of which anything is known in all."""
    unknown = np.any([np.isnan(image) for image in images.values()], 0)
    rows, cols = ~unknown.all(1), ~unknown.all(0)
    return {name: image[rows][:, cols] for name, image in images.items()}


def resolution_of(found: Sequence[Spectra], judged: Judged) -> dict[str, Any]:
    """Resolution of every image of one channel, and how well it explains the LR image.

    Parameters
    ----------
    found : sequence of Spectra
        Of pieces.
    judged : Judged

    Returns
    -------
    dict
        `unit` of lengths, `pixel` (of SR), `pieces`, what the correlation is `with`, and by method
        `frc` (1/7, with the ends of its 95 % interval), `frc_three_sigma` and `decorrelation` as
        lengths, `rse` in grey levels, `rsp`, and the `curve` of the correlation, of rings up to
        half a cycle per pixel. None where something has no value.
    """
    side = judged.sr.volume.pixel_side
    pixel = side or 1.0
    about: dict[str, Any] = {"unit": "um" if side else "pixel", "pixel": pixel}
    about |= {"with": independent(judged), "pieces": len(found)}
    if not found:
        return about | {"methods": {}}
    whole = Spectra.pooled(found)
    methods = {name: _method(name, whole, judged, pixel) for name in whole.names if name != SCAN}
    if whole.scan is not None:
        about["three_sigma"] = _rounded(whole.three_sigma())
        weights = Bootstrap(len(found)).drawn[:DRAWS].astype(float)
        draws = [Spectra.pooled(found, w) for w in weights]
        for name, one in methods.items():
            if name != TRUTH or about["with"] == SECOND:
                one |= _correlated(name, whole, draws, pixel, len(found))
    return about | {"methods": methods}


def _method(name: str, whole: Spectra, judged: Judged, pixel: float) -> dict[str, Any]:
    found = whole.likeness(name, judged.scale)
    cut_off = whole.cut_off(name)
    told = {"decorrelation": pixel / cut_off, "rse": found.rse, "rsp": found.rsp}
    return {key: rounded(value, DIGITS) for key, value in told.items()}


def _correlated(
    name: str, whole: Spectra, draws: Sequence[Spectra], pixel: float, pieces: int
) -> dict[str, Any]:
    """Fourier ring correlation with the independent scan, and in draws of so many pieces."""

    def length(of: Spectra, threshold: npt.NDArray[np.float64] | float = SEVENTH) -> float:
        return 2 * of.rings * pixel / crossing(of.correlation(name), threshold)

    drawn, value = np.array([length(one) for one in draws]), length(whole)
    return {
        "frc": Found(value, *ends(drawn, value, of_few(pieces))).to_json(),
        "frc_three_sigma": rounded(length(whole, whole.three_sigma()), DIGITS),
        "curve": _rounded(whole.correlation(name)),
    }


def _rounded(values: np.ndarray) -> list[float | None]:
    return [rounded(v) for v in values.tolist()]

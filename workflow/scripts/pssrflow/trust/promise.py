"""What is promised of the predictions of one network: all that its trust was learnt and calibrated.

One file beside its weights, which goes with them into a model package.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pssrflow.crappify.chain import Crappifier
from pssrflow.errors import InputError
from pssrflow.run.files import replacing
from pssrflow.trust import specimen
from pssrflow.trust.conformal import BINS, BLOCKS, beyond, left_out, multipliers, p_values
from pssrflow.trust.consistency import STATISTICS, Residuals, expected
from pssrflow.trust.head import Head
from pssrflow.trust.novelty import Known
from pssrflow.trust.windows import BLOCK

FORMAT = 3
# What pixels are told apart by; each has an interval of its own.
FLAT, EDGE, DARK = range(3)
STRATA = ("flat", "edge", "dark")
# Factors by which LR pixels may differ from those that were learnt from before a promise is not of
# them, and by which they may be larger before it is void (`benchmarks.trust sizes`).
NEAR, FAR = 1.25, 2.0
SAVED = "what the rule calibrate_trust wrote (trust.safetensors)"


@dataclass(frozen=True)
class Promise:
    """What is promised of a network's predictions.

    Attributes
    ----------
    scale : int
    level : float
        Share of the pixels that shall lie within the intervals.
    intensity : str
        What of the acquisition the network sees as 0 to 1.
    crappify : dict
        What makes LR images, as `Crappifier.from_config` takes it.
    head : Head or None
        None where there was nothing to learn it from: the scale is then 1 everywhere.
    blocks : ndarray (n, strata, BINS) of int64
        Histograms of the errors of calibration blocks, in units of the scale.
    bounds : tuple of (float, float)
        Grey level below which a pixel is dark, and slope above which it is an edge.
    residuals : Residuals
    windows : ndarray (m, statistics)
        What residuals of calibration windows say, each column ascending.
    strangest : ndarray (m,)
        Of those windows, the negative of their smallest p-value, ascending.
    known : Known
        Where LR images that were learnt from lie.
    distances : ndarray (n,)
        Of the calibration blocks from there, ascending.
    squares : ndarray (n, strata, 2)
        Of each calibration block: sums of squared errors without the noise of the truth, and of
        the squares of what the head expects; 0 where that noise is not known.
    images : ndarray (n,) of int64
        Of which image of `about` each of them is.
    block : int
        LR pixels along y and x of those blocks, about.
    about : dict
        Samples, pixel sizes, and what else a reader should know (JSON).
    """

    scale: int
    level: float
    intensity: str
    crappify: dict[str, Any]
    head: Head | None
    blocks: np.ndarray
    bounds: tuple[float, float]
    residuals: Residuals
    windows: np.ndarray
    strangest: np.ndarray
    known: Known
    distances: np.ndarray
    squares: np.ndarray
    images: np.ndarray
    block: int = BLOCK
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, level: float, intensity: str, crappify: Mapping[str, Any]) -> Self:
        """No promise yet."""
        return cls(
            scale=crappify["scale"],
            level=level,
            intensity=intensity,
            crappify=dict(crappify),
            head=None,
            blocks=np.zeros((0, len(STRATA), BINS), np.int64),
            bounds=(-math.inf, math.inf),
            residuals=Residuals((0.0, 1.0), (1.0, 0.0)),
            windows=np.zeros((0, len(STATISTICS))),
            strangest=np.zeros(0),
            known=Known.nothing(),
            distances=np.zeros(0),
            squares=np.zeros((0, len(STRATA), 2)),
            images=np.zeros(0, np.int64),
        )

    @cached_property
    def multipliers(self) -> list[float]:
        """Half-width of the interval of each stratum, in units of the scale."""
        return multipliers(self.blocks, self.level)

    @cached_property
    def deviations(self) -> list[float]:
        """The same of the interval for the specimen, in units of the deviation from it."""
        return specimen.multipliers(self.squares, self.level)

    @cached_property
    def left_out(self) -> dict[int, float]:
        """How the interval holds on images that it was not calibrated on, see `left_out`."""
        return left_out(self.blocks, self.images, self.level)

    @property
    def calibrated(self) -> bool:
        """Whether its intervals are promised."""
        return all(map(math.isfinite, self.multipliers))

    @property
    def knows_specimen(self) -> bool:
        """Whether there is an interval for the specimen too."""
        return self.calibrated and all(map(math.isfinite, self.deviations))

    @property
    def firm(self) -> bool:
        """Whether it rests on as many blocks as a promise should."""
        return self.calibrated and len(self.blocks) >= BLOCKS

    @property
    def sizes(self) -> tuple[float, float] | None:
        """Smallest and largest LR pixels that were learnt from, micrometer; None if not known."""
        known = [size for size in self.about.get("lr_pixel_size_um", {}).values() if size]
        return (min(known), max(known)) if known else None

    def near(self, size: float | None) -> bool:
        """Whether LR pixels of some size, micrometer, are about as large as those."""
        if not (self.sizes and size):
            return True
        low, high = self.sizes
        return low / NEAR <= size <= high * NEAR

    def far(self, size: float | None) -> bool:
        """Whether they are so much larger that nothing can be known of them."""
        if not (self.sizes and size):
            return False
        # What was learnt at a low magnification had pixels as large.
        return size > FAR * self.sizes[1] / min([1.0, *(self.about.get("zoom") or ())])

    @cached_property
    def crappifier(self) -> Crappifier:
        """What is expected of a fast scan, without its noise."""
        return expected(Crappifier.from_config(**self.crappify))

    @cached_property
    def reach(self) -> int:
        """LR pixels around a window that what is expected of it depends on."""
        return max(c.reach for c in (self.crappifier, *self.crappifier.detectors.values()))

    def strata(self, level: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Stratum of LR pixels, by the mean level and slope of the SR pixels that they cover."""
        dark, steep = self.bounds
        found = np.where(slope > steep, np.uint8(EDGE), np.uint8(FLAT))
        return np.where(level < dark, np.uint8(DARK), found)

    def scales(self, lr: np.ndarray, level: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Scales (1 or 2, y, x) of every LR pixel, see `Head.scales`."""
        if self.head is None:
            return np.ones((1, *lr.shape), np.float32)
        return self.head.scales(lr, level, slope)

    def consistent(self, found: np.ndarray) -> np.ndarray:
        """p-values of windows whose residuals say `found` (..., statistics)."""
        return p_values(-smallest(found, self.windows), self.strangest)

    def familiar(self, found: np.ndarray) -> np.ndarray:
        """p-values of blocks with some features (..., features)."""
        return beyond(self.known.distance(found), self.distances)

    # -- kept -------------------------------------------------------------------------------------

    def save(self, path: Path | str) -> None:
        """Write it as safetensors."""
        tensors = {
            "blocks": self.blocks.astype(np.int64),
            "windows": self.windows,
            "strangest": self.strangest,
            "known.mean": self.known.mean,
            "known.precision": self.known.precision,
            "distances": self.distances,
            "squares": self.squares,
            "images": self.images.astype(np.int64),
        }
        if self.head is not None:
            tensors |= {f"head.{k}": v.numpy() for k, v in self.head.state_dict().items()}
        said = {
            "format": FORMAT,
            "scale": self.scale,
            "level": self.level,
            "intensity": self.intensity,
            "crappify": self.crappify,
            "bounds": self.bounds if self.blocks.size else None,
            "block": self.block,
            "residuals": [self.residuals.line, self.residuals.variance],
            "about": self.about,
        }
        whole = {name: np.ascontiguousarray(v) for name, v in tensors.items()}
        with replacing(path) as scratch:
            Path(scratch).write_bytes(save(whole, {"pssrflow": json.dumps(said)}))

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Of what `save` wrote; nothing in the file is executed.

        Raises
        ------
        InputError
            Something else.
        """
        try:
            with safe_open(path, "np") as stream:
                said = json.loads(stream.metadata()["pssrflow"])
                found = {n: stream.get_tensor(n) for n in stream.keys()}  # noqa: SIM118
            return cls._of(said, found)
        except FileNotFoundError as error:
            raise InputError(path, "no such file", SAVED) from error
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(path, f"cannot be read ({error})", SAVED) from error

    @classmethod
    def _of(cls, said, found):
        if said["format"] != FORMAT or found["blocks"].shape[1:] != (len(STRATA), BINS):
            raise ValueError(f"format {said['format']}, of another version")
        images, names = found["images"], said["about"].get("samples", [])
        if (
            images.shape != found["blocks"].shape[:1]
            or not np.isin(images, range(len(names))).all()
        ):
            raise ValueError("blocks of images that it does not name")
        weights = {
            name.removeprefix("head."): torch.from_numpy(value)
            for name, value in found.items()
            if name.startswith("head.")
        }
        head = None
        if weights:
            head = Head(len(weights["last.bias"]) > 1)
            head.load_state_dict(weights)
            head.eval().requires_grad_(False)
        return cls(
            scale=said["scale"],
            level=said["level"],
            intensity=said["intensity"],
            crappify=said["crappify"],
            head=head,
            blocks=found["blocks"],
            bounds=tuple(said["bounds"] or (-math.inf, math.inf)),
            residuals=Residuals(*map(tuple, said["residuals"])),
            windows=found["windows"],
            strangest=found["strangest"],
            known=Known(found["known.mean"], found["known.precision"]),
            distances=found["distances"],
            squares=found["squares"],
            images=found["images"],
            block=said["block"],
            about=said["about"],
        )


def smallest(found: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The smallest p-value among what residuals of windows say.

    Parameters
    ----------
    found : ndarray (..., statistics)
    known : ndarray (m, statistics)
        Of the calibration, each column ascending.
    """
    each = [p_values(found[..., i], known[:, i]) for i in range(len(STATISTICS))]
    return np.min(each, axis=0)

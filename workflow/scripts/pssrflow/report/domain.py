"""Are the images that were restored like those that were learnt from?

A network knows pixels: where they are of another size, or noisier, it draws what it knows, and the
result looks just as sharp.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pssrflow.calibrate.scanner.noise import finest_noise
from pssrflow.pairs.grey import Grey
from pssrflow.run.layout import Layout, Sample
from pssrflow.volumes.store import Store

# Pixels that are larger or smaller, and noise that is stronger or weaker, by more than this.
PIXEL, NOISE = 1.5, 2.0
# Samples that are looked at: of many rows the first stand for all. Pixels along y and x of each.
MOST, WINDOW = 20, 512


@dataclass(frozen=True)
class Seen:
    """What decides whether an LR image is like others.

    Attributes
    ----------
    pixel_size : float or None
        Geometric mean of y and x, micrometer; None where it is not known.
    noise : float
        Standard deviation of the finest details, as a share of the window of grey levels that the
        network sees.
    """

    pixel_size: float | None
    noise: float

    @classmethod
    def of(cls, path: str) -> "Seen":
        """Of the middle plane of a store, first channel."""
        volume, grey = Store(path).volume, Grey(path, 1)
        (low, high), *_ = volume.intensity.windows
        image = grey.read(grey.planes[0], WINDOW)
        share = float(finest_noise(image).std()) / max((high - low) * grey.factor, 1e-6)
        return cls(volume.pixel_side, share)


def differences(layout: Layout, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """In words, how restored LR images differ from those that were learnt from; by sample.

    Parameters
    ----------
    layout : Layout
    samples : sequence of Sample
        Of the run. Nothing is said where no row is learnt from.
    """
    learnt = [Seen.of(layout.store("lr", s.name)) for s in samples if s.trained][:MOST]
    if not learnt:
        return {}
    asked = [s for s in samples if s.predicted and not s.trained and not s.crappified][:MOST]
    found = {s.name: list(_far(Seen.of(layout.store("lr", s.name)), learnt)) for s in asked}
    return {name: texts for name, texts in found.items() if texts}


def _far(seen: Seen, learnt: Sequence[Seen]) -> Iterator[str]:
    sizes = [one.pixel_size for one in learnt if one.pixel_size is not None]
    if seen.pixel_size is None or not sizes:
        whose = "of this image" if seen.pixel_size is None else "of the images learnt from"
        yield (
            f"The pixel size {whose} is not known, so nobody can tell whether structure is as "
            "large as what was learnt (set `pixel_size`, or `lr_pixel_size`, in the sample sheet)."
        )
    elif not min(sizes) / PIXEL <= seen.pixel_size <= max(sizes) * PIXEL:
        yield (
            f"LR pixels of {_nm(seen.pixel_size)}; the networks learnt from LR pixels of "
            f"{_range([_nm(min(sizes)), _nm(max(sizes))])}: structure has another size than "
            "what they know."
        )
    noises = [one.noise for one in learnt]
    if not min(noises) / NOISE <= seen.noise <= max(noises) * NOISE:
        yield (
            f"Noise of {seen.noise:.1%} of the grey levels that the network sees; it learnt from "
            f"{_range([f'{min(noises):.1%}', f'{max(noises):.1%}'])}: what is restored is "
            f"{'too smooth' if seen.noise < min(noises) else 'too noisy'}."
        )


def _nm(micrometer: float) -> str:
    return f"{micrometer * 1e3:.4g} nm"


def _range(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)

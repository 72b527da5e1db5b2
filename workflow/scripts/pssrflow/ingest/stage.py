"""Stream a raw acquisition into an OME-Zarr store, shard by shard, and refuse bad pixels."""

import logging
import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Acquisition, Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.ingest.settings import Settings
from pssrflow.run.files import describe_source
from pssrflow.run.locks import owner
from pssrflow.run.memory import Budget
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Histogram, Intensity
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

log = logging.getLogger(__name__)

# Bytes that a pixel takes on its way, with its histogram bin as int64 and what the codecs hold.
BYTES = 16


def ingest(
    path: Path | str,
    store: Store,
    done: Path | str,
    settings: Settings,
    overrides: Overrides,
    budget: Budget,
) -> None:
    """Write one acquisition as OME-Zarr.

    Parameters
    ----------
    path : path-like
        File, folder of slices, glob or OME-Zarr.
    store : Store
        Written.
    done : path-like
        JSON written last.
    settings : Settings
        Chunks, shards, and what the percentiles and bits of its scaling are.
    overrides : Overrides
        What the sample sheet says instead of the file.
    budget : Budget

    Raises
    ------
    InputError
        The acquisition cannot be read, or holds NaN, infinity or one value only.
    """
    with open_acquisition(path, overrides) as acquisition:
        volume = _volume(acquisition, settings)
        log.info("ingest %s: %s %s", path, acquisition.shape, acquisition.dtype)
        store.create(volume, owner(store.path, done))
        threads = budget.workers(math.prod(volume.shard_shape()) * BYTES)
        writer = Writer(acquisition, store)
        digests = writer.run(volume.shards(), threads)
    intensity = _intensity(acquisition, writer.histograms, settings)
    black = _black_note(acquisition, intensity, settings)
    notes = [
        *acquisition.notes,
        *writer.constant_planes(overrides.flat),
        *writer.odd_maximum(),
        *black,
    ]
    for note in notes:
        log.warning("%s: %s", path, note)
    source = describe_source(path, acquisition.files)
    finish(store, done, digests, threads, intensity, source=source, notes=notes)


def _volume(acquisition, settings):
    return Volume(
        shape=acquisition.shape,
        dtype=str(acquisition.dtype),
        chunk=tuple(settings.chunk),
        shard=tuple(settings.shard),
        pixel_size=acquisition.pixel_size,
        origin=acquisition.origin,
        channels=acquisition.channels,
        intensity=Intensity.unknown(len(acquisition.channels)),
    )


def _intensity(acquisition, histograms, settings):
    black = acquisition.black if settings.black == "auto" else settings.black
    if black is not None and (brightest := max(h.maximum for h in histograms)) <= black:
        found = f"black at {black:g}, but no pixel above {brightest:g}"
        raise InputError(f"{acquisition.source}, ingest.black", found, "auto, or a lower value")
    return Intensity.measure(histograms, settings.percentiles, settings.bits, black)


def _black_note(acquisition, intensity, settings):
    """Note about grey levels that do not count from 0."""
    blacks = [levels.black for levels in intensity.ranges]
    if not any(black > levels.lowest for black, levels in zip(blacks, intensity.ranges)):
        return
    why = "as `ingest.black` says"
    if settings.black == "auto":
        told = acquisition.black is not None
        why = "as the file says" if told else "the low end of grey levels that lie far from 0"
    yield (
        f"black is at {', '.join(f'{black:g}' for black in dict.fromkeys(blacks))}, {why}; noise "
        "and figures count from there (set `ingest.black` for another level)"
    )


class Writer:
    """Reads shard after shard, one reader ahead of several writers, and watches the pixels.

    Parameters
    ----------
    acquisition : Acquisition
    store : Store
        Created.
    """

    def __init__(self, acquisition: Acquisition, store: Store):
        self.acquisition = acquisition
        self.store = store
        self.histograms = [Histogram(acquisition.dtype) for _ in acquisition.channels]
        # By plane (t, c, z): its lowest and highest grey level.
        self.extremes: dict[tuple[int, int, int], tuple[float, float]] = {}

    def run(self, shards: Iterable[Region], threads: int) -> dict[Region, str]:
        """Write every shard; gives the digests of their pixels."""
        digests: dict[Region, str] = {}
        writing: deque[tuple[Region, Future[str]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for region in shards:
                values = self._read(region)
                writing.append((region, pool.submit(self.store.write, region, values)))
                # As many shards in memory as there are writers, and the one being read.
                if len(writing) >= threads:
                    done, result = writing.popleft()
                    digests[done] = result.result()
            digests.update((region, result.result()) for region, result in writing)
        return digests

    def _read(self, region):
        values = np.empty(region.shape, self.acquisition.dtype)
        rows, cols = region.slices[3:]
        for plane in region.planes():
            inside = tuple(i - a for i, a in zip(plane, region.start))
            values[inside] = self.acquisition.read(*plane, rows, cols)
            self._watch(plane, values[inside], rows)
        return values

    def _watch(self, plane, values, rows):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            self._refuse(plane, values, rows)
        self.histograms[plane[1]].add(values)
        low, high = self.extremes.get(plane, (np.inf, -np.inf))
        self.extremes[plane] = min(low, values.min()), max(high, values.max())

    def _refuse(self, plane, values, rows):
        bad = np.argwhere(~np.isfinite(values))
        raise InputError(
            f"{self.acquisition.source}, plane t={plane[0]} c={plane[1]} z={plane[2]}",
            f"{len(bad)} pixels are NaN or infinite, the first near row {rows.start + bad[0][0]}",
            "finite grey levels; replace or crop these pixels",
        )

    def constant_planes(self, allowed: bool) -> list[str]:
        """Notes about planes of one grey level, unless they are allowed.

        Raises
        ------
        InputError
            There is no other plane.
        """
        if allowed:
            return []
        flat = [plane for plane, (low, high) in self.extremes.items() if low == high]
        if len(flat) == len(self.extremes):
            raise InputError(
                self.acquisition.source,
                f"every pixel of every plane has one value ({self.extremes[flat[0]][0]})",
                "an image; check the file, or the crop and channels of the sample sheet",
            )
        if not flat:
            return []
        named = ", ".join(f"t={t} c={c} z={z}" for t, c, z in flat[:5])
        more = f" and {len(flat) - 5} more" if len(flat) > 5 else ""
        return [f"constant planes (one grey level, nothing to learn or restore): {named}{more}"]

    def odd_maximum(self) -> list[str]:
        """Note about a maximum far above the rest, which would widen the detector's range."""
        if self.acquisition.dtype.kind == "f":
            return []
        top = max(h.maximum for h in self.histograms)
        usual = max(h.percentile(99.9) for h in self.histograms)
        if max(8, int(top).bit_length()) < max(8, int(usual).bit_length()) + 2:
            return []
        return [
            f"the brightest pixel ({top}) is far above 99.9 percent of them (up to {usual:.0f}): a "
            "hot pixel widens the detector's range; set `ingest.bits` or crop it"
        ]

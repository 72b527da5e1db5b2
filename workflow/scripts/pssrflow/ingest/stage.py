"""Stream a raw acquisition into an OME-Zarr store, shard by shard, and refuse bad pixels.

One job does it all, or several share it: `begin`, `fill` by each of them, `complete`.
"""

import functools
import logging
import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Acquisition, Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.ingest.seen import Seen
from pssrflow.ingest.settings import Settings
from pssrflow.run.files import describe_source
from pssrflow.run.locks import owner
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.volumes.blocks import Region, place_of, share
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

log = logging.getLogger(__name__)

# Bytes that a pixel takes on its way, with its histogram bin as int64 and what the codecs hold.
BYTES = 16


@dataclass(frozen=True)
class Work:
    """What is ingested, and where to.

    Attributes
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
    """

    path: Path | str
    store: Store
    done: Path | str
    settings: Settings
    overrides: Overrides


def ingest(work: Work, budget: Budget) -> None:
    """Write one acquisition as OME-Zarr.

    Parameters
    ----------
    work : Work
    budget : Budget

    Raises
    ------
    InputError
        The acquisition cannot be read, or holds NaN, infinity or one value only.
    """
    with open_acquisition(work.path, work.overrides) as acquisition:
        volume = _created(work, acquisition)
        digests, seen = _filled(work, acquisition, volume.shards(), budget)
        _finish(work, acquisition, digests, seen, budget)


def begin(work: Work, shares: Shares, parts: int) -> None:
    """Create the empty store that several jobs fill, and say so; as `ingest`."""
    with open_acquisition(work.path, work.overrides) as acquisition:
        Path(work.done).unlink(missing_ok=True)
        _created(work, acquisition)
    shares.begin(parts)


def fill(work: Work, shares: Shares, part: int, budget: Budget) -> None:
    """Write the shards of one part, and report them; as `ingest`."""
    regions = share(work.store.volume.shards(), shares.parts)[part]
    with open_acquisition(work.path, work.overrides) as acquisition:
        digests, seen = _filled(work, acquisition, regions, budget)
    told = {place_of(region): digest for region, digest in digests.items()}
    shares.report(part, {"digests": told, "seen": seen.to_json()})


def complete(work: Work, shares: Shares, budget: Budget) -> None:
    """Put together what the parts wrote; as `ingest`."""
    with open_acquisition(work.path, work.overrides) as acquisition, shares.putting_together():
        seen = Seen.nothing(acquisition)
        told: dict[str, str] = {}
        for report in shares.reports(functools.partial(fill, work, shares, budget=budget)):
            seen.merge(Seen.from_json(report["seen"]))
            told |= report["digests"]
        digests = {region: told[place_of(region)] for region in work.store.volume.shards()}
        _finish(work, acquisition, digests, seen, budget)


def _created(work: Work, acquisition: Acquisition) -> Volume:
    log.info("ingest %s: %s %s", work.path, acquisition.shape, acquisition.dtype)
    volume = Volume(
        shape=acquisition.shape,
        dtype=str(acquisition.dtype),
        chunk=tuple(work.settings.chunk),
        shard=tuple(work.settings.shard),
        pixel_size=acquisition.pixel_size,
        origin=acquisition.origin,
        channels=acquisition.channels,
        intensity=Intensity.unknown(len(acquisition.channels)),
    )
    work.store.create(volume, owner(work.store.path, work.done))
    return volume


def _threads(work: Work, budget: Budget) -> int:
    return budget.workers(math.prod(work.store.volume.shard_shape()) * BYTES)


def _filled(
    work: Work, acquisition: Acquisition, regions: Iterable[Region], budget: Budget
) -> tuple[dict[Region, str], Seen]:
    writer = Writer(acquisition, work.store)
    return writer.run(regions, _threads(work, budget)), writer.seen


def _finish(
    work: Work, acquisition: Acquisition, digests: dict[Region, str], seen: Seen, budget: Budget
) -> None:
    intensity = _intensity(acquisition, seen, work.settings)
    notes = [
        *acquisition.notes,
        *seen.notes(acquisition.source, work.overrides.flat),
        *_black_note(acquisition, intensity, work.settings),
        *_cut_off_note(acquisition, seen, work.overrides),
    ]
    for note in notes:
        log.warning("%s: %s", work.path, note)
    source = describe_source(work.path, acquisition.files)
    threads = _threads(work, budget)
    facts: dict[str, Any] = {
        "source": source,
        "notes": notes,
        "microscope": dict(acquisition.microscope),
    }
    finish(work.store, work.done, digests, threads, intensity, **facts)


def _intensity(acquisition, seen, settings):
    histograms = seen.histograms
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


def _cut_off_note(acquisition, seen, overrides):
    """Note about halves of counts that are brighter than the data type."""
    kind = acquisition.dtype
    white = np.iinfo(kind).max if kind.kind in "iu" else math.inf
    if overrides.counts and max(h.maximum for h in seen.histograms) >= white:
        yield (
            f"some of its pixels would be brighter than {white}, the end of {kind}, and are cut "
            "off: halves are not independent there (convert to a wider type)"
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
        self.seen = Seen.nothing(acquisition)

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
        self.seen.add(plane, values)

    def _refuse(self, plane, values, rows):
        bad = np.argwhere(~np.isfinite(values))
        raise InputError(
            f"{self.acquisition.source}, plane t={plane[0]} c={plane[1]} z={plane[2]}",
            f"{len(bad)} pixels are NaN or infinite, the first near row {rows.start + bad[0][0]}",
            "finite grey levels; replace or crop these pixels",
        )

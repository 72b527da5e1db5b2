"""Put the parts of a prediction together: verify their shards and build the pyramid above them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.predict.journal import Digests, merged
from pssrflow.predict.plan import FORMAT, Plan
from pssrflow.predict.prediction import Prediction
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.blocks import Region, place_of, share
from pssrflow.volumes.done import finish
from pssrflow.volumes.pyramid import climb, roots
from pssrflow.volumes.rectangles import DamagedShard
from pssrflow.volumes.store import Store

Paths = Sequence[str | Path]


def collect(prediction: Prediction, markers: Paths) -> None:
    """Put the markers of all parts into one, which says what they say.

    Parameters
    ----------
    prediction : Prediction
    markers : list of path-like
    """
    write_json(prediction.collected, {"format": FORMAT, "digests": _reported(markers)})


def build_pyramid(
    prediction: Prediction, markers: Paths, part: int, parts: int, threads: int
) -> None:
    """Verify a share of the shards that the parts wrote, and build the pyramid above them.

    Parameters
    ----------
    prediction : Prediction
    markers : list of path-like
        Of all parts, or the one that `collect` made of them.
    part, parts : int
        Which share, of how many.
    threads : int

    Raises
    ------
    InputError
        As `finalise`.
    """
    planned, reported = Plan.read(prediction.plan), _reported(markers)
    for one in planned.maps:
        store = prediction.stores[one.name]
        level, shards = roots(store.volume, parts)
        digests = _digests(prediction, store, reported.get(one.name, {}))
        with _naming_the_part(prediction, planned):
            climb(store, level, share(shards, parts)[part], digests, threads)
    write_json(prediction.pyramid(part), {"format": FORMAT, "level": level})


def finalise(prediction: Prediction, markers: Paths, pyramid: Paths, threads: int) -> None:
    """Verify what the parts wrote, build what is left of the pyramid, write the done files.

    Parameters
    ----------
    prediction : Prediction
    markers : list of path-like
        Of all parts, or the one that `collect` made of them.
    pyramid : list of path-like
        Of all jobs that have built the pyramid above verified shards; none if all is left to do.
    threads : int

    Raises
    ------
    InputError
        A shard has no digest, or its pixels do not agree with it.
    """
    planned, reported = Plan.read(prediction.plan), _reported(markers)
    ready = min((read_json(path, FORMAT)["level"] for path in pyramid), default=None)
    tile, halo = planned.cutting.tile, planned.cutting.halo
    # The SR store comes last: its done file is what other rules wait for.
    for one in reversed(planned.maps):
        store, done = prediction.stores[one.name], prediction.done[one.name]
        digests = _digests(prediction, store, reported.get(one.name, {}))
        with _naming_the_part(prediction, planned):
            # Its parts find in their journals what is left to do.
            others = [prediction.markers / "*.json"]
            said: dict[str, Any] = {"tile": tile, "halo": halo}
            finish(store, done, digests, threads, ready=ready, without=others, **said)


def _reported(markers: Paths) -> Digests:
    return merged(read_json(marker, FORMAT)["digests"] for marker in markers)


def _digests(
    prediction: Prediction, store: Store, reported: Mapping[str, str]
) -> dict[Region, str]:
    """Digest of every shard of a store.

    Raises
    ------
    InputError
        Some were not reported.
    """
    shards = {place_of(shard): shard for shard in store.volume.shards()}
    missing = [place for place in shards if place not in reported]
    if missing:
        raise InputError(
            f"{store}/0 at t,c,z,y,x = ({missing[0].replace(',', ', ')})",
            f"{len(missing)} of {len(shards)} shards were not reported by any part, this one first",
            f"the markers of all parts; remove {prediction.markers} to make them again",
        )
    return {shard: reported[place] for place, shard in shards.items()}


@contextlib.contextmanager
def _naming_the_part(prediction: Prediction, planned: Plan) -> Iterator[None]:
    """Remove the marker that vouches for a damaged shard, so that its part makes it again."""
    try:
        yield
    except DamagedShard as error:
        part = planned.part_of(error.region)
        # While the collected marker exists, Snakemake does not ask for those of the parts.
        for path in (prediction.marker(part), prediction.collected):
            path.unlink(missing_ok=True)
        again = f"the same command once more, which makes it again in part {part}"
        raise InputError(error.where, error.found, again) from error

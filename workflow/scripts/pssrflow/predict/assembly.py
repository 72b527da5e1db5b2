"""Put the parts of a prediction together: verify their shards and build the pyramid above them."""

import contextlib
from pathlib import Path

from pssrflow.errors import InputError
from pssrflow.predict.journal import merged, place_of
from pssrflow.predict.plan import Plan, done_files
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.blocks import share
from pssrflow.volumes.done import finish
from pssrflow.volumes.pyramid import DamagedShard, climb, roots
from pssrflow.volumes.store import Store


def collect(markers, marker):
    """Put the markers of all parts into one, which says what they say.

    Parameters
    ----------
    markers : list of path-like
    marker : path-like
    """
    write_json(marker, {"digests": merged(read_json(path)["digests"] for path in markers)})


def build_pyramid(sr, plan, markers, part, parts, marker, threads, std=None):
    """Verify a share of the shards that the parts wrote, and build the pyramid above them.

    Parameters
    ----------
    sr, plan : path-like
    markers : list of path-like
        Of all parts of the prediction, or the one that `collect` made of them.
    part, parts : int
        Which share, of how many.
    marker : path-like
        JSON: the level up to which this share is built.
    threads : int
    std : path-like

    Raises
    ------
    InputError
        As `finalise`.
    """
    planned = Plan.read(plan)
    stores = planned.stores(sr, std)
    reported = merged(read_json(marker)["digests"] for marker in markers)
    for name, path in stores.items():
        store = Store(path)
        level, shards = roots(store.volume, parts)
        digests = _digests(store, reported[name], markers)
        with _naming_the_part(planned, markers):
            climb(store, level, share(shards, parts)[part], digests, threads)
    write_json(marker, {"level": level})


def finalise(sr, plan, markers, pyramid, done, threads, std=None):
    """Verify what the parts wrote, build what is left of the pyramid, write the done file.

    Parameters
    ----------
    sr, plan : path-like
    markers : list of path-like
        Of all parts of the prediction, or the one that `collect` made of them.
    pyramid : list of path-like
        Of all jobs that have built the pyramid above verified shards; none if all is left to do.
    done : path-like
    threads : int
    std : path-like

    Raises
    ------
    InputError
        A shard has no digest, or its pixels do not agree with it.
    """
    planned = Plan.read(plan)
    stores = planned.stores(sr, std)
    reported = merged(read_json(marker)["digests"] for marker in markers)
    ready = min((read_json(path)["level"] for path in pyramid), default=None)
    facts = {"tile": planned.cutting.tile, "halo": planned.cutting.halo}
    # The SR store comes last: its done file is what other rules wait for.
    for name, path in reversed(stores.items()):
        store = Store(path)
        digests = _digests(store, reported[name], markers)
        with _naming_the_part(planned, markers):
            finish(store, done_files(done)[name], digests, threads, ready=ready, **facts)


@contextlib.contextmanager
def _naming_the_part(planned, markers):
    """Remove the marker that vouches for a damaged shard, so that its part makes it again."""
    try:
        yield
    except DamagedShard as error:
        part = planned.part_of(error.region)
        # While the collected marker exists, Snakemake does not ask for those of the parts.
        for name in (f"{part}.json", "collected.json"):
            Path(markers[0]).with_name(name).unlink(missing_ok=True)
        again = f"the same command once more, which makes it again in part {part}"
        raise InputError(error.where, error.found, again) from error


def _digests(store, reported, markers):
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
            f"the markers of all parts; remove {Path(markers[0]).parent} to make them again",
        )
    return {shard: reported[place] for place, shard in shards.items()}

"""Rows that are learnt from and rows that are tested show no pixel that is the same."""

import itertools
import logging
from collections.abc import Mapping
from pathlib import Path

from pssrflow.errors import InputError
from pssrflow.pairs.copies import copies, points_of
from pssrflow.run.files import write_json
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# Pairs of planes that a message lists.
SHOWN = 10


def keep_apart(learnt: Mapping[str, str], tested: Mapping[str, str], done: Path | str) -> None:
    """Compare all rows that are learnt from with all that are tested, by what they show.

    Parameters
    ----------
    learnt, tested : mapping of str to str
        Stores of the HR images, by sample.
    done : path-like
        JSON, written where nothing is found.

    Raises
    ------
    InputError
        Pixels that are in both, with both places.
    """
    stores = {name: Store(path) for name, path in {**learnt, **tested}.items()}
    points = {name: points_of(store) for name, store in stores.items()}
    found = []
    for mine, other in itertools.product(learnt, tested):
        found += [
            f"{mine!r} at t,c,z,y,x = {copy.here} and {other!r} at {copy.there} "
            f"(finest detail {100 * copy.alike:.0f} % alike)"
            for copy in copies(stores[mine], points[mine], stores[other], points[other])
        ]
    if found:
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InputError(
            "the rows that are learnt from and those that are tested",
            "the same pixels in\n  " + "\n  ".join(found[:SHOWN]) + more,
            "other images, or crops apart; train.find_copies: false where it must be so",
        )
    compared = {name: len(of.places) for name, of in points.items()}
    log.info("no copies: %d rows, %d points", len(compared), sum(compared.values()))
    write_json(done, {"format": 1, "learnt": list(learnt), "tested": list(tested)})

"""What tiles leave behind: differences from one undivided pass of a network, and seams."""

import argparse
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.predict.base import Run, Sizes, store, tissue, undivided
from benchmarks.tables import print_table
from pssrflow.models.weights import load_weights
from pssrflow.volumes.store import Store

SEAMS: Sizes = (1, 64, 64), (1, 256, 256)
CUTS: Sizes = (2, 64, 64), (2, 512, 512)
BLENDS = "none", "linear", "gaussian"
# Tile and number of parts.
OF_A_PLANE = [*((tile, 3) for tile in (64, 100, 128, 200, 256, 512)), (64, 1), (64, 3), (64, 16)]
ODD = (1, 1, 1), (1, 1, 61), (1, 73, 1), (1, 127, 131), (100, 23, 29)


def seams(options: argparse.Namespace, folder: Path) -> None:
    """Largest difference from one undivided pass, and the seam score, of every network.

    The score is the mean step across the borders of tiles over that between other neighbours, and
    relative to what the undivided image has at the same places.
    """
    plane = mirrored(options.lr) if options.lr else tissue()
    plane = plane[: options.size, : options.size]
    lr = store(folder / "lr.ome.zarr", plane[None, None, None], SEAMS)
    names = ["network", "tile", "halo", "blend", "largest difference, grey levels", "seam score"]
    print_table(names, (r for w in options.weights for r in _seam_rows(w, lr, options.tiles)))


def mirrored(path: Path) -> np.ndarray:
    """Two planes of an LR store and their mirror images as one, which is larger than tiles."""
    array = Store(path).level()
    column = np.concatenate([array[0, 0, z] for z in range(min(2, array.shape[2]))])
    return np.concatenate([column, column[:, ::-1]], axis=1)


def _seam_rows(weights, lr, tiles):
    whole = undivided(weights, lr)[0]
    # Measured by the first run.
    halo = "auto"
    for tile, blend in itertools.product(tiles, _blends(weights)):
        settings = {"tile": tile, "halo": halo, "blend": blend}
        run = Run(lr.with_name("sr"), lr, weights, 1, SEAMS, settings)
        made = run.pixels()[0, 0, 0]
        halo, edges = run.cutting.halo, run.cutting.edges
        score = f"{seam_score(made, edges) / seam_score(whole, edges):.4f}"
        yield weights.parent.name, tile, halo, blend, largest_difference(made, whole), score


def _blends(weights):
    """What is worth trying: all where a network's tiles cannot be exact."""
    network, facts = load_weights(weights)
    inexact = getattr(network, "global_pooling", False) or facts.arch == "swinir"
    return BLENDS if inexact else BLENDS[:1]


def seam_score(image: np.ndarray, edges: Iterable[Sequence[int]]) -> float:
    """Mean step across borders over that between other neighbours; borders along y and x."""
    image, across, elsewhere = image.astype(np.float64), [], []
    for axis, cuts_there in enumerate(edges):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=1 - axis)
        borders = np.zeros(len(steps), bool)
        borders[[cut - 1 for cut in cuts_there[1:-1]]] = True
        across.append(steps[borders])
        elsewhere.append(steps[~borders])
    return np.concatenate(across).mean() / np.concatenate(elsewhere).mean()


def largest_difference(made: np.ndarray, whole: np.ndarray) -> str:
    """Of two images, in grey levels."""
    return f"{np.abs(made - whole).max():.0f}"


def cuts(options: argparse.Namespace, folder: Path) -> None:
    """Parts and tiles of all sizes, and volumes of odd ones, against undivided passes."""
    names = ["LR volume (z, y, x)", "tile", "parts", "largest difference, grey levels"]
    volumes = [(tissue()[:640, :640][None], OF_A_PLANE), *((_odd(s), [(64, 3)]) for s in ODD)]
    rows = (_cut_rows(folder, options.weights[0], *volume) for volume in volumes)
    print_table(names, itertools.chain.from_iterable(rows))


def _odd(shape):
    return tissue().reshape(-1)[: math.prod(shape)].reshape(shape)


def _cut_rows(
    folder: Path, weights: Path, pixels: np.ndarray, ways: Iterable[tuple[int, int]]
) -> Iterator[tuple]:
    lr = store(folder / "lr.ome.zarr", pixels[None, None], CUTS)
    whole = undivided(weights, lr)
    size = " x ".join(map(str, pixels.shape))
    for tile, parts in ways:
        run = Run(folder / "sr", lr, weights, parts, CUTS, {"tile": tile})
        yield size, tile, parts, largest_difference(run.pixels()[0, 0], whole)

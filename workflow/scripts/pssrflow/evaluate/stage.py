"""Compare a prediction and its baselines with the truth, piece by piece of every plane."""

import functools
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pssrflow.errors import InputError
from pssrflow.evaluate.agreement import performed, told
from pssrflow.evaluate.baselines import mean_level, plain
from pssrflow.evaluate.errors import UNKNOWN, Remedy, summary
from pssrflow.evaluate.judged import Judged, Piece, Plane
from pssrflow.evaluate.micro import MicroScale, micro_scales
from pssrflow.evaluate.planes import Fits, Judge, rows_of
from pssrflow.evaluate.resolution import Spectra
from pssrflow.evaluate.resolved import PIECES, resolution_of, spectra_of
from pssrflow.run.files import file_hash, replacing, write_json
from pssrflow.run.shares import Shares
from pssrflow.run.workers import Workers
from pssrflow.volumes.blocks import share

log = logging.getLogger(__name__)

# Of the done file, which other programs read.
FORMAT = 2
# Pieces of a plane that its affine fits are taken from, and of a volume that say how MicroSSIM
# scales it; spread evenly.
FITTED, SCALED = 16, 6

# A plane, and the number of one of its pieces.
Unit = tuple[Plane, int]
# What was measured of a unit, as JSON; None where a mask leaves all of it out.
Measured = dict[str, Any] | None
# What is known of the pieces of every plane.
ByPlane = Mapping[Plane, Sequence[Mapping[str, Any]]]


class Evaluation:
    """What a prediction is measured by, the same for every job that shares the work.

    Parameters
    ----------
    judged : Judged
    micro : dict of str to MicroScale, optional
        How MicroSSIM scales the images, where that is known.
    """

    def __init__(self, judged: Judged, micro: dict[str, MicroScale] | None = None) -> None:
        self.judged = judged
        self.boxes = judged.boxes()
        self.units: list[Unit] = list(itertools.product(judged.planes(), range(len(self.boxes))))
        self._judges: dict[Plane, tuple[Judge, float]] = {}
        self._micro = micro

    @property
    def micro(self) -> dict[str, MicroScale]:
        """How MicroSSIM scales the images of the whole volume."""
        if self._micro is None:
            self._micro = self._scaled()
        return self._micro

    def _scaled(self) -> dict[str, MicroScale]:
        chosen = (self.units[i] for i in _spread(len(self.units), SCALED))
        pieces = (self.piece(unit, self._level(unit[0])) for unit in chosen)
        return micro_scales(p for p in pieces if p is not None)

    def piece(self, unit: Unit, level: float) -> Piece | None:
        """A piece of a plane."""
        plane, number = unit
        return self.judged.piece(plane, self.boxes[number], level)

    def _level(self, plane: Plane) -> float:
        return mean_level(self.judged.lr, plane, self.judged.mask)

    def span(self, channel: int) -> float:
        """Range of the detector, which figures are relative to."""
        return self.judged.hr.volume.intensity.ranges[channel].span

    def judge(self, plane: Plane) -> tuple[Judge, float]:
        """How a plane is measured, and the grey level of its constant."""
        if plane not in self._judges:
            level = self._level(plane)
            some = ((plane, i) for i in _spread(len(self.boxes), FITTED))
            pieces = (self.piece(unit, level) for unit in some)
            fits = Fits.of(p for p in pieces if p is not None)
            channel = plane[1]
            rest = self.judged.remedy(channel), self.micro, self.judged.pssr2
            judge = Judge(fits, self.span(channel), *rest)
            self._judges[plane] = judge, level
        return self._judges[plane]

    def measured(self, unit: Unit) -> Measured:
        """What is known of one piece."""
        judge, level = self.judge(unit[0])
        piece = self.piece(unit, level)
        if piece is None:
            return None
        about = judge.measured(piece)
        if unit in self.resolved and (found := spectra_of(piece, self.judged)) is not None:
            about["spectra"] = found.to_json()
        if self.judged.tasks:
            about["tasks"] = self._tasks(piece, judge)
        return about

    def _tasks(self, piece: Piece, judge: Judge) -> dict[str, Any]:
        """What is found in the prediction and in plain interpolation, beside the truth."""
        names = "sr", plain(self.judged.scale)
        lines = {
            name: (1.0, 0.0) if self.judged.crappified else judge.fits.first[name] for name in names
        }
        images = {n: piece.images[n] * np.float32(g) + np.float32(o) for n, (g, o) in lines.items()}
        side = self.judged.sr.volume.pixel_side
        return {
            task.title: performed(task, piece.truth, images, side) for task in self.judged.tasks
        }

    @functools.cached_property
    def resolved(self) -> frozenset[Unit]:
        """Units that tell the resolution; spread evenly over every channel."""
        channels = defaultdict[int, list[Unit]](list)
        for unit in self.units:
            channels[unit[0][1]].append(unit)
        return frozenset(
            units[i] for units in channels.values() for i in _spread(len(units), PIECES)
        )

    def of_planes(
        self, found: Mapping[Plane, Sequence[Mapping[str, Any]]]
    ) -> Iterator[dict[str, Any]]:
        """Rows of the table: plane, method and every metric."""
        for plane, pieces in found.items():
            for row in rows_of(pieces, self.span(plane[1])):
                yield dict(zip("tcz", plane)) | row


def _spread(count: int, most: int) -> list[int]:
    """Some of `count` things, spread evenly."""
    chosen = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return sorted({int(i) for i in chosen})


def evaluate(
    judged: Judged,
    sample: str,
    model: str,
    table: Path | str,
    done: Path | str,
    shares: Shares | None = None,
    workers: Workers | None = None,
    threads: int = 1,
) -> None:
    """Write one row of metrics per plane and method, and errors with their intervals.

    Parameters
    ----------
    judged : Judged
    sample, model : str
    table : path-like
        CSV.
    done : path-like
        JSON that vouches for the table, and says how errors were freed of the noise of the truth;
        written last.
    shares : Shares, optional
        What other jobs have measured; see `fill`.
    workers : Workers, optional
        Workers that measure the pieces; None measures them here.
    threads : int

    Raises
    ------
    InputError
        A mask leaves nothing to compare.
    """
    work = Evaluation(judged)
    found = _by_plane(work, _gathered(work, shares, workers, threads))
    rows = [{"sample": sample, "model": model} | row for row in work.of_planes(found)]
    if not rows:
        raise InputError(
            f"sample {sample!r}, mask_path",
            "a mask that leaves nothing to compare with the truth",
            "a mask that is not 0 where the truth counts",
        )
    frame = pd.DataFrame(rows)
    order = ["sample", "model", "method", "t", "c", "z"]
    frame = frame[order + [c for c in frame if c not in order]]
    with replacing(table) as scratch:
        frame.to_csv(scratch, index=False)
    about = {"table": Path(table).name, "sha256": file_hash(table)}
    write_json(done, {"format": FORMAT, **about, "errors": errors_of(work, found)})
    log.info("\n%s", frame.groupby("method")[["psnr", "ssim", "psnr_affine"]].mean().round(3))


def fill(
    judged: Judged,
    shares: Shares,
    part: int,
    parts: int,
    workers: Workers | None = None,
    threads: int = 1,
) -> None:
    """Measure the pieces of one of several parts, and report them; see `evaluate`."""
    work = Evaluation(judged)
    mine = share(work.units, parts)[part]
    shares.report(part, {"pieces": _measured(work, mine, workers, threads)}, parts)


def _gathered(
    work: Evaluation, shares: Shares | None, workers: Workers | None, threads: int
) -> Iterable[Measured]:
    """What was measured of all units, here or by other jobs."""
    if shares is None or not shares.parts:
        return _measured(work, work.units, workers, threads)
    again = functools.partial(
        fill, work.judged, shares, parts=shares.parts, workers=workers, threads=threads
    )
    reports = shares.reports(again)
    return itertools.chain.from_iterable(report["pieces"] for report in reports)


def _measured(
    work: Evaluation, units: Sequence[Unit], workers: Workers | None, threads: int
) -> list[Measured]:
    """What is known of some units, measured here or by workers."""
    if workers is None:
        # Fits of a plane serve all of its pieces, the scales of the volume all planes.
        _ = units and work.micro
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work.judge, dict.fromkeys(plane for plane, _ in units)))
            return list(pool.map(work.measured, units))
    planes = [list(some) for _, some in itertools.groupby(units, lambda unit: unit[0])]
    with workers.client() as client:
        of_plane = functools.partial(_of_plane, work.judged, work.micro)
        return list(itertools.chain(*client.gather(client.map(of_plane, planes, pure=False))))


def _of_plane(
    judged: Judged, micro: dict[str, MicroScale], units: Sequence[Unit]
) -> list[Measured]:
    return _measured(Evaluation(judged, micro), units, None, 1)


def _by_plane(work: Evaluation, found: Iterable[Measured]) -> dict[Plane, list[dict[str, Any]]]:
    """What was measured, by plane; planes that a mask leaves out are not in it."""
    planes: dict[Plane, list[dict[str, Any]]] = defaultdict(list)
    for (plane, _), piece in zip(work.units, found):
        if piece is not None:
            planes[plane].append(piece)
    return planes


def errors_of(work: Evaluation, found: ByPlane) -> dict[str, Any]:
    """Errors of every method over blocks and planes, with intervals; by channel.

    Returns
    -------
    dict
        By number of the channel: `floor`, how the noise of the truth was told from the error,
        `figures`, by figure as the table calls it (see `errors.summary`), `resolution` (see
        `resolved.resolution_of`), and `tasks` by name (see `agreement.told`).
    """
    known = {}
    for channel in sorted({plane[1] for plane in found}):
        planes = {plane: pieces for plane, pieces in found.items() if plane[1] == channel}
        floor = work.judged.remedy(channel).name
        known[str(channel)] = {
            "floor": floor,
            "figures": _figures(planes, work.span(channel), floor != UNKNOWN),
            "resolution": resolution_of(_spectra(planes), work.judged),
            "tasks": {task.title: told(_done(task.title, planes)) for task in work.judged.tasks},
        }
    return known


def _done(title: str, planes: ByPlane) -> dict[Plane, dict[str, Any]]:
    """What a task found in the blocks of the pieces of every plane, by image."""
    made = {}
    for plane, pieces in planes.items():
        found = [piece["tasks"][title] for piece in pieces]
        made[plane] = {name: [f[name] for f in found] for name in found[0]}
    return made


def _spectra(planes: ByPlane) -> list[Spectra]:
    pieces = itertools.chain.from_iterable(planes.values())
    return [Spectra.from_json(piece["spectra"]) for piece in pieces if "spectra" in piece]


def _figures(planes: ByPlane, span: float, freed: bool) -> dict[str, Any]:
    # Columns of the blocks of a piece, after their pixels; see `Judge`.
    columns = {"psnr": 1, "psnr_affine": 3}
    if freed:
        columns |= {"upsnr": 2, "upsnr_affine": 4}
    methods = next(iter(planes.values()))[0]["methods"]

    def blocks(method: str, column: int) -> dict[Plane, list[np.ndarray]]:
        return {
            plane: [np.array(p["methods"][method]["blocks"])[..., [0, column]] for p in pieces]
            for plane, pieces in planes.items()
        }

    return {
        name: summary({method: blocks(method, column) for method in methods}, span)
        for name, column in columns.items()
    }


def measure(judged: Judged, planes: Iterable[Plane] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the table: plane, method and every metric; none of planes that a mask leaves out.

    Parameters
    ----------
    judged : Judged
    planes : iterable of (t, c, z), optional
        All, if not given.
    """
    work = Evaluation(judged)
    wanted = set(judged.planes() if planes is None else planes)
    found = (work.measured(unit) if unit[0] in wanted else None for unit in work.units)
    yield from work.of_planes(_by_plane(work, found))


def measure_plane(pieces: Callable[[], Iterable[Piece]], data_range: float) -> list[dict[str, Any]]:
    """Every metric of one plane, raw and after one affine fit of the whole plane to the truth.

    Parameters
    ----------
    pieces : callable () -> iterable of Piece
        Called twice: for the fit, then for the metrics.
    data_range : float
        Range of the detector.

    Returns
    -------
    list of dict
        One per method.
    """
    judge = Judge(Fits.of(pieces()), data_range, Remedy(UNKNOWN), micro_scales(pieces()))
    return rows_of([judge.measured(piece) for piece in pieces()], data_range)

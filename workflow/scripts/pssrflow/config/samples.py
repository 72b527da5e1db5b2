"""The sample sheet: one acquisition a row, checked before anything runs."""

import codecs
import csv
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pssrflow.config.leaks import ENDLESS, leaks, resolved
from pssrflow.config.settings import Settings
from pssrflow.errors import InputError
from pssrflow.keys import Fault, Keys, explain, key, listed
from pssrflow.run.layout import LONGEST_NAME, RESERVED, Roles
from pssrflow.run.paths import PathText
from pssrflow.volumes.regions import (
    coarser_crop,
    coarser_size,
    parse_counts,
    parse_crop,
    parse_pixel_size,
)

SIMULATED = "simulate:"
OVERRIDES = ("pixel_size", "axes", "scene", "channels", "crop")
# What the LR image of a pair has of its own.
LR_OVERRIDES = tuple(f"lr_{name}" for name in OVERRIDES if name != "axes")
PATHS = ("path", "lr_path", "hr2_path", "weight_path", "mask_path")
PARSED = {
    prefix + name: parse
    for prefix in ("", "lr_")
    for name, parse in (
        ("crop", lambda text: parse_crop(text, (ENDLESS,) * 3)),
        ("pixel_size", parse_pixel_size),
    )
} | {"counts": parse_counts}


class Row(Keys, Roles):
    """One acquisition; each key is a column of the tab-separated sheet."""

    sample: str = key(
        ...,
        "Identifier; becomes a folder name.",
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*\Z",
        max_length=LONGEST_NAME,
    )
    role: Literal["train", "test", "predict", "trust"] = key(
        ...,
        "train: HR to learn from; test: HR truth, never learnt from; predict: LR only; trust: HR "
        "on which the intervals of the map of trust are calibrated, and nothing else.",
    )
    path: PathText = key(
        ...,
        "A file, a folder of slices, a glob, an OME-Zarr, or simulate:NAME.",
        min_length=1,
    )
    lr_path: PathText | None = key(
        None, "A really acquired LR image of the same field (train and test rows)."
    )
    hr2_path: PathText | None = key(
        None,
        "A second, independent HR scan of the field (not of predict rows): of test rows for errors "
        "that are free of the noise of the truth, of others for what trust says of the specimen; "
        "as large as the first, and read with the same overrides.",
    )
    counts: str | None = key(
        None,
        "Of a counting detector: grey levels of one count and, after a comma, of none, such as `1` "
        "or `2.5, 100`. The HR image of a test row is shared out into two independent scans, half "
        "of the counts each; of train and trust rows it tells the noise.",
    )
    weight_path: PathText | None = key(
        None,
        "Map of weights for the loss of a train row: an image as large as the HR image; 0 is not "
        "learnt from, the map's largest value counts in full.",
    )
    mask_path: PathText | None = key(
        None,
        "Mask of a row, as large as its HR or its LR image, or one plane for all. What is 0 in it "
        "is not registered, learnt from or compared; tiles in which it is 0 everywhere are "
        "interpolated, not super-resolved.",
    )
    share: str | None = key(
        None,
        "How much more often patches are drawn from a train row than its pixels alone say, such as "
        "4 for a small acquired pair among large crappified rows.",
        pattern=r"^(?!0*\.?0*\Z)\d{1,6}(\.\d{1,6})?\Z",
    )
    pixel_size: str | None = key(
        None,
        "Replaces what the file says: `4.6 nm` (y and x) or `50, 4.6, 4.6 nm` (z, y, x).",
    )
    axes: str | None = key(
        None,
        "Replaces the file's axes, for example ZYX or TYX.",
        pattern=r"^(?!.*(.).*\1)[TCZYXtczyx]+\Z",
    )
    scene: str | None = key(None, "Name or number of the scene to read.")
    channels: str | None = key(None, "Names or numbers of the channels to read, comma-separated.")
    crop: str | None = key(
        None,
        "Pixels to read: `y0:y1, x0:x1` or `z0:z1, y0:y1, x0:x1`; of the HR image in rows with an "
        "lr_path.",
    )
    lr_pixel_size: str | None = key(
        None, "Of the LR image of a pair; without it, the HR image's times the scale."
    )
    lr_scene: str | None = key(None, "Of the LR image of a pair; without it, scene.")
    lr_channels: str | None = key(None, "Of the LR image of a pair; without it, channels.")
    lr_crop: str | None = key(
        None, "Of the LR image of a pair; without it, the LR pixels that lie in crop."
    )

    @property
    def paired(self) -> bool:
        """Whether its LR image was acquired beside the HR image."""
        return self.lr_path is not None

    @property
    def scanned_twice(self) -> bool:
        """Whether there is a second HR scan."""
        return self.hr2_path is not None or self.halved

    @property
    def repeated(self) -> bool:
        """Whether that was acquired, and may lie beside the first."""
        return self.hr2_path is not None

    @property
    def halved(self) -> bool:
        """Whether its counts are shared out into two HR scans."""
        return self.counts is not None and self.role == "test"

    @property
    def whole(self) -> bool:
        """Whether it has a truth, all of it: a half is noisier than what intervals speak of."""
        return self.tested and not self.halved

    @property
    def crappified(self) -> bool:
        """Whether the LR image is made of the HR image."""
        return self.has_hr and not self.paired

    @property
    def weighted(self) -> bool:
        """Whether a map says how much its pixels count."""
        return self.weight_path is not None

    @property
    def masked(self) -> bool:
        """Whether a mask says what counts."""
        return self.mask_path is not None

    def faults(self) -> Iterator[Fault]:
        if self.sample.lower() in RESERVED:
            yield Fault(
                "sample",
                f"{self.sample!r} is a name in the results already. Accepted: another name",
            )
        yield from self._not_parsed()
        yield from self._not_of_role()
        if self.counts and self.hr2_path:
            found = "a second scan tells the noise already. Accepted: counts, or hr2_path"
            yield Fault("counts", found)
        for column in LR_OVERRIDES if not self.lr_path else ():
            if getattr(self, column):
                yield Fault(column, "this row has no lr_path. Accepted: none")

    def _not_of_role(self) -> Iterator[Fault]:
        if self.role == "predict":
            if self.lr_path:
                yield Fault(
                    "lr_path",
                    "a predict row has no HR image to compare. Accepted: the LR image as `path`",
                )
            for column in ("hr2_path", "counts"):
                if getattr(self, column):
                    yield Fault(column, "a predict row has no truth. Accepted: none")
        if self.role != "train":
            of = f"a {self.role} row is not learnt from. Accepted: none, or role train"
            for column in ("weight_path", "share"):
                if getattr(self, column):
                    yield Fault(column, of)

    def lr_overrides(self, scale: int) -> dict[str, str | None]:
        """What the sheet says of the LR image of a pair.

        Parameters
        ----------
        scale : int
            HR pixels per LR pixel.
        """
        crop = self.crop and coarser_crop(self.crop, scale)
        size = self.pixel_size and coarser_size(self.pixel_size, scale)
        return {
            "pixel_size": self.lr_pixel_size or size,
            "axes": self.axes,
            "scene": self.lr_scene or self.scene,
            "channels": self.lr_channels or self.channels,
            "crop": self.lr_crop or crop,
        }

    def _not_parsed(self) -> Iterator[Fault]:
        for column, parse in PARSED.items():
            try:
                _ = getattr(self, column) and parse(getattr(self, column))
            except InputError as error:
                yield Fault(column, f"{error.found}. Accepted: {error.accepted}")


COLUMNS = tuple(Row.model_fields)
NEEDED = tuple(name for name, field in Row.model_fields.items() if field.is_required())


def read_rows(settings: Settings, trial: bool = True) -> list[Row]:
    """Read and check the sample sheet.

    Parameters
    ----------
    settings : Settings
    trial : bool
        Look into files, too; once is enough, and every job reads the sheet.

    Raises
    ------
    InputError
        Names the row and column, what was found and what is accepted; all errors at once.
    """
    path, rows, problems = settings.samples, {}, []
    for line, cells in _read_table(path).items():
        try:
            rows[line] = Row.model_validate(cells)
            problems += [f"line {line}, {p}" for p in _path_problems(rows[line], settings)]
        except ValidationError as error:
            problems += [f"line {line}, {problem}" for problem in explain(error)]
    problems = problems or [*_duplicates(rows), *leaks(rows, settings.crappify.scale, trial)]
    if problems:
        raise InputError(path, "\n  ".join(["sample sheet refused", *problems]))
    _check_roles(path, list(rows.values()), settings)
    return list(rows.values())


def _check_roles(path: str, rows: list[Row], settings: Settings) -> None:
    """Refuse a sheet that holds nothing, or nothing to learn from though a network learns."""
    if not rows:
        raise InputError(path, "no rows", "one acquisition a row")
    learns = any(model.train for model in settings.models.values())
    if learns and not any(row.trained for row in rows):
        accepted = "at least one HR acquisition to learn from"
        raise InputError(path, "no row has the role train", accepted)


# -- the table -------------------------------------------------------------------------------------


def _read_table(path: str) -> dict[int, dict[str, str]]:
    """Cells that hold something, by line and column."""
    header, *lines = _lines(path) or [(1, [])]
    columns = header[1]
    _check_columns(path, columns)
    table = {}
    for line, cells in lines:
        if len(cells) > len(columns):
            found = f"line {line} has {len(cells)} values for {len(columns)} columns"
            raise InputError(path, f"not a table ({found})", "a tab-separated file with a header")
        table[line] = {column: cell for column, cell in zip(columns, cells) if cell}
    return table


def _lines(path: str) -> list[tuple[int, list[str]]]:
    """Number and values of every line; blank ones and those that begin with # are left out."""
    return [
        (number, [cell.strip() for cell in next(csv.reader([line.rstrip("\t")], "excel-tab"))])
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]


def _text(path: str) -> str:
    accepted = "a tab-separated file with a header, in UTF-8"
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(path, "no such sample sheet", "a TSV file (key `samples`)") from None
    except OSError as error:
        raise InputError(path, f"not a table ({error})", accepted) from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(path, "a table in UTF-16", accepted)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"line {line} is not UTF-8; perhaps Latin-1 or Windows-1252"
        raise InputError(path, f"not a table ({found})", accepted) from None


def _check_columns(path: str, columns: list[str]) -> None:
    if not columns:
        raise InputError(path, "not a table (it is empty)", "a tab-separated file with a header")
    if said := _no_header(path, columns):
        raise InputError(path, f"not a table ({said})", "a tab-separated file with a header")
    for column in columns:
        if column not in COLUMNS:
            raise InputError(path, f"unknown column {column!r}", listed(COLUMNS, column))
        if columns.count(column) > 1:
            raise InputError(path, f"column {column!r} stands twice", "each column once")
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise InputError(path, f"no column {missing[0]!r}", f"columns {', '.join(NEEDED)}")


def _no_header(path: str, columns: list[str]) -> str | None:
    """Why the first line is no header, where that is plain to see; else None."""
    if "sample" in columns:
        return None
    first = next(line for line in _text(path).splitlines() if line.strip())
    if first.startswith("#") and "sample" in first:
        return "its header begins with #, as comments do"
    for name, sign in (("commas", ","), ("semicolons", ";"), ("spaces", None)):
        if len(columns) == 1 and "sample" in columns[0].split(sign):
            return f"its columns are separated by {name}, not by tabs"
    return None


# -- what rows name --------------------------------------------------------------------------------


def _path_problems(row: Row, settings: Settings) -> Iterator[str]:
    for column in PATHS:
        text = getattr(row, column)
        if text and (problem := _path_problem(text, settings)):
            yield f"{column}: {problem}"


def _path_problem(text: str, settings: Settings) -> str | None:
    if text.startswith(SIMULATED):
        return _not_simulated(text.removeprefix(SIMULATED), settings)
    if text.startswith("file:"):
        return f"{text!r} is the URI of a file. Accepted: its path alone"
    if "://" in text:
        return None
    paths = resolved(text)
    if not paths:
        return (
            f"nothing at {text!r} (looked in {Path.cwd()}). "
            "Accepted: a file, a folder of slices, a glob or an OME-Zarr"
        )
    results = _folder(settings.results)
    if any(path == results or path.startswith(results + os.sep) for path in paths):
        return (
            f"{text!r} lies in the results, which this run writes. "
            "Accepted: a path outside, or other `results`"
        )
    return None


@functools.cache
def _folder(path: str) -> str:
    return os.path.realpath(path)


def _not_simulated(name: str, settings: Settings) -> str | None:
    names = settings.simulate
    if name in names:
        return None
    accepted = listed(names, name) if names else "names under `simulate`"
    return f"no simulated acquisition {name!r}. Accepted: {accepted}"


def _duplicates(rows: dict[int, Row]) -> Iterator[str]:
    """Names that stand more than once; file systems of some users do not tell upper from lower."""
    lines: dict[str, list[int]] = {}
    for line, row in rows.items():
        lines.setdefault(row.sample.lower(), []).append(line)
    for name, found in lines.items():
        if len(found) > 1:
            yield (
                f"lines {', '.join(map(str, found))}, sample: {name!r} stands more than once. "
                "Accepted: one name a row"
            )

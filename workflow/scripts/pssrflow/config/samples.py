"""The sample sheet: one acquisition a row, checked before anything runs."""

import io
import itertools
import sys
from pathlib import Path

import pandas as pd

from pssrflow.config.schema import explain, listed
from pssrflow.errors import InputError
from pssrflow.run.files import input_paths
from pssrflow.volumes.regions import parse_crop, parse_pixel_size

SIMULATED = "simulate:"
OVERRIDES = ("pixel_size", "axes", "scene", "channels", "crop")
# Folders and files that the results hold beside those of the samples.
RESERVED = ("models", "calibration", "logs", "benchmarks", "simulated")
# Stands for a size that only the file knows.
ENDLESS = sys.maxsize
PARSED = {"crop": lambda text: parse_crop(text, (ENDLESS,) * 3), "pixel_size": parse_pixel_size}


def read_samples(path, schema, config):
    """Read and check the sample sheet.

    Returns
    -------
    pandas.DataFrame
        Indexed by `sample`; every column of the schema, missing values as None.

    Raises
    ------
    InputError
        Names the row and column, what was found and what is accepted; all errors at once.
    """
    table = _read_table(path)
    unknown = [c for c in table.columns if c not in schema["properties"]]
    if unknown:
        raise InputError(
            path, f"unknown column {unknown[0]!r}", listed(schema["properties"], unknown[0])
        )
    missing = [c for c in schema["required"] if c not in table.columns]
    if missing:
        raise InputError(
            path, f"no column {missing[0]!r}", f"columns {', '.join(schema['required'])}"
        )
    table = table.reindex(columns=list(schema["properties"])).astype(object)
    table = table.where(table.notna() & (table != ""), None)
    problems = [
        f"line {line}, {problem}"
        for line, row in _rows(table)
        for problem in _row_problems(row, schema, config)
    ]
    problems = problems or [*_duplicates(table["sample"]), *_leaks(table)]
    if problems:
        raise InputError(path, "\n  ".join(["sample sheet refused", *problems]))
    if not len(table):
        raise InputError(path, "no rows", "one acquisition a row")
    return table.set_index("sample", drop=False)


def check_roles(table, where, models):
    """Refuse a sheet that leaves nothing to learn from.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_samples`.
    where : str
    models : dict
        Networks of the configuration; those with `train: false` need no row.
    """
    learn = any(model.get("train", True) for model in models.values())
    if learn and not (table["role"] == "train").any():
        raise InputError(
            where, "no row has the role train", "at least one HR acquisition to learn from"
        )


def _read_table(path):
    """The sheet as text, indexed by line; blank lines and lines that begin with # are left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        kept = {
            number: line.rstrip("\t")
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.startswith("#")
        }
        text = io.StringIO("\n".join(kept.values()))
        table = pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False, index_col=False)
    except FileNotFoundError:
        raise InputError(path, "no such sample sheet", "a TSV file (key `samples`)") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(
            path, f"not a table ({error})", "a tab-separated file with a header"
        ) from None
    table.columns = table.columns.str.strip()
    table.index = list(kept)[1 : len(table) + 1]
    return table.map(str.strip)


def _rows(table):
    """Line and content of every row."""
    return zip(table.index, table.to_dict("records"))


def _row_problems(row, schema, config):
    problems = explain(schema, {k: v for k, v in row.items() if v is not None})
    if problems:
        yield from problems
        return
    if row["sample"].lower() in RESERVED:
        yield f"sample: {row['sample']!r} is a folder of the results. Accepted: another name"
    for column in ("path", "lr_path", "weight_path", "mask_path"):
        yield from _path_problems(column, row[column], config) if row[column] else ()
    yield from _text_problems(row)
    if row["role"] == "predict" and row["lr_path"]:
        yield "lr_path: a predict row has no HR image to compare. Accepted: the LR image as `path`"
    if row["weight_path"] and row["role"] != "train":
        yield f"weight_path: a {row['role']} row is not learnt from. Accepted: none, or role train"
    if row["mask_path"] and not (row["role"] == "predict" or row["lr_path"]):
        yield "mask_path: this row has no acquired LR image to mask. Accepted: none"
    if row["lr_path"] and row["crop"]:
        yield (
            "crop: would cut the HR and the LR image at different places. "
            "Accepted: no crop in a row with an lr_path"
        )


def _text_problems(row):
    for column, parse in PARSED.items():
        try:
            _ = row[column] and parse(row[column])
        except InputError as error:
            yield f"{column}: {error.found}. Accepted: {error.accepted}"


def _path_problems(column, text, config):
    simulated, results = config["simulate"], Path(config["results"]).resolve()
    if text.startswith(SIMULATED):
        name = text.removeprefix(SIMULATED)
        if name not in simulated:
            yield (
                f"{column}: no simulated acquisition {name!r}. "
                f"Accepted: {listed(simulated, name) if simulated else 'names under `simulate`'}"
            )
    elif "://" in text:
        return
    elif not input_paths(text):
        yield (
            f"{column}: nothing at {text!r} (looked in {Path.cwd()}). "
            "Accepted: a file, a folder of slices, a glob or an OME-Zarr"
        )
    elif any(p.resolve().is_relative_to(results) for p in input_paths(text)):
        yield (
            f"{column}: {text!r} lies in the results, which this run writes. "
            "Accepted: a path outside, or other `results`"
        )


def _duplicates(names):
    # File systems of some users do not tell upper from lower case.
    folded = names.str.lower()
    for name in folded[folded.duplicated()].unique():
        lines = ", ".join(map(str, folded.index[folded == name]))
        yield f"lines {lines}, sample: {name!r} stands more than once. Accepted: one name a row"


def _leaks(table):
    """Rows that show the same pixels, of which one is trained on."""
    for (one, a), (two, b) in itertools.combinations(_rows(table), 2):
        roles = {a["role"], b["role"]}
        if "train" not in roles or "predict" in roles or not _same_source(a, b):
            continue
        if all(x.start < y.stop and y.start < x.stop for x, y in zip(_crop(a), _crop(b))):
            yield (
                f"lines {one} and {two}: {a['sample']!r} ({a['role']}) and {b['sample']!r} "
                f"({b['role']}) show the same pixels. Accepted: other files, or crops apart"
            )


def _same_source(a, b):
    return a["scene"] == b["scene"] and bool(_sources(a["path"]) & _sources(b["path"]))


def _sources(text):
    return {str(p.resolve()) for p in input_paths(text)} or {text}


def _crop(row):
    return parse_crop(row["crop"] or ":, :", (ENDLESS,) * 3)

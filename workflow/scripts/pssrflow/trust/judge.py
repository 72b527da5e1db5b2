"""The verdicts of a run in one file, and where a run is to stop at them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.run.files import read_json, write_json
from pssrflow.trust.words import BAD, CARE, GOOD, KEYS

FORMAT = 1


def judge(predictions: Sequence[Sequence[str]], path: Path | str) -> None:
    """Write the verdicts of all predictions of a run.

    Parameters
    ----------
    predictions : sequence of (sample, model, done file of its map)
    path : path-like
        JSON: `verdict`, the worst of all; `predictions`, a list of what each is, with its reasons
        and worst places.
    """
    found = [
        {"sample": sample, "model": model, **read_json(done)["verdict"]}
        for sample, model, done in predictions
    ]
    write_json(path, {"format": FORMAT, "verdict": _worst(found), "predictions": found})


def _worst(found: Sequence[dict[str, Any]]) -> str | None:
    said = {one["verdict"] for one in found}
    return next((verdict for verdict in (BAD, CARE, GOOD) if verdict in said), None)


def accept(verdict: Path | str, fail_on: str, path: Path | str) -> None:
    """Say that no prediction is worse than is allowed.

    Raises
    ------
    InputError
        Those that are, with their reasons.
    """
    refused = [p for p in read_json(verdict)["predictions"] if p["verdict"] in KEYS[fail_on]]
    if refused:
        raise InputError(
            f"report.fail_on: {fail_on}",
            "\n  ".join(
                f"{p['sample']}, model {p['model']}: {p['verdict']} ({'; '.join(p['reasons'])})"
                for p in refused
            ),
            "other data or networks, or another report.fail_on; everything is made, the report too",
        )
    write_json(path, {"format": FORMAT, "fail_on": fail_on})

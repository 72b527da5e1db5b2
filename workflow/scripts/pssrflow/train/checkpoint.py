"""Checkpoints: written by rename, refused when damaged or of another training; SIGTERM asks."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pssrflow.run.files import replacing

log = logging.getLogger(__name__)


def save(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write the state of a training; a kill in between leaves the previous one."""
    with replacing(path) as scratch:
        torch.save({"identity": identity} | state, scratch)


def load(path: Path, identity: str) -> dict[str, Any] | None:
    """State of a training that goes on, or None.

    Parameters
    ----------
    path : Path
    identity : str
        Of this configuration, data and code.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("identity")
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        log.warning("%s cannot be read (%s); training starts anew", path, error)
        return None
    if found != identity:
        log.info("%s is of another configuration, data or code; training starts anew", path)
        return None
    return state


@contextlib.contextmanager
def sigterm() -> Iterator[threading.Event]:
    """Event that a cluster's SIGTERM sets, so that the step in progress can end."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)

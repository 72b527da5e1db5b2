"""Checkpoints: written by rename, refused when damaged or of another training; SIGTERM asks."""

import contextlib
import io
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pssrflow.run.files import replacing

log = logging.getLogger(__name__)

# What a state holds: which training it is of, where that stands, and its best weights.
KEYS = {
    *("identity", "lengths", "extended", "progress", "best"),
    *("network", "averaged", "optimiser", "precision", "usual_gradient"),
}


def save(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a training; a kill in between leaves the previous one."""
    # Torch's own writer ends the process where a disk is full.
    held = io.BytesIO()
    torch.save(state, held)
    with replacing(path) as scratch:
        scratch.write_bytes(held.getbuffer())


def load(path: Path) -> dict[str, Any] | None:
    """State of a training, with its identity; None if there is none that can be read."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state if state.keys() >= KEYS else None
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        log.warning("%s cannot be read (%s)", path, type(error).__name__)
        return None


@contextlib.contextmanager
def sigterm() -> Iterator[threading.Event]:
    """Event that a cluster's SIGTERM sets, so that the step in progress can end."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)

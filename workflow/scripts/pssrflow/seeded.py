"""Random numbers that depend on a key alone, not on who draws them, when or in which order."""

import hashlib
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence


def generator(*key: Any) -> np.random.Generator:
    """Counter-based generator (Philox) for a tuple of numbers and strings.

    Source: Salmon et al. 2011, doi:10.1145/2063384.2063405.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    # Its stub does not know that any seed sequence will do.
    return np.random.Generator(np.random.Philox(_Key(digest)))  # type: ignore[arg-type]


class _Key(ISeedSequence):
    """The key itself, where NumPy else asks the system for entropy that `Philox(key=)` ignores.

    That costs ten times as much as the key, under Python's lock, for every square of noise.
    """

    def __init__(self, digest: bytes):
        self.words = np.frombuffer(digest, "<u8").astype(np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> Any:
        return self.words

"""Random numbers that depend on a key alone, not on who draws them, when or in which order."""

import hashlib

import numpy as np


def generator(*key):
    """Counter-based generator (Philox) for a tuple of numbers and strings.

    Source: Salmon et al. 2011, doi:10.1145/2063384.2063405.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))

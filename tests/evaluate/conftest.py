"""Fixtures of the tests of metrics."""

import numpy as np
import pytest


@pytest.fixture
def pair(tissue, rng):
    truth = tissue((256, 300)).astype(np.float32)
    return truth, truth + rng.normal(0, 9, truth.shape).astype(np.float32)

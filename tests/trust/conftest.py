"""A network, its promise, and a prediction that trust looks at."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pssrflow.networks.frames import ONE
from pssrflow.networks.registry import build
from pssrflow.pairs.field import open_field
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.inference import Inference
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.maps import Looked
from pssrflow.trust.promise import Promise
from pssrflow.volumes.interpolation import interpolated
from pssrflow.volumes.store import Store

# Deviation of the noise of HR images.
SCALE, NOISE = 4, 4.0
CRAPPIFY = {
    "scale": SCALE,
    "downsample": "bilinear",
    "noise": [{"name": "gaussian", "intensity": 6}],
}


def scanned(hr, rng, noise=6.0):
    """LR planes: means of 4 x 4 pixels with white noise."""
    *above, height, width = hr.shape
    mean = hr.reshape(*above, height // SCALE, SCALE, width // SCALE, SCALE).mean((-3, -1))
    return (mean + noise * rng.standard_normal(mean.shape)).clip(0, 255).astype(np.uint8)


def field_of(name, hr, lr):
    field = open_field(name, hr, lr, False, SCALE)
    return replace(field, lr=Store(lr))


@pytest.fixture
def pictures(tissue, rng):
    """HR planes (t, c, z, y, x) with noise of their own."""

    def make(planes, side):
        values = tissue((1, 1, planes, side, side), sigma=5).astype(float)
        scan = values + NOISE * rng.standard_normal(values.shape)
        return scan.clip(0, 255).astype(np.uint8)

    return make


# Promises of this process: to learn one takes seconds, and no test changes it.
PROMISES = {}


@pytest.fixture
def promise_of(make_store, pictures, rng):
    """The promise of bicubic interpolation, of some planes that were kept for it."""

    def make(planes=6, side=512, noise=None):
        asked = planes, side, noise
        if asked not in PROMISES:
            PROMISES[asked] = learnt_of(*asked)
        return PROMISES[asked]

    def learnt_of(planes, side, noise):
        torch.manual_seed(0)
        inference = Inference(build("bicubic", SCALE, {}, 1), torch.device("cpu"), "32")
        rows = []
        for name, count in (("learnt", 2), ("kept", planes)):
            hr = pictures(count, side)
            stores = make_store(hr, f"{name}-hr"), make_store(scanned(hr, rng), f"{name}-lr")
            rows.append(field_of(name, *stores))
        learnt, kept = rows
        grounds = Grounds(rows, [learnt.region, None], [None, kept.region], 32)
        nothing = Promise.nothing(0.9, "window", CRAPPIFY)
        known = {row.sample: [noise] for row in rows}
        drawing = Drawing(frames=ONE)
        return Learner(inference, nothing, drawing, 0, known, ["kept"]).of(grounds, 200)

    return make


@pytest.fixture
def looked_at(make_store, rng):
    """A prediction of bicubic interpolation, as trust looks at it."""

    def make(promise, hr, change=lambda sr: sr, noise=6.0):
        lr = scanned(hr, rng, noise)
        sr = [interpolated(p.astype(np.float32), SCALE) for p in lr[0, 0]]
        values = change(np.rint(np.stack(sr)).clip(0, 255)).astype(np.uint8)[None, None]
        stores = Store(make_store(lr, "lr")), Store(make_store(values, "sr"))
        fine, coarse = (s.volume for s in reversed(stores))
        # As the prediction of that LR image: with its grey levels, and where it lies.
        made = coarse.finer(SCALE, fine.chunk, fine.shard, [slice(0, n) for n in coarse.shape[2:]])
        stores[1].describe(made)
        return Looked(promise, *stores, 0.25)

    return make

"""A small network, and predictions with it."""

import json

import numpy as np
import pytest
import torch
from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.networks.frames import ONE
from pssrflow.networks.registry import build
from pssrflow.predict.assembly import build_pyramid, finalise
from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.layout import Layout

OPTIONS = {"widths": [8, 12], "blocks": 1}
CHOSEN = {"tile": 32, "overlap": 8}


@pytest.fixture
def frames():
    """What the network sees; tests that are of frames have another one."""
    return ONE


@pytest.fixture
def network(frames):
    torch.manual_seed(1)
    network = build("unet", 4, OPTIONS, frames.count)
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    return network.eval()


@pytest.fixture
def undivided():
    """Function (network, LR plane or frames, window) -> what one pass of the whole makes of it."""

    def make(network, values, window):
        low, high = window
        with torch.inference_mode():
            image = (torch.from_numpy(values.astype(np.float32)) - low) / (high - low)
            image = image.reshape(1, -1, *image.shape[-2:])
            return (network(image)[0, 0] * (high - low) + low).numpy()

    return make


@pytest.fixture
def request_of():
    """Function that asks for a prediction with tiles of 32 pixels, and settings that are given."""

    def make(parts=1, shard=128, depth=2, roi=None, sparse=True, **settings):
        sizes, chosen = ((depth, 64, 64), (depth, shard, shard)), Settings(**CHOSEN | settings)
        deciding = None if sparse else chosen.deciding(sparse, whole_image=False)
        return Request(chosen, parts, *sizes, roi, deciding)

    return make


@pytest.fixture
def prediction(tmp_path, network, frames):
    """Function (sample, masked) -> where its prediction lies; the network is saved there."""
    layout = Layout.of(str(tmp_path), None)
    (tmp_path / "models/m").mkdir(parents=True)
    save_weights(layout.weights("m"), network, Facts("unet", 4, OPTIONS, frames))
    return lambda sample="s", masked=False: Prediction.of(layout, sample, "m", masked)


@pytest.fixture
def predict(prediction, request_of, make_store):
    """Function that predicts an LR array and returns prediction, SR pixels and the done file."""

    def run(values, sample="s", pyramids=0, mask=None, **asked):
        make_store(values, f"{sample}/lr")
        if mask is not None:
            make_store(mask, f"{sample}/mask")
        made, request = prediction(sample, mask is not None), request_of(**asked)
        initialise(made, request)
        for part in range(request.parts):
            run_part(made, part, 1, "32")
        markers = [made.marker(part) for part in range(request.parts)]
        for part in range(pyramids):
            build_pyramid(made, markers, part, pyramids, 1)
        finalise(made, markers, [made.pyramid(part) for part in range(pyramids)], 1)
        return made, made.stores["sr"].level()[:], json.loads(made.done["sr"].read_text())

    return run

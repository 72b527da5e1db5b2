"""What surrounds the network: batches, short memory, averages."""

import numpy as np
import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.networks import bicubic
from pssrflow.networks.ensemble import Ensemble
from pssrflow.networks.frames import ONE
from pssrflow.networks.registry import build
from pssrflow.predict.inference import Inference

CPU = torch.device("cpu")


class Small(bicubic.Network):
    """A network on a device that holds no more than `most` tiles at once."""

    def __init__(self, scale, most, error=torch.OutOfMemoryError):
        super().__init__(scale)
        self.most, self.error, self.seen = most, error, []

    def forward(self, images):
        self.seen.append(len(images))
        if len(images) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(images)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_batch_is_halved_when_memory_is_short_and_nothing_is_lost(error, rng):
    images = [rng.random((1, 6, 7), np.float32) for _ in range(11)]
    network = Small(2, 3, error)
    inference = Inference(network, CPU, "32", batch=8)
    made = inference(images)
    assert inference.batch == 2 and network.seen == [8, 4, 2, 2, 2, 2, 2, 1]
    expected = [Inference(bicubic.Network(2), CPU, "32")([image])[0]["sr"] for image in images]
    np.testing.assert_allclose([m["sr"] for m in made], expected, atol=1e-6)
    # It remembers.
    inference(images[:4])
    assert network.seen[-2:] == [2, 2]


def test_a_tile_that_alone_is_too_large_is_said_in_the_terms_of_the_configuration(rng):
    with pytest.raises(InputError, match=r"predict\.tile: a tile does not fit.*out of memory"):
        Inference(Small(2, 0), CPU, "32", batch=4)([rng.random((1, 6, 7), np.float32)] * 4)


def test_other_errors_of_a_network_are_not_taken_for_short_memory(rng):
    class Wrong(bicubic.Network):
        def forward(self, images):
            raise RuntimeError("expected 3 channels")

    with pytest.raises(RuntimeError, match="expected 3 channels"):
        Inference(Wrong(2), CPU, "32", batch=4)([rng.random((1, 6, 7), np.float32)])


def test_an_ensemble_gives_the_mean_of_its_members_and_how_they_differ(rng):
    torch.manual_seed(0)
    members = [build("unet", 2, {"widths": [8], "blocks": 1}), bicubic.Network(2)]
    torch.nn.init.normal_(members[0].tail.weight, std=0.05)
    image = rng.random((1, 9, 10), np.float32)
    inference = Inference(Ensemble(2, members, [ONE, ONE]), CPU, "32")
    [made] = inference([image])
    one, two = (Inference(m, CPU, "32")([image])[0]["sr"] for m in members)
    np.testing.assert_allclose(made["sr"], (one + two) / 2, atol=1e-6)
    np.testing.assert_allclose(made["std"], np.abs(one - two) / 2, atol=1e-6)
    with torch.inference_mode():
        whole = inference.network(torch.from_numpy(image)[None])[0, 0].numpy()
    np.testing.assert_allclose(whole, made["sr"], atol=1e-6)

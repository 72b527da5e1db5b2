"""The halo is measured on the data, and no wider than the network can see."""

import numpy as np
import pytest
import torch
from pssrflow.models.halo import measure_halo
from pssrflow.models.input import Input
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build
from pssrflow.volumes.store import Store

STRIDE = 2


@pytest.fixture
def network():
    torch.manual_seed(1)
    network = build("unet", 4, {"widths": [8, 12], "blocks": 1})
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    return network.eval()


@pytest.fixture
def halo_of(network, make_store):
    """Function: the halo that the network needs on an LR array."""

    def measure(values, name="lr", **options):
        lr = Store(make_store(values, name))
        return measure_halo(network, lr, Input.of(lr.volume.intensity), **options)

    return measure


def test_the_measured_halo_is_smaller_than_the_receptive_field(network, tissue, halo_of):
    halo = halo_of(tissue((1, 1, 1, 120, 130), sigma=1))
    assert 0 < halo < receptive_halo(network) and halo % STRIDE == 0


def test_float_data_ask_for_a_larger_halo(tissue, halo_of):
    image = tissue((1, 1, 1, 120, 130), np.float32, sigma=1)
    grey = (image * 255).astype(np.uint8)
    assert halo_of(image, "float") > halo_of(grey, "grey")


def test_memory_bounds_the_halos_that_are_tried(tissue, halo_of, caplog):
    assert halo_of(tissue((1, 1, 1, 120, 130), sigma=1), memory=500) == 0
    assert "500 MB hold no more than a halo of 0 LR pixels" in caplog.text

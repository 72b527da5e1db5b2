"""Memory of a network is that of its tensors, on every machine the same."""

import pytest
import torch
from pssrflow.networks.footprint import bytes_per_pixel


def test_memory_of_a_network_is_that_of_the_tensors_it_holds_at_once():
    class Two(torch.nn.Module):
        stride, scale, frames = 1, 1, 1

        def forward(self, images):
            wide = images.expand(-1, 10, -1, -1) * 2
            wide = wide + 1
            return wide.sum(1, keepdim=True)

    # Ten channels before and after the addition, 4 bytes each; a view has none of its own.
    assert bytes_per_pixel(Two()) == pytest.approx(2 * 10 * 4 * 1.25, rel=0.1)

"""A network of one's own: any size, a halo, and refused where it does not keep its contract."""

import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build

OWN = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    stride = 4
    def __init__(self, scale, width=1):
        super().__init__()
        self.conv = nn.Conv2d(1, scale**2, 2 * width + 1, padding=width)
        self.factor = scale
    def forward(self, x):
        if x.shape[-1] % 4 or x.shape[-2] % 4:
            raise ValueError("size")
        return F.pixel_shuffle(self.conv(x), self.factor)

class Small(Net):
    def forward(self, x):
        return x

class Integer(Net):
    def forward(self, x):
        return super().forward(x).int()

class Plain:
    pass
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_network_of_ones_own_takes_any_size_and_has_a_halo():
    network = build("custom", 3, {"path": "mine.py:Net", "options": {"width": 2}})
    assert network(torch.rand(1, 1, 5, 9)).shape == (1, 1, 15, 27)
    assert receptive_halo(network) == 4


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("gone.py:Net", {}, "no file gone.py"),
        ("mine.py:Absent", {}, "no class Absent"),
        ("mine.py:Plain", {}, "no torch.nn.Module"),
        ("mine.py:Net", {"depth": 1}, "options.*refused"),
        ("mine.py:Small", {}, "returned shape"),
        ("mine.py:Integer", {}, "returned dtype torch.int32"),
    ],
)
def test_a_class_that_is_no_network_is_refused(path, options, words):
    with pytest.raises(InputError, match=rf"{words}.*Accepted"):
        build("custom", 2, {"path": path, "options": options})

"""Networks: one registry, one interface, weights that carry what is needed to use them.

A network maps (n, 1, y, x) float32 to (n, 1, scale * y, scale * x), for any y and x. Grey levels
are scaled with the constants of the acquisition: its low percentile is 0, its high one is 1.
"""

import copy
import itertools
import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from pssrflow.errors import InputError


def bicubic(images, scale):
    """Bicubic interpolation of (n, c, y, x); LR pixel i covers HR pixels scale*i + 0 to scale - 1.

    `antialias` changes nothing when enlarging but the kernel: Keys' a = -1/2, as in Pillow and
    MATLAB, which keeps straight ramps straight; without it torch takes -3/4.
    """
    return F.interpolate(images.float(), scale_factor=float(scale), mode="bicubic", antialias=True)


class Residual(nn.Module):
    """Two 3x3 convolutions around a GELU, added to their input."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + self.second(F.gelu(self.first(x)))


class UNet(nn.Module):
    """Residual U-Net that works at LR resolution and adds detail to a bicubic interpolation.

    The last layer starts at zero, so an untrained network equals bicubic interpolation. All
    sums run at LR resolution and a pixel shuffle makes the HR pixels at the end: sixteen times
    less work at scale 4 than a network that interpolates first.

    Sources: Ronneberger et al. 2015 (U-Net, doi:10.1007/978-3-319-24574-4_28); Shi et al. 2016
    (pixel shuffle, doi:10.1109/CVPR.2016.207).

    Parameters
    ----------
    scale : int
    widths : sequence of int
        Channels per level; each level halves the resolution.
    blocks : int
        Residual blocks per level and direction.
    """

    def __init__(self, scale, widths=(48, 96, 192), blocks=2):
        super().__init__()
        self.scale = scale
        self.stride = 2 ** (len(widths) - 1)
        steps = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(1, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_level(width, blocks) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2))
            for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(_level(fine, blocks) for fine, _ in steps)
        self.tail = nn.Conv2d(widths[0], scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, images):
        height, width = images.shape[-2:]
        padding = (0, -width % self.stride, 0, -height % self.stride)
        features = self.head(F.pad(images - 0.5, padding, mode="replicate"))
        skips = []
        for level, down in zip(self.encoder[:-1], self.down):
            skips.append(level(features))
            features = down(skips[-1])
        features = self.encoder[-1](features)
        for level, up in zip(reversed(self.decoder), reversed(self.up)):
            features = level(up(features) + skips.pop())
        detail = F.pixel_shuffle(self.tail(features).float(), self.scale)
        inside = detail[..., : height * self.scale, : width * self.scale]
        return bicubic(images, self.scale) + inside


class Bicubic(nn.Module):
    """No network at all: the baseline, and what is left of the time when the network is free."""

    stride = 1

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return bicubic(images, self.scale)


def _level(width, blocks):
    return nn.Sequential(*(Residual(width) for _ in range(blocks)))


# Adding an architecture: one class above, one line here, its options in the schema.
ARCHITECTURES = {"unet": UNet, "bicubic": Bicubic}


def build(arch, scale, **options):
    """Make a network with fresh weights."""
    return ARCHITECTURES[arch](scale, **options)


def save_weights(path, network, facts):
    """Write weights as safetensors; `facts` (JSON) hold `arch`, `scale` and `options` at least."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    # safetensors refuses an empty file; bicubic has no weights.
    save_file(tensors or {"none": torch.zeros(1)}, path, metadata={"pssrflow": json.dumps(facts)})


def load_weights(path):
    """Read a network and its facts; safetensors hold no code, so nothing is executed.

    Raises
    ------
    InputError
        Not weights of this pipeline.
    """
    accepted = "weights that PSSRflow saved (.safetensors)"
    try:
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("pssrflow", "null"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise InputError(path, f"cannot be read as weights ({error})", accepted) from error
    if facts is None:
        raise InputError(path, "no PSSRflow facts in the file", accepted)
    network = build(facts["arch"], facts["scale"], **facts["options"])
    if network.state_dict():
        network.load_state_dict(tensors)
    return network.eval(), facts


def receptive_halo(network):
    """LR pixels around a tile that can change it, by following gradients through the network.

    Returns
    -------
    int
        A multiple of the network's stride.
    """
    stride, size = network.stride, 64
    probe = _positive_copy(network)
    while True:
        reach = _gradient_reach(probe, size, stride)
        if reach < size:
            return -(-reach // stride) * stride
        size *= 2


def _positive_copy(network):
    """Copy with positive weights, in which no path through the network cancels another."""
    probe = copy.deepcopy(network).double().cpu().train(False)
    for name, parameter in probe.named_parameters():
        fan = parameter[0].numel() if parameter.dim() > 1 else 1
        nn.init.constant_(parameter, 1 / fan if name.endswith("weight") else 0.0)
    return probe


def _gradient_reach(probe, margin, stride):
    image = torch.ones(1, 1, 2 * margin + stride, 2 * margin + stride, dtype=torch.float64)
    image.requires_grad_(True)
    inner = slice(margin * probe.scale, (margin + stride) * probe.scale)
    probe(image)[..., inner, inner].sum().backward()
    hit = torch.nonzero(image.grad[0, 0])
    return int(max(margin - hit.min(), hit.max() - (margin + stride - 1)))

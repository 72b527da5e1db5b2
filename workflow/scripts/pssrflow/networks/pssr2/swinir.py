"""SwinIR as PSSR2 has it: attention in windows that shift from block to block.

Sources: Liang et al. 2021 (SwinIR, doi:10.1109/ICCVW54120.2021.00210); Liu et al. 2021 (Swin
transformer, doi:10.1109/ICCV48922.2021.00986).
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.keys import Fault, key
from pssrflow.networks.contract import middle
from pssrflow.networks.options import NetworkOptions, in_and_out, undivided, wrong
from pssrflow.networks.pssr2.blocks import GreyNetwork, rising
from pssrflow.networks.pssr2.options import CHANNELS, Blocks, Channels, Share
from pssrflow.networks.pssr2.swin import NORMS, Block, Layer

# Channels of the reconstruction.
FEATURES = 64


class Options(NetworkOptions):
    """Options of SwinIR."""

    channels: Channels = key(1, CHANNELS)
    image_size: int = key(
        128,
        "LR pixels along y and x whose masks are stored with the weights, and that ape learns; "
        "other sizes work too.",
        ge=1,
        le=1024,
    )
    embed_dim: int = key(96, "Channels of the transformer; a multiple of its heads.", ge=1, le=4096)
    mlp_ratio: float = key(2, "Width of the perceptrons, relative to embed_dim.", gt=0, le=16)
    depths: tuple[Blocks, ...] = key(
        (4, 4, 4, 4), "Blocks of each layer.", min_length=1, max_length=32
    )
    num_heads: tuple[Blocks, ...] = key(
        (6, 6, 6, 6), "Heads of attention of each layer.", min_length=1, max_length=32
    )
    window_size: int = key(8, "LR pixels along y and x that attention sees at once.", ge=2, le=64)
    patch_size: int = key(
        1, "Divides image_size; it does nothing else in PSSR2 either.", ge=1, le=64
    )
    upsampler: Literal["pixelshuffle", "pixelshuffledirect", "nearest+conv"] | None = key(
        "pixelshuffle", "How HR pixels are made; null at scale 1, where the input is added instead."
    )
    qkv_bias: bool = key(True, "Biases in the attention's projections.")
    qk_scale: float | None = key(
        None,
        "Factor of the attention's logits; null for the inverse root of a head's channels.",
        gt=0,
    )
    drop_rate: Share = key(0, "Share of the features that training leaves out.")
    attn_drop_rate: Share = key(0, "Share of the attention that training leaves out.")
    drop_path_rate: Share = key(
        0.1,
        "Share of the images for which training leaves the last block out; rises from 0 to this.",
    )
    norm_layer: Literal["LayerNorm", "RMSNorm", "Identity"] = key(
        "LayerNorm", "What normalises features."
    )
    ape: bool = key(
        False,
        "Learn something about each position of the image; tiles then depend on where they begin.",
    )
    patch_norm: bool = key(True, "Normalise before the first block.")
    use_checkpoint: bool = key(
        False, "Compute blocks twice while training instead of storing them; memory for time."
    )
    resi_connection: Literal["1conv", "3conv"] = key(
        "1conv", "Convolutions at the end of each layer."
    )

    @property
    def grid(self) -> int:
        """LR pixels along y and x of the masks."""
        return self.image_size // self.patch_size

    def faults(self) -> Iterator[Fault]:
        if len(self.depths) != len(self.num_heads):
            found = f"{len(self.depths)} values for {len(self.num_heads)} num_heads"
            yield wrong("depths", found, "as many of both")
        for heads in dict.fromkeys(self.num_heads):
            yield from undivided(
                "embed_dim", self.embed_dim, heads, "each head takes an equal share"
            )
        if self.grid < 1 or (self.grid > self.window_size and self.grid % self.window_size):
            multiple = self.window_size * self.patch_size
            found = f"{self.image_size} with patch_size {self.patch_size}"
            accepted = f"a multiple of window_size * patch_size, {multiple}"
            yield wrong("image_size", found, accepted)
        if self.resi_connection == "3conv" and self.embed_dim < 4:
            yield wrong("embed_dim", f"{self.embed_dim} with 3conv", "at least 4")
        inputs, outputs = in_and_out(self.channels)
        if self.upsampler is None and outputs not in (1, inputs):
            found = f"{inputs} and {outputs} with upsampler: null"
            yield wrong("channels", found, "the same number, or 1 out")

    def misfits(self, scale: int) -> Iterator[Fault]:
        if self.upsampler == "pixelshuffle" and scale != 3 and scale & (scale - 1):
            accepted = "a power of 2, 3; pixelshuffledirect"
            yield wrong("upsampler", f"pixelshuffle at scale {scale}", accepted)
        if self.upsampler == "nearest+conv" and scale not in (2, 4):
            yield wrong("upsampler", f"nearest+conv at scale {scale}", "scale 2 or 4")
        if self.upsampler is None and scale != 1:
            yield wrong("upsampler", f"null at scale {scale}", "scale 1, or pixelshuffle")


class Network(GreyNetwork):
    """Transformer of LR pixels; its convolutions and pixel shuffles make the HR pixels.

    Features are (n, y, x, c) within the transformer.

    Parameters
    ----------
    scale : int
    options : Options
    frames : int
        LR planes that are seen at once, as channels.
    """

    def __init__(self, scale: int, options: Options, frames: int = 1):
        inputs, outputs = in_and_out(options.channels, frames)
        grid, width = options.grid, options.embed_dim
        window = min(options.window_size, grid)
        # PSSR2 mirrors up to whole windows itself, so its frame is what that makes of any size.
        frame = math.lcm(options.window_size, window)
        super().__init__(scale, inputs, frame, frame)
        self.options, self.upsampler, self.grid = options, options.upsampler, grid
        norm = NORMS[options.norm_layer]
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.patch_embed = nn.Module()
        if options.patch_norm:
            self.patch_embed.norm = norm(width)
        if options.ape:
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, grid**2, width))
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        self.pos_drop = nn.Dropout(options.drop_rate)
        self.layers = nn.ModuleList(_layers(options, window))
        self.norm = norm(width)
        self.conv_after_body = _convolutions(width, options.resi_connection)
        self._reconstruct_with(width, outputs)
        self.apply(_start)

    def _reconstruct_with(self, width, outputs):
        if self.upsampler == "pixelshuffledirect":
            self.upsample = _shuffle(width, outputs, self.scale)
            return
        if self.upsampler is not None:
            self.conv_before_upsample = nn.Sequential(_same(width, FEATURES), nn.LeakyReLU())
            width = FEATURES
        if self.upsampler == "pixelshuffle":
            steps = [3] if self.scale == 3 else [2] * int(math.log2(self.scale))
            self.upsample = nn.Sequential(
                *(layer for step in steps for layer in _shuffle(width, width, step))
            )
        elif self.upsampler == "nearest+conv":
            self.conv_up1 = _same(width, width)
            if self.scale == 4:
                self.conv_up2 = _same(width, width)
            self.conv_hr = _same(width, width)
            self.lrelu = nn.LeakyReLU(0.2)
        self.conv_last = _same(width, outputs)

    def grey(self, x: Tensor) -> Tensor:
        """Grey levels 0 to 255 in and out; the size a multiple of `frame`."""
        first = self.conv_first(x)
        features = self.conv_after_body(self._transformed(first)) + first
        if self.upsampler is None:
            image = x if self.conv_last.out_channels == self.frames else middle(x)
            return image + self.conv_last(features).float()
        if self.upsampler == "pixelshuffledirect":
            return self.upsample(features)
        features = self.conv_before_upsample(features)
        if self.upsampler == "pixelshuffle":
            return self.conv_last(self.upsample(features))
        features = self.lrelu(self.conv_up1(F.interpolate(features, scale_factor=2.0)))
        if self.scale == 4:
            features = self.lrelu(self.conv_up2(F.interpolate(features, scale_factor=2.0)))
        return self.conv_last(self.lrelu(self.conv_hr(features)))

    def _transformed(self, x):
        x = x.permute(0, 2, 3, 1)
        if self.options.patch_norm:
            x = self.patch_embed.norm(x)
        if self.options.ape:
            x = x + self._positions(x.shape[1:3])
        x = self.pos_drop(x)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x).permute(0, 3, 1, 2)

    def _positions(self, size):
        learnt = self.absolute_pos_embed.unflatten(1, (self.grid, self.grid))
        if tuple(size) == (self.grid, self.grid):
            return learnt
        learnt = F.interpolate(learnt.permute(0, 3, 1, 2), size=size, mode="bicubic")
        return learnt.permute(0, 2, 3, 1)

    def thin(self) -> "Network":
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        width = 4 * math.lcm(*self.options.num_heads)
        return Network(self.scale, self.options.changed(embed_dim=width), self.frames)


def _layers(options: Options, window: int) -> Iterator[Layer]:
    rates = iter(rising(options.drop_path_rate, sum(options.depths)))
    # A single window has no neighbours to shift into.
    shift = window // 2 if options.grid > options.window_size else 0
    for depth, heads in zip(options.depths, options.num_heads):
        blocks = [
            Block(heads, window, shift if index % 2 else 0, options, next(rates))
            for index in range(depth)
        ]
        conv = _convolutions(options.embed_dim, options.resi_connection)
        yield Layer(blocks, conv, options.use_checkpoint)


def _same(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _shuffle(inputs, outputs, step):
    return nn.Sequential(_same(inputs, step**2 * outputs), nn.PixelShuffle(step))


def _convolutions(width, kind):
    if kind == "1conv":
        return _same(width, width)
    few = width // 4
    return nn.Sequential(
        _same(width, few),
        nn.LeakyReLU(0.2),
        nn.Conv2d(few, few, 1),
        nn.LeakyReLU(0.2),
        _same(few, width),
    )


def _start(module):
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

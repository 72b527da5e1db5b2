"""SwinIR as PSSR2 has it: attention in windows that shift from block to block.

Sources: Liang et al. 2021 (SwinIR, doi:10.1109/ICCVW54120.2021.00210); Liu et al. 2021 (Swin
transformer, doi:10.1109/ICCV48922.2021.00986).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pssrflow.networks.options import SWIN, check_options, in_and_out
from pssrflow.networks.pssr2.blocks import DropPath, GreyNetwork, rising

NORMS = {"LayerNorm": nn.LayerNorm, "RMSNorm": nn.RMSNorm, "Identity": nn.Identity}
# Channels of the reconstruction.
FEATURES = 64
# Added to the logits of pixels that a shift brought together from opposite edges.
APART = -100.0


class SwinIR(GreyNetwork):
    """Transformer of LR pixels; its convolutions and pixel shuffles make the HR pixels.

    Features are (n, y, x, c) within the transformer.

    Parameters
    ----------
    scale : int
    image_size : int
        LR pixels along y and x whose masks are stored with the weights; other sizes work as well.
    channels : int or sequence of int
        Of input and output, or of both.
    embed_dim : int
        Channels of the transformer.
    mlp_ratio : float
        Width of its perceptrons, relative to `embed_dim`.
    depths, num_heads : sequence of int
        Blocks per layer, and heads of their attention.
    window_size : int
        LR pixels along y and x that see each other.
    patch_size : int
        Divides `image_size`; it has no other effect in PSSR2.
    upsampler : {'pixelshuffle', 'pixelshuffledirect', 'nearest+conv'}, optional
        None only at scale 1: the input is added instead.
    qkv_bias : bool
    qk_scale : float, optional
        Factor of the logits; default the inverse root of a head's channels.
    drop_rate, attn_drop_rate, drop_path_rate : float
        Shares that training leaves out: of features, of attention, and of blocks.
    norm_layer : {'LayerNorm', 'RMSNorm', 'Identity'}
    ape : bool
        Learn something about each position of the image; resampled for other sizes.
    patch_norm : bool
        Normalise before the first block.
    use_checkpoint : bool
        Compute blocks twice instead of storing what they do; memory for time.
    resi_connection : {'1conv', '3conv'}
        Convolutions at the end of each layer.

    Raises
    ------
    InputError
        Options that do not go together.
    """

    def __init__(
        self,
        scale,
        image_size=128,
        channels=1,
        embed_dim=SWIN["embed_dim"],
        mlp_ratio=2,
        depths=tuple(SWIN["depths"]),
        num_heads=tuple(SWIN["num_heads"]),
        window_size=8,
        patch_size=1,
        upsampler=SWIN["upsampler"],
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.0,
        attn_drop_rate=0.0,
        drop_path_rate=0.1,
        norm_layer="LayerNorm",
        ape=False,
        patch_norm=True,
        use_checkpoint=False,
        resi_connection=SWIN["resi_connection"],
    ):
        options = {
            "image_size": image_size,
            "channels": channels,
            "embed_dim": embed_dim,
            "mlp_ratio": mlp_ratio,
            "depths": depths,
            "num_heads": num_heads,
            "window_size": window_size,
            "patch_size": patch_size,
            "upsampler": upsampler,
            "qkv_bias": qkv_bias,
            "qk_scale": qk_scale,
            "drop_rate": drop_rate,
            "attn_drop_rate": attn_drop_rate,
            "drop_path_rate": drop_path_rate,
            "norm_layer": norm_layer,
            "ape": ape,
            "patch_norm": patch_norm,
            "use_checkpoint": use_checkpoint,
            "resi_connection": resi_connection,
        }
        check_options("swinir", scale, options)
        grid = image_size // patch_size
        window = min(window_size, grid)
        # PSSR2 mirrors up to whole windows itself, so its frame is what that makes of any size.
        frame = math.lcm(window_size, window)
        super().__init__(scale, frame, frame)
        self.options, self.upsampler, self.grid = options, upsampler, grid
        inputs, outputs = in_and_out(channels)
        norm = NORMS[norm_layer]
        self.conv_first = nn.Conv2d(inputs, embed_dim, 3, padding=1)
        self.patch_embed = nn.Module()
        if patch_norm:
            self.patch_embed.norm = norm(embed_dim)
        if ape:
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, grid**2, embed_dim))
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        self.pos_drop = nn.Dropout(drop_rate)
        rates = iter(rising(drop_path_rate, sum(depths)))
        self.layers = nn.ModuleList(
            Layer(
                [
                    Block(
                        embed_dim,
                        heads,
                        grid,
                        window,
                        # A single window has no neighbours to shift into.
                        window // 2 if index % 2 and grid > window_size else 0,
                        options,
                        next(rates),
                    )
                    for index in range(depth)
                ],
                _convolutions(embed_dim, resi_connection),
                use_checkpoint,
            )
            for depth, heads in zip(depths, num_heads)
        )
        self.norm = norm(embed_dim)
        self.conv_after_body = _convolutions(embed_dim, resi_connection)
        self._reconstruct_with(embed_dim, outputs)
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

    def grey(self, x):
        """Grey levels 0 to 255 in and out; the size a multiple of `frame`."""
        first = self.conv_first(x)
        features = self.conv_after_body(self._transformed(first)) + first
        if self.upsampler is None:
            return x + self.conv_last(features).float()
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
        if self.options["patch_norm"]:
            x = self.patch_embed.norm(x)
        if self.options["ape"]:
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

    def thin(self):
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        width = 4 * math.lcm(*self.options["num_heads"])
        return SwinIR(self.scale, **self.options | {"embed_dim": width})


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


class Layer(nn.Module):
    """Blocks, then convolutions, added to the input; (n, y, x, c)."""

    def __init__(self, blocks, conv, use_checkpoint):
        super().__init__()
        self.residual_group = nn.Module()
        self.residual_group.blocks = nn.ModuleList(blocks)
        self.conv = conv
        self.use_checkpoint = use_checkpoint

    def forward(self, x):
        inside = x
        for block in self.residual_group.blocks:
            if self.use_checkpoint and self.training:
                inside = checkpoint(block, inside, use_reentrant=False)
            else:
                inside = block(inside)
        return x + self.conv(inside.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Block(nn.Module):
    """Attention within windows, then a perceptron of each pixel; (n, y, x, c)."""

    def __init__(self, width, heads, grid, window, shift, options, drop_path):
        super().__init__()
        norm = NORMS[options["norm_layer"]]
        self.grid, self.window, self.shift = grid, window, shift
        self.norm1 = norm(width)
        self.attn = WindowAttention(width, heads, window, options)
        self.drop_path = DropPath(drop_path)
        self.norm2 = norm(width)
        self.mlp = Perceptron(width, int(width * options["mlp_ratio"]), options["drop_rate"])
        # For one size only, but PSSR2 stores it.
        self.register_buffer("attn_mask", self._mask(grid, grid) if shift else None)

    def forward(self, x):
        _, height, width, _ = x.shape
        inside = self.norm1(x)
        if self.shift:
            inside = inside.roll((-self.shift, -self.shift), (1, 2))
        windows = self.attn(_windows(inside, self.window), self._mask_of(height, width, x.device))
        inside = _whole(windows, self.window, height, width)
        if self.shift:
            inside = inside.roll((self.shift, self.shift), (1, 2))
        x = x + self.drop_path(inside)
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _mask_of(self, height, width, device):
        if not self.shift:
            return None
        if (height, width) == (self.grid, self.grid):
            return self.attn_mask
        return self._mask(height, width).to(device)

    def _mask(self, height, width):
        """(windows, pixels, pixels): 0 where two pixels lie side by side in the image."""
        rows, columns = (self._part(size) for size in (height, width))
        parts = (3 * rows[:, None] + columns)[None, ..., None]
        parts = _windows(parts, self.window)[0, ..., 0]
        return (parts[:, None] != parts[:, :, None]) * APART

    def _part(self, size):
        place = torch.arange(size)
        return (place >= size - self.window).int() + (place >= size - self.shift).int()


def _windows(x, side):
    """(n, y, x, c) to (n, windows, pixels of a window, c)."""
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return x.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


def _whole(windows, side, height, width):
    """Undo `_windows`."""
    x = windows.unflatten(2, (side, side)).unflatten(1, (height // side, width // side))
    return x.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


class WindowAttention(nn.Module):
    """Pixels of a window see each other, by content and by relative position."""

    def __init__(self, width, heads, window, options):
        super().__init__()
        self.heads, self.qk_scale, self.drop = heads, options["qk_scale"], options["attn_drop_rate"]
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", _relative(window))
        self.qkv = nn.Linear(width, 3 * width, bias=options["qkv_bias"])
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(options["drop_rate"])

    def forward(self, x, mask=None):
        """(n, windows, pixels, c); mask (windows, pixels, pixels), added to the logits."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            bias = bias + mask[:, None]
        seen = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=bias.to(q.dtype),
            dropout_p=self.drop if self.training else 0.0,
            # PSSR2 takes 0 for none as well.
            scale=self.qk_scale or None,
        )
        return self.proj_drop(self.proj(seen.transpose(2, 3).flatten(3)))


def _relative(window):
    """(pixels, pixels): which entry of the table holds how two pixels of a window lie."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    place = torch.stack([y.flatten(), x.flatten()])
    below, right = place[:, :, None] - place[:, None] + window - 1
    return below * (2 * window - 1) + right


class Perceptron(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, width, inside, drop):
        super().__init__()
        self.fc1 = nn.Linear(width, inside)
        self.fc2 = nn.Linear(inside, width)
        self.drop = nn.Dropout(drop)

    def forward(self, x):
        return self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))

"""What SwinIR is made of: attention in windows that shift from block to block.

Sources: Liang et al. 2021 (SwinIR, doi:10.1109/ICCVW54120.2021.00210); Liu et al. 2021 (Swin
transformer, doi:10.1109/ICCV48922.2021.00986).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pssrflow.networks.pssr2.blocks import DropPath

NORMS = {"LayerNorm": nn.LayerNorm, "RMSNorm": nn.RMSNorm, "Identity": nn.Identity}
# Added to the logits of pixels that a shift brought together from opposite edges.
APART = -100.0


class Layer(nn.Module):
    """Blocks, then convolutions, added to the input; (n, y, x, c)."""

    def __init__(self, blocks, conv, use_checkpoint):
        super().__init__()
        self.residual_group = nn.Module()
        self.residual_group.blocks = nn.ModuleList(blocks)
        self.conv = conv
        self.use_checkpoint = use_checkpoint

    def forward(self, x: Tensor) -> Tensor:
        inside = x
        for block in self.residual_group.blocks:
            if self.use_checkpoint and self.training:
                inside = checkpoint(block, inside, use_reentrant=False)
            else:
                inside = block(inside)
        return x + self.conv(inside.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Block(nn.Module):
    """Attention within windows, then a perceptron of each pixel; (n, y, x, c)."""

    def __init__(self, heads, window, shift, options, drop_path):
        super().__init__()
        norm, width, grid = NORMS[options.norm_layer], options.embed_dim, options.grid
        self.grid, self.window, self.shift = grid, window, shift
        self.norm1 = norm(width)
        self.attn = WindowAttention(width, heads, window, options)
        self.drop_path = DropPath(drop_path)
        self.norm2 = norm(width)
        self.mlp = Perceptron(width, int(width * options.mlp_ratio), options.drop_rate)
        # For one size only, but PSSR2 stores it.
        self.register_buffer("attn_mask", self._mask(grid, grid) if shift else None)

    def forward(self, x: Tensor) -> Tensor:
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
        self.heads, self.qk_scale, self.drop = heads, options.qk_scale, options.attn_drop_rate
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", _relative(window))
        self.qkv = nn.Linear(width, 3 * width, bias=options.qkv_bias)
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(options.drop_rate)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
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

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))

"""A small point transformer: serialised attention as in Point Transformer V3 (X. Wu et al.,
arXiv:2312.10035), in plain PyTorch.

Voxels are ordered along a space-filling curve and divided into patches. Each voxel attends to the
voxels of its own patch. The blocks alternate between four orders: the Z curve and Hilbert's curve,
each also with x and y exchanged. As in the paper, a 3^3 convolution before each attention gives the
positions of voxels. Coarser levels pool 2^3 cells by the maximum; finer levels add what they had.

It is smaller than the paper's: four levels, one block each down and up, patches of 64 voxels, not
1024. Patches and norms are of one event, so that an event's result does not depend on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from baseline.backends.torch import PlainTorch, PlainVoxels
from baseline.dataset import Ragged
from baseline.model import input_features
from lartpc_challenge.format import GRID_SIZE

from .space_curves import hilbert, z_order

WIDTHS = (32, 48, 64, 96)
PATCH = 64
_HEAD = 16  # channels of an attention head
_TURNED = [1, 0, 2]
_CURVES = (
    z_order,
    hilbert,
    lambda coords: z_order(coords[:, _TURNED]),
    lambda coords: hilbert(coords[:, _TURNED]),
)


@dataclass(frozen=True)
class Patches:
    """The patches of all events.

    row (P, PATCH) int64: the voxels of each patch, valid where `filled` (P, PATCH). slot (n,)
    int64: the position of each voxel in row.flatten().
    """

    row: torch.Tensor
    filled: torch.Tensor
    slot: torch.Tensor


def cut(event: torch.Tensor, place: torch.Tensor) -> Patches:
    """Divide each event's voxels into patches of similar size, in the order of `place`.

    event, place: (n,) int64; event is in ascending order.
    """
    order = (event << 32 | place).argsort()
    length = event.bincount()
    n_patches = (length + PATCH - 1) // PATCH
    in_event = torch.arange(len(event)) - (length.cumsum(0) - length)[event]
    n, k = length[event], n_patches[event]
    patch = in_event * k // n
    in_patch = in_event - (patch * n + k - 1) // k
    slot = ((n_patches.cumsum(0) - n_patches)[event] + patch) * PATCH + in_patch
    row = torch.zeros(int(n_patches.sum()) * PATCH, dtype=torch.int64)
    filled = torch.zeros(len(row), dtype=torch.bool)
    row[slot], filled[slot] = order, True
    of_voxel = torch.empty_like(slot)
    of_voxel[order] = slot
    return Patches(row.view(-1, PATCH), filled.view(-1, PATCH), of_voxel)


class Cells:
    """The voxels of one level, the last of `grids`, and their patches along each curve."""

    def __init__(self, grids: tuple):
        self.grids = grids
        self._patches: dict[int, Patches] = {}

    def __len__(self) -> int:
        return len(self.grids[-1].cell)

    def voxels(self, features: torch.Tensor) -> PlainVoxels:
        """The voxels as convolutions take them."""
        return PlainVoxels(features, self.grids)

    def patches(self, curve: int) -> Patches:
        """Return the patches along _CURVES[curve]; they are made when they are first needed."""
        if curve not in self._patches:
            event, *coords = self.grids[-1].decoded()
            self._patches[curve] = cut(event, _CURVES[curve](torch.stack(coords, 1)))
        return self._patches[curve]

    @cached_property
    def parent(self) -> torch.Tensor:
        """The row of each voxel's cell at the next level: (n,) int64."""
        halving = self.grids[-1].halving
        parent = torch.empty(len(self), dtype=torch.int64)
        parent[torch.cat(list(halving.fine))] = torch.cat(list(halving.parent))
        return parent

    def coarser(self) -> Cells:
        """The next level."""
        return Cells((*self.grids, self.grids[-1].halving.coarse))


class PointTransformer(nn.Module):
    """Ragged events -> logits (M, n_classes)."""

    period = 2 ** (len(WIDTHS) - 1)

    def __init__(self, n_classes: int):
        super().__init__()
        self.backend = PlainTorch()
        self.stem = self.backend.submanifold(8, WIDTHS[0], 0)
        self.levels = _Level(0, self.backend)
        self.head = nn.Sequential(nn.LayerNorm(WIDTHS[0]), nn.Linear(WIDTHS[0], n_classes))

    def forward(self, events: Ragged) -> torch.Tensor:
        features = input_features(events.energy)
        voxels = self.stem(self.backend.locate(events, features, GRID_SIZE + self.period))
        return self.head(self.levels(voxels.features, Cells(voxels.grids)))


class _Level(nn.Module):
    """A block, the coarser levels, and another block."""

    def __init__(self, level: int, backend: PlainTorch):
        super().__init__()
        width = WIDTHS[level]
        self.encode = _Block(width, 2 * level % 4, level, backend)
        self.inner = None
        if level + 1 == len(WIDTHS):
            return
        wider = WIDTHS[level + 1]
        self.down = nn.Linear(width, wider)
        self.down_norm = nn.Sequential(nn.LayerNorm(wider), nn.GELU())
        self.inner = _Level(level + 1, backend)
        self.up = nn.Sequential(nn.Linear(wider, width), nn.LayerNorm(width), nn.GELU())
        self.across = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU())
        self.decode = _Block(width, (2 * level + 1) % 4, level, backend)

    def forward(self, x: torch.Tensor, cells: Cells) -> torch.Tensor:
        x = self.encode(x, cells)
        if self.inner is None:
            return x
        coarse = cells.coarser()
        index = cells.parent[:, None].expand(-1, self.down.out_features)
        pooled = x.new_zeros(len(coarse), self.down.out_features)
        pooled = pooled.scatter_reduce(0, index, self.down(x), "amax", include_self=False)
        below = self.inner(self.down_norm(pooled), coarse)
        return self.decode(self.across(x) + self.up(below)[cells.parent], cells)


class _Block(nn.Module):
    """A convolution for the positions, attention in patches along one curve, two dense layers.

    Each adds its result to its input.
    """

    def __init__(self, width: int, curve: int, level: int, backend: PlainTorch):
        super().__init__()
        self.curve, self.n_heads = curve, width // _HEAD
        self.place = backend.submanifold(width, width, level)
        self.place_norm, self.attend_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.join_heads = nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor, cells: Cells) -> torch.Tensor:
        x = x + self.place_norm(self.place(cells.voxels(x)).features)
        x = x + self.attention(self.attend_norm(x), cells.patches(self.curve))
        return x + self.dense(x)

    def attention(self, x: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Return the attention (n, width) of each voxel to the voxels of its patch."""
        n_patches = len(patches.row)
        rows = self.query_key_value(x)[patches.row.flatten()]
        heads = rows.view(n_patches, PATCH, 3, self.n_heads, _HEAD).permute(2, 0, 3, 1, 4)
        found = scaled_dot_product_attention(*heads, attn_mask=patches.filled[:, None, None])
        found = found.transpose(1, 2).reshape(n_patches * PATCH, -1)
        return self.join_heads(found[patches.slot])

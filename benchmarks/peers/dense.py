"""Networks on full grids, reduced so that a CPU can train them in minutes.

CropNetwork is the CNN of the 2018 competition's starter kit (yandexdataschool/mlhep2018-starterkit,
phase_1-2/baseline_cnn), made from its description: a cube of 19 voxels around each voxel, with the
event's largest energy scaled to 255, four convolutions, three dense layers. Two things differ: a
softmax over the cycle's classes replaces its one sigmoid, and it is trained as all other methods.

TileNetwork is the baseline's U-Net on full grids (networks/dense.py) with 8 filters, not 16. The
whole detector would need 45 s per event and step and tens of gigabytes. So it sees cubes of 32
voxels: around a random voxel in training, side by side in prediction. It can't see beyond 10 cm or
beyond the faces of its cube.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from networks.dense import Network
from torch import nn
from torch.nn.functional import cross_entropy

from baseline.augment import random_view
from baseline.config import Config
from baseline.dataset import Ragged
from baseline.training import event_loss
from lartpc_challenge.format import GRID_SIZE

from .timed import Peer, draws


class CropNetwork(Peer):
    """Cubes (k, 1, 19, 19, 19) -> logits (k, n_classes) of their central voxels."""

    unit, batch, peak_rate = "crops", 128, 1e-3
    side, largest = 19, 255.0

    def __init__(self, n_classes: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(1, 32, pool=True),
            *_convolution(32, 64),
            *_convolution(64, 128),
            *_convolution(128, 128),
            nn.MaxPool3d(2),
            nn.Flatten(),
            *(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Linear(128, 256), nn.ReLU()),
            nn.Linear(256, n_classes),
        )

    def loss(self, events: Ragged, step: int) -> torch.Tensor:
        """Return the loss of random voxels of random events; events have equal weight."""
        generator = draws(step)
        event = torch.randint(len(events), (self.batch,), generator=generator)
        within = torch.rand(self.batch, generator=generator) * events.length[event]
        rows = events.offset[event] + within.long()
        return cross_entropy(self.layers(self.crops(events, rows)), events.truth[rows] - 1)

    def logits(self, events: Ragged) -> torch.Tensor:
        rows = torch.arange(events.n_voxels).split(2 * self.batch)
        return torch.cat([self.layers(self.crops(events, part)) for part in rows])

    def crops(self, events: Ragged, rows: torch.Tensor) -> torch.Tensor:
        """Return the cubes (k, 1, side, side, side) around the voxels `rows` (k,)."""
        crops = torch.zeros(len(rows), 1, *[self.side] * 3)
        offset = events.offset
        owner = torch.searchsorted(offset, rows, right=True) - 1
        for event in owner.unique():
            mine = torch.where(owner == event)[0]
            of_event = slice(offset[event], offset[event] + events.length[event])
            coords, energy = events.coords[of_event], events.energy[of_event]
            place = coords - events.coords[rows[mine], None] + self.side // 2
            crop, voxel = torch.where(((place >= 0) & (place < self.side)).all(2))
            x, y, z = place[crop, voxel].long().T
            crops[mine[crop], 0, x, y, z] = energy[voxel] * (self.largest / energy.max())
        return crops


def _convolution(n_in: int, n_out: int, pool: bool = False) -> list[nn.Module]:
    pools = [nn.MaxPool3d(2)] if pool else []
    return [nn.Conv3d(n_in, n_out, 3), *pools, nn.BatchNorm3d(n_out), nn.ReLU(), nn.Dropout(0.5)]


class TileNetwork(Peer):
    """Tiles, as Ragged with coords in 0..side-1 -> logits (M, n_classes) of their voxels."""

    unit, batch, peak_rate = "tiles", 4, 2e-3
    side = 32

    def __init__(self, n_classes: int):
        super().__init__()
        self.network = Network(Config(filters=8), n_classes, self.side)

    def loss(self, events: Ragged, step: int) -> torch.Tensor:
        generator = draws(step)
        chosen = torch.randint(len(events), (self.batch,), generator=generator)
        tiles = self.random_tiles(events.select(chosen), generator)
        return event_loss(self.network(tiles), tiles, self.batch)

    def random_tiles(self, events: Ragged, generator: torch.Generator) -> Ragged:
        """Return a tile of each event in a random orientation; it contains a random voxel."""
        events = random_view(events, 1, generator)
        draw = torch.rand(len(events), generator=generator)
        voxel = events.offset + (draw * events.length).long()
        shift = torch.randint(self.side, (len(events), 3), generator=generator)
        place = events.coords - (events.coords[voxel] - shift)[events.event]
        inside = ((place >= 0) & (place < self.side)).all(1)
        return replace(events, coords=place).keep(inside)

    def logits(self, events: Ragged) -> torch.Tensor:
        order, tiles = self.all_tiles(events)
        parts = torch.arange(len(tiles)).split(2 * self.batch)
        found = torch.cat([self.network(tiles.select(part)) for part in parts])
        return torch.empty_like(found).index_copy_(0, order, found)

    def all_tiles(self, events: Ragged) -> tuple[torch.Tensor, Ragged]:
        """Return the tiles with voxels, and the original row (M,) of each of their voxels."""
        n = -(-GRID_SIZE // self.side)
        cell = events.event
        for along in (events.coords // self.side).T:
            cell = cell * n + along
        length = cell.unique(return_counts=True)[1]
        order = cell.argsort(stable=True)
        return order, Ragged(events.coords[order] % self.side, events.energy[order], length)

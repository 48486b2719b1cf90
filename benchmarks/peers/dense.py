"""Networks on full grids, cut to what a CPU can train in minutes.

CropNetwork is the CNN of the 2018 competition's starter kit (yandexdataschool/mlhep2018-starterkit,
phase_1-2/baseline_cnn), rebuilt from its description: a cube of 19 voxels around each voxel in
turn, the event's largest energy scaled to 255, four convolutions, three dense layers, Adam. Its one
sigmoid is a softmax over the cycle's classes here.

TileNetwork is the baseline's own U on full grids (networks/dense.py), with a quarter of the cost in
filters: 8, not 16. The whole detector takes some 45 s an event and step and tens of gigabytes, so
it sees cubes of 32 voxels: in training around a random voxel, in prediction side by side. What was
cut is thus width, and whatever lies beyond 10 cm or across a tile's edge.

Both draw their own batches: `loss(events, generator)` of one, which holds `batch` of `unit`;
`rate(share)` is the learning rate when that share of the time is over; `logits(events)`, (M,
n_classes), are those of all voxels. A budget of time is no number of steps: runs differ a little.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from networks.dense import Network
from torch import nn
from torch.nn.functional import cross_entropy

from baseline.augment import random_view
from baseline.config import Config
from baseline.dataset import Ragged
from baseline.training import event_loss, learning_rate
from lartpc_challenge.format import GRID_SIZE

SEED = 1


def train(network: CropNetwork | TileNetwork, events: Ragged, seconds: float) -> int:
    """Train for so many seconds of this process; how many crops or tiles it has seen."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = network.optimizer()
    begun, spent, seen = time.process_time(), 0.0, 0
    network.train()
    while spent < seconds or not seen:
        for group in optimizer.param_groups:
            group["lr"] = network.rate(min(1.0, spent / seconds))
        loss = network.loss(events, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen += network.batch
        spent = time.process_time() - begun
    return seen


@torch.inference_mode()
def predict(network: CropNetwork | TileNetwork, events: Ragged) -> torch.Tensor:
    """(M,) int64: the likeliest class of every voxel, counted from 0."""
    network.eval()
    return network.logits(events).argmax(1)


class CropNetwork(nn.Module):
    """Crops (k, 1, 19, 19, 19) -> logits (k, n_classes) of their middle voxels."""

    unit, batch = "crops", 128
    side, largest = 19, 255.0

    def __init__(self, n_classes: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
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

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())

    def rate(self, share: float) -> float:
        return 1e-3

    def loss(self, events: Ragged, generator: torch.Generator) -> torch.Tensor:
        """Of voxels drawn from all alike: as in 2018, a large event counts more."""
        rows = torch.randint(events.n_voxels, (self.batch,), generator=generator)
        return cross_entropy(self.layers(self.crops(events, rows)), events.truth[rows] - 1)

    def logits(self, events: Ragged) -> torch.Tensor:
        rows = torch.arange(events.n_voxels).split(2 * self.batch)
        return torch.cat([self.layers(self.crops(events, part)) for part in rows])

    def crops(self, events: Ragged, rows: torch.Tensor) -> torch.Tensor:
        """(k, 1, side, side, side): what surrounds the voxels `rows` (k,)."""
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


class TileNetwork(nn.Module):
    """Tiles, as Ragged with coords in 0..side-1 -> logits (M, n_classes) of their voxels."""

    unit, batch = "tiles", 4
    side, config = 32, Config(filters=8, learning_rate=2e-3)

    def __init__(self, n_classes: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            self.network = Network(self.config, n_classes, self.side)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), weight_decay=self.config.weight_decay)

    def rate(self, share: float) -> float:
        steps = 10_000  # a share of the time as one of so many steps, which learning_rate counts
        return learning_rate(self.config, round(share * steps), steps)

    def loss(self, events: Ragged, generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(events), (self.batch,), generator=generator)
        tiles = self.random_tiles(events.select(chosen), generator)
        return event_loss(self.network(tiles), tiles, self.batch)

    def random_tiles(self, events: Ragged, generator: torch.Generator) -> Ragged:
        """Of each event, turned at random, a tile that holds a random voxel at a random place."""
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
        """The tiles with voxels, side by side, and which row (M,) each of their voxels was."""
        n = -(-GRID_SIZE // self.side)
        cell = events.event
        for along in (events.coords // self.side).T:
            cell = cell * n + along
        length = cell.unique(return_counts=True)[1]
        order = cell.argsort(stable=True)
        return order, Ragged(events.coords[order] % self.side, events.energy[order], length)

"""Training for a given CPU time, in the same way for every method, and prediction.

AdamW with the baseline's one-cycle learning rate, as a function of the share of the time, not of
the steps. The number of steps depends on the machine, so results vary a little.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from baseline.augment import random_view
from baseline.config import Config
from baseline.dataset import Ragged, batches_by_size, shuffled_batch
from baseline.training import event_loss, learning_rate

SEED = 1
Made = TypeVar("Made")
_SCHEDULE_STEPS = 10_000  # learning_rate counts whole steps: a share of the time is one of these


class Peer(nn.Module):
    """A method. A training step sees `batch` of `unit`; peak_rate: the highest learning rate."""

    unit: str
    batch: int
    peak_rate: float

    def loss(self, events: Ragged, step: int) -> torch.Tensor:
        """Return the loss of step 0, 1, ... on some of the labelled events."""
        raise NotImplementedError

    def logits(self, events: Ragged) -> torch.Tensor:
        """Return the logits (M, n_classes) of all voxels."""
        raise NotImplementedError


def train(peer: Peer, events: Ragged, seconds: float) -> int:
    """Train for `seconds` of user CPU time; return how many of `unit` it has seen."""
    config = Config(learning_rate=peer.peak_rate)
    optimizer = torch.optim.AdamW(peer.parameters(), weight_decay=config.weight_decay)
    begun, spent, step = os.times().user, 0.0, 0
    peer.train()
    while spent < seconds or not step:
        share = round(spent / seconds * _SCHEDULE_STEPS)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, min(share, _SCHEDULE_STEPS), _SCHEDULE_STEPS)
        loss = peer.loss(events, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        spent = os.times().user - begun
    return step * peer.batch


@torch.inference_mode()
def predict(peer: Peer, events: Ragged) -> torch.Tensor:
    """Return the most probable class of every voxel, from 0, in one orientation: (M,) int64."""
    peer.eval()
    return peer.logits(events).argmax(1)


def draws(step: int) -> torch.Generator:
    """Return the random generator of a training step."""
    return torch.Generator().manual_seed(step)


def seeded(make: Callable[..., Made], *arguments) -> Made:
    """Return a network with first weights of SEED; torch's global state does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make(*arguments)


class EventNetwork(Peer):
    """A network from whole events (Ragged) to logits (M, n_classes), and its training.

    Each epoch shuffles the events; each step rotates, mirrors and shifts its events at random, by
    less than `period` voxels. Events have equal weight in the loss.
    """

    unit, batch = "events", 8
    batch_voxels = 15_000

    def __init__(self, network: nn.Module, peak_rate: float, period: int = 1):
        super().__init__()
        self.network, self.peak_rate, self.period = network, peak_rate, period

    def loss(self, events: Ragged, step: int) -> torch.Tensor:
        chosen = events.select(shuffled_batch(len(events), self.batch, step, SEED))
        chosen = random_view(chosen, self.period, draws(step))
        return event_loss(self.network(chosen), chosen, len(chosen))

    def logits(self, events: Ragged) -> torch.Tensor:
        found, rows = [], []
        for index in batches_by_size(events.length, self.batch_voxels, len(events)):
            found.append(self.network(events.select(index)))
            rows.append(events.rows(index))
        logits = torch.cat(found)
        return torch.empty_like(logits).index_copy_(0, torch.cat(rows), logits)

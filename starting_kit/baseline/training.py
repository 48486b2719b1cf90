"""One training: what a step does, how it is measured, and the state that resumes it exactly."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from baseline.augment import random_view
from baseline.backends import Backend
from baseline.checkpoint import pack_model
from baseline.config import Config
from baseline.dataset import Ragged, n_batches, shuffled_batch, split
from baseline.device import rank, world_size
from baseline.model import UResNet, arithmetic
from baseline.predict import class_probabilities
from lartpc_challenge import metrics
from lartpc_challenge.events import offset_of
from lartpc_challenge.format import ChallengeError, Cycle


def event_loss(logits: torch.Tensor, events: Ragged, n_events: int) -> torch.Tensor:
    """Cross-entropy averaged over each event's voxels, summed over events, divided by n_events.

    As the score does, it counts every event alike, large or small.
    """
    voxel = torch.nn.functional.cross_entropy(logits.float(), events.label - 1, reduction="none")
    return (voxel / events.length[events.event]).sum() / n_events


def learning_rate(config: Config, step: int, n_steps: int) -> float:
    """One cycle: a linear climb over `warmup` of the steps, then half a cosine down to zero."""
    climb = config.warmup * n_steps
    if step < climb:
        return config.learning_rate * (step + 1) / (climb + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - climb) / (n_steps - climb)))


class Training:
    """All that a step changes: weights, their average, optimizer, scaler, step and record.

    Order, augmentation and learning rate are functions of seed and step, so this is also all
    that exact resuming needs. `events` lie on `device` as a whole; none is without voxels.
    """

    def __init__(
        self,
        config: Config,
        cycle: Cycle,
        events: Ragged,
        device: torch.device,
        backend: Backend | None = None,
    ):
        self.config, self.cycle, self.events, self.device = config, cycle, events, device
        self.rank, self.world = rank(), world_size()
        self.train_index, self.holdout_index = split(len(events), config.holdout, config.seed)
        self.steps_per_epoch = n_batches(len(self.train_index), config.batch_events)
        self.n_steps = config.epochs * self.steps_per_epoch
        if len(self.train_index) < self.steps_per_epoch * self.world:
            raise ChallengeError(
                f"{self.world} processes need batches of as many events; raise --batch-events"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = UResNet(config, len(cycle.labels), backend).to(device)
        self.averaged = UResNet(config, len(cycle.labels), backend).to(device).eval()
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(_weight_groups(self.model, config.weight_decay))
        half = config.precision == "fp16" and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        # Inputs are not torch's to scatter, so no device_ids.
        self.network = DistributedDataParallel(self.model) if self.world > 1 else self.model
        self.step, self.seconds = 0, 0.0
        self.loss_sum = torch.zeros((), device=device)
        self.record: list[dict] = []

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.step // self.steps_per_epoch

    @property
    def mean_loss(self) -> torch.Tensor:
        """Of this epoch's steps so far; 0 before the first."""
        done = self.step % self.steps_per_epoch or self.steps_per_epoch
        return self.loss_sum / done

    def batch(self) -> tuple[Ragged, int]:
        """This process's share of the step's events, as training sees them; their number in all."""
        seed, n_train = self.config.seed, len(self.train_index)
        place = shuffled_batch(n_train, self.config.batch_events, self.step, seed)
        mine = self.train_index[place[self.rank :: self.world]].to(self.device)
        words = np.random.SeedSequence([seed, 2, self.step, self.rank]).generate_state(1, np.uint64)
        generator = torch.Generator(self.device).manual_seed(int(words[0] >> 1))
        events = self.events.select(mine)
        if self.config.symmetries:
            events = random_view(events, self.model.period, generator)
        return events, len(place)

    def backward(self) -> torch.Tensor:
        """Put the step's gradients into the parameters; the loss over this process's share."""
        events, n_events = self.batch()
        with arithmetic(self.model, self.config.precision):
            logits = self.network(events)
        # DistributedDataParallel averages over processes; the loss is a mean over all events.
        loss = event_loss(logits, events, n_events) * self.world
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def advance(self) -> None:
        """One step of training."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step, self.n_steps)
        self.network.train()
        loss = self.backward()
        if self.world > 1:
            dist.all_reduce(loss)
        self.loss_sum += loss / self.world
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average()
        self.step += 1

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights and norms' statistics towards the present ones."""
        # Ramp the decay up, so that the first steps are forgotten.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        now = self.model.state_dict()
        for name, mean in self.averaged.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(now[name], 1 - decay)
            else:
                mean.copy_(now[name])

    def close_epoch(self) -> dict:
        """Measure the averaged network on the hold-out and add a row to the record.

        ChallengeError where the loss has left the numbers: what follows would be worth nothing.
        """
        train_loss = self.mean_loss
        if not torch.isfinite(train_loss):
            raise ChallengeError(
                f"the loss is {train_loss.item()} in epoch {self.epoch}; lower --learning-rate"
            )
        self.loss_sum.zero_()
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "events_per_second": round(
                self.step * len(self.train_index) / self.steps_per_epoch / max(self.seconds, 1e-9),
                1,
            ),
            "train_loss": train_loss.item(),
            **self.measure(self.averaged, n_views=1),
        }
        self.record.append(row)
        return row

    def measure(self, model: UResNet, n_views: int) -> dict:
        """Loss and the challenge's metrics on the hold-out; nothing where none is held out."""
        if len(self.holdout_index) == 0:
            return {}
        if self.world > 1:  # each process's norms have seen its own shares
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)
        mine = self.events.select(self.holdout_index[self.rank :: self.world].to(self.device))
        probability = class_probabilities(model, mine, self.config, n_views)
        mine = mine.to("cpu")
        of_truth = probability.gather(1, mine.label[:, None] - 1)[:, 0].double()
        voxel = -of_truth.clamp(min=1e-30).log() / mine.length[mine.event]
        loss = torch.zeros(len(mine), dtype=torch.float64).index_add(0, mine.event, voxel).numpy()
        pred = probability.argmax(1).numpy() + 1
        correct, labelled = metrics.count_correct(
            mine.label.numpy(), pred, offset_of(mine.length.numpy())
        )
        if self.world > 1:
            shares = [None] * self.world
            dist.all_gather_object(shares, (loss, correct, labelled))
            loss, correct, labelled = (np.concatenate(column) for column in zip(*shares))
        scores = metrics.leaderboard(metrics.accuracy(correct, labelled))
        return {"loss": float(loss.mean()), **scores}

    def model_checkpoint(self) -> dict:
        """The averaged network, as best.pt holds it."""
        return pack_model(self.averaged.state_dict(), self.config, self.cycle)

    def state_checkpoint(self) -> dict:
        """Everything to resume from, as last.pt holds it; prediction can read it too."""
        state = {
            "data": _fingerprint(self.events),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss_sum": self.loss_sum,
            "record": self.record,
        }
        return {**self.model_checkpoint(), "state": state}

    def resume(self, saved: dict, path) -> None:
        """Take up a state. ChallengeError where `saved` has none or it saw other events."""
        state = saved.get("state")
        if state is None:
            raise ChallengeError(f"{path}: holds a model alone; last.pt is the one to resume from")
        if state["data"] != _fingerprint(self.events):
            raise ChallengeError(
                f"{path}: was trained on other events; give --events the same files in their order"
            )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds, self.record = state["step"], state["seconds"], state["record"]
        self.loss_sum.copy_(state["loss_sum"])


def _weight_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Decay kernels and matrices, not norms and biases."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _fingerprint(events: Ragged) -> str:
    digest = hashlib.sha256()
    for column in (events.length, events.coords, events.energy, events.label):
        digest.update(column.cpu().numpy())
    return digest.hexdigest()

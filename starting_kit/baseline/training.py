"""One training: what a step does, how it is measured, and the state that resumes it exactly."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from baseline.augment import random_view
from baseline.backends import Backend
from baseline.backends.torch import sharing_products
from baseline.checkpoint import fitting, pack_model
from baseline.config import Config
from baseline.dataset import Ragged, n_batches, shuffled_batch, split
from baseline.device import rank, world_size
from baseline.model import UResNet, arithmetic
from baseline.optimizer import make_optimizers
from baseline.predict import class_probabilities
from baseline.stream import BatchReader, EventDataset
from lartpc_challenge import metrics
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import offset_of
from lartpc_challenge.format import ChallengeError

# Events of the hold-out: bounds the memory that measuring takes.
_MEASURED_AT_ONCE = 1000
# A class with a smaller share of a batch's voxels weighs as if it had this one.
_RAREST = 1e-3


def event_loss(
    logits: torch.Tensor, events: Ragged, n_events: int, balance: float = 0.0
) -> torch.Tensor:
    """Return the sum of the events' mean cross-entropies over their voxels, divided by n_events.

    As the score does, it counts every event alike, large or small. balance: a voxel counts as the
    share of its class in these events to the power of -balance, and 1 in the mean over voxels.
    """
    target = events.truth - 1
    voxel = torch.nn.functional.cross_entropy(logits.float(), target, reduction="none")
    if balance:
        share = torch.bincount(target, minlength=logits.shape[1]) / len(target)
        weight = share.clamp(min=_RAREST) ** -balance
        voxel = voxel * (weight / (share * weight).sum())[target]
    return (voxel / events.length[events.event]).sum() / n_events


def learning_rate(config: Config, step: int, n_steps: int) -> float:
    """Return a step's rate: a linear climb over `warmup` of the steps, then half a cosine."""
    climb = config.warmup * n_steps
    if step < climb:
        return config.learning_rate * (step + 1) / (climb + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - climb) / (n_steps - climb)))


class Training:
    """All that a step changes: weights, their average, optimizers, scaler, step and record.

    Order, augmentation and learning rate are functions of seed and step, so this is also all
    that exact resuming needs. Every event must have voxels. Ragged events lie on `device` as a
    whole; `workers` processes read those of an EventDataset from their files, some batches ahead.
    """

    def __init__(
        self,
        config: Config,
        cycle: Cycle,
        events: Ragged | EventDataset,
        device: torch.device,
        backend: Backend | None = None,
        workers: int = 0,
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
        self.optimizers = make_optimizers(self.model, config)
        half = config.precision == "fp16" and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        # Inputs are not torch's to scatter, so no device_ids.
        self.network = DistributedDataParallel(self.model) if self.world > 1 else self.model
        self.reader: BatchReader | None = None
        if isinstance(events, EventDataset):
            pinned = device.type == "cuda"
            self.reader = BatchReader(events, self._share, self.n_steps, workers, pinned)
        self.step, self.seconds = 0, 0.0
        self.loss_sum, self.loss_steps = torch.zeros(2, device=device)
        self.record: list[dict] = []

    @property
    def epoch(self) -> int:
        """The number of epochs that are over."""
        return self.step // self.steps_per_epoch

    @property
    def mean_loss(self) -> torch.Tensor:
        """The mean loss of this epoch's steps so far; NaN before the first."""
        return self.loss_sum / self.loss_steps

    def batch(self) -> tuple[Ragged, int]:
        """Return the step's events for this process, and the number of events for all processes.

        With config.symmetries each event is in a random orientation and randomly shifted.
        """
        if self.reader:
            events = self.reader.batch(self.step).to(self.device)
        else:
            events = self.events.select(self._share(self.step).to(self.device))
        words = [self.config.seed, 2, self.step, self.rank]
        (word,) = np.random.SeedSequence(words).generate_state(1, np.uint64)
        generator = torch.Generator(self.device).manual_seed(int(word >> 1))
        if self.config.symmetries:
            events = random_view(events, self.model.period, generator)
        return events, len(self._batch_index(self.step))

    def _batch_index(self, step: int) -> torch.Tensor:
        n_train, size = len(self.train_index), self.config.batch_events
        return self.train_index[shuffled_batch(n_train, size, step, self.config.seed)]

    def _share(self, step: int) -> torch.Tensor:
        """Return the events (n,) int64 of a step that are this process's."""
        return self._batch_index(step)[self.rank :: self.world]

    def backward(self) -> torch.Tensor:
        """Put the step's gradients into the parameters; return the loss of this process's share."""
        events, n_events = self.batch()
        with arithmetic(self.model, self.config.precision):
            logits = self.network(events)
        # DistributedDataParallel averages over processes; the loss is a mean over all events.
        loss = event_loss(logits, events, n_events, self.config.balance) * self.world
        self.model.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def advance(self) -> None:
        """Do one step of training."""
        with sharing_products() if self.device.type == "cpu" else contextlib.nullcontext():
            self._step()

    def _step(self) -> None:
        rate = learning_rate(self.config, self.step, self.n_steps)
        for group in (group for one in self.optimizers for group in one.param_groups):
            group["lr"] = rate
        self.network.train()
        loss = self.backward()
        if self.world > 1:
            dist.all_reduce(loss)
        # The scaler leaves out a step that exceeds fp16; so does the mean.
        counted = torch.isfinite(loss) if self.scaler.is_enabled() else torch.ones_like(loss).bool()
        self.loss_sum += torch.where(counted, loss / self.world, 0.0)
        self.loss_steps += counted
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
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

        Returns the row. Raises ChallengeError if the loss is not finite.
        """
        train_loss = self.mean_loss
        if not torch.isfinite(train_loss):
            raise ChallengeError(
                f"the loss is {train_loss.item()} in epoch {self.epoch}; lower --learning-rate"
            )
        self.loss_sum.zero_()
        self.loss_steps.zero_()
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
        """Return the loss and the metrics on the hold-out: name -> value; {} without a hold-out.

        n_views: orientations over which predictions are averaged. All processes must call it.
        """
        if len(self.holdout_index) == 0:
            return {}
        if self.world > 1:  # each process's norms have seen its own shares
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)
        mine = self.holdout_index[self.rank :: self.world]
        parts = [self._measure(model, part, n_views) for part in mine.split(_MEASURED_AT_ONCE)]
        if self.world > 1:
            shares: list[list] = [[] for _ in range(self.world)]
            dist.all_gather_object(shares, parts)
            parts = [part for share in shares for part in share]
        loss, correct, labelled = (np.concatenate(column) for column in list(zip(*parts))[:3])
        confusion = np.sum([part[3] for part in parts], axis=0)
        recall, precision = metrics.recall(confusion), metrics.precision(confusion)
        by_class = {
            f"{name} {of_class}": float(values[label])
            for label, of_class in zip(self.cycle.labels, self.cycle.class_names)
            for name, values in (("recall", recall), ("precision", precision))
        }
        scores = metrics.leaderboard(metrics.accuracy(correct, labelled))
        return {"loss": float(loss.mean()), **scores, **by_class}

    def _measure(self, model: UResNet, index: torch.Tensor, n_views: int) -> tuple:
        """Return each event's loss, right and labelled voxels, and the confusion matrix."""
        where = self.device if isinstance(self.events, Ragged) else "cpu"
        events = self.events.select(index.to(where))
        probability = class_probabilities(model, events, self.config, n_views)
        events = events.to("cpu")
        of_truth = probability.gather(1, events.truth[:, None] - 1)[:, 0].double()
        voxel = -of_truth.clamp(min=1e-30).log() / events.length[events.event]
        loss = torch.zeros(len(events), dtype=torch.float64).index_add(0, events.event, voxel)
        label, pred = events.truth.numpy(), probability.argmax(1).numpy() + 1
        counts = metrics.count_correct(label, pred, offset_of(events.length.numpy()))
        confusion = metrics.count_confusion(label, pred, self.cycle.n_labels)
        return loss.numpy(), *counts, confusion

    def model_checkpoint(self) -> dict:
        """Return the averaged network, as best.pt holds it."""
        return pack_model(self.averaged.state_dict(), self.config, self.cycle)

    def state_checkpoint(self) -> dict:
        """Return all that resuming needs, as last.pt holds it; prediction can read it too."""
        state = {
            "data": self.events.fingerprint(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss_sum": self.loss_sum,
            "loss_steps": self.loss_steps,
            "record": self.record,
        }
        return {**self.model_checkpoint(), "state": state}

    def start_from(self, saved: dict, path) -> None:
        """Start from the weights of a trained network of the same shape, of any cycle.

        saved: the checkpoint read from `path`. The head keeps its random weights if the number of
        classes differs. Raises ChallengeError for a network of another shape.
        """
        shape = ("filters", "depth", "blocks")
        found, wanted = (
            [values.get(name) for name in shape]
            for values in (saved["config"], self.config.to_dict())
        )
        if found != wanted:
            flags = " ".join(f"--{name} {value}" for name, value in zip(shape, found))
            raise ChallengeError(f"{path}: is a network of another shape; give {flags}")
        weights = saved["weights"]
        if len(weights["head.weight"]) != len(self.cycle.labels):
            own = self.model.state_dict()
            weights = {
                name: own[name] if name.startswith("head.") else w for name, w in weights.items()
            }
        for model in (self.model, self.averaged):
            model.load_state_dict(weights)

    def resume(self, saved: dict, path) -> None:
        """Continue the training from its state in `saved`, the checkpoint read from `path`.

        Raises ChallengeError if there is no state, or if it was trained on other events.
        """
        state = saved.get("state")
        if not isinstance(state, dict):
            raise ChallengeError(f"{path}: holds a model alone; last.pt is the one to resume from")
        if state.get("data") != self.events.fingerprint():
            raise ChallengeError(
                f"{path}: was trained on other events; give --events the same files in their order"
            )
        with fitting(path):
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
            # States from before Muon was an option hold AdamW's alone.
            of_optimizers = state.get("optimizers") or [state["optimizer"]]
            for optimizer, values in zip(self.optimizers, of_optimizers):
                optimizer.load_state_dict(values)
            self.scaler.load_state_dict(state["scaler"])
            self.step, self.seconds = state["step"], float(state["seconds"])
            if not 0 <= self.step <= self.n_steps:
                raise ValueError(f"step {self.step} of {self.n_steps}")
            self.record = [dict(row) for row in state["record"]]
            self.loss_sum.copy_(state["loss_sum"])
            self.loss_steps.copy_(
                state.get("loss_steps", torch.tensor(self.step % self.steps_per_epoch))
            )

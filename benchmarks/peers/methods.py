"""The ways to label events that are compared: each is a function of a Task alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import islice
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from baseline import boosting as trees
from baseline.checkpoint import load_model
from baseline.config import PRESETS
from baseline.dataset import Ragged, read_events, split
from baseline.predict import class_probabilities
from baseline.training import Training
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.format import ChallengeError
from organizer.data.trivial import fit_trivial_rules

from . import dense

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sample:
    """The first `n` events of a labelled file."""

    path: Path
    n: int

    def events(self) -> list[Event]:
        with EventFile(self.path) as events:
            return list(islice(events, self.n))

    def ragged(self) -> Ragged:
        return read_events([self.path], labelled=True)[0].select(torch.arange(self.n))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels (m,) uint8 and offset (n + 1,) int64."""
        with EventFile(self.path) as events:
            return events.column("label", 0, self.n), events.offset[: self.n + 1]


@dataclass(frozen=True)
class Task:
    """epochs: the network's, by default fewer for more events. checkpoint: a network trained on the
    file of `train`, to ask instead. seconds: of a CPU, that a dense network may train."""

    cycle: Cycle
    train: Sample
    test: Sample
    epochs: int | None
    checkpoint: Path | None
    seconds: float

    def digest(self) -> str:
        """Of the labels that are learnt and asked for, and of the checkpoint."""
        learnt = self.checkpoint.read_bytes() if self.checkpoint else b""
        return hashlib.sha256(
            learnt + self.train.truth()[0].tobytes() + self.test.truth()[0].tobytes()
        ).hexdigest()[:8]

    def training_events(self) -> Ragged:
        """Those with voxels: a network can't learn from the others."""
        return self.train.ragged().charged()


@dataclass(frozen=True)
class Answer:
    """pred (m,) uint8 labels of the test events; train_events: learnt from; how, in few words."""

    pred: np.ndarray
    train_events: int
    how: str


def majority(task: Task) -> Answer:
    return _trivial(task, "majority")


def threshold(task: Task) -> Answer:
    return _trivial(task, "threshold")


def _trivial(task: Task, name: str) -> Answer:
    rule = fit_trivial_rules(task.train.events(), task.cycle)[name]
    pred = [np.broadcast_to(rule(event), len(event)) for event in task.test.events()]
    return Answer(np.concatenate(pred), task.train.n, "a rule of organizer.data.trivial")


def boosting(task: Task) -> Answer:
    """baseline.boosting as it stands, with its limit on the number of voxels."""
    events = task.train.events()
    model = trees.fit(events)
    pred = [trees.predict(model, event) for event in tqdm(task.test.events(), disable=None)]
    limited = sum(map(len, events)) > trees.MAX_VOXELS
    drawn = f", {trees.MAX_VOXELS:,} voxels of all" if limited else ""
    return Answer(np.concatenate(pred), task.train.n, f"{model.max_iter} trees{drawn}")


def network(task: Task) -> Answer:
    """The baseline: the preset cpu in batches of 8, with no hold-out; or the checkpoint as it is.

    Passes go down with the square root of the events: few events shall make enough steps, too.
    """
    if task.checkpoint:
        model, config, cycle = load_model(task.checkpoint, CPU)
        if cycle != task.cycle:
            raise ChallengeError(f"{task.checkpoint}: was trained on cycle {cycle.number}")
        n_train = len(split(task.train.n, config.holdout, config.seed)[0])
        how = f"as shipped, {config.epochs} epochs"
    else:
        n_train, epochs = task.train.n, task.epochs or round(650 / sqrt(task.train.n))
        config = replace(PRESETS["cpu"], epochs=epochs, batch_events=8, ema=0.99, holdout=0.0)
        training = Training(config, task.cycle, task.training_events(), CPU)
        for _ in tqdm(range(training.n_steps), unit="step", disable=None):
            training.advance()
        model, how = training.averaged, f"{epochs} epochs, batches of 8"
    probability = class_probabilities(model, task.test.ragged(), config, config.views)
    return Answer((probability.argmax(1) + 1).numpy().astype(np.uint8), n_train, how)


def crop_cnn(task: Task) -> Answer:
    return _dense(task, dense.CropNetwork(len(task.cycle.labels)))


def dense_unet(task: Task) -> Answer:
    return _dense(task, dense.TileNetwork(len(task.cycle.labels)))


def _dense(task: Task, model: dense.CropNetwork | dense.TileNetwork) -> Answer:
    seen = dense.train(model, task.training_events(), task.seconds)
    pred = (dense.predict(model, task.test.ragged()) + 1).numpy().astype(np.uint8)
    return Answer(pred, task.train.n, f"{seen:,} {model.unit} in {task.seconds:g} s of a CPU")


# In the order of tables and legends.
METHODS = {
    method.__name__: method
    for method in (majority, threshold, crop_cnn, dense_unet, boosting, network)
}
TRIVIAL = (majority.__name__, threshold.__name__)
DENSE = (crop_cnn.__name__, dense_unet.__name__)
OURS = network.__name__

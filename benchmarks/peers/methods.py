"""The methods, simplest first: each is a function of a Task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from baseline import boosting as trees
from baseline.checkpoint import load_model
from baseline.config import PRESETS, Config
from baseline.dataset import Ragged, read_events
from baseline.model import UResNet
from baseline.predict import class_probabilities
from baseline.train import Stop
from baseline.train import train as train_baseline
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile, write_events
from lartpc_challenge.format import ChallengeError
from organizer.data.trivial import fit_trivial_rules

from . import timed
from .dense import CropNetwork, TileNetwork
from .graph import GraphPeer
from .transformer import PointTransformer

CPU = torch.device("cpu")
RECIPE = PRESETS["cpu"]
RECIPE_EVENTS = 6_000  # from so many on, the recipe's epochs are enough


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
        """Return labels (m,) uint8 and offset (n + 1,) int64."""
        with EventFile(self.path) as events:
            return events.column("label", 0, self.n), events.offset[: self.n + 1]

    def write(self, path: Path) -> None:
        """Write the events as a train file."""
        with EventFile(self.path) as events:
            first, cycle = islice(events, self.n), events.cycle.number
            write_events(path, first, kind="train", cycle=cycle, scale=events.scale)


@dataclass(frozen=True)
class Task:
    """The data of a run.

    seconds: CPU time of the training, for methods that train for a given time. checkpoint: a
    network that was trained on as many events as `train` has; it is used instead of a training.
    folder: for trainings that a later command continues.
    """

    cycle: Cycle
    train: Sample
    test: Sample
    seconds: float
    checkpoint: Path | None
    folder: Path

    def digest(self) -> str:
        """Return a digest of the data for training and test."""
        if self.checkpoint:
            learnt = self.checkpoint.read_bytes()
        else:
            learnt = self.train.truth()[0].tobytes() + str(self.seconds).encode()
        return hashlib.sha256(learnt + self.test.truth()[0].tobytes()).hexdigest()[:8]


@dataclass(frozen=True)
class Trained:
    """A trained method. predict: returns the test events' labels (m,) uint8. how: a description."""

    predict: Callable[[], np.ndarray]
    how: str


def _trivial(name: str, task: Task) -> Trained:
    rule = fit_trivial_rules(task.train.events(), task.cycle)[name]

    def predict() -> np.ndarray:
        return np.concatenate([np.broadcast_to(rule(e), len(e)) for e in task.test.events()])

    return Trained(predict, "a rule of organizer.data.trivial")


def boosting(task: Task) -> Trained:
    """Train baseline.boosting, with its limit on the number of voxels."""
    events = task.train.events()
    model = trees.fit(events)
    limited = sum(map(len, events)) > trees.MAX_VOXELS
    drawn = f", {trees.MAX_VOXELS:,} voxels of all" if limited else ""

    def predict() -> np.ndarray:
        asked = tqdm(task.test.events(), disable=None)
        return np.concatenate([trees.predict(model, event) for event in asked])

    return Trained(predict, f"{model.max_iter} trees{drawn}")


def _graph(n_classes: int) -> timed.Peer:
    return timed.EventNetwork(timed.seeded(GraphPeer, n_classes), peak_rate=4e-3)


def _transformer(n_classes: int) -> timed.Peer:
    network = timed.seeded(PointTransformer, n_classes)
    return timed.EventNetwork(network, peak_rate=1e-3, period=network.period)


def _network(n_classes: int) -> timed.Peer:
    """Return the baseline's network, to be trained as the other methods, without its recipe."""
    network = timed.seeded(UResNet, RECIPE, n_classes)
    return timed.EventNetwork(network, peak_rate=4e-3, period=network.period)


def _timed(make: Callable[[int], timed.Peer], task: Task) -> Trained:
    peer = make(len(task.cycle.labels))
    seen = timed.train(peer, task.train.ragged().charged(), task.seconds)

    def predict() -> np.ndarray:
        return (timed.predict(peer, task.test.ragged()) + 1).numpy().astype(np.uint8)

    return Trained(predict, f"{seen:,} {peer.unit} in {task.seconds:g} s")


def network(task: Task) -> Trained:
    """Train the baseline by `recipe` as baseline.train does, or load the checkpoint."""
    path = task.checkpoint or _train_network(task) / "best.pt"
    model, config, cycle = load_model(path, CPU)
    if cycle != task.cycle:
        raise ChallengeError(f"{path}: was trained on cycle {cycle.number}")

    def predict() -> np.ndarray:
        probability = class_probabilities(model, task.test.ragged(), config, config.views)
        return (probability.argmax(1) + 1).numpy().astype(np.uint8)

    return Trained(predict, described(config))


def recipe(n_events: int) -> Config:
    """Return the preset cpu; with few events it has more epochs."""
    more = max(1.0, sqrt(RECIPE_EVENTS / n_events))
    return replace(RECIPE, epochs=round(RECIPE.epochs * more))


def described(config: Config) -> str:
    """Return a network's epochs and its differences from the recipe, except for the seed."""
    values, usual = config.to_dict(), RECIPE.to_dict()
    usual |= {"epochs": config.epochs, "seed": config.seed}
    other = [f", {name} {value}" for name, value in values.items() if value != usual[name]]
    return f"{config.epochs} epochs{''.join(other)}"


def _train_network(task: Task) -> Path:
    """Train, or continue the training; return its folder."""
    folder = task.folder / f"cycle{task.cycle.number}_network_{task.train.n}"
    folder.mkdir(parents=True, exist_ok=True)
    events, last, stop = folder / "events.h5", folder / "last.pt", Stop()
    task.train.write(events)
    resume = last if last.exists() else None
    train_baseline(recipe(task.train.n), [events], folder, resume=resume, stop=stop)
    if stop.number is not None:
        raise KeyboardInterrupt(stop.number)
    return folder


BOOSTING, SAME_TIME, OURS = "boosting", "network_same_time", "network"
OF_EVERY_SIZE, TRIVIAL, DENSE = (
    (BOOSTING, OURS),
    ("majority", "threshold"),
    ("crop_cnn", "dense_unet"),
)
# In the order of tables and legends.
METHODS: dict[str, Callable[[Task], Trained]] = {
    **{name: partial(_trivial, name) for name in TRIVIAL},
    BOOSTING: boosting,
    "crop_cnn": partial(_timed, partial(timed.seeded, CropNetwork)),
    "dense_unet": partial(_timed, partial(timed.seeded, TileNetwork)),
    "graph": partial(_timed, _graph),
    "transformer": partial(_timed, _transformer),
    SAME_TIME: partial(_timed, _network),
    OURS: network,
}

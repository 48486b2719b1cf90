"""Compare recipes of the baseline: shapes of the network, and ways to train it.

    python benchmarks/recipes.py --train cycle1.h5 --test fresh1.h5 --epochs 3 --out build/recipes1
    python benchmarks/recipes.py --changes --train cycle2.h5 --test fresh2.h5 --out build/changes2

Every recipe is trained on the same first --events events, with the same seeds, and is scored on the
events of --test, in one orientation if its name says nothing else. The recipes have equal CPU time:
what the first one needs for --epochs epochs. For this they take some steps alternately, several
times: the shortest time of each defines how many steps it may take, so that other work on the
machine favours none. With --changes, the preset `cpu` and versions of it with one change each have
equal epochs.

Writes OUT/costs.csv (CPU ms per training event) and OUT/runs.csv after every training, and prints a
Markdown table. After a stop, run the same command to continue. gain: points over the first recipe
with the same seed, with its standard error over seeds, pooled over all recipes.

Without --train and --test: a short run on the demonstration events, as a test of the command.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

import baseline.model
import baseline.training
from baseline.augment import random_view
from baseline.config import PRESETS, Config
from baseline.dataset import Ragged, read_events
from baseline.features import voxel_features
from baseline.holdout import split_file
from baseline.model import UResNet
from baseline.predict import class_probabilities
from baseline.training import Training
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import offset_of
from lartpc_challenge.files import replacing
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from lartpc_challenge.metrics import evaluate
from organizer.data.table import markdown
from organizer.jobs import ProcessDied, Task, run_jobs
from organizer.scratch import scratch_folder

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
FORMER, PRESET = "2 blocks", "the recipe"
_ROUNDS, _STEPS = 4, 3  # of the measurement of costs
_MANY = 40  # channels, a multiple of 8: room for the network's three features and the boosting's


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    patches: (module, name) -> replacement, within training and prediction. prepare: is applied to
    the events of training and test first.
    """

    config: Config
    patches: dict = field(default_factory=dict)
    prepare: Callable[[Ragged], Ragged] = lambda events: events


def _log_energy_alone(energy: torch.Tensor) -> torch.Tensor:
    return functional.pad(torch.log(energy / 0.5)[:, None], (0, 7))


def _energy_alone(energy: torch.Tensor) -> torch.Tensor:
    return functional.pad(energy[:, None], (0, 7))


def _with_surroundings(events: Ragged) -> Ragged:
    """Return events whose energy is (M, 1 + n): with the boosting's features, of order 1."""
    bound = offset_of(events.length.numpy())
    coords, energy = events.coords.numpy(), events.energy.numpy()
    tables = [voxel_features(coords[a:b], energy[a:b]) for a, b in zip(bound, bound[1:])]
    surroundings = torch.from_numpy(np.arcsinh(np.concatenate(tables)))
    return replace(events, energy=torch.cat([events.energy[:, None], surroundings], 1))


def _all_features(columns: torch.Tensor) -> torch.Tensor:
    energy, surroundings = columns[:, 0], columns[:, 1:]
    own = torch.stack([torch.log(energy / 0.5), energy, torch.ones_like(energy)], 1)
    features = torch.cat([own, surroundings], 1)
    return functional.pad(features, (0, _MANY - features.shape[1]))


def _voxel_loss(logits, events, n_events, balance):
    return functional.cross_entropy(logits, events.label - 1)


def _constant_rate(config: Config, step: int, n_steps: int) -> float:
    return config.learning_rate


def _jittered(events: Ragged, period: int, generator: torch.Generator) -> Ragged:
    """Rotate at random, and scale each event's energy by a log-normal factor of 2 %."""
    events = random_view(events, period, generator)
    scale = torch.exp(0.02 * torch.randn(len(events), generator=generator))
    return replace(events, energy=events.energy * scale[events.event])


def _thinned(events: Ragged, period: int, generator: torch.Generator) -> Ragged:
    """Rotate at random, and drop a twentieth of the voxels."""
    events = random_view(events, period, generator)
    return events.keep(torch.rand(events.n_voxels, generator=generator) >= 0.05)


def _cut(events: Ragged, period: int, generator: torch.Generator) -> Ragged:
    """Rotate at random, and make a plane of 1 to 4 voxels dead in every other event."""
    events = random_view(events, period, generator)

    def draw(low: int, high: int) -> torch.Tensor:
        return torch.randint(low, high, (len(events),), generator=generator)

    width, axis, first = draw(1, 5) * draw(0, 2), draw(0, 3), draw(0, GRID_SIZE)
    event = events.event
    along = events.coords.gather(1, axis[event, None])[:, 0] - first[event]
    return events.keep((along < 0) | (along >= width[event]))


_BASE = replace(PRESETS["cpu"], blocks=2, optimizer="adamw", learning_rate=4e-3, holdout=0.0)
RECIPES = {
    name: Recipe(replace(_BASE, **changes))
    for name, changes in {
        FORMER: {},
        "2 blocks, Muon": {"optimizer": "muon", "learning_rate": 8e-3},
        "1 block": {"blocks": 1},
        "1 block, Muon": {"blocks": 1, "optimizer": "muon", "learning_rate": 8e-3},
        "1 block, 24 filters": {"blocks": 1, "filters": 24},
        "1 block, 32 filters": {"blocks": 1, "filters": 32},
        "1 block, depth 4": {"blocks": 1, "depth": 4},
        "1 block, depth 6": {"blocks": 1, "depth": 6},
        "1 block, 8 events a step": {"blocks": 1, "batch_events": 8},
        "1 block, twice the learning rate": {"blocks": 1, "learning_rate": 8e-3},
    }.items()
}
_CPU = replace(PRESETS["cpu"], holdout=0.0)
_VIEW, _FEATURES = (baseline.training, "random_view"), (baseline.model, "input_features")
_WIDER = {_FEATURES: _all_features, (baseline.model, "_INPUT_CHANNELS"): _MANY}
CHANGES = {
    PRESET: Recipe(_CPU),
    "features: energy alone": Recipe(_CPU, {_FEATURES: _energy_alone}),
    "features: log-energy alone": Recipe(_CPU, {_FEATURES: _log_energy_alone}),
    "features: the boosting's too": Recipe(_CPU, _WIDER, _with_surroundings),
    "loss: mean over voxels": Recipe(_CPU, {(baseline.training, "event_loss"): _voxel_loss}),
    "loss: classes balanced": Recipe(replace(_CPU, balance=1.0)),
    "8 events a step": Recipe(replace(_CPU, batch_events=8)),
    "32 events a step": Recipe(replace(_CPU, batch_events=32)),
    "half the learning rate": Recipe(replace(_CPU, learning_rate=_CPU.learning_rate / 2)),
    "learning rate constant": Recipe(_CPU, {(baseline.training, "learning_rate"): _constant_rate}),
    "no symmetries": Recipe(replace(_CPU, symmetries=False)),
    "energy jitter 2 %": Recipe(_CPU, {_VIEW: _jittered}),
    "5 % of the voxels left out": Recipe(_CPU, {_VIEW: _thinned}),
    "a dead slab at random": Recipe(_CPU, {_VIEW: _cut}),
    "depth 4": Recipe(replace(_CPU, depth=4)),
    "depth 6": Recipe(replace(_CPU, depth=6)),
    "8 filters": Recipe(replace(_CPU, filters=8)),
    "32 filters": Recipe(replace(_CPU, filters=32)),
}
ALL = {**RECIPES, **CHANGES}
VIEWS = (8, 24)  # orientations in prediction, which are compared for PRESET


def read(path: Path, n_events: int | None = None) -> tuple[Ragged, Cycle]:
    """Return the first `n_events` events of a labelled file that have voxels, and its cycle."""
    events, cycle = read_events([path], labelled=True)
    events = events.select(torch.arange(min(n_events or len(events), len(events))))
    return events.charged(), cycle


def measure_costs(names: list[str], train: Path, n_events: int) -> pd.Series:
    """Return CPU milliseconds per training event of each recipe in `names`.

    They take some steps on the first `n_events` events of `train` alternately; the fastest counts.
    """
    torch.set_num_threads(1)
    events, cycle = read(train, n_events)
    trainings = {name: Training(RECIPES[name].config, cycle, events, CPU) for name in names}
    least = dict.fromkeys(names, np.inf)
    for _ in range(_ROUNDS + 1):  # the first to warm up
        for name, training in trainings.items():
            begun = time.process_time()
            for _ in range(_STEPS):
                training.advance()
            spent = time.process_time() - begun
            cost = 1000 * spent / (_STEPS * training.config.batch_events)
            least[name] = min(least[name], cost)
    return pd.Series(least, name="ms_per_event").rename_axis("recipe")


def train_and_score(
    name: str, seed: int, *, epochs: dict[str, float], train: Path, test: Path, n_events: int
) -> list[dict]:
    """Train for so many epochs; return the rows of runs.csv with the scores.

    For PRESET there are more rows: with weights that are not averaged, and with VIEWS.
    """
    torch.set_num_threads(1)
    recipe = ALL[name]
    config = replace(recipe.config, seed=seed)
    events, cycle = read(train, n_events)
    events = recipe.prepare(events)
    begun = time.process_time()
    with contextlib.ExitStack() as stack:
        for (module, attribute), value in recipe.patches.items():
            stack.enter_context(mock.patch.object(module, attribute, value))
        training = Training(config, cycle, events, CPU)
        training.n_steps = max(1, round(epochs[name] * len(events) / config.batch_events))
        while training.step < training.n_steps:
            training.advance()
        seconds = time.process_time() - begun
        asked: dict[str, tuple[UResNet, int]] = {name: (training.averaged, 1)}
        if name == PRESET:
            asked["weights of the last step"] = training.model.eval(), 1
            asked |= {f"{n} views": (training.averaged, n) for n in VIEWS}
        fresh = recipe.prepare(read(test)[0])
        scores = {row: score(model, fresh, config, n) for row, (model, n) in asked.items()}
    done = round(training.n_steps / training.steps_per_epoch, 2)
    spent = {"seed": seed, "epochs": done, "cpu_seconds": round(seconds)}
    return [{"recipe": row, **spent, **found} for row, found in scores.items()]


def score(model: UResNet, events: Ragged, config: Config, n_views: int) -> dict[str, float]:
    """Return the leaderboard's metrics of a network on labelled events."""
    pred = class_probabilities(model, events, config, n_views).argmax(1).numpy() + 1
    found = evaluate(events.truth.numpy(), pred, offset_of(events.length.numpy()))
    return {metric: round(value, 5) for metric, value in found.items()}


def table(runs: pd.DataFrame, costs: pd.Series | None = None) -> str:
    """Return a Markdown table of each recipe's cost, epochs, scores and gain."""
    scores = runs.pivot(index="recipe", columns="seed", values="acc_mean")
    order = [name for name in ALL if name in scores.index]
    first, *others = order
    order += [name for name in scores.index if name not in ALL]
    gains = 100 * (scores - scores.loc[first])
    squared = gains.var(axis=1, ddof=1) / gains.count(axis=1)
    # Changes in prediction vary much less than those in training, which share one error.
    squared[others] = squared[others].mean()
    error, gain = np.sqrt(squared), gains.mean(axis=1)
    means = runs.groupby("recipe")[["epochs", "acc_mean", "acc_at_50", "acc_at_80"]].mean()
    columns = {} if costs is None else {"ms per event": {n: f"{costs[n]:.1f}" for n in order}}
    columns["epochs"] = {name: f"{means.epochs[name]:.1f}" for name in order}
    for metric in ("acc_mean", "acc_at_50", "acc_at_80"):
        columns[metric] = {name: f"{means[metric][name]:.4f}" for name in order}
    columns["gain in points"] = {
        name: f"{gain[name]:+.2f} ± {error[name]:.2f}" for name in order if name != first
    }
    return markdown(columns)


def _write(frame: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def _costs(path: Path, first: str, names: list[str], options: argparse.Namespace) -> pd.Series:
    """Return the costs in the file at `path`; measure and add those of `names` that it lacks."""
    costs = pd.Series(dtype=float, name="ms_per_event").rename_axis("recipe")
    if path.exists():
        costs = pd.read_csv(path, index_col="recipe").ms_per_event
    missing = [name for name in names if name not in costs]
    if missing:
        found = measure_costs([first, *missing], options.train, options.events)
        if first in costs:  # the machine may run faster or slower today
            found *= costs[first] / found[first]
        costs = costs.combine_first(found)
        _write(costs.reset_index(), path)
    return costs


def compare(options: argparse.Namespace, folder: Path) -> str:
    """Do the missing trainings; return the table of all."""
    known = CHANGES if options.changes else RECIPES
    first = next(iter(known))
    names = [name for name in known if name in {first, *(options.only or known)}]
    costs_csv, runs_csv = folder / "costs.csv", folder / "runs.csv"
    costs = None
    epochs = dict.fromkeys(names, float(options.epochs))
    if not options.changes:
        costs = _costs(costs_csv, first, names, options)
        epochs = {name: options.epochs * costs[first] / costs[name] for name in names}
    rows = pd.read_csv(runs_csv).to_dict("records") if runs_csv.exists() else []
    done = {(row["recipe"], row["seed"]) for row in rows}
    todo = [(name, seed) for seed in range(1, options.seeds + 1) for name in names]

    def keep(task: Task, new: list[dict]) -> None:
        rows.extend(new)
        _write(pd.DataFrame(rows), runs_csv)
        print(*new[0].values(), flush=True)

    files = {"train": options.train, "test": options.test, "n_events": options.events}
    job = partial(train_and_score, epochs=epochs, **files)
    try:
        run_jobs(job, [one for one in todo if one not in done], processes=options.jobs, done=keep)
    except ProcessDied as death:
        raise ChallengeError(f"{death}; if memory ended, lower --jobs") from death
    return table(pd.DataFrame(rows), costs)


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/recipes.py", __doc__)
    parser.add_argument("--train", type=Path, help="labelled events to train on")
    parser.add_argument("--test", type=Path, help="labelled events of another seed")
    parser.add_argument("--changes", action="store_true", help="one change each, at equal epochs")
    parser.add_argument("--events", type=at_least(1), default=2000, help="of the train file")
    parser.add_argument("--epochs", type=at_least(1), default=3, help="of the first recipe")
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--only", nargs="+", choices=ALL, help="beside the first recipe")
    parser.add_argument("--jobs", type=at_least(1), default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="folder of costs.csv and runs.csv")
    options = parser.parse_args(arguments)
    if (options.train is None) != (options.test is None):
        parser.error("--train and --test go together")
    if not set(options.only or ()) <= set(CHANGES if options.changes else RECIPES):
        parser.error("--only names a recipe of the other kind; see --changes")

    def command() -> None:
        with scratch_folder("benchmarks") as scratch:
            if not options.train:
                options.train, options.test = scratch / "train.h5", scratch / "test.h5"
                split_file(ROOT / "starting_kit/data/cycle1_train.h5", options.train, options.test)
                options.events, options.epochs, options.seeds = 100, 1, 1
            folder = options.out or scratch
            folder.mkdir(parents=True, exist_ok=True)
            print(compare(options, folder))

    return run("recipes", command, alone=[options.out] if options.out else [])


if __name__ == "__main__":
    sys.exit(main())

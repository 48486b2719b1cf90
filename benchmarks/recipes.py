"""Recipes of the baseline at equal CPU time: shapes of the network and ways to train it.

    python benchmarks/recipes.py --train cycle1.h5 --test fresh1.h5 --epochs 3 --out build/recipes1

Every recipe is trained on the same first --events events, with the same seeds, for the CPU time
that the former recipe needs for --epochs epochs, and is scored on the events of --test in one
orientation. First the recipes take some steps alternately, several times: the shortest time of each
defines how many steps it may take, so that other work on the machine favours none.

Writes OUT/costs.csv (CPU ms per training event) and OUT/runs.csv after every training, and prints a
Markdown table. After a stop, run the same command to continue. gain: points over the former recipe
with the same seed, with its standard error over seeds, pooled over recipes.

Without --train and --test: a short run on the demonstration events, as a test of the command.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from baseline.config import PRESETS, Config
from baseline.dataset import Ragged, read_events
from baseline.holdout import split_file
from baseline.predict import class_probabilities
from baseline.training import Training
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import offset_of
from lartpc_challenge.files import replacing
from lartpc_challenge.metrics import evaluate
from organizer.data.table import markdown
from organizer.jobs import Task, run_jobs

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
FORMER = "2 blocks"
_BASE = replace(
    PRESETS["cpu"], filters=16, depth=5, blocks=2, batch_events=16, learning_rate=4e-3, holdout=0.0
)
RECIPES = {
    FORMER: _BASE,
    "2 blocks, Muon": replace(_BASE, optimizer="muon", learning_rate=8e-3),
    "1 block": replace(_BASE, blocks=1),
    "1 block, Muon": replace(_BASE, blocks=1, optimizer="muon", learning_rate=8e-3),
    "1 block, 24 filters": replace(_BASE, blocks=1, filters=24),
    "1 block, 32 filters": replace(_BASE, blocks=1, filters=32),
    "1 block, depth 4": replace(_BASE, blocks=1, depth=4),
    "1 block, depth 6": replace(_BASE, blocks=1, depth=6),
    "1 block, 8 events a step": replace(_BASE, blocks=1, batch_events=8),
    "1 block, twice the learning rate": replace(_BASE, blocks=1, learning_rate=8e-3),
}
_ROUNDS, _STEPS = 4, 3  # of the measurement of costs


def read(path: Path, n_events: int | None = None) -> tuple[Ragged, Cycle]:
    """Return the first `n_events` events of a labelled file that have voxels, and its cycle."""
    events, cycle = read_events([path], labelled=True)
    events = events.select(torch.arange(min(n_events or len(events), len(events))))
    return events.charged(), cycle


def measure_costs(names: list[str], train: Path, n_events: int) -> pd.Series:
    """Return CPU milliseconds per training event of each recipe: the minimum of several rounds."""
    torch.set_num_threads(1)
    events, cycle = read(train, n_events)
    trainings = {name: Training(RECIPES[name], cycle, events, CPU) for name in names}
    least = dict.fromkeys(names, np.inf)
    for _ in range(_ROUNDS + 1):  # the first to warm up
        for name, training in trainings.items():
            begun = time.process_time()
            for _ in range(_STEPS):
                training.advance()
            spent = time.process_time() - begun
            cost = 1000 * spent / (_STEPS * RECIPES[name].batch_events)
            least[name] = min(least[name], cost)
    return pd.Series(least, name="ms_per_event").rename_axis("recipe")


def train_and_score(
    name: str, seed: int, *, n_seen: dict[str, float], train: Path, test: Path, n_events: int
) -> dict:
    """Train on `n_seen` events in all; return the row of runs.csv with the scores."""
    torch.set_num_threads(1)
    config = replace(RECIPES[name], seed=seed)
    events, cycle = read(train, n_events)
    begun = time.process_time()
    training = Training(config, cycle, events, CPU)
    training.n_steps = max(1, round(n_seen[name] / config.batch_events))
    while training.step < training.n_steps:
        training.advance()
    seconds = time.process_time() - begun
    scores = score(training.averaged, read(test)[0], config)
    epochs = training.n_steps / training.steps_per_epoch
    return {
        "recipe": name, "seed": seed, "epochs": round(epochs, 2), "cpu_seconds": round(seconds),
        **{metric: round(value, 5) for metric, value in scores.items()},
    }  # fmt: skip


def score(model, events: Ragged, config: Config, n_views: int = 1) -> dict[str, float]:
    """Return the leaderboard's metrics of a network on labelled events."""
    pred = class_probabilities(model, events, config, n_views).argmax(1).numpy() + 1
    return evaluate(events.truth.numpy(), pred, offset_of(events.length.numpy()))


def table(costs: pd.Series, runs: pd.DataFrame) -> str:
    """Return a Markdown table of each recipe's cost, epochs, scores and gain."""
    scores = runs.pivot(index="recipe", columns="seed", values="acc_mean")
    gains = 100 * (scores - scores.loc[FORMER])
    others = gains.drop(index=FORMER)
    error = np.sqrt((others.var(axis=1, ddof=1) / others.count(axis=1)).mean())
    means = runs.groupby("recipe")[["epochs", "acc_mean", "acc_at_50", "acc_at_80"]].mean()
    order = [name for name in RECIPES if name in means.index]
    columns = {
        "ms per event": {name: f"{costs[name]:.1f}" for name in order},
        "epochs": {name: f"{means.epochs[name]:.1f}" for name in order},
        "acc_mean": {name: f"{means.acc_mean[name]:.4f}" for name in order},
        "acc_at_50": {name: f"{means.acc_at_50[name]:.4f}" for name in order},
        "acc_at_80": {name: f"{means.acc_at_80[name]:.4f}" for name in order},
        "gain in points": {
            name: f"{gains.loc[name].mean():+.2f} ± {error:.2f}" for name in order if name != FORMER
        },
    }
    return markdown(columns)


def _write(frame: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def _compare(options, folder: Path) -> None:
    names = [name for name in RECIPES if name in {FORMER, *(options.only or RECIPES)}]
    costs_csv, runs_csv = folder / "costs.csv", folder / "runs.csv"
    if not costs_csv.exists():
        _write(measure_costs(names, options.train, options.events).reset_index(), costs_csv)
    costs = pd.read_csv(costs_csv, index_col="recipe").ms_per_event
    budget = costs[FORMER] * options.epochs * options.events
    n_seen = {name: budget / costs[name] for name in names}
    rows = pd.read_csv(runs_csv).to_dict("records") if runs_csv.exists() else []
    done = {(row["recipe"], row["seed"]) for row in rows}
    todo = [(name, seed) for seed in range(1, options.seeds + 1) for name in names]

    def keep(task: Task, row: dict) -> None:
        rows.append(row)
        _write(pd.DataFrame(rows), runs_csv)
        print(*row.values(), flush=True)

    job = partial(
        train_and_score, n_seen=n_seen, train=options.train, test=options.test,
        n_events=options.events,
    )  # fmt: skip
    run_jobs(job, [one for one in todo if one not in done], processes=options.jobs, done=keep)
    print(table(costs, pd.DataFrame(rows)))


def main() -> int:
    parser = new_parser("python benchmarks/recipes.py", __doc__)
    parser.add_argument("--train", type=Path, help="labelled events to train on")
    parser.add_argument("--test", type=Path, help="labelled events of another seed")
    parser.add_argument("--events", type=at_least(1), default=2000, help="of the train file")
    parser.add_argument("--epochs", type=at_least(1), default=3, help="of the former recipe")
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--only", nargs="+", choices=RECIPES, help="beside the former recipe")
    parser.add_argument("--jobs", type=at_least(1), default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="folder of costs.csv and runs.csv")
    options = parser.parse_args()
    if (options.train is None) != (options.test is None):
        parser.error("--train and --test go together")

    def command() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            if not options.train:
                options.train, options.test = Path(scratch, "train.h5"), Path(scratch, "test.h5")
                split_file(ROOT / "starting_kit/data/cycle1_train.h5", options.train, options.test)
                options.events, options.epochs, options.seeds = 100, 1, 1
            folder = options.out or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            _compare(options, folder)

    return run("recipes", command)


if __name__ == "__main__":
    sys.exit(main())

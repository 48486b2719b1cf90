"""Measure the effect of each choice of the baseline's recipe: one change at a time.

    python benchmarks/what_helped.py --train cycle2.h5 --test fresh2.h5 --out build/what_helped

Trains the recipe (the preset `cpu` with fewer epochs) and its variants on the same events with the
same seeds, and prints a Markdown table of acc_mean on the test events, by default in one
orientation. Every finished training adds its rows to OUT/runs.csv, so that an interrupted run can
be continued.

gain: mean of a variant over seeds minus that of the recipe. The uncertainty comes from different
seeds, pooled over all variants. Without --train and --test: a short run on the demonstration
events, as a test of the command.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import contextlib
import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from recipes import score as score_network
from torch.nn import functional

import baseline.model
import baseline.training
from baseline.augment import random_view
from baseline.config import PRESETS, Config
from baseline.dataset import Ragged, read_events
from baseline.features import voxel_features
from baseline.holdout import split_file
from baseline.record import write_record
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import offset_of
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from organizer.data.table import markdown
from organizer.jobs import ProcessDied, Task, run_jobs

ROOT = Path(__file__).parents[1]
RECIPE = "the recipe"
COLUMNS = ("variant", "seed", "acc_mean")


@dataclass(frozen=True)
class Variant:
    """A variant of the recipe.

    changes: fields of Config. patches: (module, name) -> replacement. prepare: is applied to the
    events of training and test first.
    """

    changes: dict = field(default_factory=dict)
    patches: dict = field(default_factory=dict)
    prepare: Callable[[Ragged], Ragged] = lambda events: events


def _log_energy_alone(energy: torch.Tensor) -> torch.Tensor:
    return functional.pad(torch.log(energy / 0.5)[:, None], (0, 7))


def _energy_alone(energy: torch.Tensor) -> torch.Tensor:
    return functional.pad(energy[:, None], (0, 7))


# A multiple of 8, with room for the recipe's three and the boosting's.
_MANY = 40


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
    """Rotate at random, and cut a slab of 1 to 4 voxels from every other event."""
    events = random_view(events, period, generator)

    def draw(low: int, high: int) -> torch.Tensor:
        return torch.randint(low, high, (len(events),), generator=generator)

    width, axis, first = draw(1, 5) * draw(0, 2), draw(0, 3), draw(0, GRID_SIZE)
    event = events.event
    along = events.coords.gather(1, axis[event, None])[:, 0] - first[event]
    return events.keep((along < 0) | (along >= width[event]))


_VIEW = (baseline.training, "random_view")
_FEATURES = (baseline.model, "input_features")
_CHANNELS = (baseline.model, "_INPUT_CHANNELS")
_LOSS = (baseline.training, "event_loss")
_RATE = (baseline.training, "learning_rate")
VARIANTS = {
    RECIPE: Variant(),
    "features: energy alone": Variant(patches={_FEATURES: _energy_alone}),
    "features: log-energy alone": Variant(patches={_FEATURES: _log_energy_alone}),
    "features: the boosting's too": Variant(
        patches={_FEATURES: _all_features, _CHANNELS: _MANY}, prepare=_with_surroundings
    ),
    "loss: mean over voxels": Variant(patches={_LOSS: _voxel_loss}),
    "loss: classes balanced": Variant({"balance": 1.0}),
    "8 events a step": Variant({"batch_events": 8}),
    "32 events a step": Variant({"batch_events": 32}),
    "half the learning rate": Variant({"learning_rate": 2e-3}),
    "learning rate constant": Variant(patches={_RATE: _constant_rate}),
    "no symmetries": Variant({"symmetries": False}),
    "energy jitter 2 %": Variant(patches={_VIEW: _jittered}),
    "5 % of the voxels left out": Variant(patches={_VIEW: _thinned}),
    "a dead slab at random": Variant(patches={_VIEW: _cut}),
    "depth 4": Variant({"depth": 4}),
    "depth 6": Variant({"depth": 6}),
    "8 filters": Variant({"filters": 8}),
    "32 filters": Variant({"filters": 32}),
}


def train_and_score(
    name: str, seed: int, train, test, n_events: int, epochs: int, views: tuple[int, ...]
) -> list[tuple]:
    """Train once; return rows of COLUMNS.

    For the recipe there are more rows: with weights that are not averaged, and with `views`
    orientations in prediction.
    """
    torch.set_num_threads(1)
    variant = VARIANTS[name]
    config = replace(PRESETS["cpu"], epochs=epochs, seed=seed, holdout=0.0, **variant.changes)
    events, cycle = read_events([train], labelled=True)
    events = events.charged()
    events = variant.prepare(events.select(torch.arange(min(n_events, len(events)))))
    asked = variant.prepare(read_events([test], labelled=True)[0].charged())
    with _patched(variant.patches):
        training = baseline.training.Training(config, cycle, events, torch.device("cpu"))
        while training.step < training.n_steps:
            training.advance()
        score = partial(_acc_mean, events=asked, config=config)
        rows = [(name, seed, score(training.averaged))]
        if name == RECIPE:
            rows.append(("weights of the last step", seed, score(training.model.eval())))
            rows += [(f"{n} views", seed, score(training.averaged, n)) for n in views]
    return rows


@contextlib.contextmanager
def _patched(patches: dict) -> Iterator[None]:
    before = {(module, name): getattr(module, name) for module, name in patches}
    try:
        for (module, name), value in patches.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


def _acc_mean(model, views: int = 1, *, events: Ragged, config: Config) -> float:
    return score_network(model, events, config, views)["acc_mean"]


def measure(names, seeds: int, jobs: int, out: Path, **budget) -> list[tuple]:
    """Do the missing trainings; return all rows of runs.csv in `out`."""
    path = out / "runs.csv"
    rows = _read(path)
    done = {(name, seed) for name, seed, _ in rows}
    todo = [(name, seed) for seed in range(1, seeds + 1) for name in names]
    todo = [one for one in todo if one not in done]

    def keep(task: Task, new: list[tuple]) -> None:
        rows.extend(new)
        write_record([dict(zip(COLUMNS, row)) for row in rows], path)
        name, seed, acc_mean = new[0]
        print(f"{name}, seed {seed}: {acc_mean:.4f}", flush=True)

    try:
        run_jobs(partial(train_and_score, **budget), todo, processes=jobs, done=keep)
    except ProcessDied as death:
        raise ChallengeError(f"{death}; if memory ended, lower --jobs") from death
    return rows


def _read(path: Path) -> list[tuple]:
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [
            (row["variant"], int(row["seed"]), float(row["acc_mean"]))
            for row in csv.DictReader(file)
        ]


def table(rows: list[tuple]) -> str:
    """Return a Markdown table: acc_mean of each variant, its gain in points, the uncertainty."""
    scores: dict[str, dict[int, float]] = {}
    for name, seed, acc_mean in rows:
        scores.setdefault(name, {})[seed] = acc_mean
    gains = {
        name: 100 * np.array([acc - scores[RECIPE][seed] for seed, acc in of_seed.items()])
        for name, of_seed in scores.items()
        if name != RECIPE
    }
    pooled = _uncertainty([gain for name, gain in gains.items() if name in VARIANTS])
    columns = {"acc_mean": {}, "gain in points": {}}
    for name, of_seed in scores.items():
        columns["acc_mean"][name] = f"{np.mean(list(of_seed.values())):.4f}"
        if name in gains:
            # Changes in prediction vary much less than those in training.
            spread = pooled if name in VARIANTS else _uncertainty([gains[name]])
            columns["gain in points"][name] = f"{gains[name].mean():+.2f} ± {spread:.2f}"
    return markdown(columns)


def _uncertainty(gains: list[np.ndarray]) -> float:
    """Return the standard error of a mean over seeds, pooled over `gains`; NaN for one seed."""
    errors = [gain.var(ddof=1) / len(gain) for gain in gains if len(gain) > 1]
    return float(np.sqrt(np.mean(errors))) if errors else float("nan")


def main() -> int:
    parser = new_parser("python benchmarks/what_helped.py", __doc__)
    parser.add_argument("--train", type=Path, help="labelled events to train on")
    parser.add_argument("--test", type=Path, help="labelled events of another seed")
    parser.add_argument("--events", type=at_least(1), default=2000, help="of the train file")
    parser.add_argument("--epochs", type=at_least(1), default=5)
    parser.add_argument("--seeds", type=at_least(1), default=2)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=[], help="beside the recipe")
    parser.add_argument("--jobs", type=at_least(1), default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="folder of runs.csv")
    options = parser.parse_args()
    if (options.train is None) != (options.test is None):
        parser.error("--train and --test go together")

    def command() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            budget = {"n_events": options.events, "epochs": options.epochs}
            train, test = options.train, options.test
            if not (train and test):
                train, test = Path(scratch, "train.h5"), Path(scratch, "test.h5")
                split_file(ROOT / "starting_kit/data/cycle2_train.h5", train, test)
                budget = {"n_events": 100, "epochs": 1}
            names = [RECIPE, *options.only] if options.only else list(VARIANTS)
            rows = measure(
                names,
                options.seeds,
                options.jobs,
                options.out or Path(scratch),
                train=train,
                test=test,
                views=() if options.only else (8, 24),
                **budget,
            )
            print(table(rows))

    return run("what_helped", command, alone=[options.out] if options.out else [])


if __name__ == "__main__":
    sys.exit(main())

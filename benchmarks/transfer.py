"""Test the shipped networks on events of other kinds: which network is best for which data?

    python benchmarks/transfer.py --events 200
    python benchmarks/transfer.py --checkpoint general=run/best.pt

The events are new events of our cycles, events like those of cycle 2 with one difference, and the
samples of other simulations in tests/data. Prints a Markdown table of acc_mean, and the best
network for each kind of events. Networks and events without a class of protons are compared in two
classes, where protons are "other". `majority` is the score of the most frequent label of these
events. The samples of other simulations are small: they show if a network works there, but not how
well.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import contextlib
import io
import math
import sys
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from baseline.checkpoint import load_model
from baseline.predict import predict
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.events import Event, EventFile, write_events
from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import evaluate
from lartpc_challenge.reference import Reference, read_labelled_events
from organizer.convert.__main__ import main as convert
from organizer.cycles import LIKE_NEUTRINOS, PRODUCTIONS, Production
from organizer.data.table import markdown
from organizer.jobs import run_jobs
from organizer.progress import progress
from organizer.simulate.event import simulate_event
from organizer.simulate.geant4 import LiquidArgon
from organizer.simulate.variety import Readout, Variety

ROOT = Path(__file__).parents[1]
SIGNAL_STATUS = 128  # the exit status of a command that a signal ended is larger
SEED = 20_281_127  # of no other events
TWO, THREE = CYCLES[1], CYCLES[8]


@dataclass(frozen=True)
class Made:
    """Events that `production` makes, with the classes of `cycle`."""

    cycle: Cycle
    production: Production


class _Lossless(Variety):
    """A read-out without losses of charge."""

    def draw(self, rng: np.random.Generator) -> Readout:
        readout = super().draw(rng)
        assert readout.detector is not None
        return replace(readout, detector=replace(readout.detector, lifetime_us=math.inf))


_TRUE_ENERGIES = _Lossless(
    drift_odds=0.0,
    recombination_odds=0.0,
    threshold_mev=(0.05, 0.05),
    scale=(1.0, 1.0),
    dead_planes_odds=0.0,
    missing_odds=0.0,
    straight_odds=0.0,
)


def _like_cycle_2(recipe=PRODUCTIONS[2].recipe, **changes) -> Made:
    """Return events of cycle 2 with another recipe or read-out."""
    detector = replace(_TRUE_ENERGIES, **changes)
    production = replace(PRODUCTIONS[2], recipe=recipe, detector=detector, min_classes=1)
    return Made(CYCLES[2], production)


_STRAIGHT = {"straight_odds": 1.0, "straight_mm": (30.0, 30.0)}
SAMPLES: dict[str, Made | Path] = {
    **{f"cycle {n}, {CYCLES[n].name}": Made(CYCLES[n], PRODUCTIONS[n]) for n in (1, 2, 3, 8)},
    "like cycle 2, diffused by 2 to 5 mm": _like_cycle_2(
        drift_odds=1.0, spread_mm=(5.0, 5.0), noise_electrons=(0.0, 0.0)
    ),
    "like cycle 2, above 0.03 MeV": _like_cycle_2(threshold_mev=(0.03, 0.03)),
    "like cycle 2, above 0.2 MeV": _like_cycle_2(threshold_mev=(0.2, 0.2)),
    "like cycle 2, energies 10 % higher": _like_cycle_2(scale=(1.1, 1.1)),
    "like cycle 2, energies 10 % lower": _like_cycle_2(scale=(0.9, 0.9)),
    "like cycle 2, blocks and slabs missing": _like_cycle_2(missing_odds=1.0),
    "like cycle 2, straight segments": _like_cycle_2(**_STRAIGHT),
    "like neutrinos, straight segments": _like_cycle_2(LIKE_NEUTRINOS, **_STRAIGHT),
    "edep-sim, twelve muons per event": ROOT / "tests/data/edepsim_muons.h5",
    "PILArNet": ROOT / "tests/data/pilarnet_m_event7675.npz",
}


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/transfer.py", __doc__)
    parser.add_argument("--events", type=at_least(1), default=50, help="of each sample of ours")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="one more network, or another one instead of baseline_submission/NAME/model.pt",
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build/transfer", help="keeps events and predictions"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    return run("transfer", lambda: _run(options), alone=[options.out])


def _run(options: argparse.Namespace) -> None:
    networks = {path.parent.name: path for path in ROOT.glob("baseline_submission/*/model.pt")}
    networks |= {
        name: Path(path) for name, _, path in (text.partition("=") for text in options.checkpoint)
    }
    networks = {name: networks[name] for name in sorted(networks)}
    files = _provide(options.events, options.out)
    rows: dict[str, dict[str, str]] = {}
    best_for: dict[str, list[str]] = {}
    with progress(len(files), "transfer", "samples") as advance:
        for name, path in files.items():
            rows[name], best = _row(path, networks)
            best_for.setdefault(best, []).append(name)
            advance(1)
    columns = next(iter(rows.values()))
    print(
        markdown({column: {name: row[column] for name, row in rows.items()} for column in columns})
    )
    for network, names in sorted(best_for.items()):
        print(f"\nTake {network} for: {'; '.join(names)}.")


# ---- the events


def _provide(n_events: int, folder: Path) -> dict[str, Path]:
    """Return the files with the samples' events, by name; make those that do not exist yet."""
    files, to_make = {}, []
    for name, sample in SAMPLES.items():
        if isinstance(sample, Path):
            files[name] = folder / f"{sample.stem}.h5"
            _convert(sample, files[name])
        else:
            stem = f"{sample.production.hash}-{sample.cycle.number}-{n_events}"
            files[name] = folder / f"{stem}.h5"
            if not files[name].exists():
                to_make.append((sample, files[name]))
    if to_make:
        run_jobs(_simulate, [(to_make, n_events, folder)], processes=1, logs=folder)
    return files


def _convert(path: Path, out: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        status = convert([str(path), str(out), "--cycle", THREE.name])
    if status > SIGNAL_STATUS:
        raise KeyboardInterrupt(status - SIGNAL_STATUS)
    if status:
        raise ChallengeError(f"{path}: was not converted")


def _simulate(samples: list[tuple[Made, Path]], n_events: int, folder: Path) -> None:
    """Write the samples' events. It needs a new process, since all have the same Geant4 world."""
    argon = LiquidArgon(samples[0][0].production.world, folder / "geant4_data")
    for sample, path in samples:
        number = sample.cycle.number
        made = (
            simulate_event(argon, number, SEED, event_id, sample.production)
            for event_id in range(n_events)
        )
        events = (Event(e.event_id, e.voxels.coords, e.voxels.energy, e.voxels.label) for e in made)
        write_events(path, events, kind="train", cycle=number, scale="full")


# ---- the networks


def _row(path: Path, networks: dict[str, Path]) -> tuple[dict[str, str], str]:
    """Return the cells of the table for these events, and the best network's name."""
    truth = read_labelled_events(path)
    to_two = truth.cycle.labels_in(TWO)
    assert to_two is not None
    in_two = np.array([0, *to_two], np.uint8)
    three: dict[str, float] = {}
    two: dict[str, float] = {}
    for name, checkpoint in networks.items():
        *_, trained_on = load_model(checkpoint, torch.device("cpu"))
        if trained_on.labels_in(truth.cycle):
            pred = _predict(checkpoint, path)
            if truth.cycle != TWO:
                three[name] = _acc_mean(truth, truth.label, pred)
            pred = in_two[pred]
        else:
            pred = _predict(checkpoint, _two_classes(path, in_two))
        two[name] = _acc_mean(truth, in_two[truth.label], pred)
    among = three or two
    best = max(among, key=among.__getitem__)
    most = np.full_like(truth.label, np.argmax(np.bincount(truth.label)))
    cells = {
        "events": f"{len(truth.event_id)}",
        "voxels": f"{len(truth.label):,}",
        "majority": f"{_acc_mean(truth, truth.label, most):.4f}",
        **{name: f"{three[name]:.4f}" if name in three else "" for name in networks},
        **{f"{name}, two classes": f"{value:.4f}" for name, value in two.items()},
    }
    return cells, best


def _predict(checkpoint: Path, path: Path) -> np.ndarray:
    """Return the network's labels. They are kept beside the events for the next run."""
    digest = blake2b(checkpoint.read_bytes(), digest_size=8).hexdigest()
    kept = path.with_suffix(f".{digest}.pred")
    if not kept.exists():
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            pred = predict(checkpoint, path, "cpu")
        with replacing(kept) as temporary:
            temporary.write_bytes(pred.tobytes())
    return np.fromfile(kept, np.uint8)


def _two_classes(path: Path, in_two: np.ndarray) -> Path:
    """Return a copy of the file with the labels of two classes."""
    copy = path.with_suffix(".two.h5")
    with EventFile(path, labelled=True) as events:
        two = (replace(event, label=in_two[event.label]) for event in events)
        write_events(copy, two, kind="train", cycle=TWO.number, scale=events.scale)
    return copy


def _acc_mean(truth: Reference, label: np.ndarray, pred: np.ndarray) -> float:
    return evaluate(label, pred, truth.offset)["acc_mean"]


if __name__ == "__main__":
    sys.exit(main())

"""The shipped networks on events that other people simulated, which they were not trained on.

    python benchmarks/transfer.py

Converts the samples in tests/data, predicts them with baseline_submission/cycleN/model.pt and
prints a Markdown table. `majority` is the best that one label for all voxels reaches on these very
events, which is hard to beat where they hold little else. The samples are small: a few events say
whether a network transfers at all, not how well.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from baseline.predict import predict
from lartpc_challenge.command import run
from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import count_confusion, evaluate, recall
from lartpc_challenge.reference import read_labelled_events
from organizer.convert.__main__ import main as convert
from organizer.cycles import PRODUCTIONS
from organizer.data.table import markdown
from organizer.data.trivial import fit_trivial_rules, score_rule

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Sample:
    """source: of `organizer.convert`. differs: from our events, beside what the table measures."""

    source: str
    path: Path
    differs: str


SAMPLES = (
    Sample(
        "edepsim",
        ROOT / "tests/data/edepsim_muons.h5",
        "twelve muons an event, nothing else; energy on straight segments, cut out where most lies",
    ),
    Sample(
        "pilarnet",
        ROOT / "tests/data/pilarnet_m_event7675.npz",
        "many particles in 768^3 voxels, cut out where most energy lies; a label is that of a "
        "whole cluster",
    ),
)
NO_EFFECTS = "; without cycle 3's noise, diffusion and gaps"


def main() -> int:
    torch.set_num_threads(1)
    return run("transfer", _print_table)


def _print_table() -> None:
    rows = {}
    for number, cycle in CYCLES.items():
        checkpoint = ROOT / f"baseline_submission/cycle{number}/model.pt"
        if not checkpoint.exists():
            print(f"cycle {number}: left out, there is no {checkpoint.relative_to(ROOT)}")
            continue
        for sample in SAMPLES:
            with tempfile.TemporaryDirectory() as folder:
                events = Path(folder, "events.h5")
                _convert(sample, events, cycle)
                rows[f"{sample.source}, cycle {number}"] = _row(sample, events, checkpoint)
    # `markdown` takes columns: what a row is called here is one of its columns' names.
    names = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    columns = {name: {row: cells[name] for row, cells in rows.items()} for name in names}
    print(markdown(columns))


def _convert(sample: Sample, out: Path, cycle: Cycle) -> None:
    if convert([sample.source, *map(str, (sample.path, out, "--cycle", cycle.number))]):
        raise ChallengeError(f"{sample.path}: was not converted")


def _row(sample: Sample, path: Path, checkpoint: Path) -> dict[str, str]:
    reference = read_labelled_events(path)
    cycle = reference.cycle
    pred = predict(checkpoint, path)
    confusion = count_confusion(reference.label, pred, cycle.n_labels)
    with EventFile(path) as events, EventFile(_train_file(cycle)) as ours:
        majority = score_rule(fit_trivial_rules(events, cycle)["majority"], events)
        middle = [np.median(file.column("energy")) for file in (events, ours)]
    counts = confusion.sum(axis=1)
    return {
        "events": f"{len(reference.event_id)}",
        "voxels": f"{counts.sum():,}",
        "acc_mean": f"{evaluate(reference.label, pred, reference.offset)['acc_mean']:.4f}",
        "majority": f"{majority['acc_mean']:.4f}",
        "share of each class": _of_classes(counts / counts.sum(), cycle),
        "recall of each class": _of_classes(recall(confusion), cycle),
        "median voxel, MeV (ours)": f"{middle[0]:.2f} ({middle[1]:.2f})",
        "differs": sample.differs + (NO_EFFECTS if PRODUCTIONS[cycle.number].detector else ""),
    }


def _train_file(cycle: Cycle) -> Path:
    return ROOT / f"starting_kit/data/cycle{cycle.number}_train.h5"


def _of_classes(values: np.ndarray, cycle: Cycle) -> str:
    return ", ".join(
        f"{cycle.label_names[label]} {'-' if np.isnan(values[label]) else f'{values[label]:.1%}'}"
        for label in cycle.labels
    )


if __name__ == "__main__":
    sys.exit(main())

"""Compare a network's errors with the ambiguity of the labels: how much is left to win?

    python benchmarks/left_to_win.py --run fresh1.h5 baseline_submission/cycle1/model.pt other.pt \
        --run fresh2.h5 baseline_submission/cycle2/model.pt --out benchmarks/results/left

Each --run takes the simulator's file of events that were used in no training, a network (model.pt)
or its submission (.zip) and, to compare two submissions, another one. Prints two Markdown tables
and writes them to OUT: left.md is short; ambiguity.md has a row for each share of a second class.

The oracle knows the second class's share of a voxel's energy (in cycle 3 of its charge) with a
Gaussian error of 0.10. It chooses the second class if this share exceeds one half. So it is wrong
only in voxels that two classes share nearly equally.

The smallest difference that a leaderboard can show is half of the 95 % interval of a difference of
two submissions: by bootstrap over events, scaled to the leaderboard's number of events; paired for
two submissions on one leaderboard, unpaired for leaderboards of different events.

Without --run it is a short test: the shipped networks predict 60 new events of each cycle.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from baseline.predict import predict
from lartpc_challenge.command import new_parser, run
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import write_text
from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.metrics import accuracy, count_correct, leaderboard
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission
from organizer.competition import read_competition
from organizer.cycles import production_of
from organizer.data.table import markdown
from organizer.failures.study import SHARE_EDGES, SHARE_NAMES
from organizer.leaderboard.boards import resample
from organizer.progress import progress
from organizer.scratch import scratch_folder
from organizer.simulate.chunks import SimulationRequest, simulate

ROOT = Path(__file__).parents[1]
ERROR = 0.10  # of a share that the oracle knows
NORMAL_95 = 1.96
Columns = dict[str, dict[str, str]]  # of a Markdown table: column -> row -> text


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/left_to_win.py", __doc__)
    parser.add_argument("--run", nargs="+", type=Path, action="append", metavar="FILE")
    parser.add_argument("--out", type=Path, help="folder for the tables")
    options = parser.parse_args(arguments)
    if any(len(files) not in (2, 3) for files in options.run or []):
        parser.error("--run takes EVENTS NETWORK [OTHER]")
    torch.set_num_threads(1)

    def command() -> None:
        with scratch_folder("benchmarks") as folder:
            keep(left_to_win(options.run or _short_runs(folder)), options.out)

    return run("left_to_win", command)


def keep(texts: dict[str, str], folder: Path | None) -> None:
    """Print texts, and write each to NAME.md in `folder`. texts: {name: text}."""
    for name, text in texts.items():
        print(f"{text}\n")
        if folder:
            write_text(folder / f"{name}.md", f"{text}\n")


def _short_runs(folder: Path) -> list[list[Path]]:
    runs = []
    for cycle in read_competition().cycles:
        events = folder / f"cycle{cycle.number}.h5"
        request = SimulationRequest(cycle.number, 60, seed=2026, scale="demonstration")
        with progress(request.events, events.name, "events") as advance:
            simulate(events, request, jobs=os.cpu_count() or 1, progress=advance)
        runs.append([events, ROOT / f"baseline_submission/cycle{cycle.number}/model.pt"])
    return runs


def predicted(network: Path, events: Path) -> np.ndarray:
    """Return the labels (M,) uint8 of these events by a network or a submission."""
    if network.suffix == ".zip":
        return read_submission(network, Manifest.from_events(events))
    return predict(network, events)


def left_to_win(runs: Sequence[Sequence[Path]]) -> dict[str, str]:
    """Return {file name: Markdown table}, with a column per run; each run is of another cycle."""
    left, ambiguity = {}, {}
    for events, *networks in runs:
        with EventFile(events, kind="simulation") as file:
            cycle, label, offset = file.cycle, file.column("label"), file.offset
            share = file.column("second_share")
        if production_of(cycle).precedence:
            raise ChallengeError(f"{events}: labels of cycle {cycle.number} aren't by most energy")
        right = [predicted(network, events) == label for network in networks]
        column = f"cycle {cycle.number}"
        knows = oracle(share, np.random.default_rng(cycle.number))
        ambiguity[column] = _by_share(right[0], knows, share, offset)
        of_event = np.stack([_accuracy(one, offset) for one in right])
        n_board = [production_of(cycle).full[1] // 2, production_of(cycle).demonstration[1] // 2]
        left[column] = {
            "the network: " + ", ".join(METRICS): _scores(of_event[0]),
            "the oracle: " + ", ".join(METRICS): _scores(_accuracy(knows, offset)),
            **smallest_differences(of_event, dict(zip(("full", "demonstration"), n_board))),
        }
    return {"left": markdown(left), "ambiguity": markdown(ambiguity)}


def oracle(second_share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where the oracle is right: (M,) bool."""
    return second_share + rng.normal(0, ERROR, len(second_share)) <= 0.5


def _accuracy(right: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the accuracy of each event. right: (M,) bool, where a prediction is right."""
    return accuracy(*count_correct(np.ones(len(right), np.uint8), right.astype(np.uint8), offset))


def _scores(of_event: np.ndarray) -> str:
    return ", ".join(f"{score:.4f}" for score in leaderboard(of_event).values())


def _by_share(
    right: np.ndarray, knows: np.ndarray, share: np.ndarray, offset: np.ndarray
) -> dict[str, str]:
    """Return rows for groups of voxels by the second class's share of the energy.

    They hold the group's share of voxels, and the points of acc_mean that are lost in it.
    """
    length = np.diff(offset)
    weight = np.repeat(100 / np.maximum(length, 1) / np.count_nonzero(length), length)
    group = np.searchsorted(SHARE_EDGES, share, side="right")
    n = len(SHARE_NAMES)
    voxels = np.bincount(group, weight, minlength=n)
    lost, by_oracle = (
        np.bincount(group, weight * ~one, minlength=n).round(2) for one in (right, knows)
    )
    rows = {"fresh events": f"{np.count_nonzero(length):,}"}
    rows["points of acc_mean lost in all: network (oracle)"] = (
        f"{lost.sum():.2f} ({by_oracle.sum():.2f})"
    )
    for i, name in enumerate(SHARE_NAMES):
        rows[f"{name}: of the voxels"] = f"{voxels[i]:.1f} %"
        rows[f"{name}: points lost"] = f"{lost[i]:.2f} ({by_oracle[i]:.2f})"
    return rows


def smallest_differences(of_event: np.ndarray, boards: dict[str, int]) -> dict[str, str]:
    """Return rows with the smallest differences, in points of METRICS.

    of_event: (1 or 2, n), accuracies of submissions to the same n events. boards: {name: events}.
    """
    resampled = 100 * resample(of_event)  # (metric, submission, resample)
    unpaired = np.sqrt(2) * resampled[:, 0].std(axis=-1)
    kinds = {"unpaired": unpaired}
    if len(of_event) == 2:
        kinds = {"paired": (resampled[:, 0] - resampled[:, 1]).std(axis=-1), **kinds}
    rows = {}
    for name, n in boards.items():
        for kind, error in kinds.items():
            half = NORMAL_95 * error * np.sqrt(of_event.shape[1] / n)
            text = ", ".join(f"{points:.3f}" for points in half)
            rows[f"smallest difference in points, {name} hidden board, {kind}"] = f"{text} ({n:,})"
    return rows


if __name__ == "__main__":
    sys.exit(main())

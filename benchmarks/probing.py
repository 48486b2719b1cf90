"""Measure the gain of probing the leaderboard, by two attacks through the rounded public scores.

    python benchmarks/probing.py [--repeat 20]

The attacker's model is certain and correct in most voxels, and undecided between two classes in the
others, where half of the predictions are correct. The attacker submits as often as competition.yaml
allows, sees the public scores with four decimals, and changes only undecided voxels. Which events
are public is not known. The final predictions are scored on the public and on the hidden events.

wacky    A. Blum, M. Hardt, The Ladder, arXiv:1502.04585, section 4: random choices in all undecided
         voxels; choices with an acc_mean above the median are votes for, the others against these
         choices; the last submission is the result of the vote.
greedy   changes the choices in one block of undecided voxels at a time (each voxel is in one
         block), and keeps a change if it ranks higher on the board.

The events are random, with the numbers of events and voxels of the cycle. Gains are in points
(hundredths of accuracy) over the first submission, with the standard deviation over repetitions.
The last column is the statistical uncertainty of acc_at_80: half of its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lartpc_challenge import metrics
from lartpc_challenge.command import at_least, new_parser
from lartpc_challenge.format import METRICS
from organizer.competition import read_competition

UNDECIDED = 0.06  # of the voxels: half of them wrong gives the baseline's accuracy of 0.97


@dataclass(frozen=True)
class Task:
    """A public and a hidden phase with equal numbers of events, and the number of submissions."""

    name: str
    n_events: int
    n_voxels: int
    per_day: int
    in_all: int


@dataclass(frozen=True)
class Phase:
    """The events of a phase. offset: (N+1,). place: (k,), the undecided voxels.

    A choice is (k,) uint8, 0 or 1 for each undecided voxel; truth (k,) is the correct choice.
    """

    offset: np.ndarray
    place: np.ndarray
    truth: np.ndarray

    def accuracy(self, choice: np.ndarray) -> np.ndarray:
        """Return the accuracy of a choice in each event: (N,)."""
        right = np.ones(self.offset[-1], np.uint8)
        right[self.place] = choice == self.truth
        return metrics.accuracy(*metrics.count_correct(np.ones_like(right), right, self.offset))

    def scores(self, choice: np.ndarray) -> dict[str, float]:
        """Return the exact scores of a choice: name of METRICS -> value."""
        return metrics.leaderboard(self.accuracy(choice))

    def board(self, choice: np.ndarray) -> tuple[float, ...]:
        """Return the rounded scores of the public board, in the order in which it ranks."""
        return tuple(round(value, 4) for value in self.scores(choice).values())


def make_phase(task: Task, rng: np.random.Generator) -> Phase:
    """Make a random phase: events vary in size by a factor of two, and in their undecided share."""
    sizes = (task.n_voxels * rng.lognormal(0, 0.4, task.n_events)).astype(np.int64) + 10
    offset = np.concatenate([[0], np.cumsum(sizes)])
    share = np.repeat(rng.beta(1.5, 1.5 / UNDECIDED - 1.5, task.n_events), sizes)
    place = np.flatnonzero(rng.random(len(share)) < share)
    return Phase(offset, place, rng.integers(0, 2, len(place), np.uint8))


Board = Callable[[np.ndarray], tuple[float, ...]]


def wacky(board: Board, first: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the attacker's choice (k,) after n submissions; the last one is the vote."""
    choices = [first, *(rng.integers(0, 2, len(first), np.uint8) for _ in range(n - 2))]
    shown = np.array([board(choice)[METRICS.index("acc_mean")] for choice in choices])
    vote = np.zeros(len(first), np.int32)
    for choice, side in zip(choices, np.sign(shown - np.median(shown)).astype(np.int32)):
        vote += side * (2 * choice.astype(np.int32) - 1)
    return np.where(vote == 0, first, vote > 0).astype(np.uint8)


def greedy(board: Board, first: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the attacker's choice (k,) after n submissions: the best one on the board."""
    best, best_shown = first, board(first)
    block = rng.integers(0, n - 1, len(first))
    for i in range(n - 1):
        choice = np.where(block == i, 1 - best, best)
        shown = board(choice)
        if shown > best_shown:
            best, best_shown = choice, shown
    return best


ATTACKS = {"wacky": wacky, "greedy": greedy}


def gains(task: Task, attack: str, repeat: int, seed: int) -> dict[str, np.ndarray]:
    """Return gains in points: for example "public acc_at_80" -> (repeat,)."""
    found: dict[str, list[float]] = {}
    for number in range(repeat):
        rng = np.random.default_rng([seed, number])
        public, hidden = make_phase(task, rng), make_phase(task, rng)
        n_public = len(public.place)

        def board(choice: np.ndarray, public: Phase = public) -> tuple[float, ...]:
            return public.board(choice[: len(public.place)])

        first = rng.integers(0, 2, n_public + len(hidden.place), np.uint8)
        last = ATTACKS[attack](board, first, task.in_all, rng)
        for name, phase, part in (
            ("public", public, slice(n_public)),
            ("hidden", hidden, slice(n_public, None)),
        ):
            start, end = phase.scores(first[part]), phase.scores(last[part])
            for metric in METRICS:
                found.setdefault(f"{name} {metric}", []).append(100 * (end[metric] - start[metric]))
    return {name: np.array(values) for name, values in found.items()}


def chance(task: Task, seed: int) -> float:
    """Return half of the 95 % interval of acc_at_80 over events, in points."""
    rng = np.random.default_rng(seed)
    phase = make_phase(task, rng)
    first = rng.integers(0, 2, len(phase.place), np.uint8)
    drawn = rng.choice(phase.accuracy(first), (1000, task.n_events))
    return float(100 * np.diff(np.percentile(np.percentile(drawn, 80, axis=1), (2.5, 97.5)))[0] / 2)


def tasks() -> list[Task]:
    """Return the competition's limits at demonstration scale and at full scale."""
    phases = read_competition().keys["phases"]
    public = [phase for phase in phases if phase["max_submissions"] > 1]
    return [
        Task(f"{phase['name']}, {scale}", n_events, n_voxels, *limits)
        for phase, n_voxels, n_full in zip(public, (800, 750, 2500), (2000, 5000, 5000))
        for limits in [(phase["max_submissions_per_day"], phase["max_submissions"])]
        for scale, n_events in (("demonstration", 200), ("full", n_full))
    ]


def main() -> None:
    parser = new_parser("python benchmarks/probing.py", __doc__)
    parser.add_argument("--repeat", type=at_least(2), default=20, help="repetitions (default: 20)")
    options = parser.parse_args()
    names = [f"{phase} {metric}" for phase in ("public", "hidden") for metric in METRICS[::2]]
    heads = ["phase", "events", "submissions", "attack", *names, "chance"]
    print("| " + " | ".join(heads) + " |\n| --- |" + " --: |" * (len(heads) - 1))
    for seed, task in enumerate(tasks()):
        for attack in ATTACKS:
            found = gains(task, attack, options.repeat, seed)
            cells = [f"{found[name].mean():+.2f} ± {found[name].std(ddof=1):.2f}" for name in names]
            limits = f"{task.in_all}, {task.per_day} a day"
            row = [task.name, f"{task.n_events:,}", limits, attack, *cells]
            print(f"| {' | '.join(row)} | {chance(task, seed):.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""The baseline's network and its peers on the same events: scores and learning curves.

    python benchmarks/peers.py --train cycle1.h5 --test fresh1.h5 --sizes 300 1000 3000 all \\
        --checkpoint baseline_submission/cycle1/model.pt --out build/peers

One cycle a call, which the files tell. Methods learn from the first events of --train: boosting
and network at every size, the trivial rules from all, the dense networks (peers/dense.py) from
1,000. Every finished run is a row of OUT/peers.csv at once, and rows of the same events are kept:
a stopped command goes on where it was; cycles, methods and sizes may come in calls of their own.
Each call ends with peers.md and learning_curves.png of all rows there are.

Without arguments: a table of the demonstration's 300 events of cycle 1, after a short training,
which shows that it runs; nothing is kept.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from peers.methods import DENSE, METHODS, OURS, TRIVIAL, Sample, Task
from peers.results import Results

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import EventFile, EventWriter
from lartpc_challenge.files import check_writable, write_text
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import count_correct
from organizer.competition import read_competition
from organizer.phases.split import labelled_test_events
from organizer.source import reference_file

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "starting_kit/data"
QUICK = ["--methods", "majority", "threshold", "boosting", "network", "--epochs", "8"]
DENSE_SIZE = 1000


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/peers.py", __doc__)
    parser.add_argument("--train", type=Path, default=SAMPLE / "cycle1_train.h5")
    parser.add_argument("--test", type=Path, default=SAMPLE / "cycle1_test.h5")
    references = ROOT / "reference_data"
    truth = "the truth of --test where it has no labels"
    parser.add_argument("--references", type=Path, default=references, metavar="DIR", help=truth)
    parser.add_argument(
        "--sizes", nargs="+", type=_size, default=["all"], metavar="N", help="or all"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--epochs", type=at_least(1), help="the network's; by default 650/sqrt(N)")
    shipped = "was trained on all of --train: the network of size all"
    parser.add_argument("--checkpoint", type=Path, help=shipped)
    seconds = "of CPU time to train each dense network"
    parser.add_argument("--seconds", type=at_least(1), default=300, help=seconds)
    asked = "test events for each dense network, which takes seconds for every one"
    parser.add_argument("--dense-test", type=at_least(2), default=100, metavar="N", help=asked)
    parser.add_argument("--out", type=Path, help="folder to keep the results in")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments or QUICK)
    torch.set_num_threads(1)
    stopped = "stopped; finished runs are kept in --out, the same command goes on"
    return run("peers", lambda: _compare(options), stopped)


def _size(text: str) -> str:
    return text if text == "all" else str(at_least(1)(text))


def _compare(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        check_writable(folder / "peers.csv")
        results = Results(folder)
        for name, size, task in _tasks(options, Path(temporary)):
            _run(results, name, size, task)
        print(results.report())
        if options.out:
            write_text(options.out / "peers.md", results.report())
            results.draw_curves(options.out / "learning_curves.png")


def _tasks(options: argparse.Namespace, temporary: Path) -> Iterator[tuple[str, str, Task]]:
    """Method, size and task of every run that is asked for."""
    with EventFile(options.train) as train, EventFile(options.test) as test:
        cycle, n_train, n_test = train.cycle, len(train), len(test)
        if test.cycle != cycle:
            raise ChallengeError(f"{options.test}: is not of cycle {cycle.number}, as --train is")
        path = options.test if test.has_labels else with_truth(test, options.references, temporary)
    own = dict.fromkeys(TRIVIAL, "all") | dict.fromkeys(DENSE, str(min(DENSE_SIZE, n_train)))
    for name in filter(options.methods.__contains__, METHODS):
        for size in [own[name]] if name in own else options.sizes:
            n = n_train if size == "all" else int(size)
            if n > n_train:
                raise ChallengeError(f"{options.train}: holds {n_train} events, asked for {n}")
            asked = min(n_test, options.dense_test) if name in DENSE else n_test
            checkpoint = options.checkpoint if (name, size) == (OURS, "all") else None
            samples = Sample(options.train, n), Sample(path, asked)
            yield name, size, Task(cycle, *samples, options.epochs, checkpoint, options.seconds)


def with_truth(test: EventFile, references: Path, folder: Path) -> Path:
    """A file in `folder` with the test events and their labels, from both phases' references."""
    out = folder / "test.h5"
    with EventWriter(out, kind="train", cycle=test.cycle.number, scale=test.scale) as labelled:
        phases = read_competition().phases_of(test.cycle)
        paths = [reference_file(references, phase.number) for phase in phases]
        for event in labelled_test_events(test, paths):
            labelled.append(event)
    return out


def _run(results: Results, name: str, size: str, task: Task) -> None:
    """Add the row, unless there is one of the same data."""
    key, data = (task.cycle.number, name, size), task.digest()
    if key in results.rows and results.rows[key].data == data:
        return
    begun = time.process_time()
    answer = METHODS[name](task)
    seconds = round(time.process_time() - begun)
    label, offset = task.test.truth()
    row = results.add(
        key, *count_correct(label, answer.pred, offset),
        train_events=answer.train_events, cpu_seconds=seconds, how=answer.how, data=data,
    )  # fmt: skip
    print(f"cycle {row.cycle}, {name}, {size} events: acc_mean {row.acc_mean:.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

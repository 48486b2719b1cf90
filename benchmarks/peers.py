"""Compare the baseline's network with other methods on the same events; draw learning curves.

    python benchmarks/peers.py --train cycle1.h5 --test fresh1.h5 --sizes 300 1000 3000 \
        --checkpoints 6000=baseline_submission/cycle1/model.pt --out build/peers

The files define the cycle. Learning curves: boosting and the network with its recipe are trained on
the first events of --train, for each of --sizes. At --equal-size events there are also the trivial
baselines, and networks of several kinds, each trained for --seconds of CPU time (peers/timed.py);
the baseline's network is one of them.

Every finished run becomes a row of OUT/peers.csv, and rows of the same events are kept. So a
stopped command continues when it is run again, and several commands can share the work. Each
command ends with peers.md and learning_curves.png of all rows.

Without arguments it is a short test on the demonstration's 300 events of cycle 1; nothing is kept.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from peers.methods import DENSE, METHODS, OF_EVERY_SIZE, OURS, TRIVIAL, Sample, Task
from peers.results import Results
from peers.truth import with_truth

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import check_writable, write_text
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import count_correct
from organizer.scratch import scratch_folder

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "starting_kit/data"
QUICK = ["--sizes", "300", "--equal-size", "300", "--seconds", "10", "--dense-test", "4"]
QUICK += ["--methods", *(name for name in METHODS if name != OURS)]


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/peers.py", __doc__)
    parser.add_argument("--train", type=Path, default=SAMPLE / "cycle1_train.h5")
    parser.add_argument("--test", type=Path, default=SAMPLE / "cycle1_test.h5")
    references = ROOT / "reference_data"
    truth = "the truth of --test where it has no labels"
    parser.add_argument("--references", type=Path, default=references, metavar="DIR", help=truth)
    sizes = "training events of boosting and network; the network's training is kept in --out"
    positive = at_least(1)
    parser.add_argument("--sizes", nargs="+", type=positive, default=[], metavar="N", help=sizes)
    trained = "networks that were trained elsewhere on so many events of the cycle"
    parser.add_argument("--checkpoints", nargs="+", default=[], metavar="N=PATH", help=trained)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    alike = "training events of all other methods"
    parser.add_argument("--equal-size", type=positive, default=1000, metavar="N", help=alike)
    seconds = "of CPU time to train each of them, but the trivial rules"
    parser.add_argument("--seconds", type=positive, default=150, help=seconds)
    asked = "test events for each dense network, which takes seconds for every one"
    parser.add_argument("--dense-test", type=at_least(2), default=100, metavar="N", help=asked)
    parser.add_argument("--out", type=Path, help="folder to keep the results in")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments or QUICK)
    torch.set_num_threads(1)
    stopped = "stopped; finished runs are kept in --out, the same command goes on"
    alone = [options.out] if options.out else []
    return run("peers", lambda: _compare(options), stopped, alone)


def _compare(options: argparse.Namespace) -> None:
    with scratch_folder("benchmarks") as temporary:
        folder = options.out or temporary
        check_writable(folder / "peers.csv")
        results = Results(folder)
        for name, task in _tasks(options, temporary, folder):
            _run(results, name, task)
        print(results.report())
        if options.out:
            write_text(options.out / "peers.md", results.report())
            results.draw_curves(options.out / "learning_curves.png")


def _tasks(
    options: argparse.Namespace, temporary: Path, folder: Path
) -> Iterator[tuple[str, Task]]:
    """Yield all runs that the options ask for, as name of the method and task."""
    with EventFile(options.train) as train, EventFile(options.test) as test:
        cycle, n_train, n_test = train.cycle, len(train), len(test)
        if test.cycle != cycle:
            raise ChallengeError(f"{options.test}: is not of cycle {cycle.number}, as --train is")
        path = options.test if test.has_labels else with_truth(test, options.references, temporary)
    checkpoints = dict(map(_checkpoint, options.checkpoints))
    for name in filter(options.methods.__contains__, METHODS):
        sizes = options.sizes if name in OF_EVERY_SIZE else [options.equal_size]
        own = checkpoints if name == OURS else {}
        for n in dict.fromkeys([*sizes, *own]):
            if n > n_train and n not in own:
                raise ChallengeError(f"{options.train}: holds {n_train} events, asked for {n}")
            asked = Sample(path, min(n_test, options.dense_test) if name in DENSE else n_test)
            seconds = 0 if name in (*OF_EVERY_SIZE, *TRIVIAL) else options.seconds
            task = Task(cycle, Sample(options.train, n), asked, seconds, own.get(n), folder)
            yield name, task


def _checkpoint(text: str) -> tuple[int, Path]:
    n, _, path = text.partition("=")
    if not (n.isdecimal() and path):
        raise ChallengeError(f"--checkpoints takes N=PATH, found {text}")
    return int(n), Path(path)


def _run(results: Results, name: str, task: Task) -> None:
    """Run a method and add its row, unless there is already one of the same data."""
    key, data = (task.cycle.number, name, task.train.n), task.digest()
    if key in results.rows and results.rows[key].data == data:
        return
    begun = os.times().user
    trained = METHODS[name](task)
    ready = os.times().user
    pred = trained.predict()
    predicting = os.times().user - ready
    label, offset = task.test.truth()
    row = results.add(
        key, *count_correct(label, pred, offset), how=trained.how, data=data,
        train_seconds=round(ready - begun), predict_ms=1e3 * predicting / task.test.n,
    )  # fmt: skip
    print(f"cycle {row.cycle}, {name}, {row.size} events: acc_mean {row.acc_mean:.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Measure time and memory of the network: its two backends, our own code, and other libraries.

    python benchmarks/network.py [--events cycle2_train.h5] [--batch 32] [--side 64]

The backends are compared alternately in one process, with one thread and with --threads threads.
Then every contender runs in its own process, on the same events, with one thread. Times with one
thread are CPU seconds, so that other work on the machine has little effect; times with several
threads are clock time, so nothing else should run. Memory is the growth after the first step.
SparseConvNet is compared if it is installed.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import importlib.util
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from baseline.backends import open_backend
from baseline.config import Config
from baseline.dataset import Ragged, read_events
from baseline.device import choose_device, explaining_memory
from baseline.model import UResNet, input_features
from baseline.options import BACKENDS
from baseline.predict import class_probabilities
from baseline.training import Training
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from organizer.jobs import ProcessDied, run_jobs

SAMPLE = Path(__file__).parents[1] / "starting_kit" / "data" / "cycle2_train.h5"
PEER, DENSE = "sparseconvnet", "dense"


@dataclass(frozen=True)
class Task:
    """Steps of a contender's training or inference, to be measured for some seconds."""

    contender: str
    training: bool
    events: Ragged
    config: Config
    cycle: Cycle
    device: torch.device
    side: int
    seconds: float
    threads: int = 1


def main() -> None:
    parser = new_parser("python benchmarks/network.py", __doc__)
    parser.add_argument("--events", default=SAMPLE, help="a train or simulation file")
    parser.add_argument("--batch", type=at_least(1), default=32, help="events a step")
    parser.add_argument("--filters", type=at_least(1), default=16)
    parser.add_argument(
        "--side", type=at_least(1), default=64, help="of the dense cube; 192 is all of it"
    )
    parser.add_argument("--threads", type=at_least(1), default=2, help="to compare the backends on")
    parser.add_argument("--seconds", type=float, default=20, help="to spend on a measurement")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    options = parser.parse_args()
    device = choose_device(options.device)
    events, cycle = read_events([options.events], labelled=True)
    events = events.select(torch.arange(min(options.batch, len(events)))).to(device)
    # One batch holds all events, and one view: a step and a pass see each of them once.
    # AdamW, like the other networks' steps: the comparison is of layers.
    config = Config(
        filters=options.filters, batch_events=len(events), optimizer="adamw", holdout=0, views=1
    )
    task = Task("", True, events, config, cycle, device, options.side, options.seconds)
    print(
        f"{len(events)} events of {events.n_voxels / len(events):.0f} voxels a step, "
        f"{config.filters} filters, depth {config.depth}, on a {device.type}"
    )
    backends = list(installed_backends(device))
    for backend in backends:
        ours, bare = in_a_process(measure_overhead, replace(task, contender=backend)).values()
        print(
            f"training step: {ours:.1f} ms per event, bare layers of {backend} {bare:.1f}: loader, "
            f"augmentation, loss and averaging add {ours / bare - 1:.0%}"
        )
    if "spconv" in backends:
        for threads in sorted({1, options.threads}):
            _print_ratios(replace(task, threads=threads))
    _print_contenders(task, backends)


def _print_ratios(task: Task) -> None:
    """Compare the two backends alternately, and print the ratio of their times."""
    for what in ("training step", "inference"):
        one = replace(task, training=what == "training step")
        times = in_a_process(compare_backends, one)
        each = ", ".join(f"{name} {ms:.1f}" for name, ms in times.items())
        ratio = times["torch"] / times["spconv"]
        print(
            f"{what}, {task.threads} threads: {each} ms per event; torch takes {ratio:.2f} times "
            "spconv's"
        )


def _print_contenders(task: Task, backends: list[str]) -> None:
    """Measure every contender in its own process, and print a table with ratios to the first."""
    names = {backend: f"baseline, {backend}" for backend in backends}
    if importlib.util.find_spec(PEER):
        names[PEER] = PEER
    names[DENSE] = f"dense, {GRID_SIZE}^3 from {task.side}^3"
    print(f"{'an event':<24}{'training step':>24}{'inference':>24}")
    first = None
    for contender, name in names.items():
        cells = [
            in_a_process(measure, replace(task, contender=contender, training=training))
            for training in (True, False)
        ]
        print(f"{name:<24}" + "".join(f"{ms:>12.1f} ms{mb:>9.1f} MB" for ms, mb in cells))
        if first:
            ratios = [(a / b, c / d) for (a, c), (b, d) in zip(cells, first)]
            print(
                f"{'  times the first':<24}" + "".join(f"{t:>12.1f}{m:>12.1f}" for t, m in ratios)
            )
        first = first or cells


def installed_backends(device: torch.device) -> Iterator[str]:
    """Yield the backends that can be imported; print why the others can't."""
    for name in BACKENDS:
        try:
            open_backend(name, device)
        except ChallengeError as reason:
            print(f"left out: {reason}")
        else:
            yield name


def in_a_process(function: Callable, task):
    """Return function(task) from a new process."""
    try:
        (result,) = run_jobs(function, [(task,)], processes=1)
    except ProcessDied as death:
        raise ChallengeError(f"{death}; if memory ended, lower --batch or --side") from death
    return result


def measure(task: Task) -> tuple[float, float]:
    """Return milliseconds and megabytes per event.

    Those of a dense network are scaled from its cube to the whole detector.
    """
    torch.set_num_threads(1)
    with explaining_memory("nothing: too much for this machine"):
        step, n_events = prepare(task)
        before = _memory_mb(task.device)
        step()
        share = (_memory_mb(task.device) - before) / n_events
        milliseconds = _medians({"step": step}, n_events, task)["step"]
    # What a dense network costs is proportional to its grid.
    scale = (GRID_SIZE / task.side) ** 3 if task.contender == DENSE else 1
    return scale * milliseconds, scale * share


def measure_overhead(task: Task) -> dict[str, float]:
    """Return milliseconds per event of our training step and of its layers alone."""
    torch.set_num_threads(1)
    step, n_events = prepare(task)
    return _medians({"ours": step, "bare": _bare_step(task)}, n_events, task)


def compare_backends(task: Task) -> dict[str, float]:
    """Return milliseconds per event of a step with each backend, on `task.threads` threads."""
    torch.set_num_threads(task.threads)
    steps = {name: prepare(replace(task, contender=name))[0] for name in ("spconv", "torch")}
    return _medians(steps, len(task.events), task)


def _medians(steps: dict[str, Callable], n_events: int, task: Task) -> dict[str, float]:
    """Return the median milliseconds per event of each step; the steps are run alternately."""
    for step in steps.values():
        step()
    rounds = []
    while len(rounds) < 3 or sum(map(sum, rounds)) < task.seconds:
        rounds.append([])
        for step in steps.values():
            begun = _clock(task)
            step()
            rounds[-1].append(_clock(task) - begun)
    medians = map(statistics.median, zip(*rounds))
    return {name: 1e3 * seconds / n_events for name, seconds in zip(steps, medians)}


def prepare(task: Task) -> tuple[Callable[[], object], int]:
    """Return a step of the task, and its number of events."""
    if task.contender in BACKENDS:
        backend = open_backend(task.contender, task.device)
        training = Training(task.config, task.cycle, task.events, task.device, backend)
        if task.training:
            return training.advance, len(task.events)
        model = training.averaged
        return lambda: class_probabilities(model, task.events, task.config, 1), len(task.events)
    events, n_classes = task.events, len(task.cycle.labels)
    if task.contender == DENSE:
        from networks.dense import Network

        events = events.select(torch.arange(1, device=task.device))
        network = Network(task.config, n_classes, task.side).to(task.device)
    else:
        from networks import scn

        network = scn.Network(task.config, n_classes).to(task.device)
    if task.training:
        return _training_step(network, lambda: network(events), events), len(events)

    def infer():
        with torch.inference_mode():
            return network.eval()(events)

    return infer, len(events)


def _bare_step(task: Task) -> Callable[[], None]:
    """Return a training step with only layers, a plain loss and the optimizer."""
    backend = open_backend(task.contender, task.device)
    model = UResNet(task.config, len(task.cycle.labels), backend).to(task.device)
    features = input_features(task.events.energy)

    def forward():
        x = model.locate(task.events, features)
        return model.head(model.norm(model.levels(model.stem(x)).features))

    return _training_step(model, forward, task.events)


def _training_step(network, forward: Callable, events: Ragged) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters())
    target = events.truth - 1

    def step():
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(forward(), target).backward()
        optimizer.step()

    return step


def _clock(task: Task) -> float:
    if task.device.type == "cuda":
        torch.cuda.synchronize()
    elif task.threads == 1:
        return time.process_time()
    return time.perf_counter()


def _memory_mb(device: torch.device) -> float:
    """Return the peak memory in megabytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(run("network", main))

"""Measure the baseline on a GPU: speed, memory, precision, and checkpoints used on a CPU.

    python benchmarks/gpu.py --events cycle1_train.h5 --test cycle1_test.h5 --out build/gpu

For each backend that can be imported it does a training with the preset `gpu`, and measures: events
per second and memory for several numbers of events per step, filters and precisions; the distance
of each precision from fp32 on a CPU; how many labels are equal if a checkpoint from the GPU
predicts on GPU and CPU. Then the tests that need a GPU are run. All results are written to
OUT/gpu.md. Every measurement has its own process, because spconv keeps the kernels that it has
chosen, whatever the precision.

Without --events it uses the demonstration's 300 events of cycle 1 for 2 epochs: some minutes.
With --device cpu it tests the command itself, in fp32 and with a tiny network.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from network import Task, in_a_process, installed_backends, measure

from baseline.backends import open_backend
from baseline.config import PRECISIONS, PRESETS
from baseline.dataset import read_events
from baseline.device import choose_device
from baseline.model import UResNet, arithmetic
from baseline.predict import predict
from baseline.train import train
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.files import write_text
from lartpc_challenge.format import METRICS, ChallengeError

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "starting_kit/data"
BATCHES, FILTERS = (16, 64, 192), (16, 32, 64)
TINY = {"filters": 4, "depth": 3, "blocks": 1, "views": 2, "precision": "fp32"}


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/gpu.py", __doc__)
    parser.add_argument("--events", type=Path, help="labelled events to train on")
    parser.add_argument("--test", type=Path, help="events of the same cycle to predict")
    parser.add_argument("--epochs", type=at_least(1), help="(default: the preset's; sample: 2)")
    parser.add_argument("--seconds", type=float, default=10, help="per measurement (%(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/gpu", help="folder to write")
    options = parser.parse_args(arguments)
    if (options.events is None) != (options.test is None):
        parser.error("--events and --test go together")
    return run("gpu", lambda: _report(options), alone=[options.out])


def _report(options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    preset, epochs = PRESETS["gpu"], options.epochs
    if options.events is None:
        epochs = epochs or 2
        options.events, options.test = SAMPLE / "cycle1_train.h5", SAMPLE / "cycle1_test.h5"
    preset = replace(preset, epochs=epochs or preset.epochs)
    if device.type == "cpu":
        preset = replace(preset, **TINY)
    events, cycle = read_events([options.events], labelled=True)
    events = events.charged()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU, to try the command"
    text = [f"# The baseline on {name}\n\ntorch {torch.__version__}\n"]
    for backend in installed_backends(device):
        task = Task(backend, True, events, preset, cycle, device, 0, options.seconds)
        for section in (speeds, precisions):
            text.append(section(task))
            print(text[-1], flush=True)
        text.append(trained(task, options))
        print(text[-1], flush=True)
        write_text(options.out / "gpu.md", "\n".join(text))
    if device.type == "cuda":
        tests = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(ROOT / "tests")]
        done = subprocess.run(tests, capture_output=True, text=True, cwd=ROOT)
        text.append("## Tests that need a card\n\n" + done.stdout.strip().splitlines()[-1] + "\n")
        print(text[-1])
    write_text(options.out / "gpu.md", "\n".join(text))
    print(f"{options.out / 'gpu.md'}: written")


def speeds(task: Task) -> str:
    """Return a table of events per second and memory against batch, filters and precision."""
    config = replace(task.config, holdout=0.0)
    choices = [replace(config, batch_events=n) for n in BATCHES]
    if task.device.type == "cuda":
        choices += [replace(config, filters=n) for n in FILTERS if n != config.filters]
        choices += [replace(config, precision=p) for p in PRECISIONS if p != config.precision]
    lines = [
        f"## {task.contender}: training steps\n",
        "| events per step | filters | precision | events/s | MB that a step takes |",
        "|--:|--:|---|--:|--:|",
    ]
    for choice in choices:
        n = min(choice.batch_events, len(task.events))
        batch = task.events.select(torch.arange(n)).to(task.device)
        cells = f"| {n} | {choice.filters} | {choice.precision} |"
        try:
            ms, mb = in_a_process(measure, replace(task, events=batch, config=choice))
            cells += f" {1000 / ms:.0f} | {mb * n:.0f} |"
        except ChallengeError as reason:
            cells += f" {reason} | |"
        lines.append(cells)
    return "\n".join(lines) + "\n"


def precisions(task: Task) -> str:
    """Return a table of the distance of each precision from a CPU's fp32."""
    lines = [
        f"## {task.contender}: precision\n",
        "Largest difference of a logit from plain torch on a CPU, in units of the largest logit;",
        "in training mode, after which the network has taken no step.\n",
        "| precision | difference |\n|---|--:|",
    ]
    few = replace(task, events=task.events.select(torch.arange(4)))
    for name in PRECISIONS if task.device.type == "cuda" else ("fp32",):
        one = replace(few, config=replace(task.config, precision=name))
        lines.append(f"| {name} | {in_a_process(distance, one):.1e} |")
    return "\n".join(lines) + "\n"


def distance(task: Task) -> float:
    """Return how far the events' logits are from a CPU's, in units of the largest."""
    n_classes = len(task.cycle.labels)
    torch.manual_seed(1)
    cpu = UResNet(task.config, n_classes).train()
    there = UResNet(task.config, n_classes, open_backend(task.contender, task.device))
    there.load_state_dict(cpu.state_dict())
    there.to(task.device).train()
    with torch.no_grad():
        expected = cpu(task.events)
        with arithmetic(there, task.config.precision):
            found = there(task.events.to(task.device)).float().cpu()
    return float((found - expected).abs().max() / expected.abs().max())


def trained(task: Task, options: argparse.Namespace) -> str:
    """Return time and scores of a training, and how GPU and CPU predict with its network."""
    folder, device, backend = options.out / task.contender, options.device, task.contender
    for path in folder.glob("*.*"):
        path.unlink()
    begun = time.perf_counter()
    record, scores = train(task.config, [options.events], folder, device=device, backend=backend)
    minutes = (time.perf_counter() - begun) / 60
    labels = [
        predict(folder / "best.pt", options.test, *on)
        for on in ((device, backend), ("cpu", "torch"))
    ]
    found = ", ".join(f"{name} {scores[name]:.4f}" for name in METRICS)
    return (
        f"## {backend}: training\n\n"
        f"{len(record)} epochs in {minutes:.1f} minutes, {record[-1]['events_per_second']:.0f} "
        f"events/s; on the hold-out over {task.config.views} views: {found}.\n"
        f"Of {len(labels[0]):,} voxels of {options.test.name}, "
        f"{np.mean(labels[0] == labels[1]):.4%} get the same label from plain torch on a CPU.\n"
    )


if __name__ == "__main__":
    sys.exit(main())

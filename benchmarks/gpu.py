"""What a GPU makes of the baseline: speed, memory, precision, and whether its checkpoints travel.

    python benchmarks/gpu.py --events cycle1_train.h5 --test cycle1_test.h5 --out build/gpu

For each backend that can be imported: a training with the preset `gpu`; events per second and the
card's memory against events per step, filters and precision; how far each precision is from a CPU's
fp32; how many labels a checkpoint from the card gives alike on card and CPU. Then the tests that
need a card. All of it goes into OUT/gpu.md. Every measurement has a process of its own: spconv
keeps the kernels that it has tuned, whatever the precision.

Without --events: the demonstration's 300 events of cycle 1, for 2 epochs, some minutes on a card.
--device cpu tries the command itself, in fp32 and with a tiny network.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from baseline.backends import open_backend
from baseline.config import PRECISIONS, PRESETS, Config
from baseline.dataset import read_events
from baseline.device import choose_device, explaining_memory
from baseline.model import UResNet, arithmetic
from baseline.options import BACKENDS
from baseline.predict import predict
from baseline.train import train
from baseline.training import Training
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.files import write_text
from lartpc_challenge.format import METRICS, ChallengeError
from organizer.jobs import run_jobs

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "starting_kit/data"
BATCHES, FILTERS = (16, 64, 192), (16, 32, 64)
TINY = {"filters": 4, "depth": 3, "blocks": 1, "views": 2, "precision": "fp32"}


@dataclass(frozen=True)
class Setting:
    """One measurement: what computes what, for about so many seconds."""

    device: str
    backend: str
    config: Config
    events: Path
    seconds: float


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
    return run("gpu", lambda: _report(options))


def _report(options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    preset, epochs = PRESETS["gpu"], options.epochs
    if options.events is None:
        epochs = epochs or 2
        options.events, options.test = SAMPLE / "cycle1_train.h5", SAMPLE / "cycle1_test.h5"
    preset = replace(preset, epochs=epochs or preset.epochs)
    if device.type == "cpu":
        preset = replace(preset, **TINY)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU, to try the command"
    text = [f"# The baseline on {name}\n\ntorch {torch.__version__}\n"]
    for backend in installed(device):
        setting = Setting(device.type, backend, preset, options.events, options.seconds)
        for section in (speeds, precisions):
            text.append(section(setting))
            print(text[-1], flush=True)
        text.append(trained(setting, options.test, options.out))
        print(text[-1], flush=True)
        write_text(options.out / "gpu.md", "\n".join(text))
    if device.type == "cuda":
        tests = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(ROOT / "tests")]
        done = subprocess.run(tests, capture_output=True, text=True, cwd=ROOT)
        text.append("## Tests that need a card\n\n" + done.stdout.strip().splitlines()[-1] + "\n")
        print(text[-1])
    write_text(options.out / "gpu.md", "\n".join(text))
    print(f"{options.out / 'gpu.md'}: written")


def installed(device: torch.device) -> Iterator[str]:
    """The backends that can be imported."""
    for name in BACKENDS:
        try:
            open_backend(name, device)
        except ChallengeError as reason:
            print(f"left out: {reason}")
        else:
            yield name


def speeds(setting: Setting) -> str:
    """A table of events per second and memory against batch, filters and precision."""
    config = setting.config
    choices = [replace(config, batch_events=n) for n in BATCHES]
    if setting.device == "cuda":
        choices += [replace(config, filters=n) for n in FILTERS if n != config.filters]
        choices += [replace(config, precision=p) for p in PRECISIONS if p != config.precision]
    lines = [
        f"## {setting.backend}: training steps\n",
        "| events per step | filters | precision | events/s | MB of the card |",
        "|--:|--:|---|--:|--:|",
    ]
    for choice in choices:
        cells = f"| {choice.batch_events} | {choice.filters} | {choice.precision} |"
        try:
            rate, memory = _alone(measure, replace(setting, config=choice))
            cells += f" {rate:.0f} | {memory:.0f} |"
        except ChallengeError as reason:
            cells += f" {reason} | |"
        lines.append(cells)
    return "\n".join(lines) + "\n"


def measure(setting: Setting) -> tuple[float, float]:
    """Events per second of training steps, and the most memory of the card they took, in MB."""
    training = _new_training(setting)
    with explaining_memory("nothing: too much for this card"):
        for _ in range(3):  # kernels are chosen and memory is taken in the first steps
            training.advance()
        _wait(training.device)
        begun, first = time.perf_counter(), training.step
        while time.perf_counter() - begun < setting.seconds or training.step == first:
            training.advance()
            _wait(training.device)
    spent = time.perf_counter() - begun
    n_events = (training.step - first) * len(training.events) / training.steps_per_epoch
    is_card = training.device.type == "cuda"
    return n_events / spent, torch.cuda.max_memory_allocated() / 1e6 if is_card else 0.0


def precisions(setting: Setting) -> str:
    """A table of the distance of each precision from a CPU's fp32."""
    names = PRECISIONS if setting.device == "cuda" else ("fp32",)
    lines = [
        f"## {setting.backend}: precision\n",
        "Largest difference of a logit from plain torch on a CPU, in units of the largest logit;",
        "in training mode, after which the network has taken no step.\n",
        "| precision | difference |\n|---|--:|",
    ]
    for name in names:
        config = replace(setting.config, precision=name)
        lines.append(f"| {name} | {_alone(distance, replace(setting, config=config)):.1e} |")
    return "\n".join(lines) + "\n"


def distance(setting: Setting) -> float:
    """How far the logits of one batch are from a CPU's, in units of the largest."""
    device = torch.device(setting.device)
    events, cycle = read_events([setting.events], labelled=True)
    events = events.charged().select(torch.arange(4))
    torch.manual_seed(1)
    cpu = UResNet(setting.config, len(cycle.labels)).train()
    there = UResNet(setting.config, len(cycle.labels), open_backend(setting.backend, device))
    there.load_state_dict(cpu.state_dict())
    there.to(device).train()
    with torch.no_grad():
        expected = cpu(events)
        with arithmetic(there, setting.config.precision):
            found = there(events.to(device)).float().cpu()
    return float((found - expected).abs().max() / expected.abs().max())


def trained(setting: Setting, test: Path, out: Path) -> str:
    """What a whole training takes and reaches, and how its checkpoint predicts on card and CPU."""
    folder = out / setting.backend
    for path in folder.glob("*.*"):
        path.unlink()
    begun = time.perf_counter()
    record, scores = train(
        setting.config, [setting.events], folder, device=setting.device, backend=setting.backend
    )
    minutes = (time.perf_counter() - begun) / 60
    labels = [
        predict(folder / "best.pt", test, device, backend)
        for device, backend in ((setting.device, setting.backend), ("cpu", "torch"))
    ]
    found = ", ".join(f"{name} {scores[name]:.4f}" for name in METRICS)
    return (
        f"## {setting.backend}: training\n\n"
        f"{len(record)} epochs in {minutes:.1f} minutes, {record[-1]['events_per_second']:.0f} "
        f"events/s; on the hold-out over {setting.config.views} views: {found}.\n"
        f"Of {len(labels[0]):,} voxels of {test.name}, {np.mean(labels[0] == labels[1]):.4%} get "
        "the same label from plain torch on a CPU.\n"
    )


def _new_training(setting: Setting) -> Training:
    device = torch.device(setting.device)
    events, cycle = read_events([setting.events], labelled=True)
    events = events.charged().to(device)
    # All steps' batches are full ones, so that their sizes don't vary with the file's.
    config = replace(setting.config, holdout=0.0, epochs=1000)
    return Training(config, cycle, events, device, open_backend(setting.backend, device))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _alone(function: Callable, setting: Setting):
    """What function(setting) gives in a process of its own."""
    (result,) = run_jobs(function, [(setting,)], processes=1)
    return result


if __name__ == "__main__":
    sys.exit(main())

"""Train the network on labelled events.

    python -m baseline.train --events cycle1_train.h5 --preset gpu --out run/
    python -m baseline.train --events cycle1_train.h5 --resume run/last.pt
    torchrun --nproc-per-node 4 -m baseline.train --events cycle1_train.h5 --preset gpu --out run/

Leaves in run/: best.pt (what predict reads), last.pt (what --resume reads), record.csv, curves.png.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from lartpc_challenge import metrics
from lartpc_challenge.events import replacing
from lartpc_challenge.format import METRICS, ChallengeError, Cycle

from . import checkpoint, config
from .augment import augment
from .config import Config
from .dataset import Ragged, n_batches, read_events, shuffled_batch, split
from .device import choose_device, explaining_memory
from .model import UResNet, arithmetic
from .predict import class_probabilities

CHECKPOINT_MINUTES = 5.0
_MEMORY_ADVICE = "--batch-events or --filters"


def event_loss(logits: torch.Tensor, events: Ragged, n_events: int) -> torch.Tensor:
    """Cross-entropy averaged over each event's voxels, summed over events, divided by n_events.

    As the score does, it counts every event alike, large or small.
    """
    voxel = torch.nn.functional.cross_entropy(logits.float(), events.label - 1, reduction="none")
    return (voxel / events.length[events.event]).sum() / n_events


def learning_rate(config: Config, step: int, n_steps: int) -> float:
    """One cycle: a linear climb over `warmup` of the steps, then half a cosine down to zero."""
    climb = config.warmup * n_steps
    if step < climb:
        return config.learning_rate * (step + 1) / (climb + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - climb) / (n_steps - climb)))


class Training:
    """Everything that a step changes: weights, their average, optimizer, scaler, step, record.

    Order, augmentation and learning rate are functions of seed and step, so this is all that
    exact resuming needs.
    """

    def __init__(self, config: Config, cycle: Cycle, events: Ragged, device: torch.device):
        self.config, self.cycle, self.events, self.device = config, cycle, events, device
        self.rank, self.world = _rank(), _world()
        self.train_index, self.holdout_index = split(len(events), config.holdout, config.seed)
        self.steps_per_epoch = n_batches(len(self.train_index), config.batch_events)
        self.n_steps = config.epochs * self.steps_per_epoch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = UResNet(config, len(cycle.labels), device.type).to(device)
        self.averaged = UResNet(config, len(cycle.labels), device.type).to(device).eval()
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(_weight_groups(self.model, config.weight_decay))
        half = config.precision == "fp16" and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        # Inputs are not torch's to scatter, so no device_ids.
        self.network = DistributedDataParallel(self.model) if self.world > 1 else self.model
        self.step, self.seconds = 0, 0.0
        self.loss_sum = torch.zeros((), device=device)
        self.record: list[dict] = []

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.step // self.steps_per_epoch

    def batch(self) -> tuple[Ragged, int]:
        """This process's share of the step's events, augmented, and the step's events in all."""
        seed, n_train = self.config.seed, len(self.train_index)
        place = shuffled_batch(n_train, self.config.batch_events, self.step, seed)
        mine = self.train_index[place[self.rank :: self.world]].to(self.device)
        generator = torch.Generator(self.device)
        words = np.random.SeedSequence([seed, 2, self.step, self.rank]).generate_state(1, np.uint64)
        generator.manual_seed(int(words[0] >> 1))
        events = self.events.select(mine)
        return augment(events, self.config, self.model.period, generator), len(place)

    def advance(self) -> None:
        """One step of training."""
        events, n_events = self.batch()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step, self.n_steps)
        self.network.train()
        with arithmetic(self.config.precision, self.device):
            logits = self.network(events)
        # DistributedDataParallel averages over processes; the loss is a mean over all events.
        loss = event_loss(logits, events, n_events) * self.world
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average()
        self.loss_sum += loss.detach()
        self.step += 1

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights and norms' statistics towards the present ones."""
        # The first steps' weights deserve no memory: the decay itself warms up.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.averaged.state_dict().values(), self.model.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def close_epoch(self) -> dict:
        """Measure the averaged network on the hold-out and add a row to the record."""
        train_loss = self.loss_sum / self.steps_per_epoch
        if self.world > 1:
            dist.all_reduce(train_loss)
            train_loss /= self.world
        self.loss_sum.zero_()
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "learning_rate": learning_rate(self.config, self.step - 1, self.n_steps),
            "train_loss": train_loss.item(),
            **self.measure(self.averaged, n_views=1),
        }
        self.record.append(row)
        return row

    def measure(self, model: UResNet, n_views: int) -> dict:
        """Loss and the challenge's metrics on the hold-out; nothing where none is held out."""
        if len(self.holdout_index) == 0:
            return {}
        mine = self.events.select(self.holdout_index[self.rank :: self.world].to(self.device))
        probability = class_probabilities(model, mine, self.config, n_views)
        mine = mine.to("cpu")
        of_truth = probability.gather(1, mine.label[:, None] - 1)[:, 0].double()
        voxel_loss = -of_truth.clamp(min=1e-30).log()
        loss = torch.zeros(len(mine), dtype=torch.float64).index_add(0, mine.event, voxel_loss)
        loss = (loss / mine.length).numpy()
        offset = np.append(mine.offset.numpy(), mine.n_voxels)
        pred = probability.argmax(1).numpy() + 1
        accuracy = metrics.accuracy(*metrics.count_correct(mine.label.numpy(), pred, offset))
        if self.world > 1:
            shares = [None] * self.world
            dist.all_gather_object(shares, (accuracy, loss))
            accuracy, loss = (np.concatenate(column) for column in zip(*shares))
        return {"loss": float(loss.mean()), **metrics.leaderboard(accuracy)}

    def model_checkpoint(self) -> dict:
        """The averaged network, as best.pt holds it."""
        return checkpoint.pack_model(self.averaged.state_dict(), self.config, self.cycle)

    def state(self) -> dict:
        """Everything to resume from, as last.pt holds it, with the model inside."""
        return {
            **self.model_checkpoint(),
            "state": {
                "data": _fingerprint(self.events),
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "loss_sum": self.loss_sum,
                "record": self.record,
            },
        }

    def resume(self, state: dict, path) -> None:
        """Take up a state. ChallengeError where it was trained on other events."""
        if state["data"] != _fingerprint(self.events):
            raise ChallengeError(
                f"{path}: was trained on other events; "
                "give --events the same files in the same order"
            )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.loss_sum.copy_(state["loss_sum"])
        self.record = state["record"]


def _weight_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Decay matrices and kernels, not norms and biases."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _fingerprint(events: Ragged) -> str:
    digest = hashlib.sha256()
    for column in (events.length, events.coords, events.energy, events.label):
        digest.update(column.cpu().numpy())
    return digest.hexdigest()


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextlib.contextmanager
def _processes(device_name: str, precision: str) -> Iterator[torch.device]:
    """This process's device; under torchrun, all processes are joined within the block."""
    device = choose_device(device_name, precision)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a polite kill sets; a second one ends the block at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number, frame):
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _agreed(stop: threading.Event, training: Training) -> bool:
    """Whether any process was asked to stop; all must leave the loop at the same step."""
    if training.world == 1:
        return stop.is_set()
    flag = torch.tensor(float(stop.is_set()), device=training.device)
    dist.all_reduce(flag)
    return bool(flag > 0)


def run(training: Training, out: Path) -> bool:
    """Train to the end, or until interrupted: False. Files are written by the first process."""
    first = training.rank == 0
    quiet = 0.5 if sys.stderr.isatty() else 60
    bar = tqdm(
        total=training.n_steps,
        initial=training.step,
        unit="step",
        disable=not first,
        mininterval=quiet,
    )
    saved = time.monotonic()
    with _interruptible() as stop, bar:
        while training.step < training.n_steps:
            begun = time.monotonic()
            training.advance()
            training.seconds += time.monotonic() - begun
            bar.update()
            at_end = training.step % training.steps_per_epoch == 0
            if at_end:
                _end_epoch(training, out, bar)
            stopped = _agreed(stop, training)
            late = time.monotonic() - saved > 60 * CHECKPOINT_MINUTES
            if first and (at_end or stopped or late):
                checkpoint.save(training.state(), out / "last.pt")
                saved = time.monotonic()
            if stopped and training.step < training.n_steps:
                return False
    return True


def _end_epoch(training: Training, out: Path, bar) -> None:
    row = training.close_epoch()
    if training.rank > 0:
        return
    best = max(training.record, key=lambda r: r.get("acc_mean", r["epoch"]))
    if best is row:
        checkpoint.save(training.model_checkpoint(), out / "best.pt")
    write_record(training.record, out / "record.csv")
    draw_curves(training.record, out / "curves.png")
    names = [name for name in ("train_loss", "loss", *METRICS) if name in row]
    scores = ", ".join(f"{name} {row[name]:.4f}" for name in names)
    bar.write(f"epoch {row['epoch']}/{training.config.epochs}: {scores}", file=sys.stdout)
    sys.stdout.flush()


def write_record(record: list[dict], path: Path) -> None:
    """One line an epoch, as CSV."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.DictWriter(file, record[0])
        table.writeheader()
        table.writerows(record)


def draw_curves(record: list[dict], path: Path) -> None:
    """Losses and metrics against epochs, as PNG."""
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in record]
    for axes, names in ((left, ("train_loss", "loss")), (right, METRICS)):
        for name in names:
            if name in record[0]:
                axes.plot(epochs, [row[name] for row in record], ".-", label=name)
        axes.set_xlabel("epoch")
        axes.legend(frameon=False)
    left.set_ylabel("cross-entropy an event")
    left.set_yscale("log")
    right.set_ylabel("on the hold-out")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def train(config: Config, paths, out, device: str = "auto", resume=None) -> tuple[list[dict], dict]:
    """Train on the files and write best.pt, last.pt, record.csv and curves.png into `out`.

    resume: path of a last.pt, whose configuration then holds. Returns the record and the hold-out's
    metrics with averaged orientations, empty where the training was interrupted.
    """
    out = Path(out)
    with _processes(device, config.precision) as where, explaining_memory(_MEMORY_ADVICE):
        events, cycle = read_events(paths, labelled=True)
        events = events.select(torch.nonzero(events.length)[:, 0])
        training = Training(config, cycle, events.to(where), where)
        if resume:
            loaded = checkpoint.load(resume, where)
            training.resume(loaded["state"], resume)
        if not run(training, out):
            return training.record, {}
        best = checkpoint.load_model(out / "best.pt", where)[0]
        return training.record, training.measure(best, config.views)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="baseline.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", nargs="+", required=True, help="train or simulation files")
    parser.add_argument("--out", help="folder for the results; with --resume, the checkpoint's own")
    parser.add_argument("--resume", metavar="last.pt", help="go on exactly where this one stopped")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--threads", type=int, default=1, help="1 repeats bit by bit; 2 gain 10-30 %%"
    )
    config.add_options(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        return _main(options)
    except ChallengeError as reason:
        print(f"baseline.train: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("baseline.train: interrupted", file=sys.stderr)
        return 130


def _main(options: argparse.Namespace) -> int:
    if options.resume:
        chosen = Config.from_dict(checkpoint.load(options.resume)["config"])
        out = Path(options.out or Path(options.resume).parent)
    elif options.out:
        chosen, out = config.from_options(options), Path(options.out)
        if (out / "last.pt").exists():
            raise ChallengeError(
                f"{out}: holds a training already; go on with --resume {out / 'last.pt'} "
                "or choose another --out"
            )
    else:
        raise ChallengeError("--out is missing: the folder for the results")
    record, scores = train(chosen, options.events, out, options.device, options.resume)
    if os.environ.get("RANK", "0") != "0":
        return 0
    if not record or record[-1]["epoch"] < chosen.epochs:
        print(f"stopped early; go on with --resume {out / 'last.pt'}")
        return 130
    closing = ", ".join(f"{name} {scores[name]:.4f}" for name in METRICS if name in scores)
    print(f"{out / 'best.pt'}, {chosen.views} orientations, hold-out: {closing or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

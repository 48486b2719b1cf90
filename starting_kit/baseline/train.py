"""Train the network on labelled events.

    python -m baseline.train --events cycle1_train.h5 --preset gpu --out run/
    python -m baseline.train --events cycle1_train.h5 --resume run/last.pt
    python -m baseline.train --events cycle2_train.h5 --init-from run/best.pt --out run2/
    torchrun --nproc-per-node 4 -m baseline.train --events cycle1_train.h5 --preset gpu --out run/

Leaves in run/: best.pt (what predict reads), last.pt (what --resume reads), record.csv, curves.png,
and tensorboard/ where TensorBoard is installed.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from baseline.options import end_without_torch, train_parser

try:
    import torch
except ModuleNotFoundError:
    end_without_torch(train_parser(__doc__ or ""), __name__)
import torch.distributed as dist
from tqdm import tqdm

from baseline import checkpoint, config
from baseline.backends import open_backend
from baseline.config import Config
from baseline.dataset import Ragged, read_events
from baseline.device import choose_device, describe, explaining_memory, joined_processes
from baseline.record import Board, draw_curves, write_record
from baseline.stream import EventDataset
from baseline.training import Training
from lartpc_challenge.command import alone_in, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.signals import handling, stopping

# The longest time between two checkpoints: what a crash may cost.
_CHECKPOINT_SECONDS = 300


class Stop:
    """Hold a request to stop after the current step. number: of the signal, None without one."""

    number: int | None = None

    def ask(self, number: int, _) -> None:
        """Handle a signal: stop after the current step; a second one ends the training at once."""
        if self.number is not None:
            raise KeyboardInterrupt(number)
        self.number = number


def train(
    config: Config,
    paths,
    out,
    *,
    device: str = "auto",
    backend: str = "auto",
    resume=None,
    init_from=None,
    workers: int = 0,
    stop: Stop | None = None,
) -> tuple[list[dict], dict]:
    """Train on the files; keep best.pt, last.pt, record.csv and curves.png in `out` up to date.

    device: cpu, cuda or auto; backend: one of BACKENDS or auto. resume: the last.pt to continue
    from; `config` must be its own, or differ in having more epochs. init_from: a checkpoint whose
    weights are the first ones. workers: 0 keeps all events in memory (on the GPU, if there is one);
    otherwise as many processes read them when they are needed. stop: holds the signal that ended
    the training early. Returns the record, one row per epoch, and the scores of best.pt on the
    hold-out over all its views: {} if nothing was held out or the training ended early.
    """
    out = Path(out)
    chosen = choose_device(device, config.precision)
    check_writable(out / "last.pt")
    with joined_processes(chosen) as where, explaining_memory("--batch-events or --filters"):
        events, cycle = _open_events(paths, workers, where)
        opened = open_backend(backend, where)
        training = Training(config, cycle, events, where, opened, workers)
        if training.rank == 0:
            print(describe(training.model, len(events), config.precision), flush=True)
        if resume:
            training.resume(checkpoint.load(resume), resume)
        elif init_from:
            training.start_from(checkpoint.load(init_from), init_from)
        _loop(training, out, stop or Stop())
        scores = _final_scores(training, out) if training.step == training.n_steps else {}
        if training.rank == 0:
            print(_closing(training, scores, out), flush=True)
        record = training.record
        # Before its process group ends: as the group's last owner, DistributedDataParallel would
        # hold Python's lock while it waits for a thread of the group, which may need the lock.
        del training
    return record, scores


def _open_events(paths, workers: int, device: torch.device) -> tuple[Ragged | EventDataset, Cycle]:
    """Return the events with voxels: in memory on `device`, or for `workers` processes to read."""
    if workers:
        dataset = EventDataset(paths)
        return dataset.charged(), dataset.cycle
    events, cycle = read_events(paths, labelled=True)
    return events.charged().to(device), cycle


def _final_scores(training: Training, out: Path) -> dict:
    """Return the scores of best.pt on the hold-out, over all its views."""
    best = training.averaged
    if training.rank == 0:  # the others get its weights when they measure
        backend = training.model.backend
        best = checkpoint.load_model(out / "best.pt", training.device, backend)[0]
    try:
        return training.measure(best, training.config.views)
    except KeyboardInterrupt:
        if training.rank == 0:
            print(f"{out / 'best.pt'} is ready; only its score over all views is not measured")
        raise


def _loop(training: Training, out: Path, stop: Stop) -> None:
    """Train to the end or until asked to stop. Only the first process writes."""
    first = training.rank == 0
    bar = tqdm(
        total=training.n_steps,
        initial=training.step,
        unit="step",
        disable=not first,
        mininterval=0.5 if sys.stderr.isatty() else 60,
    )
    saved, is_over = time.monotonic(), False
    board = Board(out / "tensorboard" if first else None, training.epoch)
    with handling(stopping(), stop.ask), bar, contextlib.closing(board):
        while training.step < training.n_steps and not is_over:
            begun = time.monotonic()
            training.advance()
            training.seconds += time.monotonic() - begun
            bar.update()
            if first and training.step % 10 == 0:  # asking makes a GPU wait
                bar.set_postfix_str(f"loss {training.mean_loss:.3f}", refresh=False)
            epoch_over = training.step % training.steps_per_epoch == 0
            if epoch_over:
                row = training.close_epoch()
                if first:
                    _write_epoch(training, out)
                    board.add(row)
                    bar.write(_sentence(row, training.config.epochs), file=sys.stdout)
                    sys.stdout.flush()
            is_over = _agreed(stop, training)
            late = time.monotonic() - saved > _CHECKPOINT_SECONDS
            if first and (epoch_over or is_over or late):
                checkpoint.save(training.state_checkpoint(), out / "last.pt")
                saved = time.monotonic()


def _write_epoch(training: Training, out: Path) -> None:
    """Write the table, the curves and, if the last epoch is the best so far, the model."""
    record = training.record
    # The mean over events is the least noisy of the metrics; without a hold-out, the latest.
    best = max(record, key=lambda row: (row.get("acc_mean", 0.0), row["epoch"]))
    if best is record[-1]:
        checkpoint.save(training.model_checkpoint(), out / "best.pt")
    write_record(record, out / "record.csv")
    draw_curves(record, out / "curves.png")


def _sentence(row: dict, epochs: int) -> str:
    names = [name for name in ("train_loss", "loss", *METRICS) if name in row]
    names += [name for name in row if name.startswith("recall ")]
    return f"epoch {row['epoch']}/{epochs}: " + ", ".join(f"{n} {row[n]:.4f}" for n in names)


def _closing(training: Training, scores: dict, out: Path) -> str:
    if training.step < training.n_steps:
        done = f"{training.step} of {training.n_steps} steps"
        return f"stopped after {done}; go on with --resume {out / 'last.pt'}"
    if not scores:
        return f"{out / 'best.pt'} is ready; no events were held out to score it"
    found = ", ".join(f"{name} {scores[name]:.4f}" for name in METRICS)
    return f"{out / 'best.pt'} over {training.config.views} views of the hold-out: {found}"


def _agreed(stop: Stop, training: Training) -> bool:
    """Return whether any process was asked to stop; all of them must stop after the same step."""
    if training.world == 1:
        return stop.number is not None
    flag = torch.tensor(float(stop.number is not None), device=training.device)
    dist.all_reduce(flag)
    return bool(flag > 0)


def main(arguments: list[str] | None = None) -> int:
    options = train_parser(__doc__).parse_args(arguments)
    torch.set_num_threads(options.threads)

    def command() -> None:
        chosen, out = _plan(options)
        names = ("device", "backend", "resume", "init_from", "workers")
        how = {name: getattr(options, name) for name in names}
        stop = Stop()
        # The processes of one torchrun share the folder, the first one writes.
        is_first = os.environ.get("RANK", "0") == "0"
        with alone_in(out) if is_first else contextlib.nullcontext():
            record, _ = train(chosen, options.events, out, stop=stop, **how)
        if not record or record[-1]["epoch"] < chosen.epochs:
            raise KeyboardInterrupt(stop.number or signal.SIGINT)

    return run("train", command)


def _plan(options: argparse.Namespace) -> tuple[Config, Path]:
    """Return the configuration and the folder. Raises ChallengeError for contradicting options."""
    if options.resume:
        superfluous = [flag for flag in config.given(options) if flag != "--epochs"]
        superfluous += ["--out"] * bool(options.out) + ["--init-from"] * bool(options.init_from)
        if superfluous:
            raise ChallengeError(
                "--resume goes on in the checkpoint's folder with its configuration; leave out "
                + ", ".join(superfluous)
            )
        saved = Config.from_dict(checkpoint.load(options.resume)["config"])
        epochs = getattr(options, "epochs", saved.epochs)
        if epochs < saved.epochs:
            raise ChallengeError(
                f"{options.resume}: is a training of {saved.epochs} epochs; --epochs can only "
                f"make them more, found {epochs}"
            )
        return replace(saved, epochs=epochs), Path(options.resume).parent
    if not options.out:
        raise ChallengeError("--out is missing: the folder for the results")
    out = Path(options.out)
    if (out / "last.pt").exists():
        raise ChallengeError(
            f"{out}: holds a training already; go on with --resume {out / 'last.pt'} or choose "
            "another --out"
        )
    return config.from_options(options), out


if __name__ == "__main__":
    sys.exit(main())

"""The options of train and predict, which `--help` shows without PyTorch."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from baseline import config
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.format import ChallengeError

BACKENDS = ("spconv", "spconv-triton", "torch")
_MOST_PROCESSES = 1024  # or threads


def train_parser(manual: str | None) -> argparse.ArgumentParser:
    """Return the parser of `python -m baseline.train`."""
    parser = new_parser("python -m baseline.train", manual)
    parser.add_argument("--events", nargs="+", required=True, help="train or simulation files")
    parser.add_argument("--out", help="folder for the results")
    resume = "continue this training exactly; with more --epochs, on their learning-rate schedule"
    parser.add_argument("--resume", metavar="last.pt", help=resume)
    first = "start from the weights of this network of the same shape, of any cycle"
    parser.add_argument("--init-from", metavar="best.pt", help=first)
    workers = (
        "0 (default) keeps all events in memory; otherwise as many processes read them from the "
        "files when they are needed"
    )
    parser.add_argument("--workers", type=at_least(0, _MOST_PROCESSES), default=0, help=workers)
    _add_device(parser)
    config.add_options(parser)
    return parser


def predict_parser(manual: str | None) -> argparse.ArgumentParser:
    """Return the parser of `python -m baseline.predict`."""
    parser = new_parser("python -m baseline.predict", manual)
    parser.add_argument("--checkpoint", required=True, help="best.pt (or last.pt) of a training")
    events = "the test file, of a cycle whose classes the network separates"
    parser.add_argument("--events", required=True, help=events)
    parser.add_argument("--out", required=True, help="the submission to write, a .zip")
    views = "orientations of each event to average (default: as trained); time grows with it"
    parser.add_argument("--views", type=at_least(1, config.MOST_VIEWS), help=views)
    _add_device(parser)
    return parser


def _add_device(parser: argparse.ArgumentParser) -> None:
    devices = ("auto", "cpu", "cuda")
    parser.add_argument("--device", choices=devices, default="auto", help="auto: a GPU if any")
    backend = (
        "what computes the convolutions; auto: spconv where it is installed and has kernels for "
        "the GPU, torch elsewhere; all read the same checkpoints"
    )
    parser.add_argument("--backend", choices=("auto", *BACKENDS), default="auto", help=backend)
    threads = "of the CPU (default: all cores, %(default)s here); equal numbers, equal bits"
    most = at_least(1, _MOST_PROCESSES)
    parser.add_argument("--threads", type=most, default=cores(), help=threads)


def cores() -> int:
    """Return the number of CPU cores for this process; processes of one torchrun share them."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        usable = os.cpu_count() or 1
    return max(1, usable // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def end_without_torch(parser: argparse.ArgumentParser, module: str) -> NoReturn:
    """End a command without PyTorch: print --help if it was asked for, else one sentence.

    Call it when the import fails. module: the caller's __name__. Raises the error of the import
    again if the module is not run as a command.
    """
    if module != "__main__":
        raise
    parser.parse_args()

    def fail() -> None:
        raise ChallengeError("needs PyTorch: pip install -r requirements-network.txt")

    sys.exit(run(parser.prog.rpartition(".")[2], fail))

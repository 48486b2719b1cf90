"""Flip single bits of a file and check that its reader notices every change.

    python tests/bit_flips.py [--sample 20000] [FILE...]

FILE is an events file, a reference or a model of the baseline; without one: phase 1's reference,
cycle 1's test and train files and its model. Flips every bit of a file's metadata (bytes that are
not 0, outside the chunks of its data sets) and a sample of all; of a model a sample alone. A test
file is read by the command check, a train file by train, a model by predict; a reference as on a
platform, with the submission of the baseline, page included.

Counts how each flip ends: `refused` by one sentence; `same`: what is read does not change; or, what
must not be, `changed`, `another error` or `slow`: more than 20 s. Exit status 1 if there are such.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.__main__ import main as check_or_score
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import EventFile, EventWriter
from lartpc_challenge.files import HDF5_SIGNATURE
from lartpc_challenge.format import REFERENCE_KINDS, ChallengeError
from lartpc_challenge.page.report import page
from lartpc_challenge.run import score_files

ROOT = Path(__file__).resolve().parents[1]
FILES = (
    "reference_data/phase1/reference.h5",
    "starting_kit/data/cycle1_test.h5",
    "starting_kit/data/cycle1_train.h5",
    "baseline_submission/cycle1/model.pt",
)
SUBMISSION = ROOT / "baseline_submission/cycle1/submission.zip"
EVENTS = ROOT / "starting_kit/data/cycle1_test.h5"
SLOW_SECONDS = 20
HARMLESS = {"refused", "same"}


def outcomes(
    path: Path, read: Callable[[Path], object], bits: Iterable[int]
) -> collections.Counter[str]:
    """Count how reading ends after a flip of each of these bits of a file.

    At the end the file has its first bytes again. read: its results are compared by ==.
    """
    good, found = read(path), collections.Counter()
    with open(path, "r+b", buffering=0) as file:
        for bit in bits:
            place, mask = bit // 8, 1 << bit % 8
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ mask]))
            found[_outcome(path, read, good)] += 1
            file.seek(place)
            file.write(bytes([byte]))
    return found


def _outcome(path: Path, read: Callable[[Path], object], good: object) -> str:
    start = time.monotonic()
    try:
        outcome = "same" if read(path) == good else "changed"
    except ChallengeError as problem:
        outcome = "refused" if len(str(problem).splitlines()) == 1 else "another error"
    except Exception:
        outcome = "another error"
    return "slow" if time.monotonic() - start > SLOW_SECONDS else outcome


def metadata_bits(path: Path) -> np.ndarray:
    """(n,) int64: the bits of an HDF5 file's bytes that are not 0, outside of chunks of values."""
    is_metadata = np.fromfile(path, np.uint8) != 0

    def leave_out(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.chunks:
            for i in range(item.id.get_num_chunks()):
                chunk = item.id.get_chunk_info(i)
                is_metadata[chunk.byte_offset : chunk.byte_offset + chunk.size] = False

    with h5py.File(path) as file:
        file.visititems(leave_out)
    return (np.flatnonzero(is_metadata)[:, None] * 8 + np.arange(8)).ravel()


def sampled_bits(path: Path, number: int) -> np.ndarray:
    """(number,) int64: bits of the file, drawn with a fixed seed."""
    return np.random.default_rng(16).integers(8 * path.stat().st_size, size=number)


def reader(path: Path, folder: Path) -> Callable[[Path], object]:
    """Return a function that reads a file like the one at `path`. folder: for its other files."""
    if not is_hdf5(path):
        with EventFile(EVENTS) as events:
            kind = {"kind": "test", "cycle": events.cycle.number, "scale": events.scale}
            with EventWriter(folder / "few.h5", **kind) as few:
                few.append(events[0])
        return partial(predict, events=folder / "few.h5")
    with h5py.File(path) as file:
        kind = file.attrs["kind"]
    return score_it if kind in REFERENCE_KINDS else check if kind == "test" else train


def is_hdf5(path: Path) -> bool:
    """Whether the file is HDF5, else a model."""
    with open(path, "rb") as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE


def score_it(path: Path, submission: Path = SUBMISSION) -> tuple[str, str]:
    """Return the text of the scores and the page of a submission."""
    scores = score_files(path, submission)
    return (scores.text, page(scores)) if scores else ("", "")


def check(path: Path, submission: Path = SUBMISSION) -> str:
    """Return what `check` prints about a submission to a test file."""
    return _printed(check_or_score, "check", submission, "--events", path)


def train(path: Path) -> bytes:
    """Return the weights of a small network that the command trains on a train file."""
    from baseline import checkpoint
    from baseline.train import main

    small = "--filters 2 --depth 2 --blocks 1 --epochs 1 --views 1 --threads 1 --device cpu"
    with tempfile.TemporaryDirectory() as out:
        _printed(main, "--events", path, "--out", out, *small.split())
        weights = checkpoint.load(Path(out) / "best.pt")["weights"]
    return b"".join(tensor.numpy().tobytes() for tensor in weights.values())


def predict(path: Path, events: Path) -> bytes:
    """Return the submission that the command writes with a model."""
    from baseline.predict import main

    with tempfile.TemporaryDirectory() as folder:
        _printed(main, "--checkpoint", path, "--events", events, "--out", f"{folder}/s.zip")
        return Path(folder, "s.zip").read_bytes()


def _printed(main: Callable[[list[str]], int], *words: object) -> str:
    """Return what a command prints. Raises ChallengeError with its message if it fails."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        status = main(list(map(str, words)))
    if status:
        raise ChallengeError(err.getvalue().removesuffix("\n"))
    return out.getvalue()


def main(options: argparse.Namespace) -> None:
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in options.files or [ROOT / name for name in FILES]:
            read, copy = reader(path, Path(folder)), Path(shutil.copy(path, folder))
            bits = sampled_bits(copy, options.sample)
            if is_hdf5(path):
                bits = np.concatenate([metadata_bits(copy), bits])
            start = time.monotonic()
            found = outcomes(copy, read, bits.tolist())
            seconds = time.monotonic() - start
            counts = ", ".join(f"{n:,} {outcome}" for outcome, n in found.most_common())
            print(f"{path}: {found.total():,} flips in {seconds:.0f} s: {counts}", flush=True)
            bad += sum(n for outcome, n in found.items() if outcome not in HARMLESS)
    if bad:
        raise ChallengeError(f"{bad:,} flips were not noticed in one sentence")


if __name__ == "__main__":
    parser = new_parser("python tests/bit_flips.py", __doc__)
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--sample", type=at_least(1), default=20_000, help="bits of each file")
    chosen = parser.parse_args()
    sys.exit(run("bit_flips", lambda: main(chosen)))

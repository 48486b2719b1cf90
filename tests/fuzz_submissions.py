"""Read damaged submissions with the parser: python tests/fuzz_submissions.py --number 10000

Good submissions of every form are mutated at random. The parser must always return labels
or raise SubmissionError with a harmless text, print nothing, and stay within its limits. If a
checksum protects the file (a zip), the labels are unchanged or it is refused.
"""

import contextlib
import io
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import forms
import h5py
import numpy as np
import toy

from lartpc_challenge.command import new_parser
from lartpc_challenge.format import SubmissionError
from lartpc_challenge.submission.forms import write_submission
from lartpc_challenge.submission.sandbox import read_guarded

MEMORY_LIMIT = 256 << 20
TIME_LIMIT = 10
# Numbers on which readers of binary files stumble.
_EDGES = [n.to_bytes(size, "little") for size in (1, 2, 4, 8) for n in (0, 1, (1 << 8 * size) - 1)]
_EDGES += [(1 << 8 * size - 1).to_bytes(size, "little") for size in (1, 2, 4, 8)]
_TEXT = [b",", b"\n", b'"', b"-", b".", b"9" * 20, b"\r", b"\0", b"256", b"\n\n", b"nan"]


def make_seeds(run: forms.Run) -> dict:
    """Good submissions: name -> content."""
    seeds = {"csv": run.csv().read_bytes(), "crlf csv": run.csv(end="\r\n").read_bytes()}
    seeds["sparse"] = run.sparse().read_bytes()
    for name, storage in {
        "gzip": {"compression": "gzip", "shuffle": True},
        "lzf": {"compression": "lzf", "fletcher32": True, "chunks": (16,)},
        "latest": {"compression": "gzip", "maxshape": (None,), "chunks": (8,)},
    }.items():
        version = "latest" if name == "latest" else "earliest"
        with h5py.File(run.res / "predictions.h5", "w", libver=version) as file:
            for column, values in run.columns().items():
                file.create_dataset(column, data=values, **(storage if column == "pred" else {}))
        seeds[name] = (run.res / "predictions.h5").read_bytes()
    seeds["dense"] = run.dense(chunks=(1, 48, 48, 96), compression="gzip").read_bytes()
    write_submission(run.root / "mine.zip", run.event_id, run.offset, run.labels)
    seeds["sparse zip"] = (run.root / "mine.zip").read_bytes()
    seeds["csv zip"] = run.zip(("mine.csv", run.csv().read_bytes())).read_bytes()
    return seeds


def mutate(content: bytes, others: list, rng: np.random.Generator) -> bytes:
    """`content` after one to eight random changes."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        # Most of what steers a reader stands at the start.
        size = len(content) if rng.random() < 0.5 else min(len(content), 2048)
        place = int(rng.integers(0, size + 1))
        length = int(rng.integers(1, 64))
        choice = rng.integers(0, 8)
        if choice == 0:
            content[place : place + 1] = bytes([rng.integers(0, 256)])
        elif choice == 1 and place < len(content):
            content[place] ^= 1 << int(rng.integers(0, 8))
        elif choice == 2:
            edge = _EDGES[rng.integers(0, len(_EDGES))]
            content[place : place + len(edge)] = edge
        elif choice == 3:
            text = _TEXT[rng.integers(0, len(_TEXT))]
            content[place : place + int(rng.integers(0, 3))] = text
        elif choice == 4:
            del content[place : place + length]
        elif choice == 5:
            start = int(rng.integers(0, len(content) + 1))
            content[place:place] = content[start : start + length]
        elif choice == 6:
            other = others[rng.integers(0, len(others))]
            content[place : place + length] = other[place : place + length]
        elif rng.random() < 0.2:
            del content[place:]
    return bytes(content)


def try_one(run: forms.Run, path: Path, checked: bool) -> str:
    """Read `path` and return the outcome in a word. Raises AssertionError for a wrong outcome."""
    printed = io.StringIO()
    start = time.monotonic()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            pred = read_guarded(path, run.manifest, MEMORY_LIMIT, TIME_LIMIT)
    except SubmissionError as refusal:
        words = str(refusal)
        assert re.fullmatch(r"[\x20-\x7e\n]+", words), words
        assert "<" not in words, words
        ends = {"the limit": "limit", "the reader crashed": "died"}
        outcome = next((end for sign, end in ends.items() if sign in words), "refused")
    else:
        assert pred.shape == run.labels.shape
        assert np.isin(pred, (0, 1, 2, 3)).all()
        assert not checked or np.array_equal(pred, run.labels), "a checksum was ignored"
        outcome = "accepted"
    assert printed.getvalue() == ""
    assert time.monotonic() - start < 3 * TIME_LIMIT
    return outcome


def fuzz(folder: Path, number: int, seed: int) -> Counter:
    """Try `number` mutations; outcomes and how often. A file that fails stays in `folder`."""
    rng = np.random.default_rng(seed)
    run = forms.Run(folder / "run", toy.make_events(4, n_voxels=(20, 40)))
    seeds = make_seeds(run)
    names, contents = list(seeds), list(seeds.values())
    outcomes = Counter()
    for i in range(number):
        name = names[i % len(names)]
        path = folder / f"fuzz-{seed}-{i}"
        path.write_bytes(mutate(seeds[name], contents, rng))
        outcomes[try_one(run, path, checked=name.endswith(" zip"))] += 1
        path.unlink()
    # In KiB, of the largest child so far; this process's own memory is part of each.
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    assert used < own + MEMORY_LIMIT, f"a child took {used:,} bytes"
    return outcomes


def main() -> None:
    options = new_parser("python tests/fuzz_submissions.py", __doc__)
    options.add_argument("--number", type=int, default=10_000, help="mutations (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="of the mutations (%(default)s)")
    options = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        outcomes = fuzz(folder, options.number, options.seed)
    except AssertionError as failure:
        sys.exit(f"failed: {failure}\nthe file: {sorted(folder.glob('fuzz-*'))}")
    print(", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()))


if __name__ == "__main__":
    main()

"""Split a train file in two, to score your own predictions on labelled events.

    python -m baseline.holdout --events cycle1_train.h5 --train mine.h5 --holdout holdout.h5

Train with mine.h5 and predict holdout.h5; then
`python -m lartpc_challenge score submission.zip --reference holdout.h5` scores it.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from pathlib import Path

import numpy as np

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import EventFile, write_events
from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError


def split_file(events, train, holdout, *, share: float = 0.2, seed: int = 1) -> tuple[int, int]:
    """Write `share` of the labelled file's events to `holdout`, the others to `train`.

    Returns the numbers of events in train and hold-out. Raises ChallengeError if a file can't be
    read or written, has no labels, or if one of the two would be empty.
    """
    with EventFile(events, labelled=True) as source:
        if len({Path(path).resolve() for path in (events, train, holdout)}) < 3:
            raise ChallengeError("the file to split and its two parts need three different names")
        if not 0 < share < 1:
            raise ChallengeError(
                f"the share must be between 0 and 1, 0.2 is a fifth; found {share:g}"
            )
        n_held = round(share * len(source))
        if not 0 < n_held < len(source):
            raise ChallengeError(
                f"{events}: {share:g} of its {len(source)} events leaves one part empty"
            )
        is_held = np.random.default_rng(seed).permutation(len(source)) < n_held
        with contextlib.ExitStack() as stack:  # both files or none take their names
            for path, chosen in ((train, ~is_held), (holdout, is_held)):
                write_events(
                    stack.enter_context(replacing(path)),
                    itertools.compress(source, chosen),
                    kind="train",
                    cycle=source.cycle.number,
                    scale=source.scale,
                    particles=source.particles(np.flatnonzero(chosen)),
                )
    return len(is_held) - n_held, n_held


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m baseline.holdout", __doc__)
    parser.add_argument("--events", required=True, help="the train file to split")
    parser.add_argument("--train", required=True, help="file to write: events to train on")
    parser.add_argument("--holdout", required=True, help="file to write: events to score with")
    parser.add_argument("--share", type=float, default=0.2, help="held out (%(default)s)")
    seed = "of the choice of events (%(default)s)"
    parser.add_argument("--seed", type=at_least(0), default=1, help=seed)
    options = parser.parse_args(arguments)

    def command() -> None:
        files = (options.events, options.train, options.holdout)
        n_train, n_held = split_file(*files, share=options.share, seed=options.seed)
        print(f"{options.train}: {n_train:,} events, {options.holdout}: {n_held:,} events")

    return run("holdout", command)


if __name__ == "__main__":
    sys.exit(main())

"""Show where a submission for simulated events fails, as a page and as a short table:

    python -m organizer.simulate --cycle 2 --events 300 --seed 1 --out build/report/cycle2.h5
    python -m baseline.predict --checkpoint baseline_submission/cycle2/model.pt \\
        --events build/report/cycle2.h5 --out build/report/cycle2.zip
    python -m organizer.failures --events build/report/cycle2.h5 \\
        --submission build/report/cycle2.zip --out build/report/failures_cycle2.html

The page shows true labels: it is for organisers only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import write_text
from organizer.failures.page import page, text
from organizer.failures.study import study
from organizer.pages.tables import display
from organizer.scratch import scratch_folder

N_WORST = 5


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.failures", __doc__)
    parser.add_argument("--events", type=Path, required=True, help="the simulator's file")
    parser.add_argument("--submission", type=Path, required=True, help="predictions for it")
    parser.add_argument("--out", type=Path, required=True, help="the page to write, .html")
    options = parser.parse_args(arguments)
    return run("failures", lambda: _write(options), stopped="stopped, nothing was written")


def _write(options: argparse.Namespace) -> None:
    found = study(options.events, options.submission)
    how = f"{options.submission.name} on {options.events.name}"
    with scratch_folder("failures") as folder:
        picture = folder / "worst.png"
        display(
            picture, "--events", options.events,
            "--submission", options.submission, "--worst", N_WORST,
        )  # fmt: skip
        content = page(found, picture.read_bytes(), how)
    write_text(options.out, content, private=True)
    print(text(found))
    print(options.out)


if __name__ == "__main__":
    sys.exit(main())

"""Show events in three dimensions: energy, truth, prediction and mistakes.

    python -m baseline.display --events cycle1_train.h5 --out page.html
    python -m baseline.display --events mine.h5 --submission s.zip --worst 5 --out page.html
    python -m baseline.display --events mine.h5 --submission s.zip --event 7 12 --out picture.pdf

On a page (.html) the mouse rotates the events, in both views together; it needs no internet.
In a notebook: `show(*read_shown(...))` of baseline.display.notebook and baseline.display.views.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import argparse
import sys
from pathlib import Path

from baseline.display.page import page
from baseline.display.picture import FORMATS, save_picture
from baseline.display.views import panels, read_shown
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.files import write_text
from lartpc_challenge.format import ChallengeError


def _save(options: argparse.Namespace) -> None:
    out = Path(options.out)
    kind = out.suffix.lower().lstrip(".")
    if kind not in ("html", *FORMATS):
        raise ChallengeError(f"{out}: the name must end in .html, .{', .'.join(FORMATS)}")
    shown = read_shown(options.events, options.event, options.submission, options.worst)
    if kind == "html":
        if options.beside:
            pairs = list(zip(shown[::2], [*shown[1::2], None]))
        else:
            pairs = [(event, None) for event in shown]
        rows = [panels(event, other) for event, other in pairs]
        write_text(out, page(Path(options.events).name, rows))
    else:
        save_picture(out, shown)
    print(f"{out}: {len(shown)} event{'s' * (len(shown) > 1)}")


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m baseline.display", __doc__)
    parser.add_argument("--events", required=True, help="events to look at")
    parser.add_argument("--submission", help="predictions of that whole file")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--event", type=int, nargs="+", default=(), metavar="ID", help="which; default: the first"
    )
    choice.add_argument(
        "--worst", type=at_least(1), default=0, metavar="N", help="the N with the lowest accuracy"
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="on a page, two events beside each other rather than two views of one",
    )
    parser.add_argument("--out", required=True, help="a page .html, or a picture .png .pdf .svg")
    options = parser.parse_args(arguments)
    return run("display", lambda: _save(options), stopped="stopped, nothing was written")


if __name__ == "__main__":
    sys.exit(main())

"""Make the tables and pictures of the competition's pages again, from the demonstration data:

    python -m organizer.pages

It writes the tables between the marks in pages/data.md, and pages/*.png. A bundle of other data
gets its own tables when it is built (`filled`).
"""

from __future__ import annotations

import sys

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import write_text
from organizer.competition import ROOT, read_competition
from organizer.pages.tables import draw_event, draw_logo, filled
from organizer.source import Source


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.pages", __doc__)
    parser.parse_args(arguments)
    return run("pages", _rewrite)


def _rewrite() -> None:
    source, folder = Source.of(read_competition()), ROOT / "pages"
    cycle = source.competition.cycles[-1]  # it has the richest events
    path = folder / "data.md"
    text = filled(path.read_text(encoding="utf-8"), source)
    write_text(path, text)
    draw_logo(source, cycle, folder / "logo.png")
    draw_event(source, cycle, folder / "task.png")
    draw_event(source, cycle, folder / "event.png", source.submission(cycle))
    print("pages/: data.md, logo.png, task.png, event.png")


if __name__ == "__main__":
    sys.exit(main())

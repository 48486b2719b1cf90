"""Copy the tables of results/ into the texts that show them.

    python benchmarks/fill.py

In benchmarks/README.md and pages/data.md, the text between `<!-- begin FILE: ... -->` and
`<!-- end FILE -->` is replaced by the content of benchmarks/results/FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import write_text
from organizer.pages.render import fill_blocks

ROOT = Path(__file__).parents[1]
TEXTS = (ROOT / "benchmarks/README.md", ROOT / "pages/data.md")


def filled(text: str, results: Path = ROOT / "benchmarks/results") -> str:
    """Return the text with the files of `results` between the marks; empty if a file is missing."""

    def content(name: str) -> str:
        path = results / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    return fill_blocks(text, "python benchmarks/fill.py", content)


def main() -> int:
    new_parser("python benchmarks/fill.py", __doc__).parse_args()

    def command() -> None:
        for path in TEXTS:
            write_text(path, filled(path.read_text(encoding="utf-8")))

    return run("fill", command)


if __name__ == "__main__":
    sys.exit(main())

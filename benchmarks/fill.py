"""Copy the tables of results/ into the texts that show them.

    python benchmarks/fill.py

In benchmarks/README.md and pages/data.md, the text between `<!-- begin FILE: ... -->` and
`<!-- end FILE -->` is replaced by the content of benchmarks/results/FILE.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import write_text

ROOT = Path(__file__).parents[1]
TEXTS = (ROOT / "benchmarks/README.md", ROOT / "pages/data.md")
_BLOCK = re.compile(
    r"(?P<begin><!-- begin (?P<file>[\w/]+\.md): python benchmarks/fill\.py writes this -->\n)"
    r".*?(?P<end><!-- end (?P=file) -->)",
    re.DOTALL,
)


def filled(text: str, results: Path = ROOT / "benchmarks/results") -> str:
    """Return the text with the files of `results` between the marks; empty if a file is missing."""

    def block(found: re.Match[str]) -> str:
        path = results / found["file"]
        content = path.read_text(encoding="utf-8") if path.exists() else ""
        return found["begin"] + content + found["end"]

    return _BLOCK.sub(block, text)


def main() -> int:
    new_parser("python benchmarks/fill.py", __doc__).parse_args()

    def command() -> None:
        for path in TEXTS:
            write_text(path, filled(path.read_text(encoding="utf-8")))

    return run("fill", command)


if __name__ == "__main__":
    sys.exit(main())

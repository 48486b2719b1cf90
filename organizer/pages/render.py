"""Convert the competition's pages, pages/*.md, for the platforms.

A platform stores only the text of a page, so pictures are embedded in the text. Codabench shows
Markdown, CodaLab v1.5 shows HTML.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import markdown

from lartpc_challenge.files import check_file, read_text
from lartpc_challenge.format import ChallengeError

_PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<file>[\w-]+\.png)\)")
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def read_page(path: Path, edit: Callable[[str], str] = str) -> str:
    """Read a page; return its Markdown after `edit`, with embedded pictures, without comments.

    Raises ChallengeError if the page can't be read or a platform would show it wrongly.
    """
    text = read_text(path)
    if not text.strip():
        raise ChallengeError(f"{path}: is empty, the platform requires a text")
    text = COMMENT.sub("", edit(text))
    # Codabench shows text between two dollar signs as a formula.
    if "$" in text:
        raise ChallengeError(f"{path}: holds a $, which Codabench takes for the start of a formula")
    return _PICTURE.sub(lambda found: _inline(path.parent, **found.groupdict()), text)


def fill_blocks(text: str, writer: str, make: Callable[[str], str | None]) -> str:
    """Replace each block of the text that lies between two marks; return the new text.

    Marks: `<!-- begin NAME: WRITER writes this -->` and `<!-- end NAME -->`, on lines of their own.
    writer: a command. make: name -> the block's text; None leaves the block as it is.
    """
    marked = re.compile(
        rf"(?P<begin><!-- begin (?P<name>[\w/.]+): {re.escape(writer)} writes this -->\n)"
        r"(?P<old>.*?)(?P<end><!-- end (?P=name) -->)",
        re.DOTALL,
    )

    def block(found: re.Match[str]) -> str:
        made = make(found["name"])
        return found["begin"] + (found["old"] if made is None else made) + found["end"]

    return marked.sub(block, text)


def _inline(folder: Path, text: str, file: str) -> str:
    check_file(folder / file)
    data = base64.b64encode((folder / file).read_bytes()).decode()
    return f"![{text}](data:image/png;base64,{data})"


def to_html(text: str) -> str:
    """Convert Markdown to HTML, with the same extensions as Codabench; pictures fit the page."""
    html = markdown.markdown(text, extensions=["tables", "fenced_code", "sane_lists"]) + "\n"
    return html.replace("<img ", '<img style="max-width: 100%" ')

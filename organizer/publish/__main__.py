"""Write the data as a publication into build/publish/:

  the public event files (with --references also the truth of all phases: only after the end)
  README.md          a data card for Hugging Face
  croissant.json     Croissant 1.0 with Responsible-AI fields
  datacite.json      metadata for DataCite;   .zenodo.json   metadata for Zenodo
  sha256sums.txt, LICENSE-DATA.md, CITATION.cff

All figures come from the files. The public files are checked: they must contain only public data.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime, timezone
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import write_text
from lartpc_challenge.format import ChallengeError
from organizer.competition import ROOT, read_competition
from organizer.pages.tables import filled
from organizer.publish.card import card
from organizer.publish.metadata import croissant, datacite, zenodo
from organizer.publish.release import Release, copy, gather
from organizer.source import Source, add_source


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.publish", __doc__)
    add_source(parser)
    parser.add_argument(
        "--references", action="store_true", help="add the truth of all phases: only after the end"
    )
    parser.add_argument("--url", default="", help="address of the folder with the files")
    parser.add_argument(
        "--date",
        type=date.fromisoformat,
        default=datetime.now(timezone.utc).date(),
        help="day of publication, YYYY-MM-DD (today)",
    )
    parser.add_argument("--out", type=Path, default=Path("build/publish"), help="build/publish")
    options = parser.parse_args(arguments)
    return run("publish", lambda: _run(options), alone=[options.out])


def _run(options: argparse.Namespace) -> None:
    source = Source.of(read_competition(options.competition), options.data)
    release = gather(source, with_references=options.references, day=options.date, url=options.url)
    left = _left_over(release, options.out)
    if left:
        raise ChallengeError(
            f"{options.out}: holds {', '.join(left)}, not in this release; remove the folder"
        )
    for file in release.files:
        copy(file.path, options.out / file.name)
    page = filled((ROOT / "pages" / "data.md").read_text(encoding="utf-8"), source)
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in release.files)
    texts = {
        "README.md": card(release, page),
        "croissant.json": croissant(release),
        "datacite.json": datacite(release),
        ".zenodo.json": zenodo(release),
        "sha256sums.txt": sums,
    }
    for name, text in texts.items():
        write_text(options.out / name, text)
    for name in ("LICENSE-DATA.md", "CITATION.cff"):
        copy(ROOT / name, options.out / name)
    n_bytes = sum(file.n_bytes for file in release.files)
    print(f"{options.out}: {len(release.files)} data files, {n_bytes / 1e6:,.1f} MB")
    print(release.summary)
    if not release.with_references:
        print("The truth of the test events is not in it; --references adds it after the end.")


def _left_over(release: Release, out: Path) -> list[str]:
    """Return data files of an earlier release in `out`: they may contain the truth."""
    known = {out / file.name for file in release.files}
    found = [path for path in out.rglob("*.h5") if path not in known]
    return sorted(str(path.relative_to(out)) for path in found)


if __name__ == "__main__":
    sys.exit(main())

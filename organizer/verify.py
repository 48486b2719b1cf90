"""Check that a competition's files are unchanged since they were written, and match the bundles.

    python -m organizer.verify [--data build/data] [--dist dist]

Checks the seals of events, references, models and submissions (see python -m lartpc_challenge
verify), the bundles in DIST, and that the bundles contain the present events and references. Run it
before an upload. The exit status is 0 if everything is correct, else 1.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.verify import WHOLE, verify
from organizer.bundle.build import CODABENCH, CODALAB, HIDDEN_REFERENCES
from organizer.bundle.rules import reference_name
from organizer.competition import Competition, read_competition
from organizer.source import Source, add_source, public_files

_BLOCK_BYTES = 1 << 20


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.verify", __doc__)
    parser.add_argument("--dist", type=Path, default=Path("dist"), help="folder of the bundles")
    add_source(parser)
    options = parser.parse_args(arguments)
    return run("verify", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    competition = read_competition(options.competition)
    source = Source.of(competition, options.data)
    bundles = [path for path in (options.dist / CODABENCH, options.dist / CODALAB) if path.exists()]
    wrong = 0
    found = files(source, competition)
    if source.events not in {path.parent for path in found}:
        cycles = ", ".join(str(cycle.number) for cycle in competition.cycles)
        raise ChallengeError(
            f"{source.events}: holds no events of cycles {cycles} of {competition.path}; give the "
            "folder with --data, its competition with --competition"
        )
    for path in [*found, *bundles]:
        state = verify(path)
        wrong += state != WHOLE
        print(f"{path}: {state}")
    for path in bundles:
        for problem in misfits(path, source, competition):
            wrong += 1
            print(f"{path}: {problem}")
    if wrong:
        raise ChallengeError(f"{wrong} problems were found")


def files(source: Source, competition: Competition) -> list[Path]:
    """Return the existing events, references and baselines."""
    wanted: list[Path] = []
    for cycle in competition.cycles:
        baseline = source.submission(cycle)
        wanted += [*public_files(source.events, cycle), *source.references_of(cycle)]
        wanted += [baseline, baseline.with_name("model.pt")]
    return [path for path in wanted if path.exists()]


def misfits(bundle: Path, source: Source, competition: Competition) -> Iterator[str]:
    """Yield the differences between a bundle (with its hidden references) and the data."""
    with zipfile.ZipFile(bundle) as archive:
        for cycle in competition.cycles:
            for path in public_files(source.events, cycle):
                if not _holds(archive, f"cycle{cycle.number}_data.zip", path.name, path):
                    yield f"holds another {path.name} than {path}; build it again"
        for phase in competition.phases:
            path, name = source.reference(phase), reference_name(phase)
            if _holds(archive, name, "reference.h5", path):
                continue
            apart = bundle.parent / HIDDEN_REFERENCES / name
            if not apart.exists() or _sum_in(apart, "reference.h5") != _sum(path):
                yield f"holds another reference of phase {phase.number} than {path}; build it again"


def _holds(archive: zipfile.ZipFile, inner: str, member: str, path: Path) -> bool:
    return inner in archive.namelist() and (
        _sum_in(io.BytesIO(archive.read(inner)), member) == _sum(path)
    )


def _sum_in(inner: io.BytesIO | Path, member: str) -> tuple[int, int]:
    """Return the length and the CRC-32 of a zip's member from the zip's directory."""
    with zipfile.ZipFile(inner) as archive:
        found = archive.getinfo(member)
        return found.file_size, found.CRC


def _sum(path: Path) -> tuple[int, int]:
    n_bytes = crc = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            n_bytes, crc = n_bytes + len(block), zlib.crc32(block, crc)
    return n_bytes, crc


if __name__ == "__main__":
    sys.exit(main())

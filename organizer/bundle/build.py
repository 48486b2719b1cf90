"""Build the two bundles from competition.yaml, pages, programs and data.

Everything is checked before anything is written, and all problems are reported together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import write_placeholder
from organizer.bundle.archives import EARLIEST, Content, folder_members, write_zip
from organizer.bundle.codalab import html_name, to_codalab
from organizer.bundle.contents import source_problems
from organizer.bundle.dates import DEMONSTRATION, dumped, moved, parse_date
from organizer.bundle.kit import FOLDER, kit_members
from organizer.bundle.rules import (
    codabench_problems,
    codalab_problems,
    example_problems,
    reference_name,
    size_problems,
)
from organizer.competition import Competition, Phase
from organizer.pages.render import read_page, to_html
from organizer.pages.tables import filled
from organizer.scratch import make_private, scratch_folder
from organizer.source import ROOT, Source

CODABENCH, CODALAB, HIDDEN_REFERENCES = "codabench.zip", "codalab-v1.5.zip", "hidden_references"


@dataclass(frozen=True)
class BundleRequest:
    """The options of a build.

    start: the day on which the first phase opens. data: a folder of `make data`; None for the
    demonstration data of the repository. demonstration: the organiser knows that the hidden labels
    are public. placeholder: put placeholders into the bundles instead of the hidden references,
    which are written as separate zips. weights: add the shipped baseline's weights to the starting
    kit. date: of the kit's files. now: no phase may start before it; None if the result is not
    uploaded, so that its dates and addresses are not checked. root: the repository.
    """

    competition: Competition
    start: date
    data: Path | None = None
    demonstration: bool = False
    placeholder: bool = False
    weights: bool = False
    date: datetime = EARLIEST
    now: datetime | None = None
    root: Path = ROOT

    @property
    def source(self) -> Source:
        """The paths of the data."""
        return Source.of(self.competition, self.data, self.root)

    def file(self, name: str) -> Path:
        """Return the path of a file that competition.yaml names.

        It is in the folder of competition.yaml, in a folder above it, or in `root`.
        """
        folders = self.competition.path.resolve().parents
        found = (folder / name for folder in folders if (folder / name).is_file())
        return next(found, self.root / name)

    @property
    def scale(self) -> str:
        """The scale that the data files must have, one of SCALES."""
        return "demonstration" if self.demonstration else "full"


@dataclass(frozen=True)
class Built:
    """The paths of the bundles, and notes for the organiser."""

    codabench: Path
    codalab: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A zip inside the bundle. kind, members, folder, date: as in `write_zip`."""

    kind: str
    members: Mapping[str, Content]
    folder: str = ""
    date: datetime = EARLIEST

    def write(self, path: Path) -> Path:
        """Write the zip."""
        return write_zip(path, self.kind, self.members, folder=self.folder, date=self.date)


def build(request: BundleRequest, out: Path) -> Built:
    """Write both bundles into the folder `out`. Raises ChallengeError with all problems."""
    source, phases = request.source, request.competition.phases
    baselines = {
        f"baseline_cycle{cycle.number}.zip": source.submission(cycle)
        for cycle in request.competition.cycles
    }
    solutions = {name: path for name, path in baselines.items() if path.exists()}
    competition = _adapted(moved(request.competition.keys, request.start), solutions, request)
    problems = list(source_problems(source, scale=request.scale))
    texts = _texts(competition, request, problems)
    parts = _parts(request, competition.get("contact_email") or "the organisers", problems)
    files = {competition["image"]: request.file(competition["image"]), **solutions}
    problems += [f"{path}: no such file" for path in files.values() if not path.is_file()]
    problems += _platform_problems(competition, request, [*texts, *parts, *files])
    contents = [content for part in parts.values() for content in part.members.values()]
    problems += size_problems([*contents, *files.values()])
    if problems:
        lines = (problem.replace("\n", "\n    ") for problem in dict.fromkeys(problems))
        raise ChallengeError("\n  - ".join(("nothing was written, because", *lines)))

    with _folder_beside(out) as folder:
        for name, part in parts.items():
            files[name] = part.write(folder / name)
        pages = {html_name(name): to_html(text) for name, text in texts.items()}
        codabench, codalab = _for_codabench(competition, request), to_codalab(competition, phases)
        hidden_phases = [phase for phase in phases if phase.hidden]
        finished = []
        for phase in hidden_phases if request.placeholder else ():
            path = folder / HIDDEN_REFERENCES / reference_name(phase)
            finished.append(_reference_part(source.reference(phase)).write(path))
        finished.append(_write(folder / CODABENCH, "codabench", codabench, texts, files))
        finished.append(_write(folder / CODALAB, "codalab", codalab, pages, files))
        for path in finished:
            target = out / path.relative_to(folder)
            if target.parent.name == HIDDEN_REFERENCES:
                make_private(target.parent)
            path.replace(target)
        if not request.placeholder:  # those of an earlier build belong to other events
            for phase in hidden_phases:
                (out / HIDDEN_REFERENCES / reference_name(phase)).unlink(missing_ok=True)
    notes = tuple(_notes(request, competition, baselines.values(), out))
    return Built(out / CODABENCH, out / CODALAB, notes)


@contextlib.contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """Yield a temporary folder in `out`: files in it can be renamed into `out`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with scratch_folder("bundle", out) as folder:
            try:
                yield folder
            except ChallengeError as problem:  # name the folder that the user gave
                raise ChallengeError(str(problem).replace(str(folder), str(out))) from problem
    except OSError as reason:
        raise ChallengeError(f"{out}: can't be written: {reason.strerror or reason}") from reason


def _write(
    path: Path, kind: str, competition: dict, texts: Mapping[str, str], files: Mapping[str, Path]
) -> Path:
    members = {**files, **{name: text.encode() for name, text in texts.items()}}
    return write_zip(path, kind, {"competition.yaml": dumped(competition), **members})


def _adapted(competition: dict, solutions: Collection[str], request: BundleRequest) -> dict:
    """Return the competition with the existing solutions and, if so, marked as demonstration."""
    title, listed = competition["title"], competition.get("solutions", ())
    return {
        **competition,
        "title": f"{DEMONSTRATION}. {title}" if request.demonstration else title,
        "solutions": [solution for solution in listed if solution["path"] in solutions],
    }


def _for_codabench(competition: dict, request: BundleRequest) -> dict:
    """Return the competition for Codabench; with placeholders, without automatic migration."""
    if not request.placeholder:
        return competition
    phases = [{**phase, "auto_migrate_to_this_phase": False} for phase in competition["phases"]]
    return {**competition, "phases": phases}


def _texts(competition: dict, request: BundleRequest, problems: list[str]) -> dict[str, str]:
    """Read all pages: file name -> Markdown; a page with a problem is empty."""
    terms = competition["terms"]
    texts = dict.fromkeys((terms, *(page["file"] for page in competition["pages"])), "")
    # The tables in the tracked pages are those of the demonstration data.
    edit = partial(filled, source=request.source) if request.data else str
    for name in texts:
        with _noting(problems):
            texts[name] = read_page(request.file(name), edit)
    if request.demonstration:
        texts[terms] = f"**{DEMONSTRATION}.**\n\n{texts[terms]}"
    return texts


@contextlib.contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Append a ChallengeError of the block to `problems`."""
    try:
        yield
    except ChallengeError as problem:
        problems.append(str(problem))


def _parts(request: BundleRequest, contact: str, problems: list[str]) -> dict[str, Part]:
    """Return the zips inside the bundle: file name -> part. Appends to `problems`."""
    root, source = request.root, request.source
    program: dict[str, Content] = {}
    kit: dict[str, Content] = {}
    with _noting(problems):
        program = folder_members(root / "scoring_program", "scoring_program")
    with _noting(problems):
        kit = kit_members(root, contact, weights=request.weights)
    parts = {
        "scoring_program.zip": Part("scoring_program", program),
        "starting_kit.zip": Part("starting_kit", kit, FOLDER, request.date),
    }
    for cycle in request.competition.cycles:
        files = (source.test(cycle), source.train(cycle))
        parts[f"cycle{cycle.number}_data.zip"] = Part("public_data", {f.name: f for f in files})
    for phase in request.competition.phases:
        is_replaced = request.placeholder and phase.hidden
        content = _placeholder(phase, request.scale) if is_replaced else source.reference(phase)
        parts[reference_name(phase)] = _reference_part(content)
    return parts


def _reference_part(content: Content) -> Part:
    return Part("reference", {"reference.h5": content})


def _placeholder(phase: Phase, scale: str) -> bytes:
    with scratch_folder("placeholder") as folder:
        path = folder / "reference.h5"
        write_placeholder(
            path, cycle=phase.cycle, phase=phase.number, hidden=phase.hidden, scale=scale
        )
        return path.read_bytes()


def _platform_problems(
    competition: dict, request: BundleRequest, names: Collection[str]
) -> list[str]:
    phases = request.competition.phases
    problems = codabench_problems(competition, phases, names, request.now)
    if request.now and not request.demonstration:
        problems += example_problems(competition)
    if not problems:  # only a consistent competition can be converted
        html = [html_name(name) if name.endswith(".md") else name for name in names]
        problems += codalab_problems(to_codalab(competition, phases), phases, html)
    return problems


def _notes(
    request: BundleRequest, competition: dict, baselines: Collection[Path], out: Path
) -> list[str]:
    """Return sentences about the bundles for the organiser."""
    phases = competition["phases"]
    notes = [f"The first phase opens on {parse_date(phases[0]['start']):%A, %Y-%m-%d, %H:%M} UTC."]
    if request.demonstration:
        notes.append(
            f"{DEMONSTRATION}; title and terms say so. Never use it for a production competition."
        )
    notes += [f"PLACEHOLDER: {problem}." for problem in example_problems(competition)]
    if request.placeholder:
        notes.append(
            "The hidden references are placeholders; the true ones are in "
            f"{out / HIDDEN_REFERENCES}. Codabench will not move submissions automatically: "
            "`python -m organizer.codabench watch` opens each hidden phase when its public phase "
            "has ended. `open N` does the same at any later time (UTC):"
        )
        notes += [
            f"  open {phase.number}  from {public['end']}"
            for phase, public in zip(request.competition.phases[1:], phases)
            if phase.hidden
        ]
    elif not request.demonstration:
        notes.append(
            "WARNING: Codabench 1.25 gives every reference to anybody who asks, without an "
            "account. Use HIDDEN=placeholder, and open each hidden phase when its public phase has "
            "ended."
        )
    if "@" not in competition["docker_image"]:
        notes.append(
            f"The image {competition['docker_image']} may change during the competition; pin it: "
            "docker_image: NAME@sha256:..., as `docker image inspect NAME` lists its RepoDigests."
        )
    included = [str(path) for path in baselines if path.exists()]
    missing = [str(path) for path in baselines if not path.exists()]
    if request.data and included:
        notes.append(
            f"Included as solutions, which participants can download: {', '.join(included)}."
        )
    if missing:
        notes.append(
            "The baseline is not included as a solution, because it has not predicted these test "
            f"events: there is no {', '.join(missing)}."
        )
    return notes

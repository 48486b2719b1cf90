"""Make the tables and pictures of the data for the competition's pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile, write_events
from lartpc_challenge.files import replacing
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from lartpc_challenge.page.colours import on_dark
from organizer.data.table import describe, markdown
from organizer.pages.render import fill_blocks
from organizer.pages.simulation import origins_table, primaries_table, settings_table
from organizer.phases.split import labelled_test_events
from organizer.scratch import scratch_folder
from organizer.source import Source, public_files, train_file

# Rows of the data table that the pages do not show.
_NOT_SHOWN = ("cycle, kind", "scale")
_LOGO_PIXELS = 512
_LOGO_GROUND = "#12161d"


def filled(text: str, source: Source) -> str:
    """Return a page's text with the tables of `source` between its marks.

    A table of the simulator's files is not changed if `source` has none of these files.
    Raises ChallengeError if a file can't be read.
    """

    def make(name: str) -> str | None:
        made = _BLOCKS[name](source)
        return None if made is None else f"{made}\n"

    return fill_blocks(text, "python -m organizer.pages", make)


def tables(source: Source) -> str:
    """Return Markdown tables of the sizes of the public files and the contents of train files."""
    cycles, sizes = source.competition.cycles, {"events": {}, "voxels": {}, "size": {}}
    for path in (path for cycle in cycles for path in public_files(source.events, cycle)):
        with EventFile(path) as events:
            sizes["events"][f"`{path.name}`"] = f"{len(events):,}"
            sizes["voxels"][f"`{path.name}`"] = f"{events.n_voxels:,}"
        sizes["size"][f"`{path.name}`"] = f"{path.stat().st_size / 1e6:,.1f} MB"
    columns = {f"cycle {cycle.number}": describe(source.train(cycle)) for cycle in cycles}
    for rows in columns.values():
        for name in _NOT_SHOWN:
            del rows[name]
    return f"{markdown(sizes)}\n\n{markdown(columns)}"


def _origins(source: Source) -> str | None:
    files = {c.number: train_file(source.simulated, c) for c in source.competition.cycles}
    return origins_table(files) if all(map(Path.exists, files.values())) else None


def _simulation(source: Source) -> str:
    cycles = source.competition.cycles
    return f"{primaries_table(cycles)}\n\n{settings_table(cycles)}"


# Name in a page's marks -> function that makes the tables between them.
_BLOCKS = {"data": tables, "simulation": _simulation, "origins": _origins}


# ---- pictures


def draw_event(source: Source, cycle: Cycle, out: Path, submission: Path | None = None) -> None:
    """Draw the test event of median size: energy and truth.

    submission: of the test events; its prediction and mistakes are drawn too. Raises ChallengeError
    if the event can't be drawn.
    """
    with scratch_folder("pages") as folder:
        labelled = folder / "labelled.h5"
        with EventFile(source.test(cycle), kind="test") as test:
            scale = test.scale
            events = list(labelled_test_events(test, source.references_of(cycle)))
        write_events(labelled, events, kind="train", cycle=cycle.number, scale=scale)
        median = sorted(events, key=len)[len(events) // 2]
        options = ["--events", labelled, "--event", median.event_id]
        options += ["--submission", submission] if submission else []
        display(out, *options)


def display(out: Path, *options) -> None:
    """Draw events with the command of the starting kit, which the organiser's code does not import.

    options: of `python -m baseline.display`. Raises ChallengeError if the command fails.
    """
    command = [sys.executable, "-m", "baseline.display", "--out", *map(str, (out, *options))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ChallengeError(f"{out}: can't be drawn: {done.stderr.strip()}")


def draw_logo(source: Source, cycle: Cycle, out: Path) -> None:
    """Draw the largest test event as seen along z, one colour per class, on a dark square."""
    from matplotlib.figure import Figure  # only this function needs it

    with EventFile(source.test(cycle), kind="test") as test:
        event = max(labelled_test_events(test, source.references_of(cycle)), key=len)
    figure = Figure(figsize=(1, 1), dpi=_LOGO_PIXELS, facecolor=_LOGO_GROUND)
    axes = figure.add_axes((0.06, 0.06, 0.88, 0.88))
    axes.set(xlim=(0, GRID_SIZE), ylim=(0, GRID_SIZE), aspect="equal")
    axes.axis("off")
    colours = np.array(on_dark(cycle)) / 255
    order = np.argsort(event.energy)
    axes.scatter(
        *event.coords[order, :2].T,
        s=0.2,
        c=colours[np.asarray(event.label)[order]],
        marker="s",
        linewidths=0,
    )
    with replacing(out) as temporary:
        # Without the version of matplotlib in the file, equal data give equal bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})

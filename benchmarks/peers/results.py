"""What is kept of the runs, and what is told of them: peers.csv, tables, learning curves."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot: no global state, no display

from baseline.record import write_record
from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import accuracy, leaderboard
from organizer.data.table import markdown

from .methods import METHODS, OURS, TRIVIAL

COLOURS = dict(zip(METHODS, ("#9aa3b0", "#454d59", "#b5651d", "#8a5cb8", "#d0463f", "#1f6fb2")))
COMPARISON = ("best peer", "its errors less the network's", "as a share of its errors")


@dataclass(frozen=True)
class Row:
    """size: of the training as asked for, a number or "all"; error: 1 - acc_mean; error_se: its
    standard error over the test events; data: digest of what was learnt and asked."""

    cycle: int
    method: str
    size: str
    train_events: int
    test_events: int
    acc_at_80: float
    acc_at_50: float
    acc_mean: float
    error: float
    error_se: float
    cpu_seconds: int
    how: str
    data: str


COLUMNS = [item.name for item in fields(Row)]
Key = tuple[int, str, str]  # cycle, method, size


class Results:
    """The rows of a folder's peers.csv by their keys. Beside it lies, for each row, which share of
    every test event was right: cycleN_METHOD_SIZE.npz with correct and labelled (n,) int64."""

    def __init__(self, folder: Path):
        self.folder, self.csv = folder, folder / "peers.csv"
        self.rows: dict[Key, Row] = {}
        kinds = {"int": int, "float": float, "str": str}
        try:
            with open(self.csv, newline="") as file:
                header, *lines = csv.reader(file)
                if header != COLUMNS:
                    raise ValueError(f"columns {header}")
                for line in lines:
                    values = (kinds[str(item.type)](text) for item, text in zip(fields(Row), line))
                    row = Row(*values)
                    self.rows[row.cycle, row.method, row.size] = row
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as reason:
            raise ChallengeError(
                f"{self.csv}: not a table of this program; choose another --out"
            ) from reason

    def add(self, key: Key, correct: np.ndarray, labelled: np.ndarray, **columns) -> Row:
        """Keep a run, in the place of a former one with its key; the columns are Row's others."""
        scored = accuracy(correct, labelled)
        scores = leaderboard(scored)
        numbers = {
            **scores, "error": 1 - scores["acc_mean"],
            "error_se": scored.std(ddof=1) / np.sqrt(len(scored)),
        }  # fmt: skip
        rounded = {name: round(float(value), 6) for name, value in numbers.items()}
        row = Row(*key, test_events=len(scored), **rounded, **columns)
        with replacing(self._events_file(row)) as part, open(part, "wb") as file:
            np.savez_compressed(file, correct=correct, labelled=labelled)
        self.rows[key] = row
        write_record([asdict(row) for row in self.ordered()], self.csv)
        return row

    def _events_file(self, row: Row) -> Path:
        return self.folder / f"cycle{row.cycle}_{row.method}_{row.size}.npz"

    def _events(self, row: Row) -> np.ndarray:
        """(2, n) int64: correct and labelled voxels of the row's test events."""
        path = self._events_file(row)
        try:
            with np.load(path) as columns:
                return np.stack([columns["correct"], columns["labelled"]])
        except (OSError, ValueError, KeyError) as reason:
            raise ChallengeError(
                f"{path}: can't be read; take its row out of {self.csv.name} and run it again"
            ) from reason

    def ordered(self, **wanted) -> list[Row]:
        """The rows with these values, cycle by cycle, method by method, from few events to many."""
        order = list(METHODS)
        rows = [r for r in self.rows.values() if wanted.items() <= asdict(r).items()]
        return sorted(rows, key=lambda r: (r.cycle, order.index(r.method), r.train_events))

    def paired(self, ours: Row, peer: Row) -> tuple[float, float, float, float]:
        """Errors of `peer` less `ours` and that as a share of the peer's, each with its standard
        error, over the events that both were asked.

        The share is one less a ratio of means: delta method, paired (W. Cochran, Sampling
        Techniques, 1977, section 6.3). ChallengeError where the two were asked different events.
        """
        both = self._events(ours), self._events(peer)
        n = min(columns.shape[1] for columns in both)  # dense networks are asked fewer
        (right, labelled), (peer_right, peer_labelled) = (columns[:, :n] for columns in both)
        if not np.array_equal(labelled, peer_labelled):
            raise ChallengeError(
                f"{self.csv}: {ours.method} and {peer.method} of cycle {ours.cycle} were asked "
                "different events; run both again on the same files"
            )
        mine, theirs = 1 - accuracy(right, labelled), 1 - accuracy(peer_right, labelled)
        gain, ratio = theirs - mine, mine.mean() / theirs.mean()
        gain_se, ratio_se = (
            values.std(ddof=1) / np.sqrt(len(gain)) for values in (gain, mine - ratio * theirs)
        )
        return gain.mean(), gain_se, 1 - ratio, ratio_se / theirs.mean()

    def table(self, cycle: int) -> str:
        """Markdown: scores of each method (rows) at each size, and ours beside the best peer's."""
        rows = self.ordered(cycle=cycle)
        columns = {}
        for size in sorted({row.size for row in rows}, key=lambda s: (s == "all", len(s), s)):
            at_size = {row.method: row for row in rows if row.size == size}
            cells = {name: _scores(row) for name, row in at_size.items()}
            ours = at_size.pop(OURS, None)
            if ours and at_size:
                best = min(at_size.values(), key=lambda row: row.error)
                gain, gain_se, share, share_se = self.paired(ours, best)
                gains = (f"{gain:.4f} ± {gain_se:.4f}", f"{share:.0%} ± {share_se:.0%}")
                cells.update(zip(COMPARISON, (best.method, *gains)))
            columns[f"{size} events"] = cells
        known = {name for cells in columns.values() for name in cells}
        names = [name for name in (*METHODS, *COMPARISON) if name in known]
        return markdown(
            {size: {name: cells.get(name, "") for name in names} for size, cells in columns.items()}
        )

    def report(self) -> str:
        """Markdown: the table of each cycle, and what each run took."""
        told = "acc_mean ± its standard error over the test events (acc_at_50, acc_at_80)"
        parts = ["# The baseline and its peers", told]
        for cycle in self.cycles:
            parts += [f"## Cycle {cycle}", self.table(cycle)]
        columns = ("train_events", "test_events", "cpu_seconds", "how")
        took = {
            name: {
                f"{r.cycle}, {r.method}, {r.size}": str(getattr(r, name)) for r in self.ordered()
            }
            for name in columns
        }
        return "\n\n".join([*parts, "## What each run took", markdown(took)]) + "\n"

    @property
    def cycles(self) -> list[int]:
        return sorted({row.cycle for row in self.rows.values()})

    def draw_curves(self, path: Path) -> None:
        """Errors against training events, a panel a cycle, as PNG; bars are standard errors."""
        figure = Figure(figsize=(1 + 3.7 * len(self.cycles), 3.8), layout="constrained")
        panels = figure.subplots(1, len(self.cycles), sharey=True, squeeze=False)[0]
        for axes, cycle in zip(panels, self.cycles):
            for method, colour in COLOURS.items():
                rows = self.ordered(cycle=cycle, method=method)
                if method in TRIVIAL:
                    for row in rows:
                        axes.axhline(row.error, color=colour, linestyle="--", label=method)
                elif rows:
                    curve = np.array([(row.train_events, row.error, row.error_se) for row in rows])
                    axes.errorbar(*curve.T, fmt=".-", color=colour, capsize=2, label=method)
            axes.set(xscale="log", yscale="log", xlabel="training events", title=f"cycle {cycle}")
            axes.set_xticks([300, 1000, 3000, 10_000], ["300", "1,000", "3,000", "10,000"])
            axes.set_yticks([0.03, 0.1, 0.3], ["3 %", "10 %", "30 %"])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("errors, 1 - acc_mean")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right", frameon=False)
        with replacing(path) as part:
            figure.savefig(part, format="png", dpi=120)


def _scores(row: Row) -> str:
    return f"{row.acc_mean:.4f} ± {row.error_se:.4f} ({row.acc_at_50:.4f}, {row.acc_at_80:.4f})"

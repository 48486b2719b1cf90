"""The results of all runs: peers.csv, tables and learning curves."""

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

from .methods import METHODS, OF_EVERY_SIZE, OURS, SAME_TIME

COLOURS = dict(zip(OF_EVERY_SIZE, ("#d0463f", "#1f6fb2")))
PEER = OF_EVERY_SIZE[0]


@dataclass(frozen=True)
class Row:
    """A row of peers.csv.

    size: number of training events. error: 1 - acc_mean. error_se: its standard error over the test
    events. train_seconds, predict_ms: user CPU time of the training (0 for a checkpoint), and per
    test event. data: digest of the data for training and test.
    """

    cycle: int
    method: str
    size: int
    test_events: int
    acc_at_80: float
    acc_at_50: float
    acc_mean: float
    error: float
    error_se: float
    train_seconds: int
    predict_ms: float
    how: str
    data: str


COLUMNS = [item.name for item in fields(Row)]
Key = tuple[int, str, int]  # cycle, method, size


class Results:
    """The rows of a folder's peers.csv by their keys.

    For each row there is a file cycleN_METHOD_SIZE.npz with correct and labelled (n,) int64: the
    numbers of right and of all voxels of every test event.
    """

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
        """Add a run, or replace the run with the same key."""
        scored = accuracy(correct, labelled)
        scores = leaderboard(scored)
        numbers = {
            **scores, "error": 1 - scores["acc_mean"],
            "error_se": scored.std(ddof=1) / np.sqrt(len(scored)),
        }  # fmt: skip
        rounded = {name: round(float(value), 6) for name, value in numbers.items()}
        columns["predict_ms"] = round(columns["predict_ms"], 2)
        row = Row(*key, test_events=len(scored), **rounded, **columns)
        with replacing(self._events_file(row)) as part, open(part, "wb") as file:
            np.savez_compressed(file, correct=correct, labelled=labelled)
        self.rows[key] = row
        write_record([asdict(row) for row in self.ordered()], self.csv)
        return row

    def _events_file(self, row: Row) -> Path:
        return self.folder / f"cycle{row.cycle}_{row.method}_{row.size}.npz"

    def _events(self, row: Row) -> np.ndarray:
        """Return correct and labelled voxels of the row's test events: (2, n) int64."""
        path = self._events_file(row)
        try:
            with np.load(path) as columns:
                return np.stack([columns["correct"], columns["labelled"]])
        except (OSError, ValueError, KeyError) as reason:
            raise ChallengeError(
                f"{path}: can't be read; take its row out of {self.csv.name} and run it again"
            ) from reason

    def ordered(self, **wanted) -> list[Row]:
        """Return the rows with these values, ordered by cycle, method and training events."""
        order = list(METHODS)
        rows = [r for r in self.rows.values() if wanted.items() <= asdict(r).items()]
        return sorted(rows, key=lambda r: (r.cycle, order.index(r.method), r.size))

    def paired(self, ours: Row, peer: Row) -> tuple[float, float, float, float]:
        """Return the error of `peer` minus that of `ours`, and this divided by the peer's error.

        Each is followed by its standard error, over the events that both predicted. That of the
        second is of a ratio of means: delta method, paired (W. Cochran, Sampling Techniques, 1977,
        section 6.3). Raises ChallengeError if the two predicted different events.
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

    def equal_table(self, cycle: int, size: int) -> str:
        """Return a Markdown table of the methods that were trained on equal events.

        Errors are compared with the network that was trained for the same time, over the test
        events that both predicted.
        """
        rows = self.ordered(cycle=cycle, size=size)
        ours = self.rows.get((cycle, SAME_TIME, size))
        columns: dict[str, dict[str, str]] = {}
        for row in rows:
            cells = _scores(row)
            if ours and row is not ours:
                gain, gain_se, *_ = self.paired(ours, row)
                cells["errors less the network's"] = f"{100 * gain:+.2f} ± {100 * gain_se:.2f}"
            took = {"s to train": row.train_seconds, "ms per event asked": f"{row.predict_ms:.3g}"}
            cells |= {name: str(value) for name, value in took.items()} | {"how": row.how}
            for name, text in cells.items():
                columns.setdefault(name, {})[row.method] = text
        return markdown(columns)

    def curves_table(self, cycle: int) -> str:
        """Return a Markdown table of network and boosting at each size, with paired errors."""
        columns: dict[str, dict[str, str]] = {}
        for row in self.ordered(cycle=cycle, method=OURS):
            cells = {f"{OURS}: {name}": text for name, text in _scores(row).items()}
            cells["how"] = row.how
            peer = self.rows.get((cycle, PEER, row.size))
            if peer:
                gain, gain_se, share, share_se = self.paired(row, peer)
                cells[f"{PEER}: acc_mean"] = _scores(peer)["acc_mean"]
                cells["its errors less the network's"] = f"{100 * gain:.2f} ± {100 * gain_se:.2f}"
                cells["as a share of its errors"] = f"{share:.0%} ± {share_se:.0%}"
            columns[f"{row.size:,} events"] = cells
        return markdown(columns)

    def report(self) -> str:
        """Return Markdown: methods with equal time (if the network is one) and learning curves.

        The path of their picture is as seen from benchmarks/README.md.
        """
        parts = []
        for row in self.ordered(method=SAME_TIME):
            title = f"Cycle {row.cycle}, {row.size:,} training events, equal time"
            parts += [f"### {title}", self.equal_table(row.cycle, row.size)]
        for cycle in self.cycles:
            parts += [f"### Cycle {cycle}, learning curve", self.curves_table(cycle)]
        if self.cycles:
            parts += ["![Errors against training events](results/peers/learning_curves.png)"]
        return "\n\n".join(parts) + "\n"

    @property
    def cycles(self) -> list[int]:
        """The cycles with a learning curve."""
        return sorted({row.cycle for row in self.ordered(method=OURS)})

    def draw_curves(self, path: Path) -> None:
        """Draw errors against training events as PNG, with a panel per cycle and standard errors.

        Does nothing without rows of the network.
        """
        if not self.cycles:
            return
        figure = Figure(figsize=(1 + 3.7 * len(self.cycles), 3.8), layout="constrained")
        panels = figure.subplots(1, len(self.cycles), sharey=True, squeeze=False)[0]
        for axes, cycle in zip(panels, self.cycles):
            for method, colour in COLOURS.items():
                rows = self.ordered(cycle=cycle, method=method)
                curve = np.array([(row.size, row.error, row.error_se) for row in rows])
                if rows:
                    axes.errorbar(*curve.T, fmt=".-", color=colour, capsize=2, label=method)
            axes.set(xscale="log", yscale="log", xlabel="training events", title=f"cycle {cycle}")
            sizes = (300, 1000, 3000, 10_000, 30_000)
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.set_yticks([0.03, 0.05, 0.1], ["3 %", "5 %", "10 %"])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("errors, 1 - acc_mean")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right", frameon=False)
        with replacing(path) as part:
            figure.savefig(part, format="png", dpi=120)


def _scores(row: Row) -> dict[str, str]:
    return {
        "acc_mean": f"{row.acc_mean:.4f} ± {row.error_se:.4f}",
        "acc_at_50": f"{row.acc_at_50:.4f}",
        "acc_at_80": f"{row.acc_at_80:.4f}",
    }

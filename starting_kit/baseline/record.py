"""The record of a training: one row an epoch, as a table and as curves."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure  # not pyplot: no global state, no display

from lartpc_challenge.files import replacing
from lartpc_challenge.format import METRICS


def write_record(record: list[dict], path: Path) -> None:
    """Write the rows as CSV; all have the first one's keys."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.DictWriter(file, record[0])
        table.writeheader()
        table.writerows(record)


def draw_curves(record: list[dict], path: Path) -> None:
    """Draw losses and metrics against epochs, as PNG."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in record]
    for axes, names in (
        (losses, {"train_loss": "training", "loss": "hold-out"}),
        (scores, dict(zip(METRICS, METRICS))),
    ):
        for name, label in names.items():
            if name in record[0]:
                axes.plot(epochs, [row[name] for row in record], ".-", label=label)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    losses.set_ylabel("cross-entropy, mean over events")
    losses.set_yscale("log")
    losses.legend(frameon=False)
    if "acc_mean" in record[0]:
        scores.legend(frameon=False)
    scores.set_ylabel("accuracy on the hold-out")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)

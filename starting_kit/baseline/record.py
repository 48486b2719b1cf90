"""The record of a training: one row per epoch, as a table, as curves and for TensorBoard."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from matplotlib.figure import Figure  # not pyplot: no global state, no display
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from lartpc_challenge.files import replacing
from lartpc_challenge.format import METRICS


def write_record(record: list[dict], path: Path) -> None:
    """Write the rows as CSV. The last row's keys are the columns; former rows may lack some."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, record[-1])
        table.writeheader()
        table.writerows(record)


class Board:
    """Writes the rows' numbers for TensorBoard into `folder`.

    Does nothing without a folder or if TensorBoard is not installed. epochs: the number of finished
    epochs; later ones of an earlier run are hidden.
    """

    def __init__(self, folder: Path | None, epochs: int):
        self._writer = None
        if folder:
            with contextlib.suppress(ImportError):
                from torch.utils.tensorboard import SummaryWriter

                self._writer = SummaryWriter(str(folder), purge_step=epochs + 1)

    def add(self, row: dict) -> None:
        """Add a row of the record: name -> number."""
        if self._writer:
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name.replace(" ", "/", 1), value, row["epoch"])
            self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()


def draw_curves(record: list[dict], path: Path) -> None:
    """Write the curves as PNG to `path`."""
    with replacing(path) as temporary:
        curves(record).savefig(temporary, format="png", dpi=120)


def curves(record: list[dict]) -> Figure:
    """Return a figure of losses and metrics against epochs."""
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
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    losses.set_ylabel("cross-entropy, mean over events")
    losses.set_yscale("log")
    # Numbers as 0.2, not powers of ten, and enough of them where the range is small.
    losses.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    losses.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    losses.yaxis.set_minor_locator(NullLocator())
    losses.legend(frameon=False)
    if "acc_mean" in record[0]:
        scores.legend(frameon=False)
    scores.set_ylabel("accuracy on the hold-out")
    return figure

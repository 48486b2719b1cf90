"""The record of a training: what the curves and TensorBoard show of it."""

import pytest

from baseline.record import Board, curves
from lartpc_challenge.format import METRICS


def make_record(losses):
    return [
        {"epoch": epoch, "train_loss": loss, "loss": 1.1 * loss, **dict.fromkeys(METRICS, 0.9)}
        for epoch, loss in enumerate(losses, 1)
    ]


@pytest.mark.parametrize("losses", [[0.3, 0.25, 0.21], [0.9, 0.3, 0.06, 0.012], [0.201, 0.2]])
def test_ticks_are_numbers(losses):
    """Not powers of ten, and enough of them to read a value off, however narrow the range is."""
    figure = curves(make_record(losses))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            seen = [
                text
                for text, place in zip(axis.get_ticklabels(), axis.get_ticklocs())
                if low <= place <= high
            ]
            values = [float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in seen]
            assert len(values) >= 2
            assert values == pytest.approx(
                [place for place in axis.get_ticklocs() if low <= place <= high]
            )


def test_tensorboard_shows_every_number_of_every_epoch(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    record = [{**row, "recall proton": 0.5} for row in make_record([0.3, 0.2])]
    board = Board(tmp_path, epochs=0)
    for row in record:
        board.add(row)
    board.close()
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    assert set(found.Tags()["scalars"]) == {"train_loss", "loss", *METRICS, "recall/proton"}
    losses = [(one.step, one.value) for one in found.Scalars("train_loss")]
    assert losses == [(1, pytest.approx(0.3)), (2, pytest.approx(0.2))]

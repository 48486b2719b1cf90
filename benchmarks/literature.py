"""Measure networks on the tasks of the literature by class, to compare with published figures.

    python benchmarks/literature.py --run c4/best.pt c4_fresh.h5 --run c6/best.pt c6_fresh.h5 \
        --run c6b/best.pt c6_fresh.h5 "classes balanced" --out benchmarks/results/literature

Prints Markdown and writes it to OUT/literature.md: a table of all runs, then for each --run
(NETWORK EVENTS [REMARK]) recall, precision, F1 and IoU of each class and the confusion matrix. The
events have labels and were used in no training; `python -m baseline.train --balance 1` trains with
balanced classes. Without arguments: the shipped networks on the demonstration's test events.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from left_to_win import keep, predicted
from peers.truth import with_truth

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.metrics import count_confusion, evaluate, f1, iou, precision, recall
from lartpc_challenge.reference import read_labelled_events
from organizer.competition import read_competition
from organizer.data.table import markdown
from organizer.scratch import scratch_folder
from organizer.source import Source

ROOT = Path(__file__).parents[1]
# Cycle -> what was published for its task.
PUBLISHED = {
    4: "3D U-ResNet (talk, 2018): 96 % of the voxels on training events; MicroBooNE's SparseSSNet, "
    "arXiv:2012.08513: at least 99 % for tracks against showers",
    5: "ProtoDUNE, FC-DenseNet on 2D images (talk, 2018): IoU 98.2 % cosmic and halo, 83.1 % beam",
    6: "MicroBooNE's SparseSSNet on 2D images, arXiv:2012.08513: accuracy 95 %",
    7: "PoLAr-MAE on PILArNet-M, fine-tuned on 10,000 events: macro F1 0.837, Point-MAE: 0.831; "
    "L. Domine and K. Terao, arXiv:1903.05663: Michel electrons' efficiency 93.9 %, purity 96.7 %",
}
DIFFERENT = """\
The published figures are of other data: other detectors, mixes of particles, voxels and rules of
labelling, so that they tell the order of magnitude and rank nothing. Two of them are of 2D images
of wires against time. There is no 2D case here: all events are 3D voxels, in which particles
overlap less."""


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python benchmarks/literature.py", __doc__)
    parser.add_argument("--run", nargs="+", action="append", metavar="NETWORK EVENTS [REMARK]")
    parser.add_argument("--out", type=Path, help="folder for literature.md")
    options = parser.parse_args(arguments)
    if any(len(words) not in (2, 3) for words in options.run or []):
        parser.error("--run takes NETWORK EVENTS [REMARK]")
    torch.set_num_threads(1)

    def command() -> None:
        with scratch_folder("benchmarks") as folder:
            text = report(options.run or _demonstration(folder))
        keep({"literature": text}, options.out)

    return run("literature", command)


def _demonstration(folder: Path) -> list[list[str]]:
    runs, source = [], Source.of(read_competition())
    for cycle in source.competition.cycles:
        own = folder / cycle.name
        own.mkdir()
        with EventFile(source.test(cycle)) as test:
            events = with_truth(test, source.references, own)
        runs.append([str(source.baseline / f"cycle{cycle.number}/model.pt"), str(events)])
    return runs


def report(runs: Sequence[Sequence[str]]) -> str:
    """Return Markdown: a table of all runs, differences from the literature, a table per run."""
    overview: dict[str, dict[str, str]] = {}
    parts = []
    for network, events, *remark in runs:
        reference = read_labelled_events(events)
        cycle = reference.cycle
        pred = predicted(Path(network), Path(events))
        confusion = count_confusion(reference.label, pred, cycle.n_labels)
        title = ", ".join([f"{cycle.number} {cycle.name}", *remark])
        rows = {
            "events": f"{len(reference.event_id):,}",
            "accuracy over voxels": f"{np.trace(confusion) / confusion.sum():.4f}",
            "acc_mean": f"{evaluate(reference.label, pred, reference.offset)['acc_mean']:.4f}",
            "macro F1": f"{np.nanmean(f1(confusion)[1:]):.4f}",
            "mean IoU": f"{np.nanmean(iou(confusion)[1:]):.4f}",
            "published": PUBLISHED.get(cycle.number, ""),
        }
        for name, text in rows.items():
            overview.setdefault(name, {})[title] = text
        parts += [f"#### {title}", classes_table(confusion, cycle)]
    return "\n\n".join([markdown(overview), DIFFERENT, *parts])


def classes_table(confusion: np.ndarray, cycle: Cycle) -> str:
    """Return a Markdown table with a row per true class.

    Its columns are the class's share of the voxels, the predicted classes, and the metrics.
    """
    names, labels = cycle.label_names, cycle.labels
    n_true = confusion.sum(axis=1)
    columns = {"of the voxels": n_true / n_true.sum()}
    with np.errstate(invalid="ignore"):
        taken = confusion / n_true[:, None]
    columns |= {f"taken for {names[label]}": taken[:, label] for label in labels}
    figures = {"recall": recall, "precision": precision, "F1": f1, "IoU": iou}
    columns |= {name: figure(confusion) for name, figure in figures.items()}
    return markdown(
        {
            name: {names[label]: f"{100 * values[label]:.1f} %" for label in labels}
            for name, values in columns.items()
        }
    )


if __name__ == "__main__":
    sys.exit(main())

"""Label voxels by their energy alone: the least that a submission must beat.

    python -m baseline.threshold --train cycle1_train.h5 --events cycle1_test.h5 --out s.zip

Needs numpy and h5py only.
"""

from __future__ import annotations

import sys

from baseline.submit import fit_and_submit, peer_parser
from lartpc_challenge.events import EventFile
from lartpc_challenge.trivial import EnergyThreshold, fit_threshold


def fit(events: EventFile) -> EnergyThreshold:
    """The energy threshold with the best acc_mean on the labelled file; printed."""
    rule = fit_threshold(events, events.cycle)
    starts = (0.0, *rule.cuts_mev)
    names = events.cycle.label_names
    intervals = [f"{names[c]} from {mev:.3g} MeV" for mev, c in zip(starts, rule.labels)]
    print(", ".join(intervals))
    return rule


def main(arguments: list[str] | None = None) -> int:
    options = peer_parser("threshold", __doc__).parse_args(arguments)
    return fit_and_submit(
        "threshold", options, fit=fit, predict=lambda rule, event: rule.predict(event.energy)
    )


if __name__ == "__main__":
    sys.exit(main())

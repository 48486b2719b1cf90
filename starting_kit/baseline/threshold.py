"""Label voxels only by their energy: every other method should score better.

    python -m baseline.threshold --train cycle1_train.h5 --events cycle1_test.h5 --out s.zip

Needs only numpy and h5py.
"""

from __future__ import annotations

import sys

from baseline.submit import fit_and_submit, peer_parser
from lartpc_challenge.events import EventFile
from lartpc_challenge.trivial import EnergyThreshold, fit_threshold


def fit(events: EventFile) -> EnergyThreshold:
    """Return the cuts in energy with the best acc_mean on the labelled file, and print them."""
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

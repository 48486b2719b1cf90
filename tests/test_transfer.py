"""The table that says which network to take for which events."""

import sys
from pathlib import Path

import numpy as np
import pytest

from lartpc_challenge.command import alone_in
from lartpc_challenge.events import EventFile, EventWriter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
transfer = pytest.importorskip("transfer", reason="torch is not installed")

NETWORKS = {name: ROOT / f"baseline_submission/{name}/model.pt" for name in ("cycle1", "cycle2")}


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    """Three train events of cycle 2."""
    path = tmp_path_factory.mktemp("transfer") / "events.h5"
    with (
        EventFile(ROOT / "starting_kit/data/cycle2_train.h5") as shipped,
        EventWriter(path, kind="train", cycle=2, scale="demonstration") as out,
    ):
        for i in range(3):
            out.append(shipped[i])
    return path


def test_a_network_without_protons_is_compared_in_two_classes(events):
    cells, best = transfer._row(events, NETWORKS)
    assert best == "cycle2"
    assert cells["cycle1"] == ""
    three, in_two = float(cells["cycle2"]), float(cells["cycle2, two classes"])
    assert 0.9 < three <= in_two  # a proton called other is right in two classes
    assert 0.9 < float(cells["cycle1, two classes"]) <= 1
    assert cells["events"] == "3"


def test_predictions_are_kept_per_network(events):
    transfer._row(events, NETWORKS)
    kept = sorted(events.parent.glob("*.pred"))
    assert len(kept) == 2
    with EventFile(events) as file:
        kept[0].write_bytes(np.full(file.n_voxels, 2, np.uint8).tobytes())
        kept[1].write_bytes(np.full(file.n_voxels, 2, np.uint8).tobytes())
        share = np.mean([np.mean(event.label != 1) for event in file])
    cells, _ = transfer._row(events, NETWORKS)
    assert float(cells["cycle2, two classes"]) == pytest.approx(share, abs=1e-4)


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, capsys):
    with alone_in(tmp_path):
        assert transfer.main(["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"transfer: {tmp_path}: another process is at work there\n"

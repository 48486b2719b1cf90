"""The table of the data and the trivial baselines, for events counted by hand."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from damage import edited

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.format import ChallengeError
from organizer.data.table import describe, main
from organizer.data.trivial import fit_trivial_rules, hindsight, score_rule
from organizer.simulate.event import SimulatedEvent
from organizer.simulate.geant4 import Particle
from organizer.simulate.store import SimulationWriter
from organizer.simulate.voxels import Origin, Voxels


def make_event(event_id: int, labels, energies=None) -> Event:
    n = len(labels)
    coords = np.zeros((n, 3), np.uint8)
    coords[:, 0] = np.arange(n)
    energy = np.ones(n) if energies is None else np.array(energies)
    return Event(event_id, coords, energy.astype(np.float32), np.array(labels, np.uint8))


# 10 voxels, 6 of class 1; 10 voxels, 8 of class 2; 4 voxels of class 1 alone.
THREE = [
    make_event(0, [1] * 6 + [2] * 4),
    make_event(1, [1] * 2 + [2] * 8),
    make_event(2, [1] * 4),
]


def write(path, events, kind="train", cycle=1):
    with EventWriter(path, kind=kind, cycle=cycle, scale="full") as out:
        for event in events:
            out.append(event)
    return path


def write_simulation(path, particles):
    voxels = Voxels(
        coords=np.array([[1, 2, 3], [1, 2, 4]], np.uint8),
        energy=np.array([0.5, 1.5], np.float32),
        label=np.array([1, 2], np.uint8),
        particle=np.array([0, 0], np.int16),
        origin=np.array([Origin.MICHEL, Origin.PRIMARY], np.uint8),
        second_share=np.array([0.4, 0.1], np.float32),
    )
    with SimulationWriter(path, 1, "full", seed=3) as out:
        out.append_simulated(SimulatedEvent(0, particles, voxels, attempts=1))
        out.append_simulated(SimulatedEvent(1, particles[:1], voxels, attempts=3))
    return path


def test_hindsight_scores_the_share_of_the_commonest_label_in_each_event():
    # 6/10, 8/10 and 4/4; the 80th percentile lies 60 % of the way from 0.8 to 1.
    scores = score_rule(hindsight, THREE)
    assert scores == pytest.approx({"acc_mean": 0.8, "acc_at_50": 0.8, "acc_at_80": 0.92})


def test_majority_is_the_label_of_most_voxels_of_all():
    # 12 of class 1 and 12 of class 2 would tie: one more event decides.
    rules = fit_trivial_rules([*THREE, make_event(3, [2])], CYCLES[1])
    scores = score_rule(rules["majority"], THREE)
    assert scores["acc_mean"] == pytest.approx((0.4 + 0.8 + 0) / 3)


def test_threshold_separates_what_energy_separates():
    energies = [0.1, 0.2, 0.3, 2.0, 3.0]
    events = [make_event(0, [1, 1, 1, 2, 2], energies), make_event(1, [2, 1, 2, 1, 2], energies)]
    rule = fit_trivial_rules(events[:1], CYCLES[1])["threshold"]
    assert score_rule(rule, events[:1])["acc_mean"] == 1
    assert score_rule(rule, events[1:])["acc_mean"] == pytest.approx(2 / 5)


def test_events_without_voxels_are_skipped():
    assert score_rule(hindsight, [make_event(0, []), *THREE])["acc_mean"] == pytest.approx(0.8)
    with pytest.raises(ChallengeError, match="nothing can be scored"):
        score_rule(hindsight, [make_event(0, [])])


def test_the_table_counts_a_train_file(tmp_path):
    rows = describe(write(tmp_path / "train.h5", THREE))
    assert rows["cycle, kind"] == "1, train"
    assert rows["events"] == "3"
    assert rows["voxels"] == "24"
    assert rows["voxels per event: mean (5 %, 50 %, 95 %)"] == "8.0 (4.6, 10.0, 10.0)"
    assert rows["voxels of class 1, electron/positron"] == "50.0 %"
    assert "voxels of class 3, proton" not in rows
    assert rows["events with 20 voxels of class 1, electron/positron"] == "0.0 %"
    assert rows["voxels of an event's second class: minimum"] == "0"
    assert rows["hindsight: acc_at_80, acc_at_50, acc_mean"] == "0.920, 0.800, 0.800"


def test_energies_are_those_of_the_file(tmp_path):
    energies = np.geomspace(0.1, 10, 101)
    event = make_event(0, [1] * 101, energies)
    rows = describe(write(tmp_path / "train.h5", [event]))
    low, middle, high = map(float, rows["energy per voxel, MeV: 5 %, 50 %, 95 %"].split(","))
    assert (low, middle, high) == pytest.approx((0.1259, 1.0, 7.943), rel=0.02)
    # The sum of a geometric series: 0.1 (r^101 - 1) / (r - 1) with r = 10^0.02.
    assert rows["energy per event, MeV: mean (5 %, 50 %, 95 %)"] == "220 (220, 220, 220)"


def test_a_test_file_has_no_rows_on_labels(tmp_path):
    unlabelled = [Event(e.event_id, e.coords, e.energy) for e in THREE]
    rows = describe(write(tmp_path / "test.h5", unlabelled, kind="test"))
    assert rows["voxels"] == "24"
    assert not any("class" in name or "acc_mean" in name for name in rows)


def test_the_simulators_file_tells_particles_draws_and_origins(tmp_path):
    particles = [Particle(pdg, 100.0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)) for pdg in (22, -211, 2212)]
    rows = describe(write_simulation(tmp_path / "simulation.h5", particles))
    assert rows["particles per event: mean (5 %, 50 %, 95 %)"] == "2.0 (1.1, 2.0, 2.9)"
    assert rows["particles that are photon"] == "50.0 %"
    assert rows["particles that are charged pion"] == "25.0 %"
    assert rows["particles that are muon"] == "0.0 %"
    assert rows["draws accepted"] == "50.0 %"
    assert rows["voxels with more than 20% of a second class"] == "50.0 %"
    assert rows["voxels of origin michel"] == "50.0 %"
    assert rows["voxels of origin delta"] == "0.0 %"


def test_positions_are_kept_in_voxels_from_the_corner(tmp_path):
    # The crop's centre, the world's origin, is voxel 96; 30 mm are ten voxels.
    particles = [Particle(22, 100.0, (0.0, 30.0, -288.0), (0.0, 0.0, 1.0))] * 2
    path = write_simulation(tmp_path / "simulation.h5", particles)
    with EventFile(path) as events:
        assert events.kind == "simulation"
    with h5py.File(path) as file:
        assert file["particles/vertex"][0].tolist() == [96, 106, 0]
        assert file["particles/offset"][:].tolist() == [0, 2, 3]


def test_columns_and_rows_of_several_files(tmp_path, capsys):
    train, three = write(tmp_path / "a.h5", THREE), tmp_path / "b.h5"
    write(three, [make_event(0, [1, 2, 3, 3])], cycle=2)
    assert main([str(train), str(three)]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {3}
    assert cells[0] == ["", str(train), str(three)]
    table = {row[0]: row[1:] for row in cells}
    assert table["voxels"] == ["24", "4"]
    assert table["voxels of class 3, proton"] == ["", "50.0 %"]
    names = [row[0] for row in cells]
    assert names.index("voxels of class 2, other") + 1 == names.index("voxels of class 3, proton")


def test_what_is_no_event_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "bad.h5").write_text("bad")
    empty = write(tmp_path / "empty.h5", [])
    for path, text in (
        (tmp_path / "missing.h5", "no such file"),
        (tmp_path / "bad.h5", "not a readable HDF5 file"),
        (empty, "holds no events"),
    ):
        assert main([str(path)]) == 1
        assert f"data_table: {path}: {text}" in capsys.readouterr().err


def test_a_damaged_particle_table_is_one_sentence(tmp_path, capsys):
    path = write(tmp_path / "train.h5", THREE)
    with edited(path) as file:
        file["particles/offset"] = [0, 1]
    assert main([str(path)]) == 1
    assert "damaged, it can't be read" in capsys.readouterr().err

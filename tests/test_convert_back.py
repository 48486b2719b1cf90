"""Our events in other formats are read back equal; the source gets predictions per deposit."""

from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from foreign import convert, edepsim_file, events_of, larcv2_file, pilarnet_file
from toy import make_events, make_events_file

from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.submission.forms import write_submission
from organizer.convert.taxonomy import Kind, kind_of_class

DATA = Path(__file__).parent / "data"
EM, OTHER, PROTON = 1, 2, 3


@pytest.fixture
def ours(tmp_path):
    events = make_events(5, n_voxels=(20, 60))
    make_events_file(tmp_path / "ours.h5", events, kind="train", cycle=2)
    return tmp_path / "ours.h5", events


def as_submission(path, of, pred):
    with EventFile(of) as file:
        write_submission(path, file.event_id, file.offset, pred.astype(np.uint8))
    return path


# ---- ours -> theirs -> ours

SUFFIX = {
    "pilarnet": ".h5",
    "pilarnet-v2": ".h5",
    "spine": ".h5",
    "parquet": ".parquet",
    "pimm": "",
}


@pytest.mark.parametrize("name", SUFFIX)
def test_written_and_read_again(tmp_path, ours, capsys, name):
    path, events = ours
    out = tmp_path / f"theirs{SUFFIX[name]}"
    assert convert(path, out, "--to", name) == 0
    assert "5 events, " in capsys.readouterr().out
    assert convert(out, tmp_path / "again.h5", "--threshold-mev", 0) == 0
    again = events_of(tmp_path / "again.h5")
    if name == "pimm":  # in the order of its folders
        events = sorted(events, key=lambda event: event.event_id)
        assert [event.event_id for event in again] == [event.event_id for event in events]
    for found, event in zip(again, events):
        order = np.lexsort(event.coords.T[::-1])  # the reader sorts by x, y, z
        np.testing.assert_array_equal(found.coords, event.coords[order])
        np.testing.assert_array_equal(found.energy, event.energy[order])
        np.testing.assert_array_equal(found.label, event.label[order])


def test_version_1_keeps_all_but_protons(tmp_path, ours):
    path, events = ours
    assert convert(path, tmp_path / "v1.h5", "--to", "pilarnet-v1") == 0
    with h5py.File(tmp_path / "v1.h5") as file:
        assert "cluster_extra" not in file
        assert all(len(row) % 5 == 0 for row in file["cluster"][:])
    assert convert(tmp_path / "v1.h5", tmp_path / "again.h5", "--threshold-mev", 0) == 0
    for found, event in zip(events_of(tmp_path / "again.h5"), events):
        label = np.where(event.label == PROTON, OTHER, event.label)
        np.testing.assert_array_equal(found.label, label[np.lexsort(event.coords.T[::-1])])


def test_the_rows_of_pilarnet(tmp_path):
    """Clusters have size, pid, momentum and vertex; the low-energy cluster comes first."""
    coords = np.array([[1, 2, 3], [1, 2, 4], [5, 5, 5], [7, 7, 7], [9, 9, 9]], np.uint8)
    event = Event(
        11,
        coords,
        np.arange(1, 6, dtype=np.float32),
        np.array([PROTON, OTHER, PROTON, EM, EM], np.uint8),
        np.array([1, 0, 1, -1, 0], np.int16),
    )
    with EventWriter(tmp_path / "ours.h5", kind="train", cycle=2, scale="full",
                     columns={"particle": np.int16}) as out:  # fmt: skip
        out.append(event)
        out.file["particles/offset"] = np.array([0, 2])
        out.file["particles/pdg"] = np.array([-13, 2212], np.int32)
        out.file["particles/kinetic_energy_mev"] = np.array([300.0, 100.0], np.float32)
        out.file["particles/vertex"] = np.array([[90.0, 91, 92], [90, 91, 92]], np.float32)
        out.file["particles/direction"] = np.array([[1.0, 0, 0], [0, 1, 0]], np.float32)
    assert convert(tmp_path / "ours.h5", tmp_path / "v3.h5", "--to", "pilarnet") == 0
    with h5py.File(tmp_path / "v3.h5") as file:
        point = file["point"][0].reshape(-1, 8)
        cluster = file["cluster"][0].reshape(-1, 6)
        extra = file["cluster_extra"][0].reshape(-1, 6)
    assert point[:, 3].tolist() == [4, 5, 2, 1, 3]
    # size, id, group, interaction, semantic, pid
    assert cluster.tolist() == [
        [0, 0, -1, -1, 4, -1],
        [1, 1, -1, -1, 0, -1],  # a shower of no particle
        [1, 2, 0, 0, 0, -1],  # the muon's shower: a secondary
        [1, 3, 0, 0, 1, 2],  # the muon
        [2, 4, 1, 0, 1, 4],  # the proton
    ]
    # p = sqrt(T^2 + 2 T m): muon sqrt(405.658^2 - 105.658^2) = 391.66 MeV/c
    np.testing.assert_allclose(extra[:, 1], [-1, -1, 0.39166, 0.39166, 0.44458], atol=1e-4)
    np.testing.assert_allclose(extra[:, 0], [-1, -1, 105.658, 105.658, 938.272], atol=1e-3)
    assert extra[:, 5].tolist() == [-1, -1, 0, 1, 1]
    assert extra[3, 2:5].tolist() == [90, 91, 92]
    assert np.load(tmp_path / "v3_points.npy").tolist() == [5]


@pytest.mark.parametrize("name", SUFFIX)
def test_predictions_are_scores(tmp_path, ours, name):
    path, events = ours
    rng = np.random.default_rng(1)
    score = rng.dirichlet(np.ones(3), sum(map(len, events))).astype(np.float32)
    with h5py.File(tmp_path / "score.h5", "w") as file:
        file["score"] = score
    out = tmp_path / f"theirs{SUFFIX[name]}"
    assert convert(path, out, "--to", name, "--predictions", tmp_path / "score.h5") == 0
    n = len(events[0])
    if name == "pimm":
        folder = out / "train" / f"event_{events[0].event_id:010d}"
        coords, found = np.load(folder / "coord.npy"), np.load(folder / "prediction.npy")
    elif name == "spine":
        with h5py.File(out) as file:
            rows = file["products/segmentation/values"][:n]
        coords, found = rows[:, 1:4], rows[:, 4:]
    elif name == "parquet":
        row = pq.read_table(out).to_pylist()[0]
        coords = np.array(row["point"]).reshape(-1, 8)[:, :3]
        found = np.array(row["prediction"]).reshape(-1, 3)
    else:
        with h5py.File(out) as file:
            coords = file["point"][0].reshape(-1, 8)[:, :3]
            found = file["prediction"][0].reshape(-1, 3)
    one, other = np.lexsort(coords.T), np.lexsort(events[0].coords.T)
    np.testing.assert_array_equal(coords[one].astype(int), events[0].coords[other])
    np.testing.assert_allclose(found[one], score[:n][other], rtol=1e-6)


def test_csv_of_labels_and_scores(tmp_path, ours):
    path, events = ours
    pred = np.concatenate([event.label for event in events])
    submission = as_submission(tmp_path / "s.zip", path, pred)
    assert convert(path, tmp_path / "a.csv", "--predictions", submission) == 0
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "event,x,y,z,val,label,score_electron/positron,score_other,score_proton"
    assert len(lines) == 1 + len(pred)
    table = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)
    assert (table[:, 6:].argmax(axis=1) + 1).tolist() == table[:, 5].tolist() == pred.tolist()
    assert set(table[:, 6:].ravel().tolist()) == {0, 1}


def test_events_without_labels_can_be_written(tmp_path):
    events = make_events(2, n_voxels=(20, 60))
    path = tmp_path / "ours.h5"
    make_events_file(path, events, kind="test", cycle=2)
    for name, suffix in SUFFIX.items():
        out = tmp_path / f"{name}{suffix}"
        assert convert(path, out, "--to", name) == 0
        assert convert(out, tmp_path / "again.h5", "--threshold-mev", 0) == 0
        with EventFile(tmp_path / "again.h5", kind="test") as file:
            assert sum(map(len, file)) == sum(map(len, events))


def test_what_their_defaults_would_drop_is_said(tmp_path, ours, capsys):
    path, events = ours
    assert convert(path, tmp_path / "a.h5", "--to", "pilarnet") == 0
    said = capsys.readouterr().out
    assert "min_points=1024" in said
    energy = np.concatenate([event.energy for event in events])
    assert f"0 of 5 events and {np.mean(energy > 0.13):.1%} of the voxels would remain" in said


def test_what_to_write_must_be_clear(tmp_path, ours, capsys):
    path, _ = ours
    assert convert(path, tmp_path / "out.h5") == 1
    assert "choose what to write with --to pilarnet|" in capsys.readouterr().err
    assert convert("spine", path, tmp_path / "out.h5") == 0
    assert convert(path, tmp_path / "folder", "--to", "pimm") == 0
    assert convert(path, tmp_path / "folder", "--to", "pimm") == 1
    assert "already exists" in capsys.readouterr().err


def test_other_cycles_scores_are_refused(tmp_path, ours, capsys):
    path, events = ours
    with h5py.File(tmp_path / "score.h5", "w") as file:
        file["score"] = np.zeros((sum(map(len, events)), 2), np.float32)
    arguments = ("--to", "csv", "--predictions", tmp_path / "score.h5")
    assert convert(path, tmp_path / "a.csv", *arguments) == 1
    assert "score is float32" in capsys.readouterr().err


def test_classes_that_are_no_particles_have_no_semantic_type():
    names = ("electron/positron", "other")
    assert [kind_of_class(name, names) for name in names] == [Kind.ELECTRON, Kind.TRACK]
    assert kind_of_class("other", (*names, "proton")) is Kind.MIP


# ---- predictions in the source's terms


def predicted(tmp_path, source, *options, label=lambda event: event.label):
    """Convert a file, predict each event with `label`, convert back; return an open h5py.File."""
    converted = tmp_path / "converted.h5"
    assert convert(source, converted, *options) == 0
    pred = np.concatenate([label(event) for event in events_of(converted)])
    submission = as_submission(tmp_path / "s.zip", converted, pred)
    assert convert(converted, tmp_path / "back.h5", "--back", submission) == 0
    return h5py.File(tmp_path / "back.h5")


def test_back_to_points_of_pilarnet(tmp_path, capsys):
    """Every point that was kept gets its own class's label; the other points get 0."""
    source = DATA / "pilarnet_m_event7675.npz"
    with predicted(tmp_path, source) as found, np.load(source) as file:
        np.testing.assert_array_equal(found["place"][:], file["coords"])
        track = np.where(file["pid"] == 4, PROTON, OTHER)
        expected = np.where(file["motif"] == 1, track, EM)
        label = found["label"][:]
        assert 0.7 < np.mean(label > 0) < 0.8
        np.testing.assert_array_equal(label[label > 0], expected[label > 0])
        assert found.attrs["class_names"].tolist() == ["electron/positron", "other", "proton"]
        assert f"{np.mean(label > 0):.1%} have a label" in capsys.readouterr().out


def test_back_from_tiles_labels_everything(tmp_path):
    source = DATA / "pilarnet_m_event7675.npz"
    with predicted(tmp_path, source, "--crop", "tiles") as found, np.load(source) as file:
        label = found["label"][:]
        assert (label > 0).all()
        np.testing.assert_array_equal(label == EM, file["motif"] != 1)
        assert found["offset"][:].tolist() == [0, len(label)]


def test_back_through_voxels_of_another_size(tmp_path):
    """The prediction is class 1 where x is below the middle, else 2; coarse voxels get the same."""

    def side(event):
        return np.where(event.coords[:, 0] < 50, 1, 2)

    source = larcv2_file(tmp_path / "in.root", size_cm=1.0, low_cm=(3.0, 4.0, 5.0),
                         ids=([0, 30], [5]))  # fmt: skip
    with predicted(tmp_path, source, "--threshold-mev", 0, label=side) as found:
        assert found["place"][:].tolist() == [[0, 0, 0], [30, 0, 0], [5, 0, 0]]
        assert found["label"][:].tolist() == [1, 2, 1]
        assert found["event_id"][:].tolist() == [60, 61]
        assert found["run"][:].tolist() == [[4, 5], [4, 5]]
        assert found["score"].shape == (3, 3)


def test_back_to_segments_in_their_order(tmp_path):
    source = edepsim_file(tmp_path / "in.h5")
    with predicted(tmp_path, source) as found:
        assert found["event_id"][:].tolist() == [7, 9]
        assert found["label"][:].tolist() == [OTHER, EM, PROTON]
        np.testing.assert_allclose(found["place"][0], [1006, 0.5, 0.5])


def test_back_as_csv_and_after_the_source_has_moved(tmp_path, capsys):
    source = pilarnet_file(tmp_path / "in.h5")
    converted, back = tmp_path / "converted.h5", tmp_path / "back.csv"
    assert convert(source, converted) == 0
    pred = np.concatenate([event.label for event in events_of(converted)])
    submission = as_submission(tmp_path / "s.zip", converted, pred)
    source.rename(tmp_path / "moved.h5")
    assert convert(converted, back, "--back", submission) == 1
    assert "does not exist; give its path with --source" in capsys.readouterr().err
    moved = ("--back", submission, "--source", tmp_path / "moved.h5")
    assert convert(converted, back, *moved) == 0
    lines = back.read_text().splitlines()
    assert lines[0] == "event,x,y,z,label"
    assert lines[1] == "0,500,501,502,1"
    assert len(lines) == 1 + 2 * 11
    pilarnet_file(tmp_path / "moved.h5", n_events=3)
    assert convert(converted, back, *moved) == 1
    assert "is not the file that" in capsys.readouterr().err


def test_only_converted_files_lead_back(tmp_path, ours, capsys):
    path, events = ours
    pred = np.concatenate([event.label for event in events])
    submission = as_submission(tmp_path / "s.zip", path, pred)
    assert convert(path, tmp_path / "back.h5", "--back", submission) == 1
    assert "it was not converted from another format" in capsys.readouterr().err
    assert convert(path, tmp_path / "back.txt", "--back", submission) == 1
    assert "name it .h5 or .csv" in capsys.readouterr().err

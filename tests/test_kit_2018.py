"""Submissions written by the code of 2018's starter kit are read (tests/data/README.md)."""

import re
from pathlib import Path

import numpy as np
import pytest

from lartpc_challenge.events import EventFile
from lartpc_challenge.format import SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission

DATA = Path(__file__).parent / "data"
EVENTS = DATA / "kit2018_events.h5"  # every x, y and z from 0 to 191 occurs in each of 3 events
# What (v / 191 * 191).astype(int), the kit's way back from its features, makes one too small.
MOVED = {7, 14, 28, 56, 101, 103, 112, 121, 123}


def truth() -> np.ndarray:
    with EventFile(EVENTS) as file:
        return np.concatenate([event.label for event in file])


def test_its_dense_hdf5_is_read_as_it_was_meant():
    found = read_submission(DATA / "kit2018_pred.hdf5", Manifest.from_events(EVENTS))
    np.testing.assert_array_equal(found, truth())


def test_its_csv_moves_nine_coordinates():
    """The file differs from the events in nine coordinates, and in nothing else."""
    table = np.loadtxt(DATA / "kit2018_pred.csv", delimiter=",", skiprows=1, dtype=int)
    with EventFile(EVENTS) as file:
        for event in file:
            rows = table[table[:, 3] == event.event_id]
            coords = event.coords.astype(int)
            assert set(coords[rows[:, :3] != coords].tolist()) == MOVED
            assert set((coords - rows[:, :3]).ravel().tolist()) == {0, 1}
            np.testing.assert_array_equal(rows[:, 4], event.label)


def test_its_csv_is_refused_with_the_reason():
    with pytest.raises(SubmissionError) as refused:
        read_submission(DATA / "kit2018_pred.csv", Manifest.from_events(EVENTS))
    said = str(refused.value)
    assert "the kit of 2018 shifted nine coordinates by one" in said
    place = re.search(r"event (\d+) at \((\d+), (\d+), (\d+)\)", said)
    assert place is not None
    # A voxel that is not there, one beside one that is.
    event_id, *where = map(int, place.groups())
    with EventFile(EVENTS) as file:
        coords = next(event.coords for event in file if event.event_id == event_id).astype(int)
    assert np.abs(coords - where).sum(axis=1).min() in (1, 2, 3)


def test_its_csv_is_whole_with_the_coordinates_put_back(tmp_path):
    lines = (DATA / "kit2018_pred.csv").read_text().splitlines()
    with EventFile(EVENTS) as file:
        places = np.concatenate([event.coords for event in file]).tolist()
    rows = [
        ",".join(map(str, p)) + "," + line.split(",", 3)[3] for p, line in zip(places, lines[1:])
    ]
    (tmp_path / "pred.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    found = read_submission(tmp_path / "pred.csv", Manifest.from_events(EVENTS))
    np.testing.assert_array_equal(found, truth())

"""Tiles of one event stay together in train or test, and in one phase."""

from pathlib import Path

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import read_reference
from organizer.convert.__main__ import main as convert
from organizer.convert.source_group import read_source
from organizer.phases.split import prepare
from organizer.phases.tiles import hidden_groups

MUONS = Path(__file__).parent / "data" / "edepsim_muons.h5"
CYCLE = CYCLES[2]
PHASES = toy.COMPETITION.phases_of(CYCLE)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(0, 2**32 - 1))
def test_no_group_is_divided(group, seed):
    group = np.array(group)
    drawn = np.random.default_rng(seed).permutation(len(group))
    if len(set(group.tolist())) == 1:
        with pytest.raises(ChallengeError, match="tiles of one event"):
            hidden_groups(drawn, group)
        return
    hidden = hidden_groups(drawn, group)
    for one in set(group.tolist()):
        assert len(set(hidden[group == one].tolist())) == 1
    assert not hidden.all()
    assert hidden.any()
    largest = np.bincount(group).max()
    assert abs((~hidden).sum() - len(group) // 2) <= largest


@given(st.integers(2, 50), st.integers(0, 2**32 - 1))
def test_events_of_their_own_are_halved_as_drawn(n, seed):
    drawn = np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(hidden_groups(drawn, np.arange(n)), drawn >= n // 2)


def test_a_split_keeps_tiles_together(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    assert convert([str(MUONS), str(raw / "cycle2_test.h5"), "--crop", "tiles"]) == 0
    # Events of another source to train on.
    other = Path(__file__).parent / "data" / "pilarnet_m_event7675.npz"
    assert convert([str(other), str(raw / "cycle2_train.h5"), "--crop", "tiles"]) == 0
    prepare(raw, tmp_path / "public", tmp_path / "private", phases=PHASES, secret=bytes(16))
    source = read_source(raw / "cycle2_test.h5")
    with EventFile(raw / "cycle2_test.h5") as file:
        parent_of = {event.coords.tobytes(): p for event, p in zip(file, source.parent.tolist())}
    public = tmp_path / "public" / "cycle2_test.h5"
    assert read_source(public) is None
    with EventFile(public) as file:
        places = {}
        for event in file:
            order = np.lexsort(event.coords.T[::-1])  # the converter's order
            places[event.event_id] = parent_of[event.coords[order].tobytes()]
    phases = [
        {places[i] for i in read_reference(path).event_id.tolist()}
        for path in sorted((tmp_path / "private").glob("phase*/reference.h5"))
    ]
    assert len(phases) == 2
    assert all(phases)
    assert not phases[0] & phases[1]


def test_parts_of_one_event_in_train_and_test_are_refused(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    arguments = [str(MUONS), "--crop"]
    assert convert([*arguments, "tiles", "--out", str(raw / "cycle2_test.h5")]) == 0
    assert convert([*arguments, "densest", "--out", str(raw / "cycle2_train.h5")]) == 0
    with pytest.raises(ChallengeError, match=r"holds event 0 of .*edepsim_muons.h5, as"):
        prepare(raw, tmp_path / "public", tmp_path / "private", phases=PHASES, secret=bytes(16))
    assert not (tmp_path / "public").exists()

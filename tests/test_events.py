"""Event files are read as they were written; damage gives one sentence."""

import os
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest
import toy
from damage import as_version_1, attribute, changed, edited, lacking, mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lartpc_challenge import events as events_module
from lartpc_challenge.events import Event, EventFile, EventWriter, check_format
from lartpc_challenge.format import ChallengeError

ONE = Event(7, np.array([[0, 5, 191]], np.uint8), np.array([1.5], np.float32), np.array([2], "u1"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.h5"


@pytest.fixture
def train_file(path):
    toy.make_events_file(path, toy.make_events(5), kind="train", cycle=2)
    return path


def same(one: Event, other: Event) -> bool:
    return one.event_id == other.event_id and all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("coords", "energy", "label")
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 12), max_size=8), block=st.integers(1, 40))
def test_what_is_written_is_read_whatever_the_blocks(path, lengths, block):
    drawn = [toy.make_events(1, n_voxels=(n, n + 1), seed=i)[0] for i, n in enumerate(lengths)]
    written = [replace(event, event_id=i) for i, event in enumerate(drawn)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events_module, "_BLOCK_VOXELS", block)
        toy.make_events_file(path, written, kind="train", cycle=2)
        with EventFile(path) as file:
            assert len(file) == len(written)
            assert file.n_voxels == sum(lengths)
            assert file.offset.tolist() == np.cumsum([0, *lengths]).tolist()
            for _ in range(2):  # it can be read again
                assert all(map(same, file, written))
                assert sum(1 for _ in file) == len(written)
            assert all(same(file[i], event) for i, event in enumerate(written))


def test_events_can_be_had_by_place_and_columns_by_range(train_file):
    written = toy.make_events(5)
    with EventFile(train_file) as file:
        assert same(file[-1], written[4])
        with pytest.raises(IndexError):
            file[5]
        expected = np.concatenate([event.energy for event in written[1:3]])
        assert np.array_equal(file.column("energy", 1, 3), expected)
        assert len(file.column("label")) == file.n_voxels


def test_events_as_a_data_frame(train_file):
    written = toy.make_events(5)
    with EventFile(train_file) as file:
        whole, part = file.to_frame(), file.to_frame(1, 3)
    assert list(whole) == ["event_id", "x", "y", "z", "energy", "label"]
    assert len(whole) == sum(map(len, written))
    for event, (event_id, rows) in zip(written[1:3], part.groupby("event_id", sort=False)):
        assert event_id == event.event_id
        np.testing.assert_array_equal(rows[["x", "y", "z"]], event.coords)
        np.testing.assert_array_equal(rows["energy"], event.energy)
        np.testing.assert_array_equal(rows["label"], event.label)


def test_a_data_frame_of_a_test_file_has_no_labels(path):
    toy.make_events_file(path, toy.make_events(2), kind="test", cycle=2)
    with EventFile(path) as file:
        assert list(file.to_frame()) == ["event_id", "x", "y", "z", "energy"]


def test_attributes_of_a_file(path):
    with EventWriter(path, kind="test", cycle=3, scale="full", attributes={"note": "hello"}) as out:
        out.append(replace(ONE, label=None))
    with EventFile(path, kind="test") as file:
        assert (file.kind, file.cycle.number, file.scale) == ("test", 3, "full")
        assert not file.has_labels
        assert file[0].label is None
    with h5py.File(path) as file:
        assert file.attrs["grid_shape"].tolist() == [192, 192, 192]
        assert file.attrs["voxel_size_mm"] == 3.0
        assert list(file.attrs["class_names"]) == ["empty", "electron/positron", "other", "proton"]
        assert file.attrs["note"] == "hello"
        assert "label" not in file


def test_only_a_cycle_for_everybodys_events_takes_voxels_of_another_size(path):
    for cycle, size, found in ((8, 5.0, 5.0), (8, 3.0, 3.0), (2, 3.0, 3.0)):
        with EventWriter(
            path, kind="test", cycle=cycle, scale="full", attributes={"voxel_size_mm": size}
        ):
            pass
        with EventFile(path) as file:
            assert file.voxel_size_mm == found
    for cycle, size in ((2, 5.0), (8, 0.0), (8, np.nan), (8, "5 mm"), (8, [3.0, 3.0])):
        with EventWriter(
            path, kind="test", cycle=cycle, scale="full", attributes={"voxel_size_mm": size}
        ):
            pass
        with pytest.raises(ChallengeError, match=r"events.h5: voxel_size_mm is .*, expected"):
            EventFile(path)


def test_further_columns_travel_with_the_voxels(path):
    with EventWriter(
        path, kind="simulation", cycle=1, scale="full", columns={"origin": "u1"}
    ) as out:
        out.append(ONE, origin=np.array([4], np.uint8))
        out.append(replace(ONE, event_id=1), origin=np.array([5], np.uint8))
    with EventFile(path) as file:
        assert file.column("origin").tolist() == [4, 5]


def test_the_particle_of_each_voxel_is_kept_where_it_is_asked_for(path):
    event = replace(ONE, particle=np.array([-1], np.int16))
    for columns, found in (({"particle": np.int16}, [-1]), ({}, None)):
        with EventWriter(path, kind="train", cycle=1, scale="full", columns=columns) as out:
            out.append(event)
        with EventFile(path) as file:
            assert (None if file[0].particle is None else file[0].particle.tolist()) == found


def test_a_particle_is_a_row_or_minus_one_and_never_in_a_test_file(path):
    columns = {"particle": np.int16}
    with (
        EventWriter(path, kind="train", cycle=1, scale="full", columns=columns) as out,
        pytest.raises(ValueError, match="particle is below -1"),
    ):
        out.append(replace(ONE, particle=np.array([-2], np.int16)))
    with pytest.raises(ValueError, match="a test file must not have the column particle"):
        EventWriter(path, kind="test", cycle=1, scale="full", columns=columns)


def test_no_event_is_written_twice(path):
    def write():
        with EventWriter(path, kind="train", cycle=1, scale="full") as out:
            out.append(ONE)
            out.append(ONE)

    with pytest.raises(ValueError, match="two events have the same event_id"):
        write()
    assert not path.exists()


def test_equal_events_give_equal_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        toy.make_events_file(tmp_path / name, toy.make_events(30), kind="train", cycle=2)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_reading_holds_a_block_in_memory_and_never_the_file(path, monkeypatch):
    big = toy.make_events(1, n_voxels=(20_000, 20_001))[0]
    with EventWriter(path, kind="train", cycle=2, scale="full") as out:
        for i in range(50):
            out.append(replace(big, event_id=i))
    monkeypatch.setattr(events_module, "_BLOCK_VOXELS", 100_000)
    tracemalloc.start()
    try:
        with EventFile(path) as file:
            assert sum(len(event) for event in file) == 1_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The voxels take 8 MB (8 bytes each), a block 0.8 MB; two meet when they change.
    assert peak < 2.5e6


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"coords": ONE.coords.astype(int)}, r"coords is int64 \(1, 3\), expected uint8 \(1, 3\)"),
        ({"coords": np.array([[0, 0, 192]], np.uint8)}, "a voxel lies outside the grid"),
        ({"energy": np.ones(2, np.float32)}, r"energy is float32 \(2,\), expected float32 \(1,\)"),
        ({"energy": np.ones(1)}, "energy is float64"),
        ({"label": np.zeros(1, np.uint8)}, "label holds 0, expected at least 1"),
        ({"label": np.ones(1)}, "label is float64"),
        ({"label": None}, r"expected columns \['coords', 'energy', 'label'\]"),
    ],
)
def test_a_writer_refuses_other_events(path, change, match):
    with EventWriter(path, kind="train", cycle=2, scale="full") as out:
        with pytest.raises(ValueError, match=match):
            out.append(replace(ONE, **change))
        out.append(ONE)
    with EventFile(path) as file:
        assert same(file[0], ONE)
        assert len(file) == 1


def test_a_test_file_takes_no_labels(path):
    with (
        EventWriter(path, kind="test", cycle=2, scale="full") as out,
        pytest.raises(ValueError, match="expected columns"),
    ):
        out.append(ONE)


@pytest.mark.parametrize(
    "wrong", [{"kind": "reference"}, {"cycle": 99}, {"scale": "small"}, {"kind": "secret"}]
)
def test_a_writer_knows_its_kinds_cycles_and_scales(path, wrong):
    with pytest.raises(ValueError, match="is unknown"):
        EventWriter(path, **{"kind": "train", "cycle": 1, "scale": "full", **wrong})
    assert not path.exists()


def test_a_failing_writer_keeps_the_earlier_file_and_nothing_else(train_file):
    before = train_file.read_bytes()

    def fail_after_one_event():
        with EventWriter(train_file, kind="train", cycle=2, scale="full") as out:
            out.append(ONE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_after_one_event()
    assert train_file.read_bytes() == before
    assert list(train_file.parent.iterdir()) == [train_file]


# ---- what is not an event file


def group_instead(path):
    with edited(path) as file:
        del file["label"]
        file.create_group("label")


def flipped_in_a_chunk(path):
    with h5py.File(path) as file:
        start = file["coords"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start + 20 : start + 40] = bytes(20)
    path.write_bytes(content)


def flipped_without_a_seal(path):
    as_version_1(path)
    flipped_in_a_chunk(path)


def swap(offset):
    offset[[1, 2]] = offset[[2, 1]]
    return offset


DAMAGES = {
    "missing": (lambda path: path.unlink(), "no such file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "not a readable HDF5 file"),
    "text": (lambda path: path.write_text("event,x,y,z\n"), "not a readable HDF5 file"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a readable HDF5"),
    "cut in its seal": (
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        "has changed since it was written: damaged, cut short or edited; download or make it again",
    ),
    "foreign": (attribute("format", "other"), "not a file of this challenge"),
    "newer": (attribute("format_version", 3), "format_version 3 is not readable by this package"),
    "list of versions": (attribute("format_version", [1, 1]), "format_version an array of shape"),
    "reference": (attribute("kind", "reference"), "is a reference file, expected train or test"),
    "cycle": (attribute("cycle", 99), "cycle 99 is unknown, expected"),
    "scale": (attribute("scale", "tiny"), "scale must be one of"),
    "no coords": (lacking("coords"), "data set coords is missing"),
    "no offset": (lacking("offset"), "data set offset is missing"),
    "a group": (group_instead, "damaged, it can't be read"),
    "wide coords": (changed("coords", np.int64), r"coords is int64 \(\d+, 3\), expected uint8"),
    "flat coords": (changed("coords", np.ravel), r"coords is uint8 \(\d+,\), expected uint8"),
    "short energy": (changed("energy", lambda v: v[1:]), r"energy is float32 \(\d+,\), expected"),
    "double energy": (changed("energy", np.float64), "energy is float64"),
    "float label": (changed("label", np.float32), "label is float32"),
    "float ids": (changed("event_id", np.float64), "event_id must be a list of integers"),
    "an id twice": (changed("event_id", lambda v: v // 1000), "event_id holds an event twice"),
    "ids in rows": (changed("event_id", lambda v: v[:, None]), "event_id must be a list"),
    "short offset": (changed("offset", lambda v: v[:-1]), r"offset is int64 \(5,\), expected"),
    "float offset": (
        changed("offset", np.float64),
        r"offset is float64 \(6,\), expected integers",
    ),
    "late offset": (changed("offset", lambda v: v + 1), "offset must ascend from 0"),
    "falling offset": (changed("offset", swap), "offset must ascend from 0"),
    "falling unsigned offset": (
        changed("offset", lambda v: swap(v).astype(np.uint64)),
        "offset must ascend from 0",
    ),
    "outside": (
        changed("coords", lambda v: np.full_like(v, 200)),
        "a voxel lies outside the grid",
    ),
    **{
        f"energy {value}": (
            changed("energy", lambda v, value=value: np.where(np.arange(len(v)) == 3, value, v)),
            "every voxel's energy must be a positive number",
        )
        for value in map(np.float32, ("nan", "inf", "-1", "0"))
    },
    "flipped": (flipped_in_a_chunk, "has changed since it was written"),
    "flipped in version 1": (flipped_without_a_seal, "coords: damaged, it can't be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_in_one_sentence(train_file, damage):
    spoil, match = DAMAGES[damage]
    spoil(train_file)
    with pytest.raises(ChallengeError, match=match) as told:
        read_all(train_file)
    assert str(told.value).startswith(str(train_file))
    assert len(str(told.value).splitlines()) == 1


def read_all(path):
    with EventFile(path) as file:
        return list(file)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be read: root, Windows"
)
def test_no_permission_is_told(train_file):
    train_file.chmod(0)
    with pytest.raises(ChallengeError, match="no permission to read it"):
        read_all(train_file)


def test_one_kind_can_be_asked_for(train_file):
    with pytest.raises(ChallengeError, match="is a train file, expected test"):
        EventFile(train_file, kind="test")


def test_any_mutation_is_told(train_file):
    good = train_file.read_bytes()
    for mutated in mutations(good, seed=41):
        if mutated == good:
            continue
        train_file.write_bytes(mutated)
        with pytest.raises(
            ChallengeError, match=r"has changed since it was written|not a readable HDF5 file"
        ):
            read_all(train_file)


def test_any_mutation_of_a_file_without_a_seal_is_read_or_told(train_file):
    """Random changes of bytes give events or one sentence, never another exception."""
    as_version_1(train_file)
    told = 0
    for mutated in mutations(train_file.read_bytes(), seed=41):
        train_file.write_bytes(mutated)
        try:
            read_all(train_file)
        except ChallengeError:
            told += 1
    assert 20 < told < 150


def test_check_format_raises_the_error_that_is_asked_for(train_file):
    class OtherError(Exception):
        pass

    with h5py.File(train_file) as file, pytest.raises(OtherError, match="expected reference"):
        check_format(file, train_file, ("reference",), error=OtherError)

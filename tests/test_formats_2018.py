"""Files of the 2018 competition, written here in its formats."""

import h5py
import numpy as np
import pandas as pd
import pytest
from toy import make_events, without_labels

from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError
from organizer.convert.formats_2018 import read_events_2018, write_csv, write_dense

GRID = (192, 192, 192)
# event, x, y, z, val, label; the corners of the grid and the coordinates that a line of the 2018
# kit, (x / 191 * 191).astype(int), shifted by one.
ROWS = [
    (3, 0, 0, 0, 0.5, 1),
    (3, 191, 191, 191, 1.25, 2),
    (3, 7, 14, 28, 0.0625, 2),
    (8, 56, 101, 103, 2.0, 1),
    (8, 112, 121, 123, 33.5, 3),
]
BY_EVENT = {
    3: {(0, 0, 0): (0.5, 1), (191, 191, 191): (1.25, 2), (7, 14, 28): (0.0625, 2)},
    8: {(56, 101, 103): (2.0, 1), (112, 121, 123): (33.5, 3)},
}


def as_dict(event: Event) -> dict:
    places = map(tuple, event.coords.tolist())
    label = [None] * len(event) if event.label is None else event.label.tolist()
    return dict(zip(places, zip(event.energy.tolist(), label)))


def assert_same_events(found, expected):
    found, expected = list(found), list(expected)
    assert [event.event_id for event in found] == [event.event_id for event in expected]
    for one, other in zip(found, expected):
        assert as_dict(one) == as_dict(other)
        assert (one.coords.dtype, one.energy.dtype) == (np.uint8, np.float32)


def write_2018_dense(path, *, energy="f4", label="u1", names=("data", "label"), **options):
    """The rows of ROWS in two dense events, by plain h5py."""
    with h5py.File(path, "w") as file:
        sets = [
            file.create_dataset(name, (2, *GRID), dtype, **options)
            for name, dtype in zip(names, (energy, label))
        ]
        for event, x, y, z, *values in ROWS:
            for dataset, value in zip(sets, values):
                dataset[(3, 8).index(event), x, y, z] = value
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 192, 192, 192), "compression": "gzip"},
        {"chunks": (2, 6, 96, 96), "compression": "lzf"},
        {"energy": ">f8", "label": ">i4", "chunks": (1, 64, 64, 64)},
        {"energy": "f4", "label": "f4", "names": ("DATA", "Labels"), "chunks": (1, 64, 64, 64)},
    ],
    ids=["contiguous", "an event a chunk", "chunks across events", "big-endian", "other names"],
)
@pytest.mark.slow
def test_dense_events_of_2018_are_read_from_any_layout(tmp_path, options):
    events = list(read_events_2018(write_2018_dense(tmp_path / "train_1-2.hdf5", **options)))
    assert [event.event_id for event in events] == [0, 1]
    assert [as_dict(event) for event in events] == [BY_EVENT[3], BY_EVENT[8]]


def test_a_dense_test_file_has_no_labels(tmp_path):
    path = write_2018_dense(tmp_path / "test.hdf5", names=("data", "something"), chunks=True)
    assert [event.label for event in read_events_2018(path)] == [None, None]


def csv_text(rows=ROWS, header="event,x,y,z,val,label") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        csv_text(),
        csv_text().rstrip("\n"),
        csv_text().replace("\n", "\r\n"),
        "\ufeff" + csv_text(header='"Event","X","Y","Z","Val","Label"'),
        pd.DataFrame(ROWS, columns=["event", "x", "y", "z", "val", "label"]).to_csv(),
        pd.DataFrame(ROWS, columns=["event", "x", "y", "z", "val", "label"])
        .astype(float)[["label", "val", "z", "y", "x", "event"]]
        .to_csv(index=False),
    ],
    ids=["plain", "no last newline", "Windows", "quoted, upper case, BOM", "pandas", "floats"],
)
def test_csv_of_2018_is_read_from_whatever_wrote_it(tmp_path, text):
    path = tmp_path / "train.csv"
    path.write_bytes(text.encode())
    assert {e.event_id: as_dict(e) for e in read_events_2018(path)} == BY_EVENT


def test_csv_rows_may_be_in_any_order(tmp_path):
    path = tmp_path / "shuffled.csv"
    path.write_text(csv_text([ROWS[i] for i in (4, 0, 3, 2, 1)]))
    events = list(read_events_2018(path))
    assert [event.event_id for event in events] == [8, 3]
    assert {e.event_id: as_dict(e) for e in events} == BY_EVENT


@pytest.mark.slow
def test_csv_longer_than_a_block_of_text(tmp_path):
    rng = np.random.default_rng(5)
    flat = rng.choice(192**3, size=600_000, replace=False)
    rows = np.column_stack((np.repeat([1, 2, 3], 200_000), *np.unravel_index(flat, GRID)))
    path = tmp_path / "long.csv"
    pd.DataFrame(rows, columns=["event", "x", "y", "z"]).assign(val=0.125).to_csv(path, index=False)
    assert path.stat().st_size > 8 << 20
    events = list(read_events_2018(path))
    assert [len(event) for event in events] == [200_000] * 3
    np.testing.assert_array_equal(np.concatenate([e.coords for e in events]), rows[:, 1:])


def test_empty_voxels_and_empty_events_hold_nothing(tmp_path):
    path = tmp_path / "zeros.csv"
    path.write_text(csv_text([(1, 5, 5, 5, 0.0, 0), (1, 5, 5, 6, 0.7, 1), (2, 1, 1, 1, 0.3, 0)]))
    assert {e.event_id: as_dict(e) for e in read_events_2018(path)} == {
        1: {(5, 5, 6): (pytest.approx(0.7), 1)},
        2: {},
    }


@pytest.mark.parametrize(("write", "name"), [(write_csv, "a.csv"), (write_dense, "a.hdf5")])
@pytest.mark.parametrize("labelled", [True, False])
def test_what_we_write_is_read_again(tmp_path, write, name, labelled):
    events = make_events(4)
    events = events if labelled else [without_labels(event) for event in events]
    write(tmp_path / name, events)
    assert_same_events(read_events_2018(tmp_path / name), events)


def test_dense_files_are_what_the_2018_kit_reads(tmp_path):
    """data[i] is a (192, 192, 192) array of MeV, label[i] its labels, 0 where empty."""
    write_dense(tmp_path / "a.hdf5", read_events_2018(write_2018_dense(tmp_path / "b.hdf5")))
    with h5py.File(tmp_path / "a.hdf5") as ours, h5py.File(tmp_path / "b.hdf5") as theirs:
        for name in ("data", "label"):
            assert ours[name].shape == (2, *GRID)
            np.testing.assert_array_equal(ours[name][1], theirs[name][1])


def test_csv_is_what_pandas_reads(tmp_path):
    events = make_events(3)
    write_csv(tmp_path / "a.csv", events)
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["event", "x", "y", "z", "val", "label"]
    np.testing.assert_array_equal(
        table.val.to_numpy(np.float32), np.concatenate([e.energy for e in events])
    )
    assert table.event.unique().tolist() == [e.event_id for e in events]


BAD_CSV = {
    "nothing": ("", "first line must name"),
    "no header": (csv_text().partition("\n")[2], "first line must name"),
    "no val": (csv_text(header="event,x,y,z,what,label"), "first line must name"),
    "x twice": (csv_text(header="event,x,x,z,val,label"), "first line must name"),
    "a word": (csv_text().replace("1.25", "much"), r"line 3: expected 6 numbers, found '3,191"),
    "a field short": (csv_text().replace(",1.25", ""), "line 3: expected 6 numbers"),
    "fields moved to the next line": (
        csv_text().replace("3,191,", "").replace("3,7,", "3,191,3,7,"),
        "line 3: expected 6 numbers",
    ),
    "an empty field": (csv_text().replace("1.25", ""), "line 3: expected 6 numbers"),
    "off the grid": (csv_text().replace("191,191,191", "191,192,191"), "y must be .* found 192"),
    "between voxels": (csv_text().replace("3,7,14", "3,7.5,14"), "x must be .* found 7.5"),
    "an unknown class": (csv_text().replace("33.5,3", "33.5,9"), "label must be .* found 9"),
    "label not a number": (csv_text().replace("33.5,3", "33.5,nan"), "label must be .* found nan"),
    "energy not a number": (csv_text().replace("33.5,3", "nan,3"), "event 8 has an energy"),
    "energy beyond float32": (csv_text().replace("33.5,3", "1e300,3"), "event 8 has an energy"),
    "energy without end": (csv_text().replace("33.5,3", "1e999,3"), "event 8 has an energy"),
    "a voxel twice": (csv_text([*ROWS, ROWS[0]]), "event 3 has a voxel twice"),
    "an event id below 0": (csv_text([(-1, 1, 1, 1, 1.0, 1)]), "event must be .* found -1"),
    "binary": ("event,x,y,z,val\n\0\1\2", "line 2: expected 5 numbers"),
}


@pytest.mark.parametrize(("text", "match"), BAD_CSV.values(), ids=BAD_CSV)
def test_bad_csv_is_refused_with_its_place(tmp_path, text, match):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ChallengeError, match=rf"bad\.csv.*{match}"):
        list(read_events_2018(path))


def test_bad_dense_files_are_refused(tmp_path):
    def refused(match, **datasets):
        path = tmp_path / "bad.hdf5"
        with h5py.File(path, "w") as file:
            for name, (shape, dtype) in datasets.items():
                file.create_dataset(name, shape, dtype, chunks=True)
        with pytest.raises(ChallengeError, match=rf"bad\.hdf5: {match}"):
            list(read_events_2018(path))

    refused("expected a data set `data`", pred=((1, *GRID), "u4"))
    refused(r"data is float32 \(1, 192, 192\)", data=((1, 192, 192), "f4"))
    refused("data is bool", data=((1, *GRID), "?"))
    refused(r"label is \(2, .* but data \(1,", data=((1, *GRID), "f4"), label=((2, *GRID), "u1"))
    twice = {"data": ((2, *GRID), "f4"), "event_id": ((2,), "u4")}
    refused("event_id holds an event twice", **twice)


def test_damaged_and_missing_files_are_refused(tmp_path):
    whole = write_2018_dense(tmp_path / "a.hdf5", chunks=(1, 48, 48, 48), compression="gzip")
    content = bytearray(whole.read_bytes())
    with h5py.File(whole) as file:
        chunk = file["data"].id.get_chunk_info(0)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    (tmp_path / "damaged.hdf5").write_bytes(content)
    with pytest.raises(ChallengeError, match="row 0 or one of the next: damaged"):
        list(read_events_2018(tmp_path / "damaged.hdf5"))
    with pytest.raises(ChallengeError, match="no such file"):
        list(read_events_2018(tmp_path / "absent.csv"))
    with pytest.raises(ChallengeError, match="no such file, but a folder"):
        list(read_events_2018(tmp_path))


def test_nothing_is_left_when_the_events_end_in_an_error(tmp_path):
    def broken():
        yield from make_events(2)
        raise ChallengeError("the source broke")

    for write, name in ((write_csv, "a.csv"), (write_dense, "a.hdf5")):
        with pytest.raises(ChallengeError, match="the source broke"):
            write(tmp_path / name, broken())
    assert not list(tmp_path.iterdir())

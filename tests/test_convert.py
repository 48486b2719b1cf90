"""Other people's data: two real files, and files written here in the published layouts."""

import zipfile
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from toy import make_events, make_events_file

from lartpc_challenge.events import EventFile
from lartpc_challenge.format import CYCLES
from organizer.convert.__main__ import main
from organizer.convert.edepsim import split_by_cell
from organizer.convert.larcv import deposits_of_entry
from organizer.convert.voxels import Deposits, crop_origin, to_event

DATA = Path(__file__).parent / "data"
MUONS = DATA / "edepsim_muons.h5"
PILARNET_EVENT = DATA / "pilarnet_m_event7675.npz"
EM, OTHER, PROTON = 1, 2, 3


def convert(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def events_of(path):
    with EventFile(path) as file:
        return list(file)


def labels_by_place(event) -> dict:
    return dict(zip(map(tuple, event.coords.tolist()), event.label.tolist()))


# ---- crop, sum, label, threshold


def deposits(cells, energy, label) -> Deposits:
    return Deposits(5, np.array(cells), np.array(energy), np.array(label))


def test_a_voxel_has_the_class_that_left_most_in_it():
    item = deposits([[1, 2, 3]] * 3, [0.5, 0.3, 0.3], [EM, OTHER, PROTON])
    assert to_event(item, CYCLES[2], 0.05).label.tolist() == [EM]
    # In cycle 1 protons are among the others, who now left 0.6.
    assert to_event(item, CYCLES[1], 0.05).label.tolist() == [OTHER]
    assert to_event(item, CYCLES[2], 0.05).energy == pytest.approx(1.1)


def test_the_threshold_cuts_voxels_not_deposits():
    item = deposits([[1, 2, 3]] * 3 + [[4, 5, 6]], [0.02] * 4, [EM] * 4)
    event = to_event(item, CYCLES[2], 0.05)
    assert event.coords.tolist() == [[1, 2, 3]]
    assert (event.coords.dtype, event.energy.dtype, event.label.dtype) == ("u1", "f4", "u1")


def test_an_event_within_the_grid_stays_where_it_is():
    item = deposits([[0, 3, 191], [5, 5, 0]], [1.0, 2.0], [EM, OTHER])
    assert to_event(item, CYCLES[2], 0.05).coords.tolist() == [[0, 3, 191], [5, 5, 0]]


def test_an_event_that_fits_is_kept_whole_in_the_middle():
    cells = np.array([[-500, 1000, 7], [-400, 1100, 100]])
    moved = cells - crop_origin(cells, np.ones(2))
    np.testing.assert_array_equal(np.diff(moved, axis=0), np.diff(cells, axis=0))
    np.testing.assert_allclose(moved.mean(axis=0), 95.5, atol=0.5)


def test_of_two_distant_groups_the_one_with_more_energy_is_kept():
    rng = np.random.default_rng(1)
    many = np.add(rng.integers(0, 100, (50, 3)), [9_000_000, 0, 0])
    few = np.add(rng.integers(0, 100, (5, 3)), [0, 2000, -3000])
    energy = np.repeat([0.1, 10.0], [50, 5])
    event = to_event(deposits(np.vstack([many, few]), energy, [EM] * 55), CYCLES[2], 0.05)
    assert event.energy.sum() == pytest.approx(50)


def test_no_shift_of_the_crop_along_an_axis_holds_more_energy():
    rng = np.random.default_rng(2)
    for _ in range(5):
        cells = rng.integers(-300, 300, (400, 3))
        energy = rng.exponential(size=400)
        origin = crop_origin(cells, energy)

        def held(shift, cells=cells - origin, energy=energy):
            inside = ((cells >= shift) & (cells < np.add(shift, 192))).all(axis=1)
            return energy[inside].sum()

        best = held((0, 0, 0))
        for axis in range(3):
            shifts = np.zeros((601, 3), int)
            shifts[:, axis] = np.arange(-300, 301)
            assert max(map(held, shifts)) <= best + 1e-9


# ---- edep-sim


def test_segments_are_spread_by_path_length():
    start = np.array([[0.5, 0.5, 0.5], [0.25, 0.5, 0.5], [2.5, 2.5, 2.5], [3.0, 1.5, 1.5]])
    end = np.array([[3.5, 0.5, 0.5], [-0.75, 0.5, 0.5], [2.5, 2.5, 2.5], [1.0, 1.5, 1.5]])
    segment, cell, share = split_by_cell(start, end)
    found = {(s, *c): w for s, c, w in zip(segment.tolist(), cell.tolist(), share.tolist()) if w}
    assert found == pytest.approx(
        {
            (0, 0, 0, 0): 1 / 6,
            (0, 1, 0, 0): 1 / 3,
            (0, 2, 0, 0): 1 / 3,
            (0, 3, 0, 0): 1 / 6,
            (1, 0, 0, 0): 1 / 4,
            (1, -1, 0, 0): 3 / 4,
            (2, 2, 2, 2): 1.0,
            (3, 1, 1, 1): 1 / 2,
            (3, 2, 1, 1): 1 / 2,
        }
    )


def test_spreading_agrees_with_many_points_along_each_segment():
    rng = np.random.default_rng(3)
    start, end = rng.normal(scale=5, size=(2, 30, 3))
    segment, cell, share = split_by_cell(start, end)
    points = 20_000
    fraction = (np.arange(points) + 0.5)[:, None] / points
    for i in range(30):
        sampled = np.floor(start[i] + (end[i] - start[i]) * fraction).astype(int)
        cells, counts = np.unique(sampled, axis=0, return_counts=True)
        for where, count in zip(cells, counts):
            mine = share[(segment == i) & (cell == where).all(axis=1)].sum()
            # A run of points counts its length to within one point at each end.
            assert mine == pytest.approx(count / points, abs=2 / points)
        assert share[segment == i].sum() == pytest.approx(1)


def test_real_muons_of_edepsim(tmp_path, capsys):
    assert convert("edepsim", MUONS, tmp_path / "out.h5", "--threshold-mev", 0) == 0
    assert "out.h5: 10 events, " in capsys.readouterr().out
    with h5py.File(MUONS) as file:
        segments = file["segments"][:]
    with EventFile(tmp_path / "out.h5", kind="train") as file:
        assert (file.cycle.number, file.scale) == (2, "full")
    events = events_of(tmp_path / "out.h5")
    assert [event.event_id for event in events] == list(range(10))
    for event in events:
        mine = segments[segments["eventID"] == event.event_id]
        total = mine["dE"].sum(dtype=float)
        # The tracks are up to two crops long, so that a crop holds a good part, never all of it.
        assert 0.3 * total < event.energy.sum(dtype=float) < total
        # Muons leave about 2.1 MeV/cm, 0.6 MeV in a voxel crossed straight; most voxels are theirs.
        assert 0.25 < np.median(event.energy[event.label == OTHER]) < 0.8
        assert np.mean(event.label == OTHER) > 0.7
        assert set(event.label.tolist()) <= {EM, OTHER}


def test_the_threshold_is_the_cycles_own_unless_given(tmp_path):
    """Tracks cut the corners of voxels: whatever the threshold, some voxels are just above it."""
    lowest = {}
    for number in CYCLES:
        assert convert("edepsim", MUONS, tmp_path / "out.h5", "--cycle", number) == 0
        lowest[number] = min(event.energy.min() for event in events_of(tmp_path / "out.h5"))
    assert lowest == pytest.approx({1: 0.05, 2: 0.05, 3: 0.08}, rel=0.05)
    assert lowest[3] > 0.08
    assert convert("edepsim", MUONS, tmp_path / "out.h5", "--threshold-mev", 0.5) == 0
    assert min(event.energy.min() for event in events_of(tmp_path / "out.h5")) > 0.5


def edepsim_file(path, place="segments", names=None, repeat=1, **changed):
    """Two events in larnd-sim's layout: a muon with a photon's point, and a proton; rows mixed."""
    names = names or {}
    rows = [
        # event, pdg, dE, start and end in cm
        (7, 13, 2.0, (100.0, 0.05, 0.05), (101.2, 0.05, 0.05)),
        (9, 2212, 5.0, (0.0, -3.05, 0.05), (0.0, -3.15, 0.05)),
        (7, 22, 0.5, (101.0, 0.95, 0.05), (101.0, 0.95, 0.05)),
    ] * repeat
    fields = ["eventID", "pdgId", "dE"] + [f"{a}_{e}" for a in "xyz" for e in ("start", "end")]
    fields = [names.get(field, field) for field in fields if names.get(field, field)]
    table = np.zeros(len(rows), [(field, "f8") for field in fields])
    for i, (event, pdg, energy, start, end) in enumerate(rows):
        values = {"eventID": event, "pdgId": pdg, "dE": energy}
        values.update({f"{a}_start": start["xyz".index(a)] for a in "xyz"})
        values.update({f"{a}_end": end["xyz".index(a)] for a in "xyz"})
        for name, value in {**values, **changed}.items():
            if names.get(name, name) in fields:
                table[names.get(name, name)][i] = value
    with h5py.File(path, "w") as file:
        file[place] = table
    return path


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("segments", {}),
        ("segments", {"eventID": "event_id", "pdgId": "pdg_id"}),
        ("mc_truth/segments/data", {"eventID": "event_id", "pdgId": "pdg_id"}),
    ],
)
def test_edepsim_in_all_its_names(tmp_path, place, names):
    source = edepsim_file(tmp_path / "in.h5", place, names)
    assert convert("edepsim", source, tmp_path / "out.h5") == 0
    muon, proton = events_of(tmp_path / "out.h5")
    assert (muon.event_id, proton.event_id) == (7, 9)
    # 1.2 cm are 4 voxels and parts of a fifth; a photon's point lies 3 voxels off in y.
    assert muon.energy.sum() == pytest.approx(2.5)
    assert sorted(muon.label.tolist()) == [EM] + [OTHER] * 5
    assert proton.energy.sum() == pytest.approx(5.0)
    assert set(proton.label.tolist()) == {PROTON}


# ---- PILArNet

# Per cluster: size, semantic, pid, label. Low-energy scatter comes first and has pid -1 or 5.
CLUSTERS = [(2, 4, -1, EM), (3, 1, 4, PROTON), (1, 1, 2, OTHER), (2, 0, 0, EM), (1, 2, 1, EM)]
CLUSTERS += [(1, 3, 1, EM), (1, 1, 3, OTHER), (0, 1, 4, PROTON)]


def pilarnet_file(path, *, n_events=2, pid=True, dtype="f4", change=None):
    """Events in the layout of DATASET.md: rows of variable length, points ordered by cluster."""
    n_points = sum(size for size, *_ in CLUSTERS)
    point = np.zeros((n_points, 8))
    point[:, :3] = np.arange(3 * n_points).reshape(-1, 3) + 500
    point[:, 3] = 0.1 + np.arange(n_points)
    rows = [(size, i, i, 0, semantic, kind)[: 6 if pid else 5] for i, (size, semantic, kind, _) in
            enumerate(CLUSTERS)]  # fmt: skip
    arrays = {"point": point, "cluster": np.array(rows, float)}
    if change:
        change(arrays)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            dataset = file.create_dataset(name, (n_events,), h5py.vlen_dtype(np.dtype(dtype)))
            for row in range(n_events):
                dataset[row] = array.ravel()
    return path


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_pilarnet_with_particle_types(tmp_path, dtype):
    source = pilarnet_file(tmp_path / "in.h5", dtype=dtype)
    assert convert("pilarnet", source, tmp_path / "out.h5", "--threshold-mev", 0) == 0
    events = events_of(tmp_path / "out.h5")
    assert [event.event_id for event in events] == [0, 1]
    expected = [label for size, _, _, label in CLUSTERS for _ in range(size)]
    order = np.argsort(events[0].coords[:, 0])
    assert events[0].label[order].tolist() == (expected if dtype != "i8" else expected[1:])


def test_pilarnet_without_particle_types_says_what_that_means(tmp_path, capsys):
    source = pilarnet_file(tmp_path / "in.h5", pid=False)
    assert convert("pilarnet", source, tmp_path / "out.h5") == 0
    assert "no pid: protons can't be told" in capsys.readouterr().out
    label = events_of(tmp_path / "out.h5")[0].label
    # Five points are tracks, of which three are protons that nobody can tell now.
    assert np.bincount(label, minlength=4).tolist() == [0, 6, 5, 0]


def test_real_event_of_pilarnet(tmp_path):
    assert convert("pilarnet", PILARNET_EVENT, tmp_path / "out.h5") == 0
    (event,) = events_of(tmp_path / "out.h5")
    with np.load(PILARNET_EVENT) as file:
        coords, energy, motif, pid = (file[n] for n in ("coords", "energy", "motif", "pid"))
    # The crop is a shift: find it by the voxel of highest energy, which is one of a kind.
    shift = coords[energy.argmax()] - event.coords[event.energy.argmax()].astype(int)
    theirs = dict(zip(map(tuple, (coords - shift).tolist()), zip(energy, motif, pid)))
    for place, value, label in zip(event.coords.tolist(), event.energy, event.label):
        their_energy, their_motif, their_pid = theirs.pop(tuple(place))
        assert value == pytest.approx(their_energy)
        assert label == (EM if their_motif != 1 else PROTON if their_pid == 4 else OTHER)
    # All that is left out lies outside: every voxel of this file is above the threshold.
    assert all(min(place) < 0 or max(place) > 191 for place in theirs)
    assert len(event) > 0.7 * len(coords)


def test_pilarnet_arrays_without_types(tmp_path, capsys):
    with np.load(PILARNET_EVENT) as file:
        np.savez(tmp_path / "in.npz", coord=file["coords"], **{
            name: file[key][:, None] for name, key in (("energy", "energy"), ("semantic", "motif"))
        })  # fmt: skip
    assert convert("pilarnet", tmp_path / "in.npz", tmp_path / "out.h5") == 0
    assert "no pid" in capsys.readouterr().out


# ---- LArCV2


def test_larcv_voxel_ids_and_types():
    """id = z * (nx * ny) + y * nx + x; 0 proton, 1 MIP, 2 shower, 3 delta, 4 Michel."""
    nx, ny, nz = 192, 100, 50
    places = [(191, 99, 49), (0, 0, 0), (5, 6, 7), (1, 0, 0), (0, 1, 0), (0, 0, 1), (9, 9, 9)]
    ids = np.array([z * nx * ny + y * nx + x for x, y, z in places], np.uint64)
    energy = np.arange(1, 8).astype(np.float32)
    types = np.array([0, 1, 2, 3, 4, 5, 1], np.float32)  # 5 is none of the five types
    order = np.argsort(ids[:6])  # the second tree lacks the last voxel
    item = deposits_of_entry("here", 3, ids, energy, ids[:6][order], types[:6][order], (nx, ny, nz))
    found = {tuple(c): (e, w) for c, e, w in zip(item.cell.tolist(), item.energy, item.label)}
    assert found == {
        (191, 99, 49): (1, PROTON),
        (0, 0, 0): (2, OTHER),
        (5, 6, 7): (3, EM),
        (1, 0, 0): (4, EM),
        (0, 1, 0): (5, EM),
    }


def larcv_file(path, *, skip=(), meta="_meta._", ids=([3, 40000], [192**3 - 1])):
    """Two entries in TTrees whose branches are called as ROOT calls the split members."""
    values = {"sparse3d_data_tree": [[1.5, 2.5], [0.5]], "sparse3d_fivetypes_tree": [[2, 0], [1]]}
    with uproot.recreate(path) as file:
        for name, value in values.items():
            if name in skip:
                continue
            kinds = {"_voxel_v._id": "var * uint64", "_voxel_v._value": "var * float32"}
            kinds.update({f"{meta}{axis}num": "uint64" for axis in "xyz"})
            entries = {
                "_voxel_v._id": ak.values_astype(ak.Array(ids), np.uint64),
                "_voxel_v._value": ak.values_astype(ak.Array(value), np.float32),
                **{f"{meta}{axis}num": np.array([192, 192], np.uint64) for axis in "xyz"},
            }
            file.mktree(name, kinds).extend(entries)
    return path


@pytest.mark.parametrize("meta", ["_meta._", "_"])
def test_larcv_file(tmp_path, meta):
    source = larcv_file(tmp_path / "in.root", meta=meta)
    assert convert("larcv", source, tmp_path / "out.h5") == 0
    first, second = events_of(tmp_path / "out.h5")
    # 40000 = 1 * 192 * 192 + 16 * 192 + 64
    assert labels_by_place(first) == {(3, 0, 0): EM, (64, 16, 1): PROTON}
    assert labels_by_place(second) == {(191, 191, 191): OTHER}
    assert second.energy.tolist() == [0.5]


def test_larcv_help_says_that_it_has_not_met_a_real_file(capsys):
    with pytest.raises(SystemExit, match="0"):
        convert("larcv", "--help")
    assert "has not met a real file" in capsys.readouterr().out


# ---- 2018


@pytest.mark.parametrize("name", ["a.csv", "a.hdf5"])
@pytest.mark.parametrize("kind", ["train", "test"])
def test_there_and_back(tmp_path, name, kind):
    events = make_events(3)
    make_events_file(tmp_path / "ours.h5", events, kind=kind, cycle=2)
    assert convert("mlhep", tmp_path / "ours.h5", tmp_path / name) == 0
    assert convert("mlhep", tmp_path / name, tmp_path / "again.h5") == 0
    with EventFile(tmp_path / "again.h5", kind=kind) as file:
        assert file.event_id.tolist() == [event.event_id for event in events]
        for found, event in zip(file, events):
            order = [
                np.lexsort(coords.T) for coords in (found.coords, event.coords)
            ]  # a dense file keeps no order
            for column in ("coords", "energy") + (("label",) if kind == "train" else ()):
                one, other = getattr(found, column), getattr(event, column)
                np.testing.assert_array_equal(one[order[0]], other[order[1]])


def test_cycle_1_has_no_protons(tmp_path):
    (tmp_path / "a.csv").write_text("event,x,y,z,val,label\n4,1,2,3,0.5,3\n4,1,2,4,0.5,1\n")
    assert convert("mlhep", tmp_path / "a.csv", tmp_path / "out.h5", "--cycle", 1) == 0
    (event,) = events_of(tmp_path / "out.h5")
    assert labels_by_place(event) == {(1, 2, 3): OTHER, (1, 2, 4): EM}


# ---- the command


def test_events_without_a_voxel_are_left_out_and_counted(tmp_path, capsys):
    source = tmp_path / "a.csv"
    source.write_text("event,x,y,z,val,label\n1,1,1,1,0.0,0\n2,1,1,1,0.5,1\n3,1,1,1,0.0,0\n")
    assert convert("mlhep", source, tmp_path / "out.h5") == 0
    assert "1 events, 1 voxels" in (said := capsys.readouterr().out)
    assert "left out: 2 events without a voxel" in said
    assert [event.event_id for event in events_of(tmp_path / "out.h5")] == [2]


def test_only_the_first_events(tmp_path):
    assert convert("edepsim", MUONS, tmp_path / "out.h5", "--events", 3) == 0
    assert [event.event_id for event in events_of(tmp_path / "out.h5")] == [0, 1, 2]


def rubbish(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8)
    return path


def swapped_sizes(arrays):
    arrays["cluster"][0, 0] += 1


def unknown_semantic(arrays):
    arrays["cluster"][0, 4] = 9


def not_eight_columns(arrays):
    arrays["point"] = arrays["point"].ravel()[:-1]


def plain_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def unclosed_npz(path):
    """An array whose header opens a bracket that nothing closes."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3(, }\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("coords.npy", b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header)
    return path


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


BAD = {
    "no file": ("edepsim", lambda p: p / "absent.h5", "no such file"),
    "a folder": ("edepsim", lambda p: p, "no such file"),
    "rubbish as edepsim": ("edepsim", lambda p: rubbish(p / "in.h5"), "not a readable HDF5 file"),
    "rubbish as pilarnet": ("pilarnet", lambda p: rubbish(p / "in.h5"), "not a readable HDF5"),
    "rubbish as npz": ("pilarnet", lambda p: rubbish(p / "in.npz"), "not a readable .npz"),
    "rubbish as larcv": ("larcv", lambda p: rubbish(p / "in.root"), "not a readable ROOT file"),
    "rubbish as mlhep": ("mlhep", lambda p: rubbish(p / "in.h5"), "not a readable HDF5"),
    "npz with a header cut off": (
        "pilarnet",
        lambda p: unclosed_npz(p / "in.npz"),
        "not a readable .npz",
    ),
    "no npz": ("pilarnet", lambda p: p / "absent.npz", "absent.npz"),
    "no root file": ("larcv", lambda p: p / "absent.root", "absent.root"),
    "pilarnet as edepsim": ("edepsim", lambda p: pilarnet_file(p / "in.h5"), "data set `segments`"),
    "edepsim as pilarnet": ("pilarnet", lambda p: MUONS, "`point` and `cluster`"),
    "edepsim as mlhep": ("mlhep", lambda p: MUONS, "expected a data set `data`"),
    "edepsim as larcv": ("larcv", lambda p: MUONS, "not a readable ROOT file"),
    "no end": ("edepsim", lambda p: edepsim_file(p / "in.h5", names={"z_end": ""}), "for z_end"),
    "nowhere": ("edepsim", lambda p: edepsim_file(p / "in.h5", x_end=np.nan), "not a number"),
    "no energy": ("edepsim", lambda p: edepsim_file(p / "in.h5", dE=np.inf), "not a number"),
    "huge id": ("edepsim", lambda p: edepsim_file(p / "in.h5", eventID=2**40), "event number"),
    "all below": ("edepsim", lambda p: edepsim_file(p / "in.h5", dE=1e-9), "none of its 2 events"),
    "no segment": (
        "edepsim",
        lambda p: edepsim_file(p / "in.h5", repeat=0),
        "none of its 0 events",
    ),
    "sizes": (
        "pilarnet",
        lambda p: pilarnet_file(p / "in.h5", change=swapped_sizes),
        "row 0: cluster has 48 values",
    ),
    "columns": (
        "pilarnet",
        lambda p: pilarnet_file(p / "in.h5", change=not_eight_columns),
        "row 0: point has 87 values",
    ),
    "semantic": (
        "pilarnet",
        lambda p: pilarnet_file(p / "in.h5", change=unknown_semantic),
        "semantic types 0 to 4",
    ),
    "no variable length": (
        "pilarnet",
        lambda p: plain_h5(p / "in.h5", point=np.zeros((2, 8)), cluster=np.zeros((2, 6))),
        "row of variable length",
    ),
    "pickles": (
        "pilarnet",
        lambda p: npz(p / "in.npz", coords=np.array([{}], object)),
        "of plain arrays",
    ),
    "no energies": ("pilarnet", lambda p: npz(p / "in.npz", coords=np.zeros((2, 3))), "energy"),
    "lengths": (
        "pilarnet",
        lambda p: npz(p / "in.npz", coords=np.zeros((2, 3)), energy=[1.0], motif=[0, 0]),
        "N values",
    ),
    "no second tree": (
        "larcv",
        lambda p: larcv_file(p / "in.root", skip=("sparse3d_fivetypes_tree",)),
        "expected the tree sparse3d_fivetypes_tree",
    ),
    "no meta": ("larcv", lambda p: larcv_file(p / "in.root", meta="_n"), "no branch _xnum"),
    "outside the meta": (
        "larcv",
        lambda p: larcv_file(p / "in.root", ids=([3, 4], [192**3])),
        "lies outside",
    ),
}


@pytest.mark.parametrize(("source", "make", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, capsys, source, make, says):
    (tmp_path / "in").mkdir()
    out = tmp_path / "out" / "events.h5"
    bad = make(tmp_path / "in")
    assert convert(source, bad, out) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith(f"convert: {bad}")
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.glob("out/*"))


def test_bad_output_is_one_sentence(tmp_path, capsys):
    make_events_file(tmp_path / "ours.h5", make_events(2), kind="train", cycle=2)
    assert convert("mlhep", tmp_path / "ours.h5", tmp_path / "out.txt") == 1
    assert "name it .hdf5" in capsys.readouterr().err
    assert convert("mlhep", tmp_path / "ours.h5", tmp_path / "ours.h5") == 1
    assert "OUT is IN" in capsys.readouterr().err
    assert convert("mlhep", tmp_path / "absent.h5", tmp_path / "ours.h5") == 1
    assert "no such file" in capsys.readouterr().err
    assert convert("edepsim", MUONS, tmp_path / "ours.h5" / "out.h5") == 1
    assert "can't be written" in capsys.readouterr().err


def test_a_failure_keeps_the_earlier_result(tmp_path, capsys):
    out = tmp_path / "out.h5"
    assert convert("edepsim", MUONS, out) == 0
    before = out.read_bytes()
    source = edepsim_file(tmp_path / "in.h5", dE=np.nan)
    assert convert("edepsim", source, out) == 1
    assert "not a number" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_damaged_chunk_is_one_sentence(tmp_path, capsys):
    with h5py.File(MUONS) as file, h5py.File(tmp_path / "in.h5", "w") as copy:
        made = copy.create_dataset("segments", data=file["segments"][:], compression="gzip")
        chunk = made.id.get_chunk_info(0)
    content = bytearray((tmp_path / "in.h5").read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    (tmp_path / "in.h5").write_bytes(content)
    assert convert("edepsim", tmp_path / "in.h5", tmp_path / "out.h5") == 1
    assert "segments: damaged" in capsys.readouterr().err

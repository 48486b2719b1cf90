"""The command convert with real files and files in published layouts."""

import zipfile
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
from foreign import (
    convert,
    edepsim_file,
    events_of,
    larcv2_file,
    larcv3_file,
    pilarnet_file,
    root_file,
    sparse3d,
)
from toy import make_events, make_events_file

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventFile
from organizer.convert.source_group import read_source

DATA = Path(__file__).parent / "data"
MUONS = DATA / "edepsim_muons.h5"
PILARNET_EVENT = DATA / "pilarnet_m_event7675.npz"
EM, OTHER, PROTON = 1, 2, 3


def labels_by_place(event) -> dict:
    return dict(zip(map(tuple, event.coords.tolist()), event.label.tolist()))


@pytest.mark.parametrize("source", [["edepsim"], []], ids=["named", "looked at"])
def test_real_muons_of_edepsim(tmp_path, capsys, source):
    assert convert(*source, MUONS, tmp_path / "out.h5", "--threshold-mev", 0) == 0
    said = capsys.readouterr().out
    assert "out.h5: 10 events, " in said
    assert "has no trajectories: deltas and Michel electrons count as showers" in said
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


def test_energies_in_kev_are_asked_about(tmp_path, capsys):
    with np.load(PILARNET_EVENT) as found:
        arrays = {**found, "energy": found["energy"] * 1000}
    np.savez(tmp_path / "kev.npz", **arrays)
    assert convert(tmp_path / "kev.npz", tmp_path / "kev.h5") == 0
    assert "a muon leaves 0.6: are the source's energies in MeV?" in capsys.readouterr().out
    assert convert(PILARNET_EVENT, tmp_path / "mev.h5") == 0
    assert "in MeV?" not in capsys.readouterr().out


def test_tiles_keep_all_of_the_energy(tmp_path, capsys):
    assert convert(MUONS, tmp_path / "out.h5", "--threshold-mev", 0, "--crop", "tiles") == 0
    assert "kept 100.0% of the energy" in (said := capsys.readouterr().out)
    assert "events larger than the cube, which became several tiles: " in said
    with h5py.File(MUONS) as file:
        table = file["segments"][:]
    total = np.bincount(table["eventID"], table["dE"])
    source = read_source(tmp_path / "out.h5")
    energy = np.zeros(10)
    for entry, event in zip(source.parent, events_of(tmp_path / "out.h5")):
        energy[entry] += event.energy.sum(dtype=float)
    assert len(source.parent) > 10
    assert source.event_id.tolist() == source.parent.tolist()
    assert set(source.run.ravel().tolist()) == {-1}
    np.testing.assert_allclose(energy, total, rtol=1e-4)


def test_what_leads_back_to_the_source(tmp_path):
    """In the source's coordinates, each voxel's centre is within half a diagonal of a segment."""
    assert convert(MUONS, tmp_path / "out.h5", "--events", 2) == 0
    with h5py.File(MUONS) as file:
        table = file["segments"][:]
    source = read_source(tmp_path / "out.h5")
    assert (source.path, source.reader) == (str(MUONS), "edepsim_hdf5")
    for i, event in enumerate(events_of(tmp_path / "out.h5")):
        rows = table[table["eventID"] == event.event_id]
        ends = [np.column_stack([rows[f"{a}_{e}"] for a in "xyz"]) for e in ("start", "end")]
        start, end = (10 * one.astype(float) for one in ends)
        centre = source.origin_mm[i] + 3 * (event.coords + 0.5)
        for place in centre[:: len(centre) // 40]:
            way = end - start
            length = np.maximum((way**2).sum(axis=1), 1e-12)
            along = np.clip(((place - start) * way).sum(axis=1) / length, 0, 1)
            nearest = np.linalg.norm(start + along[:, None] * way - place, axis=1).min()
            assert nearest < 3 * 3**0.5 / 2 + 1e-3


def test_the_threshold_is_the_cycles_own_unless_given(tmp_path, capsys):
    """For every threshold some voxels are just above it, because tracks cut corners of voxels."""
    lowest = {}
    for number in (1, 2, 3):
        assert convert("edepsim", MUONS, tmp_path / "out.h5", "--cycle", number) == 0
        lowest[number] = min(event.energy.min() for event in events_of(tmp_path / "out.h5"))
    assert lowest == pytest.approx({1: 0.05, 2: 0.05, 3: 0.08}, rel=0.05)
    assert lowest[3] > 0.08
    assert convert("edepsim", MUONS, tmp_path / "out.h5", "--threshold-mev", 0.5) == 0
    assert min(event.energy.min() for event in events_of(tmp_path / "out.h5")) > 0.5
    assert "now above 0.5 MeV in voxels of 3 mm" in capsys.readouterr().out


def test_real_event_of_pilarnet(tmp_path, capsys):
    assert convert("pilarnet", PILARNET_EVENT, tmp_path / "out.h5") == 0
    assert "does not contain the size of its voxels: taken as 3 mm" in capsys.readouterr().out
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


def test_the_size_of_the_voxels_can_be_said(tmp_path, capsys):
    """With --source-voxel-mm 6 each voxel of the source is 8 voxels of ours."""
    arguments = (PILARNET_EVENT, tmp_path / "out.h5", "--crop", "tiles", "--threshold-mev", 0)
    assert convert(*arguments, "--source-voxel-mm", 6) == 0
    assert "a voxel of the source is 8 of ours" in (said := capsys.readouterr().out)
    assert "kept 100.0% of the energy" in said
    assert "taken as 3 mm" not in said
    with np.load(PILARNET_EVENT) as file:
        assert sum(map(len, events_of(tmp_path / "out.h5"))) == 8 * len(file["coords"])


@pytest.mark.parametrize("name", ["edepsim", "pilarnet", "larcv", "spine"])
def test_help_prints_the_table_of_classes(capsys, name):
    with pytest.raises(SystemExit, match="0"):
        convert(name, "--help")
    said = capsys.readouterr().out
    assert "its class" in said
    assert "electron/positron" in said
    assert "Not known: " in said


def test_help_without_a_source_lists_them(capsys):
    with pytest.raises(SystemExit, match="0"):
        convert("--help")
    said = capsys.readouterr().out
    assert all(f"\n  {name}" in said for name in ("edepsim", "pilarnet", "larcv", "spine", "mlhep"))


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


def test_cycle_1_has_no_protons(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("event,x,y,z,val,label\n4,1,2,3,0.5,3\n4,1,2,4,0.5,1\n")
    assert convert("mlhep", tmp_path / "a.csv", tmp_path / "out.h5", "--cycle", 1) == 0
    (event,) = events_of(tmp_path / "out.h5")
    assert labels_by_place(event) == {(1, 2, 3): OTHER, (1, 2, 4): EM}
    assert "data of three classes, written as cycle 1" in (said := capsys.readouterr().out)
    assert "protons became `other`" in said


def test_data_of_two_or_three_classes_are_a_remark(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("event,x,y,z,val,label\n4,1,2,3,0.5,2\n4,1,2,4,0.5,1\n")
    assert convert(tmp_path / "a.csv", tmp_path / "out.h5") == 0
    assert "data of two classes, written as cycle 2" in (said := capsys.readouterr().out)
    assert "their protons are `other`" in said
    (tmp_path / "a.csv").write_text("event,x,y,z,val,label\n4,1,2,3,0.5,3\n")
    assert convert(tmp_path / "a.csv", tmp_path / "out.h5") == 0
    assert "if these are their data, use --cycle 3" in capsys.readouterr().out


# ---- the command


def test_events_without_a_voxel_are_left_out_and_counted(tmp_path, capsys):
    source = tmp_path / "a.csv"
    source.write_text("event,x,y,z,val,label\n1,1,1,1,0.0,0\n2,1,1,1,0.5,1\n3,1,1,1,0.0,0\n")
    assert convert("mlhep", source, tmp_path / "out.h5") == 0
    assert "1 events, 1 voxels" in (said := capsys.readouterr().out)
    assert "left out: 2 events without a voxel" in said
    assert [event.event_id for event in events_of(tmp_path / "out.h5")] == [2]


def test_only_the_first_events(tmp_path):
    assert convert("edepsim", MUONS, "--out", tmp_path / "out.h5", "--events", 3) == 0
    assert [event.event_id for event in events_of(tmp_path / "out.h5")] == [0, 1, 2]


def rubbish(path, start=b"\x89HDF\r\n\x1a\n"):
    path.write_bytes(start + bytes(range(256)) * 8)
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
    """Return an array file whose header has a bracket that is not closed."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3(, }\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("coords.npy", b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header)
    return path


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def text(path, content):
    path.write_text(content)
    return path


def shortened(path, of):
    path.write_bytes(of.read_bytes()[:-500])
    return path


def planes_root(path):
    return root_file(path, {"image2d_data_tree": {"a": np.arange(3)}})


def histogram_root(path):
    return root_file(path, {"tree": {"a": np.arange(3)}})


def two_pairs(path):
    tensors = {f"sparse3d_{name}_tree": sparse3d([[1]], [[1.0]]) for name in ("a", "b")}
    return root_file(path, {**tensors, "sparse3d_a_semantics_tree": sparse3d([[1]], [[1.0]]),
                            "sparse3d_b_semantics_tree": sparse3d([[1]], [[1.0]])})  # fmt: skip


BAD = {
    "no file": ("edepsim", lambda p: p / "absent.h5", "no such file"),
    "a folder": ("edepsim", lambda p: p, "is a folder without events"),
    "an empty file": (None, lambda p: text(p / "in.h5", ""), "is empty"),
    "rubbish as edepsim": ("edepsim", lambda p: rubbish(p / "in.h5"), "not a readable HDF5 file"),
    "rubbish as pilarnet": ("pilarnet", lambda p: rubbish(p / "in.h5"), "not a readable HDF5"),
    "rubbish as npz": (
        "pilarnet",
        lambda p: rubbish(p / "in.npz", b"PK\3\4"),
        "not a readable .npz",
    ),
    "rubbish as larcv": ("larcv", lambda p: rubbish(p / "in.root", b"root"), "not a readable ROOT"),
    "rubbish as parquet": (None, lambda p: rubbish(p / "in.pq", b"PAR1"), "not a readable parquet"),
    "rubbish as mlhep": ("mlhep", lambda p: rubbish(p / "in.h5"), "not a readable HDF5"),
    "rubbish as nothing": (None, lambda p: rubbish(p / "in", b"\xff"), "is of no known kind"),
    "cut short": (None, lambda p: shortened(p / "in.h5", MUONS), "not a readable HDF5"),
    "ROOT cut short": (
        None,
        lambda p: shortened(p / "in.root", DATA / "larcv2_empty_supera.root"),
        "not a readable ROOT file",
    ),
    "npz with a header cut off": (
        "pilarnet",
        lambda p: unclosed_npz(p / "in.npz"),
        "not a readable .npz",
    ),
    "no npz": ("pilarnet", lambda p: p / "absent.npz", "absent.npz"),
    "no root file": ("larcv", lambda p: p / "absent.root", "absent.root"),
    "pilarnet as edepsim": (
        "edepsim",
        lambda p: pilarnet_file(p / "in.h5"),
        "is PILArNet-M's HDF5 (cluster, cluster_extra, point); python -m organizer.convert "
        "pilarnet reads it, and `edepsim` does not",
    ),
    "edepsim as pilarnet": ("pilarnet", lambda p: MUONS, "is edep-sim's HDF5 (segments)"),
    "edepsim as mlhep": ("mlhep", lambda p: MUONS, "is edep-sim's HDF5 (segments)"),
    "edepsim as larcv": ("larcv", lambda p: MUONS, "is edep-sim's HDF5 (segments)"),
    "spine as larcv": ("larcv", lambda p: DATA / "spine_v2.h5", "is SPINE's HDF5 (data, index"),
    "2D in LArCV2": (None, lambda p: planes_root(p / "in.root"), "is 2D data in LArCV2's ROOT"),
    "another ROOT file": (
        None,
        lambda p: histogram_root(p / "in.root"),
        "is a ROOT file of no known kind (tree)",
    ),
    "arrays in 2D": (
        None,
        lambda p: npz(p / "in.npz", coords=np.zeros((2, 2)), energy=[1.0, 2.0]),
        "is 2D, coords is (2, 2)",
    ),
    "a table of text": (
        None,
        lambda p: text(p / "in.csv", "a,b\n1,2\n"),
        "a text file of no known",
    ),
    "larnd-sim's packets": (
        None,
        lambda p: plain_h5(p / "in.h5", packets=np.zeros(3)),
        "is larnd-sim's read-out without true segments",
    ),
    "no end": ("edepsim", lambda p: edepsim_file(p / "in.h5", names={"z_end": ""}), "for z_end"),
    "nowhere": ("edepsim", lambda p: edepsim_file(p / "in.h5", x_end=np.nan), "not a number"),
    "no energy": ("edepsim", lambda p: edepsim_file(p / "in.h5", dE=np.inf), "not a number"),
    "huge id": ("edepsim", lambda p: edepsim_file(p / "in.h5", eventID=2**40), "event number"),
    "all below": (
        "edepsim",
        lambda p: edepsim_file(p / "in.h5", dE=1e-9),
        "no voxel is above 0.05 MeV, of 3e-09 MeV in all (are the source's energies in MeV?)",
    ),
    "no segment": ("edepsim", lambda p: edepsim_file(p / "in.h5", repeat=0), "holds no event"),
    "empty trees": (None, lambda p: DATA / "larcv2_empty_supera.root", "holds no event"),
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
    "two pairs": ("larcv", lambda p: two_pairs(p / "in.root"), "choose with --energy-from"),
    "no meta": (
        "larcv",
        lambda p: root_file(
            p / "in.root",
            {
                "sparse3d_data_tree": {
                    "_voxel_v._id": ak.Array([[1]]),
                    "_voxel_v._value": ak.Array([[1.0]]),
                }
            },
        ),
        "no branch _meta._xnum",
    ),
    "unit": ("larcv", lambda p: larcv2_file(p / "in.root", unit=0), "wire and time"),
    "outside the meta": (
        "larcv",
        lambda p: larcv2_file(p / "in.root", ids=([3, 4], [192**3])),
        "lies outside",
    ),
    "outside in LArCV3": (
        "larcv",
        lambda p: larcv3_file(p / "in.h5", {"a": [([100 * 50 * 20], [1.0])]}),
        "voxel id 100000 lies outside (100, 50, 20)",
    ),
}


@pytest.mark.parametrize(("source", "make", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, capsys, source, make, says):
    (tmp_path / "in").mkdir()
    out = tmp_path / "out" / "events.h5"
    bad = make(tmp_path / "in")
    assert convert(*filter(None, [source]), bad, out) == 1
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


def test_every_cycle_of_particles_can_be_written(tmp_path):
    for number, cycle in CYCLES.items():
        if "beam" not in cycle.class_names:
            out = tmp_path / f"{number}.h5"
            arguments = ("--cycle", number, "--threshold-mev", 0.05)
            assert convert(pilarnet_file(tmp_path / "in.h5"), out, *arguments) == 0
            with EventFile(out) as file:
                assert file.cycle == cycle


def test_voxels_of_another_size_are_for_one_cycle(tmp_path, capsys):
    assert convert(MUONS, tmp_path / "out.h5", "--voxel-size", 5) == 1
    assert "the voxels of cycle 2 have 3 mm, not 5" in capsys.readouterr().err
    assert convert(MUONS, tmp_path / "out.h5", "--voxel-size", "source") == 1
    assert "its deposits are not voxels" in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()
    arguments = ("--voxel-size", 5, "--cycle", "general")
    assert convert(MUONS, tmp_path / "out.h5", *arguments) == 0
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["voxel_size_mm"] == 5

"""Readers of other formats give the right positions, energies, classes, sizes and ids."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot
from foreign import (
    cluster3d,
    edepsim_file,
    edepsim_root_file,
    larcv2_file,
    larcv3_file,
    particles,
    pilarnet_arrays,
    pilarnet_file,
    root_file,
    sparse3d,
)

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import ChallengeError
from organizer.convert.converted import Counts, Settings, convert
from organizer.convert.deposits import ReadOptions
from organizer.convert.edepsim_tracks import kind_of_tracks
from organizer.convert.larcv_kinds import choose_products, kinds_of_particles
from organizer.convert.readers import READERS, reader_of
from organizer.convert.recognise import recognise
from organizer.convert.taxonomy import Kind, ambiguities, class_of_kind, label_of_kind

DATA = Path(__file__).parent / "data"


def read(path, **options):
    reader = reader_of(recognise(path), path, None)
    return list(READERS[reader](path, ReadOptions(**options)))


def kinds(event) -> list[Kind]:
    return [Kind(kind) for kind in event.kind.tolist()]


def ours(event, cycle=2):
    settings = Settings(CYCLES[cycle], 3.0, 0.0, "densest")
    (found,) = convert(event, settings, Counts())
    return found.event


# ---- edep-sim


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("segments", {}),
        ("segments", {"eventID": "event_id", "pdgId": "pdg_id", "trackID": "traj_id"}),
        ("mc_truth/segments/data", {"eventID": "event_id", "pdgId": "pdg_id"}),
        ("tracks", {}),
    ],
)
def test_edepsim_in_all_its_names(tmp_path, place, names):
    muon, proton = read(edepsim_file(tmp_path / "in.h5", place, names))
    assert (muon.event_id, proton.event_id, muon.entry, proton.entry) == (7, 9, 0, 1)
    assert (muon.number, muon.n_events) == ((-1, -1, 7), 2)
    # 1.2 cm are 4 voxels and parts of a fifth; a photon's point lies 3 voxels off in y.
    event = ours(muon)
    assert event.energy.sum() == pytest.approx(2.5)
    assert sorted(event.label.tolist()) == [1] + [2] * 5
    assert ours(proton).energy.sum() == pytest.approx(5.0)
    assert kinds(proton) == [Kind.PROTON]
    assert kinds(muon) == [Kind.MIP, Kind.ELECTRON]
    assert muon.place.start_mm.tolist() == [[1000, 0.5, 0.5], [1010, 9.5, 0.5]]


def test_edepsim_with_trajectories_tells_ancestry_and_vertex(tmp_path):
    muon, proton = read(edepsim_file(tmp_path / "in.h5", trajectories=True))
    assert kinds(muon) == [Kind.MIP, Kind.SHOWER]
    assert muon.remarks == ()
    assert muon.vertex_mm.tolist() == pytest.approx([1000, 0.5, 0.5])
    assert proton.vertex_mm.tolist() == pytest.approx([0, -30.5, 0.5])


def test_edepsim_in_any_order_and_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("organizer.convert.edepsim_hdf5._BLOCK_ROWS", 2)
    muon, proton = read(edepsim_file(tmp_path / "in.h5", repeat=3))
    assert (len(muon.energy_mev), len(proton.energy_mev)) == (6, 3)
    assert muon.energy_mev.tolist() == [2, 0.5] * 3
    assert proton.energy_mev.tolist() == [5] * 3


TRACKS = [
    # track, parent, pdg, process, subprocess -> kind
    (0, -1, 13, 0, 0, Kind.MIP),
    (1, 0, 11, 2, 2, Kind.DELTA),  # by ionisation of the muon
    (2, 1, 22, 2, 3, Kind.DELTA),  # its bremsstrahlung
    (3, 2, 11, 2, 14, Kind.DELTA),  # and what that converts to
    (4, 0, 11, 6, 201, Kind.MICHEL),  # of the muon's decay
    (5, 4, 22, 2, 3, Kind.MICHEL),
    (6, 0, 11, 4, 151, Kind.MICHEL),  # of its capture
    (7, 0, 11, 2, 4, Kind.SHOWER),  # a pair made by the muon
    (8, 0, 22, 4, 151, Kind.SHOWER),  # a photon of its capture
    (9, 8, 11, 2, 13, Kind.SHOWER),
    (10, -1, 22, 0, 0, Kind.SHOWER),
    (11, 10, -11, 2, 14, Kind.SHOWER),
    (12, -1, 2212, 0, 0, Kind.PROTON),
    (13, 12, 1000010020, 4, 121, Kind.ION),
    (14, 13, 11, 2, 2, Kind.DELTA),
    (15, 0, 11, -1, -1, Kind.ELECTRON),  # how it came to be is not known
    (16, 99, 11, 2, 2, Kind.SHOWER),  # its parent is not stored
    (17, 12, -2212, 4, 121, Kind.MIP),
    (18, 12, 111, 4, 121, Kind.MIP),
    (19, 18, 22, 6, 201, Kind.SHOWER),  # a neutral pion's photon
]


@pytest.mark.parametrize("seed", range(3))
def test_kinds_of_tracks_whatever_their_order(seed):
    table = np.array(TRACKS)[np.random.default_rng(seed).permutation(len(TRACKS))]
    found = kind_of_tracks(*table[:, :5].T)
    assert [Kind(k) for k in found.tolist()] == [Kind(k) for k in table[:, 5].tolist()]


def test_edepsim_root(tmp_path):
    hits = [
        (2.0, (0, 0, 0), (6, 0, 0), [0]),
        (0.5, (3, 9, 0), (3, 9, 0), [1, 0]),  # two contributors: the first one left most
        (0.25, (3, 9, 3), (3, 9, 3), []),
        (0.125, (3, 9, 6), (3, 9, 6), [7]),  # of a track that is not stored
    ]
    tracks = [(0, -1, 13), (1, 0, 11)]
    processes = [[(0, 0), (2, 2), (1, 91)], [(2, 2)]]
    events = [
        ({"volTPCActive": hits, "muTag": hits[:1]}, tracks, processes, (10, 20, 30)),
        ({}, [], [], (0, 0, 0)),
        ({"muTag": hits[:1]}, tracks[:1], processes[:1], (0, 0, 1)),
    ]
    first, empty, other = read(edepsim_root_file(tmp_path / "in.root", events))
    assert kinds(first) == [Kind.MIP, Kind.DELTA, Kind.NO_CLASS, Kind.NO_CLASS]
    assert first.energy_mev.tolist() == [2.0, 0.5, 0.25, 0.125]
    assert first.place.start_mm.tolist() == [[0, 0, 0], [3, 9, 0], [3, 9, 3], [3, 9, 6]]
    assert first.place.end_mm[0].tolist() == [6, 0, 0]
    assert first.vertex_mm.tolist() == [10, 20, 30]
    assert (first.number, first.entry, first.n_events) == ((3, -1, 40), 0, 3)
    assert first.remarks == ("reads the detector volTPCActive",)
    assert (len(empty.energy_mev), empty.remarks) == (0, ())
    # Without a detector of that name, all are read.
    assert other.energy_mev.tolist() == [2.0]


def test_edepsim_root_reads_the_detector_that_is_asked_for(tmp_path):
    hits = [(2.0, (0, 0, 0), (6, 0, 0), [0])]
    events = [({"volTPCActive": hits, "muTag": hits * 2}, [(0, -1, 13)], [[(0, 0)]], (0, 0, 0))]
    path = edepsim_root_file(tmp_path / "in.root", events)
    (event,) = read(path, energy="muTag")
    assert len(event.energy_mev) == 2
    with pytest.raises(ChallengeError, match="has no detector LAr, but volTPCActive, muTag"):
        read(path, energy="LAr")


def test_damaged_hits_are_said(tmp_path):
    hits = [(2.0, (0, 0, 0), (6, 0, 0), [0])]
    path = edepsim_root_file(
        tmp_path / "in.root", [({"volTPCActive": hits}, [(0, -1, 13)], [[(0, 0)]], (0, 0, 0))]
    )
    content = path.read_bytes()
    start = content.index(b"volTPCActive")
    path.write_bytes(content[: start + 12] + b"\0\0\0\x05" + content[start + 16 :])
    with pytest.raises(ChallengeError, match="entry 0: damaged"):
        read(path)


# ---- PILArNet

KINDS = [Kind.LOW_ENERGY] * 2 + [Kind.PROTON] * 3 + [Kind.MIP] + [Kind.SHOWER] * 2
KINDS += [Kind.MICHEL, Kind.DELTA, Kind.MIP]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_pilarnet_with_particle_types(tmp_path, dtype):
    first, second = read(pilarnet_file(tmp_path / "in.h5", dtype=dtype))
    assert (first.entry, second.entry, second.event_id, first.n_events) == (0, 1, 1, 2)
    assert kinds(first) == KINDS
    assert first.place.index.tolist() == (np.arange(33).reshape(-1, 3) + 500).tolist()
    assert first.place.grid.voxel_mm.tolist() == [3, 3, 3]
    assert first.vertex_mm.tolist() == [1530, 1533, 1536]
    if dtype != "i8":
        assert first.energy_mev.tolist() == pytest.approx([0.1 + i for i in range(11)])


def test_pilarnet_without_particle_types(tmp_path):
    event, _ = read(pilarnet_file(tmp_path / "in.h5", pid=False))
    assert kinds(event).count(Kind.TRACK) == 5
    assert "protons can't be separated from other tracks" in event.remarks[0]
    assert np.bincount(ours(event).label, minlength=4).tolist() == [0, 6, 5, 0]


@pytest.mark.parametrize("nested", [False, True])
def test_pilarnet_in_parquet(tmp_path, nested):
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = pilarnet_arrays()
    rows = {
        name: [array.tolist() if nested else array.ravel().tolist()] * 3
        for name, array in arrays.items()
    }
    pq.write_table(pa.table(rows), tmp_path / "in.parquet")
    events = read(tmp_path / "in.parquet")
    assert [event.entry for event in events] == [0, 1, 2]
    assert kinds(events[2]) == KINDS
    assert events[2].place.index.tolist() == (np.arange(33).reshape(-1, 3) + 500).tolist()


def test_arrays_in_npz_csv_and_folders(tmp_path):
    arrays = pilarnet_arrays()
    size = arrays["cluster"][:, 0].astype(int)
    coords, energy = arrays["point"][:, :3], arrays["point"][:, 3]
    motif, pid = (np.repeat(arrays["cluster"][:, i], size).astype(int) for i in (4, 5))
    np.savez(tmp_path / "a.npz", coord=coords, energy=energy[:, None], semantic=motif, pid=pid)
    table = np.column_stack((coords, energy, motif, pid, motif * 0 + 12))
    with open(tmp_path / "a.csv", "w") as file:
        file.write("x,y,z,energy,motif,pid,event\n")
        np.savetxt(file, table, delimiter=",", fmt="%.17g")
    folder = tmp_path / "split" / "train" / "event_0000"
    folder.mkdir(parents=True)
    np.save(folder / "coord.npy", coords.astype("f4"))
    np.save(folder / "strength.npy", energy[:, None].astype("f4"))
    np.save(folder / "segment.npy", motif)
    one, two, three = (read(tmp_path / name)[0] for name in ("a.npz", "a.csv", "split"))
    assert kinds(one) == kinds(two) == KINDS
    assert [Kind.TRACK if k in (Kind.MIP, Kind.PROTON) else k for k in KINDS] == kinds(three)
    assert two.event_id == 12
    for event in (one, two, three):
        np.testing.assert_array_equal(event.place.index, coords)
        np.testing.assert_allclose(event.energy_mev, energy, rtol=1e-6)
        assert "does not contain the size of its voxels" in " ".join(event.remarks)


@pytest.mark.parametrize("number", ["1.5", "nan"])
def test_a_number_of_an_event_that_is_not_whole_is_refused(tmp_path, number):
    (tmp_path / "a.csv").write_text(f"event,x,y,z,energy\n1,1,2,3,0.5\n{number},1,2,4,0.5\n")
    with pytest.raises(ChallengeError, match=f"a.csv: .*whole numbers .*{number}"):
        read(tmp_path / "a.csv")


def test_five_types_in_a_csv(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,z,value,fivetypes\n1,2,3,0.5,0\n1,2,4,0.5,4\n")
    (event,) = read(tmp_path / "a.csv")
    assert kinds(event) == [Kind.PROTON, Kind.MICHEL]


# ---- LArCV2


def test_larcv2_geometry_is_the_files(tmp_path):
    """An id is z * (nx * ny) + y * nx + x; sizes and corner are in cm."""
    places = [(171, 88, 153), (0, 0, 0), (5, 6, 7), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    ids = [z * 172 * 89 + y * 172 + x for x, y, z in places]
    tree = sparse3d([ids], [list(range(1, 7))], shape=(172, 89, 154), size_cm=0.995,
                    low_cm=(12.87, -100.16, 604.2))  # fmt: skip
    (event,) = read(root_file(tmp_path / "in.root", {"sparse3d_reco_tree": tree}))
    assert list(map(tuple, event.place.index.tolist())) == places
    assert event.place.grid.voxel_mm.tolist() == pytest.approx([9.95] * 3)
    assert event.place.grid.origin_mm.tolist() == pytest.approx([128.7, -1001.6, 6042])
    assert event.number == (4, 5, 60)
    assert event.kind is None
    assert event.remarks == ("reads sparse3d_reco (energy)",)


def test_larcv2_five_types(tmp_path):
    first, second = read(larcv2_file(tmp_path / "in.root"))
    # 40000 = 1 * 192 * 192 + 16 * 192 + 64
    assert first.place.index.tolist() == [[3, 0, 0], [64, 16, 1]]
    assert (kinds(first), kinds(second)) == ([Kind.SHOWER, Kind.PROTON], [Kind.MIP])
    assert second.energy_mev.tolist() == [0.5]


def test_larcv2_semantics_are_told_apart_by_name(tmp_path):
    first, _ = read(larcv2_file(tmp_path / "in.root", labels="data_semantics"))
    assert kinds(first) == [Kind.MICHEL, Kind.SHOWER]
    path = larcv2_file(tmp_path / "in.root", labels="segment")
    with pytest.raises(ChallengeError, match="numbering of sparse3d_segment is not known"):
        read(path)
    first, _ = read(path, taxonomy="fivetypes")
    assert kinds(first) == [Kind.SHOWER, Kind.PROTON]


def test_larcv2_voxels_that_the_classes_lack_have_none(tmp_path):
    trees = {
        "sparse3d_data_tree": sparse3d([[1, 2, 3, 4]], [[1.0, 1.0, 1.0, 1.0]]),
        "sparse3d_fivetypes_tree": sparse3d([[4, 3, 1]], [[1.0, 7.0, 3.0]]),
    }
    (event,) = read(root_file(tmp_path / "in.root", trees))
    assert kinds(event) == [Kind.DELTA, Kind.NO_CLASS, Kind.NO_CLASS, Kind.MIP]


@pytest.mark.parametrize("checksum", [True, False])
def test_larcv2_clusters_of_particles(tmp_path, checksum):
    trees = {
        "cluster3d_mcst_tree": cluster3d(
            [[([1, 2], [1.5, 2.5]), ([2], [0.5]), ([9], [4.0])], [([], []), ([5], [1.0])]],
            checksum,
        ),
        "particle_mcst_tree": particles([[2212, -11], [13]]),
    }
    first, second = read(root_file(tmp_path / "in.root", trees))
    assert first.place.index[:, 0].tolist() == [1, 2, 2, 9]
    assert first.energy_mev.tolist() == [1.5, 2.5, 0.5, 4.0]
    assert kinds(first) == [Kind.PROTON, Kind.PROTON, Kind.ELECTRON, Kind.NO_CLASS]
    assert kinds(second) == [Kind.NO_CLASS]


def test_edep2supera_tells_protons_by_its_clusters(tmp_path):
    """The trees have the names that utils.run_supera of edep2supera gives them."""
    ids = [1, 2, 3, 4]
    trees = {
        "sparse3d_pcluster_tree": sparse3d([ids], [[1.0] * 4]),
        "sparse3d_pcluster_semantics_tree": sparse3d([ids], [[1.0, 1.0, 0.0, 1.0]]),
        "cluster3d_pcluster_tree": cluster3d([[([1, 4], [0.2, 0.9]), ([1, 2, 3], [0.8] * 3)]]),
        "cluster3d_pcluster_dedx_tree": cluster3d([[([1], [2.0])]]),
        "particle_pcluster_tree": particles([[2212, 13]]),
    }
    (event,) = read(root_file(tmp_path / "in.root", trees))
    assert kinds(event) == [Kind.MIP, Kind.MIP, Kind.SHOWER, Kind.PROTON]
    assert "sparse3d_pcluster_semantics (classes: spine), cluster3d_pcluster" in event.remarks[0]


PRODUCERS = [
    # sparse, clusters, options -> energy, label, clusters
    (["data", "fivetypes"], [], {}, ("data", "fivetypes", None)),
    (["data"], [], {}, ("data", None, None)),
    (["pcluster", "pcluster_semantics", "pcluster_semantics_ghost", "reco"], ["pcluster"], {},
     ("pcluster", "pcluster_semantics", "pcluster")),
    (["reco", "reco_chi2", "reco_hit_key0"], [], {}, ("reco", None, None)),
    (["a", "b"], [], {"energy": "b"}, ("b", None, None)),
    (["reco", "pcluster_semantics_ghost"], [], {"labels": "pcluster_semantics_ghost"},
     ("reco", "pcluster_semantics_ghost", None)),
    ([], ["mcst"], {}, (None, None, "mcst")),
    (["data"], ["mcst"], {"energy": "mcst"}, (None, None, "mcst")),
]  # fmt: skip


@pytest.mark.parametrize(("sparse", "clusters", "options", "expected"), PRODUCERS)
def test_which_products_are_read(sparse, clusters, options, expected):
    producers = {"sparse3d": sparse, "cluster3d": clusters, "particle": clusters}
    found = choose_products(Path("f"), producers, ReadOptions(**options))
    assert (found.energy, found.label, found.clusters) == expected


def test_processes_of_larcv_particles():
    pdg = np.array([11, 11, 11, -11, 22, 2212, 211])
    process = ["primary", "muIoni", "muMinusCaptureAtRest", "Decay", "Decay", "primary", "hIoni"]
    assert [Kind(k) for k in kinds_of_particles(pdg, process).tolist()] == [
        Kind.SHOWER, Kind.DELTA, Kind.MICHEL, Kind.MICHEL, Kind.SHOWER, Kind.PROTON, Kind.MIP
    ]  # fmt: skip


def test_real_empty_file_of_larcv2():
    assert recognise(DATA / "larcv2_empty_supera.root").reader == "larcv2"
    assert read(DATA / "larcv2_empty_supera.root", energy="geant4") == []


def test_rntuples_are_named_as_such(tmp_path):
    with uproot.recreate(tmp_path / "in.root") as file:
        file.mkrntuple("Events", {"energy": np.zeros(2)})
    found = recognise(tmp_path / "in.root")
    assert found.reader is None
    assert "is a ROOT file with RNTuples (Events)" in found.sentence


# ---- LArCV3


def test_larcv3_counts_voxels_the_other_way_round(tmp_path):
    """An id is x * (ny * nz) + y * nz + z."""
    places = [(99, 49, 19), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    ids = [x * 50 * 20 + y * 20 + z for x, y, z in places]
    events = [(ids, [1.0, 2.0, 3.0, 4.0]), ([], []), ([7], [5.0])]
    labels = [(ids[::-1], [0.0, 1.0, 2.0, 3.0]), ([], []), ([8], [1.0])]
    path = larcv3_file(tmp_path / "in.h5", {"pc": events, "pc_semantics": labels}, size_cm=0.5)
    first, empty, last = read(path)
    assert list(map(tuple, first.place.index.tolist())) == places
    assert first.place.grid.voxel_mm.tolist() == pytest.approx([5, 5, 5])
    assert first.place.grid.origin_mm.tolist() == [-10, 20, 30]
    assert (first.number, last.number) == ((4, 5, 60), (4, 5, 62))
    assert kinds(first) == [Kind.DELTA, Kind.MICHEL, Kind.TRACK, Kind.SHOWER]
    assert (len(empty.energy_mev), kinds(last)) == (0, [Kind.NO_CLASS])


def test_larcv3_clusters_of_particles(tmp_path):
    clusters = [[([1, 2], [1.0, 2.0]), ([2], [0.5])], [], [([4], [1.0])]]
    path = larcv3_file(tmp_path / "in.h5", {}, {"mcst": clusters}, {"mcst": [[2212, 11], [], [13]]})
    first, empty, last = read(path)
    assert first.energy_mev.tolist() == [1.0, 2.0, 0.5]
    assert kinds(first) == [Kind.PROTON, Kind.PROTON, Kind.SHOWER]
    assert (len(empty.energy_mev), kinds(last)) == (0, [Kind.MIP])


# ---- SPINE: files that SPINE's own writer wrote


@pytest.mark.parametrize("name", ["spine_v1.h5", "spine_v2.h5", "spine_v2_tensors.h5"])
def test_files_of_spines_own_writer(name):
    events = read(DATA / name)
    with h5py.File(DATA / "spine_v2.h5") as file:
        bounds = file["products/data/event_offsets"][:]
        data, label = (file[f"products/{p}/values"][:] for p in ("data", "seg_label"))
    assert len(events) == 3
    for i, event in enumerate(events):
        rows = slice(bounds[i], bounds[i + 1])
        np.testing.assert_array_equal(event.place.index, data[rows, 1:4])
        np.testing.assert_allclose(event.energy_mev, data[rows, 4], rtol=1e-6)
        assert event.place.grid.voxel_mm.tolist() == pytest.approx([3] * 3)
        assert event.place.grid.origin_mm.tolist() == pytest.approx([-100 - 10 * i, -200, 50])
        if name != "spine_v2_tensors.h5":
            assert event.number == (7, 2, 100 + i)
        shape = label[rows, 4].astype(int)
        expected = [Kind.SHOWER, Kind.TRACK, Kind.MICHEL, Kind.DELTA, Kind.LOW_ENERGY, 0]
        assert kinds(event) == [Kind(expected[one]) for one in shape]


def test_spine_products_by_name():
    (event, *_) = read(DATA / "spine_v2.h5", energy="seg_label", labels="seg_label")
    assert set(event.energy_mev.tolist()) <= set(range(6))
    with pytest.raises(ChallengeError, match="has no product nothing, but data, index"):
        read(DATA / "spine_v2.h5", energy="nothing")


# ---- classes


@pytest.mark.parametrize("number", CYCLES)
def test_every_kind_becomes_a_class_of_every_cycle_of_particles(number):
    cycle = CYCLES[number]
    if "beam" in cycle.class_names:
        with pytest.raises(ChallengeError, match="choose another --cycle"):
            label_of_kind(cycle)
        return
    labels = label_of_kind(cycle)
    assert labels[Kind.NO_CLASS] == 0
    assert set(labels[1:].tolist()) == set(range(1, len(cycle.class_names) + 1))


EM = "electron/positron"
NAMES = {
    (EM, "other"): ["other"] * 4 + [EM] * 4,
    (EM, "other", "proton"): ["proton", "other", "other", "other"] + [EM] * 4,
    ("track", "shower"): ["track"] * 4 + ["shower"] * 4,
    ("HIP", "MIP", "shower", "delta", "Michel"): [
        *("HIP", "HIP", "MIP", "MIP", "shower", "delta", "Michel", "shower")
    ],
    ("shower", "track", "Michel", "delta", "low-energy"): [
        *("track", "track", "track", "track", "shower", "delta", "Michel", "low-energy")
    ],
}


class Declared:
    """A cycle that has only classes."""

    def __init__(self, names):
        self.class_names, self.number = names, 99


@pytest.mark.parametrize(("names", "expected"), NAMES.items())
def test_classes_by_name(names, expected):
    cycle = Declared(names)
    order = (Kind.PROTON, Kind.ION, Kind.MIP, Kind.TRACK, Kind.SHOWER, Kind.DELTA, Kind.MICHEL)
    found = [class_of_kind(kind, cycle) for kind in (*order, Kind.LOW_ENERGY)]
    assert found == expected


def test_what_a_source_does_not_tell_is_said():
    assert ambiguities([Kind.TRACK, Kind.SHOWER], Declared(("track", "shower"))) == []
    (said,) = ambiguities([Kind.TRACK], Declared((EM, "other", "proton")))
    assert said == "the source does not separate proton from other: all track becomes `other`"
    names = ("HIP", "MIP", "shower", "delta", "Michel")
    (said,) = ambiguities([Kind.ELECTRON], Declared(names))
    assert (
        said == "the source does not separate shower from delta from Michel: "
        "all electron becomes `shower`"
    )


def test_larcv3_without_an_event(tmp_path):
    assert read(larcv3_file(tmp_path / "in.h5", {"pc": []})) == []

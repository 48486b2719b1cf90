"""Write files in other formats, in the layouts of their published code, and convert them."""

from __future__ import annotations

import struct

import awkward as ak
import h5py
import numpy as np
import uproot

from lartpc_challenge.events import EventFile
from organizer.convert.__main__ import main


def convert(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def events_of(path):
    with EventFile(path) as file:
        return list(file)


# ---- edep-sim


def edepsim_file(path, place="segments", names=None, repeat=1, trajectories=False, **changed):
    """Write two events in larnd-sim's layout, rows mixed: a muon with a photon, and a proton."""
    names = names or {}
    rows = [
        # event, track, pdg, dE, start and end in cm
        (7, 0, 13, 2.0, (100.0, 0.05, 0.05), (101.2, 0.05, 0.05)),
        (9, 0, 2212, 5.0, (0.0, -3.05, 0.05), (0.0, -3.15, 0.05)),
        (7, 1, 22, 0.5, (101.0, 0.95, 0.05), (101.0, 0.95, 0.05)),
    ] * repeat
    fields = ["eventID", "trackID", "pdgId", "dE"]
    fields += [f"{a}_{e}" for a in "xyz" for e in ("start", "end")]
    fields = [names.get(field, field) for field in fields if names.get(field, field)]
    table = np.zeros(len(rows), [(field, "f8") for field in fields])
    for i, (event, track, pdg, energy, start, end) in enumerate(rows):
        values = {"eventID": event, "trackID": track, "pdgId": pdg, "dE": energy}
        values.update({f"{a}_start": start["xyz".index(a)] for a in "xyz"})
        values.update({f"{a}_end": end["xyz".index(a)] for a in "xyz"})
        for name, value in {**values, **changed}.items():
            if names.get(name, name) in fields:
                table[names.get(name, name)][i] = value
    with h5py.File(path, "w") as file:
        file[place] = table
        if trajectories:
            kinds = [("event_id", "u4"), ("traj_id", "u4"), ("parent_id", "i4"), ("pdg_id", "i4")]
            kinds += [("start_process", "u4"), ("start_subprocess", "u4")]
            # The photon of event 7 is of a muon's decay.
            made = [(7, 0, -1, 13, 0, 0), (7, 1, 0, 22, 6, 201), (9, 0, -1, 2212, 0, 0)]
            file["trajectories"] = np.array(made, kinds)
            vertex = [("event_id", "u4"), ("x_vert", "f4"), ("y_vert", "f4"), ("z_vert", "f4")]
            file["vertices"] = np.array([(7, 100.0, 0.05, 0.05), (9, 0.0, -3.05, 0.05)], vertex)
    return path


def _object(version: int, body: bytes) -> bytes:
    """Return an object as ROOT writes it: byte count with a flag, version, members."""
    return struct.pack(">IH", 0x40000000 | (len(body) + 2), version) + body


TOBJECT = struct.pack(">HII", 1, 0, 0x02000000)


def _lorentz(x, y, z, t) -> bytes:
    vector = _object(3, TOBJECT + struct.pack(">3d", x, y, z))
    return _object(4, TOBJECT + vector + struct.pack(">d", t))


def _hit(energy, start, stop, contributors) -> bytes:
    numbers = struct.pack(f">{1 + len(contributors)}i", len(contributors), *contributors)
    contrib = _object(9, numbers)
    rest = struct.pack(">ifff", 0, energy, energy, 1.0)
    return _object(1, TOBJECT + contrib + rest + _lorentz(*start, 0) + _lorentz(*stop, 1))


def segment_detectors(detectors: dict[str, list[tuple]]) -> bytes:
    """Return TG4Event::SegmentDetectors of {name: hits (energy, start, stop, contributors)}."""
    body = struct.pack(">i", len(detectors))
    for name, hits in detectors.items():
        body += bytes([len(name)]) + name.encode() + struct.pack(">i", len(hits))
        body += b"".join(_hit(*hit) for hit in hits)
    return _object(9, body)


def trajectory_points(processes: list[list[tuple[int, int]]]) -> bytes:
    """Return Trajectories.Points, member by member, of each trajectory's (process, subprocess)."""
    body = struct.pack(">H", 1)
    for points in processes:
        n = len(points)
        body += struct.pack(">i", n) + TOBJECT * n + _lorentz(0, 0, 0, 0) * n
        body += _object(3, TOBJECT + struct.pack(">3d", 1, 2, 3)) * n
        body += struct.pack(f">{n}i", *(process for process, _ in points))
        body += struct.pack(f">{n}i", *(subprocess for _, subprocess in points))
    return _object(0x4009, body)


def edepsim_root_file(path, events):
    """Write a tree EDepSimEvents.

    events: (detectors, tracks (id, parent, pdg), processes, vertex) per event.
    """
    tracks = [np.array(event[1], int).reshape(-1, 3) for event in events]
    columns = {
        "RunId": np.full(len(events), 3, np.int32),
        "EventId": np.arange(len(events), dtype=np.int32) + 40,
        "SegmentDetectors": _bytes(segment_detectors(event[0]) for event in events),
        "Trajectories.Points": _bytes(trajectory_points(event[2]) for event in events),
        "Primaries.Position": _bytes(_lorentz(*event[3], 0) for event in events),
    }
    for i, name in enumerate(("TrackId", "ParentId", "PDGCode")):
        column = ak.Array([table[:, i].tolist() for table in tracks])
        columns[f"Trajectories.{name}"] = ak.values_astype(column, np.int32)
    return root_file(path, {"EDepSimEvents": columns})


def _bytes(entries) -> ak.Array:
    return ak.values_astype(ak.Array([list(entry) for entry in entries]), np.uint8)


def root_file(path, trees):
    """Write TTrees to a ROOT file: {tree: {branch: numbers or lists of numbers}}."""
    with uproot.recreate(path, compression=None) as file:
        for name, columns in trees.items():
            kinds = {}
            for branch, column in columns.items():
                if isinstance(column, ak.Array):
                    kinds[branch] = f"var * {ak.to_numpy(ak.flatten(column)).dtype}"
                else:
                    kinds[branch] = column.dtype
            file.mktree(name, kinds).extend(columns)
    return path


# ---- PILArNet

# Per cluster: size, semantic, pid. Low-energy scatter comes first and has pid -1 or 5.
CLUSTERS = [(2, 4, -1), (3, 1, 4), (1, 1, 2), (2, 0, 0), (1, 2, 1), (1, 3, 1), (1, 1, 3), (0, 1, 4)]


def pilarnet_arrays(pid=True):
    """Return one event: point (N, 8), cluster (M, 6 or 5), cluster_extra (M, 6)."""
    n_points = sum(size for size, *_ in CLUSTERS)
    point = np.zeros((n_points, 8))
    point[:, :3] = np.arange(3 * n_points).reshape(-1, 3) + 500
    point[:, 3] = 0.1 + np.arange(n_points)
    rows = [
        (size, i, i, 0, semantic, kind)[: 6 if pid else 5]
        for i, (size, semantic, kind) in enumerate(CLUSTERS)
    ]
    extra = np.full((len(rows), 6), -1.0)
    extra[4, 2:5] = 510, 511, 512
    return {"point": point, "cluster": np.array(rows, float), "cluster_extra": extra}


def pilarnet_file(path, *, n_events=2, pid=True, dtype="f4", change=None):
    """Write events in the layout of DATASET.md: rows of variable length, ordered by cluster."""
    arrays = pilarnet_arrays(pid)
    if not pid:
        del arrays["cluster_extra"]
    if change:
        change(arrays)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            dataset = file.create_dataset(name, (n_events,), h5py.vlen_dtype(np.dtype(dtype)))
            for row in range(n_events):
                dataset[row] = array.ravel()
    return path


# ---- LArCV2


def larcv2_meta(n_events, shape=(192, 192, 192), size_cm=0.3, low_cm=(0.0, 0.0, 0.0), unit=1):
    """Return the branches of Voxel3DMeta and EventBase."""
    ones = np.ones(n_events)
    found = {f"_meta._{a}num": (ones * n).astype(np.uint64) for a, n in zip("xyz", shape)}
    found.update({f"_meta._{a}len": ones * size_cm for a in "xyz"})
    found.update({f"_meta._p1.{a}": ones * low for a, low in zip("xyz", low_cm)})
    found["_meta._unit"] = (ones * unit).astype(np.int32)
    found["_run"], found["_subrun"] = (ones * 4).astype(np.uint64), (ones * 5).astype(np.uint64)
    found["_event"] = np.arange(n_events, dtype=np.uint64) + 60
    return found


def sparse3d(ids, values, **meta):
    """Return the branches of an EventSparseTensor3D."""
    return {
        "_voxel_v._id": ak.values_astype(ak.Array(ids), np.uint64),
        "_voxel_v._value": ak.values_astype(ak.Array(values), np.float32),
        **larcv2_meta(len(ids), **meta),
    }


def cluster3d(entries, checksum=True, **meta):
    """Return the branches of an EventClusterVoxel3D; an entry is a list of (ids, values)."""
    packed = []
    for clusters in entries:
        body = struct.pack(">HI", 0, 0x7A384FDA) if checksum else struct.pack(">H", 1)
        for ids, values in clusters:
            n = len(ids)
            body += struct.pack(f">i{n}Q{n}f", n, *ids, *values)
        packed.append(_object(0x4009, body))
    return {"_voxel_vv._voxel_v": _bytes(packed), **larcv2_meta(len(entries), **meta)}


def particles(pdgs):
    """Return the branch with the PDG codes, which every version of EventParticle has."""
    return {"_part_v._pdg": ak.values_astype(ak.Array(pdgs), np.int32)}


def larcv2_file(path, *, skip=(), ids=([3, 40000], [192**3 - 1]), labels="fivetypes", **meta):
    """Write two entries of sparse3d_data and sparse3d_fivetypes."""
    values = {"sparse3d_data_tree": [[1.5, 2.5], [0.5]], f"sparse3d_{labels}_tree": [[2, 0], [1]]}
    trees = {
        name: sparse3d(ids, value, **meta) for name, value in values.items() if name not in skip
    }
    return root_file(path, trees)


# ---- LArCV3

_EXTENT = [("first", "<u8"), ("N", "<u4")]
_ID_EXTENT = [*_EXTENT, ("ID", "<u4")]
_VOXEL = [("id", "<u8"), ("value", "<f4")]
_META = [
    ("valid", "u1"),
    ("projection_id", "<u8"),
    ("image_sizes", "<f8", (3,)),
    ("number_of_voxels", "<u8", (3,)),
    ("origin", "<f8", (3,)),
]


def _extents(sizes, dtype):
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rows = [(a, n, 0)[: len(dtype)] for a, n in zip(starts, sizes)]
    return np.array(rows, dtype)


def larcv3_file(path, tensors, clusters=None, pdgs=None, shape=(100, 50, 20), size_cm=0.3):
    """Write a LArCV 3 file.

    tensors: {producer: (ids, values) per event}; clusters: {producer: clusters per event}.
    """
    with h5py.File(path, "w") as file:
        n_events = len(next(iter((tensors or clusters).values())))
        meta = (1, 0, [n * size_cm for n in shape], shape, [-1.0, 2.0, 3.0])
        numbers = [(4, 5, 60 + i) for i in range(n_events)]
        kinds = [("run", "<i8"), ("subrun", "<i8"), ("event", "<i8")]
        file["Events/event_id"] = np.array(numbers, kinds)
        for name, events in tensors.items():
            group = file.create_group(f"Data/sparse3d_{name}_group")
            voxels = [v for ids, values in events for v in zip(ids, values)]
            group["extents"] = _extents([1] * n_events, _EXTENT)
            group["voxel_extents"] = _extents([len(ids) for ids, _ in events], _ID_EXTENT)
            group["image_meta"] = np.array([meta] * n_events, _META)
            group["voxels"] = np.array(voxels, _VOXEL)
        for name, events in (clusters or {}).items():
            group = file.create_group(f"Data/cluster3d_{name}_group")
            flat = [cluster for event in events for cluster in event]
            voxels = [v for ids, values in flat for v in zip(ids, values)]
            group["extents"] = _extents([1] * n_events, _EXTENT)
            group["projection_extents"] = _extents([len(event) for event in events], _ID_EXTENT)
            group["cluster_extents"] = _extents([len(ids) for ids, _ in flat], _ID_EXTENT)
            group["image_meta"] = np.array([meta] * n_events, _META)
            group["voxels"] = np.array(voxels, _VOXEL)
        for name, events in (pdgs or {}).items():
            group = file.create_group(f"Data/particle_{name}_group")
            rows = [(pdg, b"primary") for event in events for pdg in event]
            group["extents"] = _extents([len(event) for event in events], _EXTENT)
            group["particles"] = np.array(rows, [("pdg", "<i4"), ("process", "S64")])
    return path

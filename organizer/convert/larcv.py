"""LArCV2's sparse 3D tensors in ROOT files, read by uproot without LArCV.

Trees sparse3d_data_tree (energy, MeV) and sparse3d_fivetypes_tree (0 proton, 1 minimum-ionising,
2 shower, 3 delta, 4 Michel), an entry an event; a voxel's id is z*(nx*ny) + y*nx + x.
Label: 2, 3 and 4 are electromagnetic, 1; 1 is other, 2; 0 is proton, 3. Voxels that the second
tree leaves out, or gives another type, have no label and are left out.
Source of the layout: DeepLearnPhysics/larcv2, larcv/core/DataFormat/{Voxel,Voxel3D,Voxel3DMeta}.h.
This reader was written from that; it has not met a real file: look at what it makes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lartpc_challenge.files import check_file
from lartpc_challenge.format import ChallengeError, SemanticLabel
from lartpc_challenge.submission.upload import READ_ERRORS
from organizer.convert.voxels import Deposits

_TREES = ("sparse3d_data_tree", "sparse3d_fivetypes_tree")
_BRANCHES = ("_voxel_v._id", "_voxel_v._value")
_SHAPE_BRANCHES = ("_xnum", "_ynum", "_znum")
_BLOCK_ENTRIES = 100
_EM, _OTHER, _PROTON = SemanticLabel.ELECTROMAGNETIC, SemanticLabel.OTHER, SemanticLabel.PROTON
# What damaged bytes make uproot raise, beside what a damaged zip does and an error of its own.
_MORE_READ_ERRORS = (LookupError, TypeError, AttributeError, AssertionError)
LABEL_OF_TYPE = np.array([_PROTON, _OTHER, _EM, _EM, _EM], np.uint8)


def deposits_of_entry(
    where: str,
    event_id: int,
    energy_id: np.ndarray,
    energy: np.ndarray,
    type_id: np.ndarray,
    five_type: np.ndarray,
    shape: tuple[int, int, int],
) -> Deposits:
    """One entry of both trees: voxel ids and values of each, and nx, ny, nz of their grid.

    `where` names the entry in errors.
    """
    known = np.isin(five_type, range(len(LABEL_OF_TYPE)))
    voxel, of_energy, of_type = np.intersect1d(
        energy_id, type_id[known], assume_unique=True, return_indices=True
    )
    if len(voxel) and voxel.max() >= np.prod(shape):
        raise ChallengeError(f"{where}: voxel id {voxel.max()} lies outside {shape}")
    z, y, x = np.unravel_index(voxel.astype(np.int64), shape[::-1])
    label = LABEL_OF_TYPE[five_type[known][of_type].astype(np.int64)]
    return Deposits(event_id, np.column_stack((x, y, z)), energy[of_energy], label)


def read(path) -> Iterator[Deposits]:
    """Yield the events of a LArCV2 file; event_id is the entry."""
    try:
        import uproot
    except ImportError as reason:
        raise ChallengeError("reading LArCV files needs uproot: pip install uproot") from reason
    check_file(path)
    try:
        with uproot.open(path) as file:
            yield from _read(path, file)
    except (*READ_ERRORS, *_MORE_READ_ERRORS, uproot.DeserializationError) as reason:
        raise ChallengeError(f"{path}: not a readable ROOT file, or a damaged one") from reason


def _read(path, file) -> Iterator[Deposits]:
    trees = [_tree(path, file, name) for name in _TREES]
    n_entries = trees[0].num_entries
    if trees[1].num_entries != n_entries:
        raise ChallengeError(f"{path}: the trees {' and '.join(_TREES)} differ in their events")
    branches = [_branch(path, tree, name) for tree in trees for name in _BRANCHES]
    branches += [_branch(path, trees[0], name) for name in _SHAPE_BRANCHES]
    for start in range(0, n_entries, _BLOCK_ENTRIES):
        stop = min(start + _BLOCK_ENTRIES, n_entries)
        columns = [
            branch.array(entry_start=start, entry_stop=stop, library="np") for branch in branches
        ]
        for entry, (*voxels, nx, ny, nz) in enumerate(zip(*columns), start=start):
            where = f"{path}: event {entry}"
            yield deposits_of_entry(where, entry, *voxels, (int(nx), int(ny), int(nz)))


def _tree(path, file, name: str):
    if name not in file:
        raise ChallengeError(f"{path}: expected the tree {name}, found {file.keys(cycle=False)}")
    return file[name]


def _branch(path, tree, name: str):
    """The branch of the member `name`, however deep ROOT split the object."""
    for found in tree.keys(recursive=True):
        if f".{found.split('/')[-1]}".endswith(f".{name}"):
            return tree[found]
    raise ChallengeError(f"{path}: the tree {tree.name} has no branch {name}")

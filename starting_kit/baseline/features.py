"""Features of a voxel's neighbours as a table: one row per voxel, one column per feature.

Distances are in voxels, energies in MeV. The neighbours of a voxel are the nearest voxels with
energy, including the voxel itself; a small event may have fewer than required. Features do not
change if an event is shifted, rotated or mirrored, except by the choice among equal distances.
"""

import numpy as np

# It comes from a compiled module, which a type checker can't read.
from scipy.spatial import cKDTree  # type: ignore[attr-defined]

NEIGHBOURS = (8, 32, 100)
RADII = (3, 8, 20)

_OF_NEIGHBOURS = (
    "radius",  # distance of the farthest
    "mean_distance",
    "offset",  # distance from the voxel to their centroid
    "length",  # standard deviation along their first principal axis
    "flatness",  # that along the second, in units of the first
    "thinness",  # that along the third, in units of the first
    "mean_energy",
    "spread_energy",
    "median_energy",
)
NAMES = (
    "energy",
    "event_voxels",
    "event_energy",
    *(f"{name}_{k}" for k in NEIGHBOURS for name in _OF_NEIGHBOURS),
    *(f"voxels_within_{radius}" for radius in RADII),
)

# Voxels per block: bounds the memory to some 50 MB for events of any size.
_BLOCK = 8192


def voxel_features(coords: np.ndarray, energy: np.ndarray, rows=None) -> np.ndarray:
    """Return features (n, len(NAMES)) float32 of an event: coords (n, 3), energy (n,) in MeV.

    rows: (m,) indices of the voxels whose features are returned, all by default.
    """
    position, energy = np.asarray(coords, np.float32), np.asarray(energy, np.float32)
    rows = np.arange(len(position)) if rows is None else np.asarray(rows)
    features = np.empty((len(rows), len(NAMES)), np.float32)
    if not len(rows):
        return features
    tree = cKDTree(position)
    features[:, 0] = energy[rows]
    features[:, 1] = len(position)
    features[:, 2] = energy.sum(dtype=np.float64)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        centre = position[rows[block]]
        around = _neighbourhoods(tree, position, energy, centre)
        within = [tree.query_ball_point(centre, r, return_length=True) for r in RADII]
        features[block, 3:] = np.column_stack([*around, *within])
    return features


def _neighbourhoods(tree, position, energy, centre):
    """Return the features of each entry of NEIGHBOURS, in the order of NAMES."""
    distance, index = tree.query(centre, k=range(1, min(max(NEIGHBOURS), len(position)) + 1))
    relative, charge = position[index] - centre[:, None], energy[index]
    for k in NEIGHBOURS:
        yield from _shape(distance[:, :k], relative[:, :k])
        nearest = charge[:, :k]
        yield from (nearest.mean(axis=1), nearest.std(axis=1), np.median(nearest, axis=1))


def _shape(distance: np.ndarray, relative: np.ndarray):
    """Return six columns (n,) from distance (n, k) and relative (n, k, 3) of sorted neighbours."""
    centroid = relative.mean(axis=1)
    spread = relative - centroid[:, None]
    covariance = np.matmul(spread.transpose(0, 2, 1), spread) / relative.shape[1]
    # Ascending; rounding can leave a zero slightly negative. A lone voxel has no extent at all.
    third, second, first = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0)).T
    unit = np.where(first > 0, first, 1)
    yield distance[:, -1]
    yield distance.mean(axis=1)
    yield np.linalg.norm(centroid, axis=1)
    yield first
    yield second / unit
    yield third / unit

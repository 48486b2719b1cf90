"""Features of a voxel's neighbourhood, compared with hand values and a dense calculation."""

import numpy as np
import pytest

from baseline import features
from baseline.features import NAMES, NEIGHBOURS, RADII, voxel_features


def column(table, name):
    return table[:, NAMES.index(name)]


def scattered(n=300, seed=3):
    """Positions of which no two are equally far from a third, and energies."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 60, (n, 3)), rng.exponential(size=n)


def test_a_straight_line_of_voxels_is_thin_and_long():
    coords = np.stack([np.arange(50, 71), np.full(21, 9), np.full(21, 180)], 1).astype(np.uint8)
    middle = voxel_features(coords, np.ones(21))[10:11]
    # Itself, three on either side and one of the next two.
    assert column(middle, "radius_8") == 4
    assert column(middle, "mean_distance_8") == (2 * (1 + 2 + 3) + 4) / 8
    assert column(middle, "offset_8") == 4 / 8
    assert column(middle, "length_8") == pytest.approx(np.std([-3, -2, -1, 0, 1, 2, 3, 4]))
    assert column(middle, "flatness_8") == pytest.approx(0, abs=1e-3)
    assert column(middle, "thinness_8") == pytest.approx(0, abs=1e-3)
    assert column(middle, "length_100") == pytest.approx(np.std(np.arange(21)))
    assert column(middle, "voxels_within_3") == 7
    assert column(middle, "voxels_within_8") == 17
    assert column(middle, "voxels_within_20") == 21


def test_every_feature_equals_a_dense_calculation():
    position, energy = scattered()
    table = voxel_features(position, energy)
    assert table.shape == (300, len(NAMES))
    assert table.dtype == np.float32
    difference = position[:, None] - position
    distance = np.sqrt((difference**2).sum(-1))
    expected = {name: np.empty(300) for name in NAMES}
    expected["energy"][:] = energy
    expected["event_voxels"][:] = 300
    expected["event_energy"][:] = energy.sum()
    for i in range(300):
        order = np.argsort(distance[i])
        for radius in RADII:
            expected[f"voxels_within_{radius}"][i] = (distance[i] <= radius).sum()
        for k in NEIGHBOURS:
            near = order[:k]
            spread = np.sqrt(np.linalg.eigvalsh(np.cov(position[near].T, bias=True)))[::-1]
            centroid = position[near].mean(0)
            values = {
                "radius": distance[i, near].max(),
                "mean_distance": distance[i, near].mean(),
                "offset": np.linalg.norm(centroid - position[i]),
                "length": spread[0],
                "flatness": spread[1] / spread[0],
                "thinness": spread[2] / spread[0],
                "mean_energy": energy[near].mean(),
                "spread_energy": np.std(energy[near]),
                "median_energy": np.median(energy[near]),
            }
            for name, value in values.items():
                expected[f"{name}_{k}"][i] = value
    for name in NAMES:
        assert column(table, name) == pytest.approx(expected[name], rel=1e-4, abs=1e-4), name


def test_features_follow_the_voxels_not_their_order_or_the_event_s_place():
    position, energy = scattered()
    table = voxel_features(position, energy)
    order = np.random.default_rng(1).permutation(len(position))
    np.testing.assert_allclose(voxel_features(position[order], energy[order]), table[order], 1e-4)
    turned = (100 - position)[:, [2, 0, 1]] + [7, 30, 0]
    np.testing.assert_allclose(voxel_features(turned, energy), table, 2e-3, 1e-4)


def test_rows_are_those_of_the_whole_table(monkeypatch):
    position, energy = scattered()
    table = voxel_features(position, energy)
    rows = np.array([299, 4, 5, 120])
    np.testing.assert_array_equal(voxel_features(position, energy, rows), table[rows])
    monkeypatch.setattr(features, "_BLOCK", 64)
    np.testing.assert_array_equal(voxel_features(position, energy), table)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_small_events_have_finite_features(n):
    coords = np.arange(3 * n).reshape(n, 3).astype(np.uint8)
    table = voxel_features(coords, np.ones(n, np.float32))
    assert table.shape == (n, len(NAMES))
    assert np.isfinite(table).all()
    assert (column(table, "event_voxels") == n).all()

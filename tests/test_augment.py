"""The augmentation is an exact symmetry of the cube."""

import numpy as np
import pytest
import torch

from baseline.augment import AXES, MIRRORED, N_ORIENTATIONS, fixed_view, random_view, reorient
from baseline.dataset import Ragged


def make_events(counts=(40, 0, 60), seed=0):
    draw = torch.Generator().manual_seed(seed)
    coords = torch.randint(192, (sum(counts), 3), generator=draw).int()
    energy = (torch.randperm(len(coords), generator=draw) + 1) / 1000  # no two alike
    return Ragged(coords, energy, torch.tensor(counts), torch.arange(len(coords)) % 3 + 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def turned(events, orientation, shift=(0, 0, 0)):
    n = len(events)
    return reorient(events, torch.full((n,), orientation), torch.tensor(shift).expand(n, 3))


def test_orientations_are_the_48_signed_permutations():
    """As matrices: distinct, orthogonal, integer, as many rotations as reflections, closed."""
    matrices = []
    for axes, mirrored in zip(AXES.tolist(), MIRRORED.tolist()):
        matrix = np.zeros((3, 3), int)
        for row, (axis, flip) in enumerate(zip(axes, mirrored)):
            matrix[row, axis] = -1 if flip else 1
        matrices.append(matrix)
    keys = {m.tobytes() for m in matrices}
    assert len(keys) == N_ORIENTATIONS == 48
    assert all((m @ m.T == np.eye(3)).all() for m in matrices)
    assert sum(round(np.linalg.det(m)) for m in matrices) == 0
    assert {(a @ b).tobytes() for a in matrices for b in matrices} == keys


@pytest.mark.parametrize("orientation", range(N_ORIENTATIONS))
def test_reorient_equals_numpy_on_the_full_grid(orientation):
    """Against transpose and flip of a dense array, an implementation of its own."""
    events = make_events((300,))
    dense = np.zeros((192, 192, 192), np.float32)
    dense[tuple(events.coords.numpy().T)] = events.energy.numpy()
    mirrored = np.flatnonzero(MIRRORED[orientation].numpy())
    expected = np.flip(np.transpose(dense, AXES[orientation].tolist()), mirrored)
    found = np.zeros_like(dense)
    moved = turned(events, orientation)
    found[tuple(moved.coords.numpy().T)] = moved.energy.numpy()
    assert np.array_equal(found, expected)


def test_reorient_keeps_distances_and_everything_else():
    events = make_events((100,))
    between = torch.cdist(events.coords.double(), events.coords.double())
    for orientation in range(N_ORIENTATIONS):
        moved = turned(events, orientation, (3, 0, 15))
        assert torch.equal(torch.cdist(moved.coords.double(), moved.coords.double()), between)
        assert moved.coords.dtype == torch.int32
        assert moved.energy is events.energy
        assert moved.label is events.label


def test_each_event_has_its_own_orientation_and_shift():
    events = make_events((2, 0, 3))
    orientation, shift = torch.tensor([0, 5, 40]), torch.tensor([[1, 2, 3], [0, 0, 0], [4, 5, 6]])
    together = reorient(events, orientation, shift).coords
    first = turned(events.select(torch.tensor([0])), 0, (1, 2, 3)).coords
    last = turned(events.select(torch.tensor([2])), 40, (4, 5, 6)).coords
    assert torch.equal(together, torch.cat([first, last]))


def test_random_views_reach_all_orientations_and_shifts():
    """One voxel off all mirror planes shows both. 48 x 8 of them in 20,000 draws: a cell that is
    expected 52 times is missed with odds of 1e-20."""
    n = 20_000
    voxel = torch.tensor([[10, 50, 170]], dtype=torch.int32).expand(n, 3)
    events = Ragged(voxel, torch.ones(n), torch.ones(n, dtype=torch.int64))
    seen = random_view(events, 2, generator()).coords
    assert len(torch.unique(seen, dim=0)) == 48 * 8
    assert seen.min() >= 0
    assert seen.max() <= 192


def test_equal_generators_give_equal_events():
    first, second, other = (random_view(make_events(), 16, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first.coords, second.coords)
    assert not torch.equal(first.coords, other.coords)


def test_fixed_views_are_distinct_and_start_with_the_event_itself():
    events = make_events((50, 30))
    for n_views in (1, 8, 48):
        views = [fixed_view(events, view, n_views, 16).coords for view in range(n_views)]
        assert torch.equal(views[0], events.coords)
        assert len({view.numpy().tobytes() for view in views}) == n_views
        again = fixed_view(events, n_views - 1, n_views, 16).coords
        assert torch.equal(again, views[-1])
        assert all(view.min() >= 0 and view.max() <= 191 + 15 for view in views)


def test_a_view_treats_an_event_alike_in_every_batch():
    events = make_events((50, 30))
    alone = fixed_view(events.select(torch.tensor([1])), 3, 8, 16)
    assert torch.equal(fixed_view(events, 3, 8, 16).coords[50:], alone.coords)

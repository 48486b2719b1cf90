"""The augmentation: exact symmetries of the cube, and nothing lost but what is meant to be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baseline.augment import AXES, MIRRORED, N_ORIENTATIONS, augment, fixed_view, reorient
from baseline.config import Config
from baseline.dataset import Ragged

NOTHING = Config(symmetries=False, energy_jitter=0, voxel_dropout=0, dead_slabs=0)


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


def test_symmetries_reach_all_orientations_and_shifts():
    """One voxel off all mirror planes shows both. 48 x 8 of them in 20,000 draws: a cell that is
    expected 52 times is missed with odds of 1e-20."""
    n = 20_000
    voxel = torch.tensor([[10, 50, 170]], dtype=torch.int32).expand(n, 3)
    events = Ragged(voxel, torch.ones(n), torch.ones(n, dtype=torch.int64))
    seen = augment(events, Config(symmetries=True), 2, generator()).coords
    assert len(torch.unique(seen, dim=0)) == 48 * 8
    assert seen.min() >= 0
    assert seen.max() <= 192


def test_no_augmentation_changes_nothing():
    events = make_events()
    assert augment(events, NOTHING, 16, generator()) is events


def test_equal_generators_give_equal_events():
    config = Config(symmetries=True, energy_jitter=0.1, voxel_dropout=0.2, dead_slabs=2)
    first, second, other = (augment(make_events(), config, 16, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first.coords, second.coords)
    assert torch.equal(first.energy, second.energy)
    assert not torch.equal(first.energy, other.energy)


def test_energy_jitter_scales_whole_events():
    """Log-normal: over 4,000 events the spread is 0.1 within 0.005, 4.5 sigma."""
    events = make_events((3,) * 4000)
    scaled = augment(events, replace(NOTHING, energy_jitter=0.1), 16, generator())
    ratio = torch.log(scaled.energy / events.energy).view(4000, 3)
    torch.testing.assert_close(ratio, ratio[:, :1].expand(-1, 3), rtol=0, atol=1e-6)
    assert abs(float(ratio[:, 0].std()) - 0.1) < 0.005


def test_voxel_dropout_keeps_the_rest_in_order():
    """10,000 voxels, a tenth left out: 9,000 within 150, 5 sigma."""
    events = make_events((4000, 0, 6000))
    kept = augment(events, replace(NOTHING, voxel_dropout=0.1), 16, generator())
    assert abs(kept.n_voxels - 9000) < 150
    assert len(kept) == 3
    assert int(kept.length.sum()) == kept.n_voxels
    rows = torch.isin(events.energy, kept.energy).nonzero()[:, 0]
    assert torch.equal(events.label[rows], kept.label)
    assert torch.equal(torch.bincount(events.event[rows], minlength=3), kept.length)


def test_dead_slabs_are_planes():
    """What is missing of a full plane grid spans its axis' slab and nothing else."""
    axis = torch.arange(0, 192)
    line = torch.stack([axis, torch.full_like(axis, 7), torch.full_like(axis, 9)], 1).int()
    n = 600
    events = Ragged(line.repeat(n, 1), torch.ones(192 * n), torch.full((n,), 192))
    cut = augment(events, replace(NOTHING, dead_slabs=1), 16, generator())
    lost = 192 - cut.length
    # A slab across x takes up to 4 neighbours; one across y or z takes none or (1 in 50) the line.
    assert set(lost.unique().tolist()) <= {0, 1, 2, 3, 4, 192}
    assert {1, 2, 3, 4} <= set(lost.unique().tolist())
    for event in torch.nonzero((lost > 0) & (lost < 192))[:20, 0]:
        x = cut.coords[cut.event == event, 0]
        missing = sorted(set(range(192)) - set(x.tolist()))
        assert missing == list(range(missing[0], missing[0] + len(missing)))


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

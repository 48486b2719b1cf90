"""Deposits are divided among voxels, summed and cropped correctly."""

import numpy as np
import pytest

from lartpc_challenge.cycles import CYCLES, find_cycle
from lartpc_challenge.format import ChallengeError
from organizer.convert.converted import Counts, Settings, choose_voxel_mm, convert
from organizer.convert.crops import crop_origin, tile_corners
from organizer.convert.deposits import Grid, Segments, SourceEvent, Voxels
from organizer.convert.placing import cut, split_by_cell, split_voxels
from organizer.convert.taxonomy import Kind

EM, OTHER, PROTON = 1, 2, 3
GRID = Grid(np.full(3, 3.0), np.zeros(3))


def source(cells, energy, kind, grid=GRID, **more) -> SourceEvent:
    place = Voxels(np.array(cells, np.int64).reshape(-1, 3), grid)
    kinds = None if kind is None else np.array(kind, np.uint8)
    return SourceEvent(0, 5, (-1, -1, 5), place, np.array(energy, float), kinds, **more)


def converted(item, cycle=2, threshold=0.05, crop="densest", voxel_mm=3.0, counts=None):
    settings = Settings(CYCLES[cycle], voxel_mm, threshold, crop)
    counts = Counts() if counts is None else counts
    return list(convert(item, settings, counts, item.kind is not None))


def only(item, **settings):
    (found,) = converted(item, **settings)
    return found.event


def test_a_voxel_has_the_class_that_left_most_in_it():
    item = source([[1, 2, 3]] * 3, [0.5, 0.3, 0.3], [Kind.SHOWER, Kind.MIP, Kind.PROTON])
    assert only(item).label.tolist() == [EM]
    # In cycle 1 protons are among the others, who now left 0.6.
    assert only(item, cycle=1).label.tolist() == [OTHER]
    assert only(item).energy == pytest.approx(1.1)


def test_the_threshold_cuts_voxels_not_deposits():
    item = source([[1, 2, 3]] * 3 + [[4, 5, 6]], [0.02] * 4, [Kind.SHOWER] * 4)
    event = only(item)
    assert event.coords.tolist() == [[1, 2, 3]]
    assert (event.coords.dtype, event.energy.dtype, event.label.dtype) == ("u1", "f4", "u1")


def test_charge_without_a_class_counts_as_energy_but_gives_no_label():
    item = source([[1, 2, 3]] * 2 + [[4, 5, 6]], [0.1, 9.0, 1.0], [Kind.DELTA, 0, 0])
    counts = Counts()
    (found,) = converted(item, counts=counts)
    assert found.event.energy.tolist() == pytest.approx([9.1])
    assert found.event.label.tolist() == [EM]
    assert counts.no_class_mev == pytest.approx(1.0)


def test_a_source_without_classes_makes_events_without_labels():
    event = only(source([[1, 2, 3], [4, 5, 6]], [1.0, 2.0], None))
    assert event.label is None
    assert event.energy.tolist() == [1, 2]


def test_an_event_within_the_grid_stays_where_it_is():
    item = source([[0, 3, 191], [5, 5, 0]], [1.0, 2.0], [Kind.SHOWER, Kind.MIP])
    assert only(item).coords.tolist() == [[0, 3, 191], [5, 5, 0]]


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
    event = only(source(np.vstack([many, few]), energy, [Kind.SHOWER] * 55))
    assert event.energy.sum() == pytest.approx(50)


def test_deposits_light_years_apart_are_a_mistake():
    item = source([[0, 0, 0], [2**40, 2**40, 2**40]], [1.0, 1.0], [Kind.MIP] * 2)
    with pytest.raises(ChallengeError, match="km apart; a coordinate or its unit is wrong"):
        converted(item)


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


def test_the_crop_around_the_vertex():
    item = source([[1000, 0, 0], [1005, 3, 2], [2000, 0, 0]], [1.0, 1.0, 9.0], [Kind.MIP] * 3,
                  vertex_mm=np.array([3000.0, 0.0, 0.0]))  # fmt: skip
    (found,) = converted(item, crop="vertex")
    assert found.event.coords.tolist() == [[96, 96, 96], [101, 99, 98]]
    assert found.origin_mm.tolist() == [3 * (1000 - 96), -3 * 96, -3 * 96]


def test_no_vertex_is_said():
    with pytest.raises(ChallengeError, match="event 5: the source has no vertex"):
        converted(source([[1, 1, 1]], [1.0], [Kind.MIP]), crop="vertex")


def test_tiles_lose_nothing_and_overlap_nowhere():
    rng = np.random.default_rng(3)
    cells = np.unique(rng.integers([-500, 0, 7], [600, 150, 300], (3000, 3)), axis=0)
    energy = rng.exponential(size=len(cells)) + 0.06
    counts = Counts()
    found = converted(source(cells, energy, [Kind.MIP] * len(cells)), crop="tiles", counts=counts)
    assert len(found) == 6 * 1 * 2  # 1,100 x 150 x 293 voxels
    assert {item.entry for item in found} == {0}
    assert [item.event.event_id for item in found] == list(range(12))
    back = np.vstack([i.event.coords + np.round(i.origin_mm / 3).astype(int) for i in found])
    order = np.lexsort(back.T[::-1])
    np.testing.assert_array_equal(back[order], cells)
    energies = np.concatenate([item.event.energy for item in found])[order]
    np.testing.assert_allclose(energies, energy, rtol=1e-6)
    assert counts.kept_mev == pytest.approx(counts.read_mev)


def test_an_event_of_one_cube_is_one_tile():
    assert [c.tolist() for c in tile_corners(np.array([[5, 6, 191]]))] == [[0, 0, 0]]
    (corner,) = tile_corners(np.array([[-300, 0, 0], [-110, 5, 5]]))
    assert (np.array([[-300, 0, 0], [-110, 5, 5]]) - corner).min() >= 0
    assert (np.array([[-300, 0, 0], [-110, 5, 5]]) - corner).max() < 192


# ---- segments


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


# ---- voxels of another size


def test_a_voxel_of_two_is_eight_of_ours():
    row, cell, share = split_voxels(np.array([[1, -1, 0]]), np.array([2.0, 2.0, 2.0]))
    expected = {(x, y, z): 1 / 8 for x in (2, 3) for y in (-2, -1) for z in (0, 1)}
    assert dict(zip(map(tuple, cell.tolist()), share.tolist())) == pytest.approx(expected)
    assert row.tolist() == [0] * 8


def test_smaller_voxels_are_shared_by_volume():
    # Voxel 1 of 0.75 reaches from 0.75 to 1.5: a third lies in cell 0, the rest in cell 1.
    _, cell, share = split_voxels(np.array([[1, 0, 0]]), np.array([0.75, 0.5, 0.5]))
    found = dict(zip(map(tuple, cell.tolist()), share.tolist()))
    assert found == pytest.approx({(0, 0, 0): 1 / 3, (1, 0, 0): 2 / 3})


def test_resampling_agrees_with_points_in_each_voxel():
    rng = np.random.default_rng(4)
    index, ratio = rng.integers(-20, 20, (10, 3)), np.array([3.316, 0.7, 1.9])
    row, cell, share = split_voxels(index, ratio)
    for i in range(len(index)):
        points = (index[i] + rng.random((40_000, 3))) * ratio
        cells, counts = np.unique(np.floor(points).astype(int), axis=0, return_counts=True)
        mine = {tuple(c): s for c, s in zip(cell[row == i].tolist(), share[row == i])}
        for where, count in zip(map(tuple, cells.tolist()), counts):
            # Five standard deviations of a binomial share, at most half a percent each.
            assert mine[where] == pytest.approx(count / 40_000, abs=5 * 0.5 / 200)
        assert sum(mine.values()) == pytest.approx(1)


def test_a_track_keeps_its_length_whatever_the_size_of_its_voxels():
    """A track of 48 LArCV voxels of 9.95 mm along x is 477.6 mm or 159.2 of our voxels long."""
    grid = Grid(np.full(3, 9.95), np.array([128.7, -1001.6, 6042.0]))
    cells = [[i, 40, 40] for i in range(48)]
    item = source(cells, [5.0] * 48, [Kind.PROTON] * 48, grid=grid)
    (found,) = converted(item, threshold=0.0)
    extent = np.ptp(found.event.coords.astype(int), axis=0) + 1
    assert extent[0] in (160, 161)
    assert set(extent[1:].tolist()) <= {4, 5}
    assert found.event.energy.sum(dtype=float) == pytest.approx(240, rel=1e-5)
    assert found.source_voxel_mm.tolist() == [9.95] * 3
    # The first voxel of ours lies where the first one of the source begins.
    low = found.origin_mm + 3.0 * found.event.coords.min(axis=0)
    np.testing.assert_allclose(low, grid.origin_mm + 9.95 * np.array([0, 40, 40]), atol=3)


def test_pieces_come_in_blocks_and_add_up(monkeypatch):
    monkeypatch.setattr("organizer.convert.placing._BLOCK_PIECES", 64)
    rng = np.random.default_rng(5)
    grid = Grid(np.full(3, 7.0), np.zeros(3))
    cells = rng.integers(0, 20, (50, 3))
    item = source(cells, rng.exponential(size=50), [Kind.MIP] * 50, grid=grid)
    blocks = list(cut(item.place, 3.0))
    assert len(blocks) > 5
    shares = np.bincount(
        np.concatenate([b.row for b in blocks]), np.concatenate([b.share for b in blocks])
    )
    np.testing.assert_allclose(shares, 1)
    event = only(item, threshold=0.0)
    assert len(np.unique(event.coords, axis=0)) == len(event)
    assert event.energy.sum(dtype=float) == pytest.approx(item.energy_mev.sum(), rel=1e-5)


def test_segments_at_another_size():
    place = Segments(np.array([[0.5, 0.5, 0.5]]), np.array([[5.5, 0.5, 0.5]]))
    item = SourceEvent(0, 0, (-1, -1, 0), place, np.array([5.0]), np.array([Kind.MIP], np.uint8))
    assert only(item, voxel_mm=1.0).energy.tolist() == pytest.approx([0.5, 1, 1, 1, 1, 0.5])


def test_of_a_labelled_source_an_event_without_classes_has_none():
    item = source([[1, 2, 3]], [1.0], None)
    settings = Settings(CYCLES[2], 3.0, 0.05, "densest")
    (found,) = convert(item, settings, Counts(), is_labelled=True)
    assert len(found.event) == 0
    (found,) = convert(source([[1, 2, 3]], [1.0], [Kind.MIP]), settings, Counts(), False)
    assert found.event.label is None


def test_precedence_where_a_cycle_has_one():
    item = source(
        [[1, 2, 3]] * 2 + [[4, 5, 6]] * 2,
        [0.9, 0.1, 0.2, 0.8],
        [Kind.SHOWER, Kind.PROTON, Kind.SHOWER, Kind.MIP],
    )
    settings = Settings(CYCLES[2], 3.0, 0.05, "densest", ("proton", "electron/positron"))
    (found,) = convert(item, settings, Counts())
    assert found.event.label.tolist() == [PROTON, EM]
    assert only(item).label.tolist() == [EM, OTHER]


GENERAL = find_cycle("general")


def test_the_size_of_voxels_is_the_cycles_unless_that_takes_any():
    coarse = source(
        [[1, 2, 3]], [1.0], [Kind.MIP], Grid(np.array([9.948, 9.943, 9.954]), np.ones(3))
    )
    assert choose_voxel_mm(3.0, coarse, CYCLES[2]) == 3
    for asked in (5.0, None):
        with pytest.raises(ChallengeError, match="the voxels of cycle 2 have 3 mm, not"):
            choose_voxel_mm(asked, coarse, CYCLES[2])
    assert choose_voxel_mm(5.0, coarse, GENERAL) == 5
    assert choose_voxel_mm(None, coarse, GENERAL) == pytest.approx(9.9483)
    # As they are: not cut, not moved.
    (found,) = converted(coarse, voxel_mm=choose_voxel_mm(None, coarse, GENERAL))
    assert found.event.coords.tolist() == [[1, 2, 3]]


def test_voxels_that_are_no_cubes_cannot_be_kept():
    flat = source([[1, 2, 3]], [1.0], [Kind.MIP], Grid(np.array([3.0, 3.0, 5.0]), np.zeros(3)))
    with pytest.raises(ChallengeError, match="are not cubes"):
        choose_voxel_mm(None, flat, GENERAL)
    place = Segments(np.zeros((1, 3)), np.ones((1, 3)))
    item = SourceEvent(0, 0, (-1, -1, 0), place, np.ones(1), None)
    with pytest.raises(ChallengeError, match="its deposits are not voxels"):
        choose_voxel_mm(None, item, GENERAL)

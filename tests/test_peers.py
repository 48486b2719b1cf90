"""The network's peers: dense inputs beside plain slices, paired errors by hand, runs that go on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_tiny
from toy import labels, make_events, make_events_file, offsets

from baseline.dataset import Ragged
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import GRID_SIZE, ChallengeError

SHIPPED = str(Path(__file__).parents[1] / "baseline_submission")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from peers import dense  # noqa: E402
from peers.results import Results  # noqa: E402

spec = importlib.util.spec_from_file_location("peers_command", BENCHMARKS / "peers.py")
command = importlib.util.module_from_spec(spec)
spec.loader.exec_module(command)


@pytest.fixture
def events():
    """Six small events across the borders of tiles and at the detector's."""
    rng = np.random.default_rng(3)
    length = torch.tensor([40, 50, 1, 60, 30, 45])
    cells = [rng.choice(12**3, n, replace=False) for n in length.tolist()]
    coords = np.stack(np.unravel_index(np.concatenate(cells), (12, 12, 12)), 1)
    corner = [GRID_SIZE // 4 - 6, 0, GRID_SIZE - 12]
    return Ragged(
        torch.tensor(coords + corner, dtype=torch.int32),
        torch.tensor(rng.exponential(size=len(coords)), dtype=torch.float32),
        length,
        torch.tensor(rng.integers(1, 4, len(coords))),
    )


def test_a_crop_is_the_padded_event_around_its_voxel(events):
    rows = torch.tensor([events.n_voxels - 1, 0, 7])
    crops = dense.CropNetwork(3).crops(events, rows)
    half = dense.CropNetwork.side // 2
    for crop, row in zip(crops, rows):
        mine = events.event == events.event[row]
        image = np.zeros([GRID_SIZE] * 3, np.float32)
        image[tuple(events.coords[mine].T)] = events.energy[mine]
        image = np.pad(image * (255 / image.max()), half)
        x, y, z = events.coords[row].tolist()
        side = 2 * half + 1
        np.testing.assert_allclose(crop[0], image[x : x + side, y : y + side, z : z + side], 1e-6)


def test_tiles_side_by_side_hold_every_voxel_once(events):
    network = dense.TileNetwork(3)
    order, tiles = network.all_tiles(events)
    assert torch.equal(order.sort().values, torch.arange(events.n_voxels))
    assert torch.equal(tiles.energy, events.energy[order])
    assert ((tiles.coords >= 0) & (tiles.coords < network.side)).all()
    corner = events.coords[order] - tiles.coords
    for tile in range(len(tiles)):
        of_tile = tiles.event == tile
        assert len(corner[of_tile].unique(dim=0)) == 1
        assert len(events.event[order][of_tile].unique()) == 1


def test_random_tiles_hold_voxels_of_their_event_with_their_labels(events):
    network = dense.TileNetwork(3)
    tiles = network.random_tiles(events, torch.Generator().manual_seed(1))
    assert len(tiles) == len(events)
    assert (tiles.length >= 1).all()
    assert ((tiles.coords >= 0) & (tiles.coords < network.side)).all()
    known = {(e, x): c for e, x, c in zip(*map(torch.Tensor.tolist, _columns(events)))}
    for voxel in zip(*map(torch.Tensor.tolist, _columns(tiles))):
        assert known[voxel[:2]] == voxel[2]


def _columns(events):
    return events.event, events.energy, events.label


@pytest.mark.parametrize("kind", [dense.CropNetwork, dense.TileNetwork])
def test_dense_networks_train_and_answer_each_event_alone(kind, events):
    network = kind(3)
    network.batch = 2
    before = [parameter.clone() for parameter in network.parameters()]
    assert dense.train(network, events, 1e-3) == 2
    assert not all(map(torch.equal, before, network.parameters()))
    last = events.select(torch.tensor([5]))
    alone, together = dense.predict(network, last), dense.predict(network, events)
    assert torch.equal(alone, together[-len(alone) :])


COLUMNS = {"train_events": 300, "cpu_seconds": 1, "how": "by hand", "data": "0"}


def test_paired_errors(tmp_path):
    results, labelled = Results(tmp_path), np.full(4, 100)
    peer = results.add((1, "boosting", "300"), np.array([90, 80, 60, 70]), labelled, **COLUMNS)
    ours = results.add((1, "network", "300"), np.array([95, 90, 80, 85]), labelled, **COLUMNS)
    gain, gain_se, share, share_se = results.paired(ours, peer)
    assert (gain, share) == pytest.approx((0.125, 0.5))
    # Half the errors in every event: the share is certain, the difference spreads as they do.
    assert share_se == pytest.approx(0, abs=1e-12)
    assert gain_se == pytest.approx(np.std([5, 10, 20, 15], ddof=1) / 100 / 2)
    assert "| 0.1250 ± 0.0323 |" in Results(tmp_path).report()


def test_a_share_s_error_is_the_bootstrap_s(tmp_path):
    """Of 400 events and 2,000 resamplings, whose own spread is 1.6 %: 10 % are six of them."""
    rng = np.random.default_rng(1)
    labelled = np.full(400, 1000)
    wrong = rng.binomial(1000, rng.beta(2, 30, 400))
    results = Results(tmp_path)
    ours = results.add((1, "network", "300"), 1000 - wrong // 2, labelled, **COLUMNS)
    theirs = wrong // 2 + rng.binomial(1000, 0.03, 400)
    peer = results.add((1, "boosting", "300"), 1000 - theirs, labelled, **COLUMNS)
    drawn = rng.integers(400, size=(2000, 400))
    shares = 1 - (wrong // 2)[drawn].sum(1) / theirs[drawn].sum(1)
    *_, share, share_se = results.paired(ours, peer)
    assert share == pytest.approx(shares.mean(), abs=0.01)
    assert share_se == pytest.approx(shares.std(), rel=0.1)


def test_different_test_events_are_never_compared(tmp_path):
    results = Results(tmp_path)
    ours = results.add((1, "network", "300"), np.array([1, 2]), np.array([3, 4]), **COLUMNS)
    peer = results.add((1, "boosting", "300"), np.array([1, 2]), np.array([3, 5]), **COLUMNS)
    with pytest.raises(ChallengeError, match="were asked different events"):
        results.paired(ours, peer)


@pytest.fixture
def tiny(tmp_path):
    return make_tiny(tmp_path / "tiny", baseline=False)


def arguments(tiny, cycle: int, *more) -> list[str]:
    folder, out = tiny.folder, tiny.folder / "out"
    files = (
        "--train",
        folder / f"cycle{cycle}_train.h5",
        "--test",
        folder / f"cycle{cycle}_test.h5",
    )
    options = (*files, "--references", folder / "reference_data", "--out", out)
    return [*map(str, options), "--methods", *more]


def test_truth_comes_from_the_references(tiny, tmp_path):
    with EventFile(tiny.folder / "cycle2_test.h5") as test:
        path = command.with_truth(test, tiny.folder / "reference_data", tmp_path)
    with EventFile(path) as events:
        np.testing.assert_array_equal(events.column("label"), labels(tiny.test[2]))
        np.testing.assert_array_equal(events.offset, offsets(tiny.test[2]))


def test_a_truth_that_is_not_there_is_asked_for(tiny, tmp_path):
    with (
        EventFile(tiny.folder / "cycle2_train.h5") as other,
        pytest.raises(ChallengeError, match="no labels for event"),
    ):
        command.with_truth(other, tiny.folder / "reference_data", tmp_path)


def test_calls_add_up_and_keep_what_is_there(tiny, capsys):
    for cycle in (1, 2):
        assert (
            command.main(arguments(tiny, cycle, "majority", "boosting", "--sizes", "2", "all")) == 0
        )
    rows = Results(tiny.folder / "out").rows
    assert {(c, m, s) for c in (1, 2) for m, s in _asked} == set(rows)
    assert {rows[key].train_events for key in rows if key[2] == "2"} == {2}
    report = (tiny.folder / "out/peers.md").read_text()
    assert all(f"{row.acc_mean:.4f} ±" in report for row in rows.values())
    assert (tiny.folder / "out/learning_curves.png").stat().st_size > 10_000
    capsys.readouterr()
    assert command.main(arguments(tiny, 1, "majority", "threshold", "boosting")) == 0
    done = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cycle 1, ")]
    assert len(done) == 1
    assert "threshold" in done[0]


_asked = [("majority", "all"), ("boosting", "2"), ("boosting", "all")]


def test_other_data_replace_a_row(tiny, capsys):
    for _ in range(2):
        assert command.main(arguments(tiny, 1, "majority")) == 0
        before = capsys.readouterr().out
    assert "cycle 1, majority" not in before
    make_events_file(
        tiny.folder / "cycle1_train.h5", make_events(3, cycle=1, seed=9), kind="train", cycle=1
    )
    assert command.main(arguments(tiny, 1, "majority")) == 0
    assert "cycle 1, majority, all events" in capsys.readouterr().out
    (row,) = Results(tiny.folder / "out").rows.values()
    assert row.train_events == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("boosting", "--sizes", "9"), "holds 4 events, asked for 9"),
        (("network", "--checkpoint", "no.pt"), "no.pt: No such file"),
        (("majority", "--train", "no.h5"), "no.h5: no such file"),
        (("majority", "--test", "TINY/cycle2_test.h5"), "is not of cycle 1"),
        (("majority", "--references", "nowhere"), "nowhere"),
        (("majority", "--out", "TINY/cycle1_test.h5"), "cycle1_test.h5"),
        (("network", "--checkpoint", "SHIPPED/cycle2/model.pt"), "was trained on cycle 2"),
    ],
)
def test_rubbish_ends_in_a_sentence(tiny, more, message, capsys):
    more = [word.replace("TINY", str(tiny.folder)).replace("SHIPPED", SHIPPED) for word in more]
    assert command.main(arguments(tiny, 1, *more)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", ["", "cycle,method\n1,network\n", "\0\1", "cycle\nx\n"])
def test_a_table_of_something_else_is_left_alone(tiny, content, capsys):
    out = tiny.folder / "out"
    out.mkdir()
    (out / "peers.csv").write_text(content)
    assert command.main(arguments(tiny, 1, "majority")) == 1
    assert "not a table of this program" in capsys.readouterr().err
    assert (out / "peers.csv").read_text() == content

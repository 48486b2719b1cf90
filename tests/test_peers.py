"""The network's peers: curves and patches by their definition, dense inputs beside plain slices,
paired errors by hand, runs that go on."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_tiny
from toy import labels, make_events, make_events_file, offsets

from baseline.config import PRESETS
from baseline.dataset import Ragged
from baseline.model import UResNet
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import GRID_SIZE, ChallengeError

SHIPPED = str(Path(__file__).parents[1] / "baseline_submission")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from networks.dense import Network  # noqa: E402
from peers import dense, graph, methods, space_curves, timed, transformer  # noqa: E402
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


def test_hilberts_curve_fills_a_cube_by_steps_of_one():
    cube = torch.cartesian_prod(*[torch.arange(16)] * 3)
    place = space_curves.hilbert(cube)
    assert torch.equal(place.sort().values, torch.arange(16**3))
    steps = cube[place.argsort()].diff(dim=0)
    assert (steps.abs().sum(1) == 1).all()


def test_the_z_curve_takes_the_bits_by_turns():
    coords = torch.tensor([[0, 0, 1], [0, 1, 0], [1, 0, 0], [5, 6, 255], [255, 255, 255]])
    expected = [
        int("".join(a + b + c for a, b, c in zip(*(f"{int(v):08b}" for v in row))), 2)
        for row in coords
    ]
    assert space_curves.z_order(coords).tolist() == expected


def test_patches_hold_each_voxel_once_of_one_event_and_in_order():
    length = torch.tensor([200, 1, 64, 65])
    event = torch.repeat_interleave(length)
    place = torch.from_numpy(np.random.default_rng(1).permutation(len(event)))
    patches = transformer.cut(event, place)
    assert patches.filled.sum(1).tolist() == [50, 50, 50, 50, 1, 64, 33, 32]
    rows = patches.row[patches.filled]
    assert torch.equal(rows.sort().values, torch.arange(len(event)))
    assert torch.equal(patches.row.flatten()[patches.slot], torch.arange(len(event)))
    assert torch.equal(event[rows], event)
    for start, n in zip(length.cumsum(0) - length, length):
        assert (place[rows][start : start + n].diff() > 0).all()


def make_peers() -> dict[str, timed.Peer]:
    """Each method that trains for a time, for two classes, so small that it learns in a second."""
    small = replace(PRESETS["quick"], filters=8, depth=3, blocks=1)
    crops, tiles = (timed.seeded(kind, 2) for kind in (dense.CropNetwork, dense.TileNetwork))
    crops.batch = 16
    for layer in crops.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    tiles.side, tiles.network = 16, timed.seeded(Network, small, 2, 16)
    return {
        "crop CNN": crops,
        "dense U-Net": tiles,
        "graph": timed.EventNetwork(timed.seeded(graph.GraphPeer, 2), 4e-3),
        "transformer": timed.EventNetwork(timed.seeded(transformer.PointTransformer, 2), 2e-3),
        "network": timed.EventNetwork(timed.seeded(UResNet, small, 2), 4e-3),
    }


@pytest.mark.parametrize("name", make_peers())
def test_each_learns_and_answers_each_event_alone(name, events):
    """Classes that the energy tells apart, 148 to 78 voxels."""
    torch.set_num_threads(1)
    label = 1 + (events.truth > 1).long()
    events = replace(events, label=label, energy=10.0 ** (2 * label - 3))
    peer = make_peers()[name]
    # The two that see a part of an event at a time are slow to learn; the others need 0.3 s.
    seconds = 1.0 if name in ("crop CNN", "dense U-Net") else 0.5
    assert timed.train(peer, events, seconds) >= peer.batch
    pred = timed.predict(peer, events)
    assert (pred + 1 == label).float().mean() > 0.75
    last = events.select(torch.tensor([5]))
    assert torch.equal(timed.predict(peer, last), pred[-last.n_voxels :])


@pytest.mark.parametrize("name", ["transformer", "network"])
def test_the_order_of_voxels_does_not_matter(name, events):
    """Up to rounding. A graph's neighbours at equal distance are any."""
    peer = make_peers()[name].eval()
    one = events.select(torch.tensor([3]))
    order = torch.from_numpy(np.random.default_rng(2).permutation(one.n_voxels))
    turned = replace(one, coords=one.coords[order], energy=one.energy[order], label=None)
    with torch.inference_mode():
        torch.testing.assert_close(
            peer.logits(turned), peer.logits(one)[order], atol=1e-4, rtol=1e-4
        )


def test_patches_reach_across_gaps_that_convolutions_cannot_cross(events):
    """Attention joins all voxels of a patch: a far one's energy changes what is said of another."""
    network = timed.seeded(transformer.PointTransformer, 3).eval()
    far = Ragged(torch.tensor([[0, 0, 0], [190, 190, 190]]).int(), torch.ones(2), torch.tensor([2]))
    with torch.inference_mode():
        before = network(far)[0]
        after = network(replace(far, energy=torch.tensor([1.0, 5.0])))[0]
    assert not torch.allclose(before, after, atol=1e-3)


def test_the_time_is_kept_and_the_schedule_climbs_and_falls():
    class Clock(timed.Peer):
        unit, batch, peak_rate = "steps", 1, 1.0

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.at = []

        def loss(self, events, step):
            self.at.append(float(self.weight.detach()))
            return self.weight.sum() + torch.rand(300, 300).mm(torch.rand(300, 300)).sum() * 0

    peer = Clock()
    begun = timed.os.times().user
    timed.train(peer, None, 0.5)
    assert 0.5 <= timed.os.times().user - begun < 2
    steps = -np.diff(peer.at)  # AdamW moves by the learning rate, where the gradient is constant
    assert steps[0] < 0.5 * steps.max()
    assert steps[-1] < 0.1 * steps.max()
    assert 0.02 < np.argmax(steps) / len(steps) < 0.3


def test_neighbours_are_near_and_of_the_same_event(events):
    found = graph.neighbours(events)
    assert found.shape == (events.n_voxels, 24)
    assert torch.equal(events.event[found], events.event[:, None].expand(-1, 24))
    assert torch.equal(found[:, 0], torch.arange(events.n_voxels))  # the nearest is itself
    first = events.coords[: int(events.length[0])].double()
    nearest = torch.cdist(first, first).sort(1).values[:, :12]
    away = (first[found[: len(first), :12]] - first[:, None]).norm(dim=2)
    torch.testing.assert_close(away, nearest)


def test_one_recipe_at_every_size():
    usual = methods.RECIPE
    for n in (300, 1000, 3000, 10_000):
        config = methods.recipe(n)
        assert replace(config, epochs=usual.epochs) == usual
        assert methods.described(config) == f"{config.epochs} epochs"
    assert methods.recipe(10_000) == usual
    assert methods.recipe(1500).epochs == 2 * usual.epochs
    assert methods.described(replace(usual, filters=7)).endswith(" epochs, filters 7")


COLUMNS = {"train_seconds": 1, "predict_ms": 2.0, "how": "by hand", "data": "0"}


def test_paired_errors(tmp_path):
    results, labelled = Results(tmp_path), np.full(4, 100)
    peer = results.add((1, "boosting", 300), np.array([90, 80, 60, 70]), labelled, **COLUMNS)
    ours = results.add((1, "network", 300), np.array([95, 90, 80, 85]), labelled, **COLUMNS)
    gain, gain_se, share, share_se = results.paired(ours, peer)
    assert (gain, share) == pytest.approx((0.125, 0.5))
    # Half the errors in every event: the share is certain, the difference spreads as they do.
    assert share_se == pytest.approx(0, abs=1e-12)
    assert gain_se == pytest.approx(np.std([5, 10, 20, 15], ddof=1) / 100 / 2)
    assert "| its errors less the network's | 12.50 ± 3.23 |" in Results(tmp_path).report()


def test_a_share_s_error_is_the_bootstrap_s(tmp_path):
    """Of 400 events and 2,000 resamplings, whose own spread is 1.6 %: 10 % are six of them."""
    rng = np.random.default_rng(1)
    labelled = np.full(400, 1000)
    wrong = rng.binomial(1000, rng.beta(2, 30, 400))
    results = Results(tmp_path)
    ours = results.add((1, "network", 300), 1000 - wrong // 2, labelled, **COLUMNS)
    theirs = wrong // 2 + rng.binomial(1000, 0.03, 400)
    peer = results.add((1, "boosting", 300), 1000 - theirs, labelled, **COLUMNS)
    drawn = rng.integers(400, size=(2000, 400))
    shares = 1 - (wrong // 2)[drawn].sum(1) / theirs[drawn].sum(1)
    *_, share, share_se = results.paired(ours, peer)
    assert share == pytest.approx(shares.mean(), abs=0.01)
    assert share_se == pytest.approx(shares.std(), rel=0.1)


def test_different_test_events_are_never_compared(tmp_path):
    results = Results(tmp_path)
    ours = results.add((1, "network", 300), np.array([1, 2]), np.array([3, 4]), **COLUMNS)
    peer = results.add((1, "boosting", 300), np.array([1, 2]), np.array([3, 5]), **COLUMNS)
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
        call = arguments(tiny, cycle, "boosting", "majority", "--sizes", "2", "4")
        assert command.main([*call, "--equal-size", "3"]) == 0
    rows = Results(tiny.folder / "out").rows
    kinds = [("majority", 3), ("boosting", 2), ("boosting", 4)]
    assert {(c, *kind) for c in (1, 2) for kind in kinds} == set(rows)
    capsys.readouterr()
    again = arguments(tiny, 1, "majority", "threshold", "boosting", "--sizes", "2")
    assert command.main([*again, "--equal-size", "3"]) == 0
    done = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cycle 1, ")]
    assert len(done) == 1
    assert "threshold" in done[0]


def test_a_learning_curve_and_equal_times(tiny, capsys, monkeypatch):
    monkeypatch.setattr(methods, "RECIPE", replace(PRESETS["quick"], epochs=1, views=1))
    monkeypatch.setattr(methods, "RECIPE_EVENTS", 3)
    named = ["boosting", "network", "network_same_time", "graph"]
    call = arguments(tiny, 1, *named, "--sizes", "3", "--equal-size", "3", "--seconds", "1")
    assert command.main(call) == 0
    elsewhere = f"40={tiny.folder}/out/cycle1_network_3/best.pt"
    assert command.main([*call, "--checkpoints", elsewhere]) == 0
    rows = Results(tiny.folder / "out").rows
    assert {key[1:] for key in rows} == {
        ("boosting", 3), ("network", 3), ("network", 40), ("network_same_time", 3), ("graph", 3),
    }  # fmt: skip
    report = (tiny.folder / "out/peers.md").read_text()
    assert all(f"{row.acc_mean:.4f} ±" in report for row in rows.values())
    assert (tiny.folder / "out/learning_curves.png").stat().st_size > 10_000
    # The training is there: a call for other test events goes on from it.
    last = (tiny.folder / "out/cycle1_network_3/last.pt").read_bytes()
    capsys.readouterr()
    assert command.main(call) == 0
    assert "acc_mean" not in capsys.readouterr().out.partition("###")[0]
    assert (tiny.folder / "out/cycle1_network_3/last.pt").read_bytes() == last


def test_other_data_replace_a_row(tiny, capsys):
    call = [*arguments(tiny, 1, "majority"), "--equal-size", "3"]
    for _ in range(2):
        assert command.main(call) == 0
        before = capsys.readouterr().out
    assert "cycle 1, majority" not in before
    make_events_file(
        tiny.folder / "cycle1_train.h5", make_events(3, cycle=1, seed=9), kind="train", cycle=1
    )
    assert command.main(call) == 0
    assert "cycle 1, majority, 3 events" in capsys.readouterr().out
    assert len(Results(tiny.folder / "out").rows) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("boosting", "--sizes", "9"), "holds 4 events, asked for 9"),
        (("network", "--checkpoints", "4=no.pt"), "no.pt: No such file"),
        (("network", "--checkpoints", "no.pt"), "takes N=PATH, found no.pt"),
        (("majority", "--equal-size", "9"), "holds 4 events, asked for 9"),
        (("majority", "--train", "no.h5"), "no.h5: no such file"),
        (("majority", "--test", "TINY/cycle2_test.h5"), "is not of cycle 1"),
        (("majority", "--equal-size", "3", "--references", "nowhere"), "nowhere"),
        (("majority", "--equal-size", "3", "--out", "TINY/cycle1_test.h5"), "cycle1_test.h5"),
        (("network", "--checkpoints", "4=SHIPPED/cycle2/model.pt"), "was trained on cycle 2"),
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

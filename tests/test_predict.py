"""Predict a submission from a checkpoint and a test file."""

import contextlib
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy

from baseline import checkpoint, predict
from baseline.augment import fixed_view
from baseline.config import Config
from baseline.dataset import Ragged, read_events
from baseline.model import UResNet
from lartpc_challenge.cycles import CYCLES, find_cycle
from lartpc_challenge.events import EventWriter
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission

CPU = torch.device("cpu")
CONFIG = Config(filters=4, depth=3, blocks=1, views=3)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make_model(cycle=2, seed=0):
    """A network that gives all labels to voxels of various energies, whatever they mean."""
    torch.manual_seed(seed)
    model = UResNet(CONFIG, len(CYCLES[cycle].labels))
    torch.nn.init.normal_(model.head.weight, std=3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0  # statistics of the one batch that follows
    coords = torch.randint(192, (500, 3)).int()
    model(Ragged(coords, torch.rand(500) * 3 + 0.05, torch.tensor([500])))
    return model.eval()


def save(path, cycle=2, seed=0):
    packed = checkpoint.pack_model(make_model(cycle, seed).state_dict(), CONFIG, CYCLES[cycle])
    checkpoint.save(packed, path)
    return path


@pytest.fixture
def model_file(tmp_path):
    return save(tmp_path / "best.pt")


def make_test_file(path):
    events = toy.make_events(30, n_voxels=(1, 60), seed=8)
    toy.make_events_file(path, events, kind="test", cycle=2)
    return path


@pytest.fixture
def test_file(tmp_path):
    return make_test_file(tmp_path / "test.h5")


def run_command(*arguments):
    """On one thread of the CPU, which repeats bit by bit; a later flag overrides."""
    return predict.main(["--device", "cpu", "--threads", "1", *map(str, arguments)])


def test_the_command_writes_checks_and_describes(tmp_path, model_file, test_file, capsys):
    out = tmp_path / "submission.zip"
    assert run_command("--checkpoint", model_file, "--events", test_file, "--out", out) == 0
    said = capsys.readouterr().out
    manifest = Manifest.from_events(test_file)
    pred = read_submission(out, manifest)
    assert len(np.unique(pred)) > 1
    assert np.array_equal(pred, predict.predict(model_file, test_file, "cpu"))
    assert said.startswith("device CPU, backend torch, 1 thread, fp32, 30 events, ")
    assert f"30 events, {manifest.n_voxels:,} voxels, {out.stat().st_size / 1e6:.2f} MB" in said
    assert said.splitlines()[-1].split() == ["3", "proton", f"{np.mean(pred == 3):.1%}"]


def test_views_replaces_the_number_of_the_training(tmp_path, model_file, test_file):
    out = tmp_path / "submission.zip"
    arguments = ("--checkpoint", model_file, "--events", test_file, "--out", out, "--views", 1)
    assert run_command(*arguments) == 0
    pred = read_submission(out, Manifest.from_events(test_file))
    events, _ = read_events([test_file], labelled=False)
    alone = predict.class_probabilities(make_model(), events, CONFIG, n_views=1).argmax(1) + 1
    assert CONFIG.views > 1
    assert np.array_equal(pred, alone.numpy())
    assert not np.array_equal(pred, predict.predict(model_file, test_file, "cpu"))


@pytest.mark.parametrize("trained_on", ["dense", "general"])
def test_a_network_of_another_cycle_serves_where_the_classes_are_the_same(
    tmp_path, model_file, test_file, trained_on, capsys
):
    other = save(tmp_path / "other.pt", cycle=find_cycle(trained_on).number)
    pred = predict.predict(other, test_file, "cpu")
    assert "the events are of cycle 2" in capsys.readouterr().out
    assert np.array_equal(pred, predict.predict(model_file, test_file, "cpu"))


def test_where_protons_are_other_their_probabilities_are_added(tmp_path):
    model_file, path = save(tmp_path / "two.pt", seed=2), tmp_path / "test.h5"
    toy.make_events_file(path, toy.make_events(30, n_voxels=(1, 60), seed=8), kind="test", cycle=1)
    model, config, _ = checkpoint.load_model(model_file, CPU)
    events, _ = read_events([path], labelled=False)
    electron, other, proton = predict.class_probabilities(model, events, config, config.views).T
    pred = predict.predict(model_file, path, "cpu")
    assert np.array_equal(pred == 2, (other + proton > electron).numpy())
    assert ((pred == 2) & ((electron > other) & (electron > proton)).numpy()).any()


def test_equal_runs_give_equal_bytes(tmp_path, model_file, test_file):
    outs = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for out in outs:
        assert run_command("--checkpoint", model_file, "--events", test_file, "--out", out) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_probabilities_are_the_mean_over_views_event_by_event(test_file):
    """Against a loop over events and views, each alone."""
    events, _ = read_events([test_file], labelled=False)
    model = make_model()
    found = predict.class_probabilities(model, events, CONFIG, n_views=3)
    expected = []
    for index in range(len(events)):
        event = events.select(torch.tensor([index]))
        with torch.no_grad():
            views = [model(fixed_view(event, view, 3, model.period)) for view in range(3)]
        expected.append(sum(torch.softmax(logits, 1) for logits in views) / 3)
    torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=1e-5)
    one = predict.class_probabilities(model, events, CONFIG, n_views=1)
    assert (found - one).abs().max() > 1e-3


def test_batches_change_nothing(test_file, monkeypatch):
    events, _ = read_events([test_file], labelled=False)
    model = make_model()
    whole = predict.class_probabilities(model, events, CONFIG, n_views=2)
    monkeypatch.setattr(predict, "_BATCH_VOXELS", {"cpu": 50})
    parts = predict.class_probabilities(model, events, CONFIG, n_views=2)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


def test_events_without_voxels_are_passed_over():
    length = torch.tensor([0, 3, 0])
    events = Ragged(torch.arange(9).view(3, 3).int(), torch.ones(3), length)
    assert predict.class_probabilities(make_model(), events, CONFIG, 1).shape == (3, 3)
    none = events.select(torch.tensor([0, 2]))
    assert predict.class_probabilities(make_model(), none, CONFIG, 1).shape == (0, 3)


def test_a_file_without_events_gives_an_empty_submission(tmp_path, model_file):
    with EventWriter(tmp_path / "none.h5", kind="test", cycle=2, scale="demonstration"):
        pass
    out = tmp_path / "none.zip"
    status = run_command("--checkpoint", model_file, "--events", tmp_path / "none.h5", "--out", out)
    assert status == 0
    assert len(read_submission(out, Manifest.from_events(tmp_path / "none.h5"))) == 0


def test_a_state_predicts_as_its_model(tmp_path, model_file, test_file):
    """last.pt is a best.pt with more in it."""
    packed = checkpoint.load(model_file)
    checkpoint.save({**packed, "state": {"step": 3}}, tmp_path / "last.pt")
    both = [predict.predict(path, test_file, "cpu") for path in (model_file, tmp_path / "last.pt")]
    assert np.array_equal(*both)


def test_half_precision_moves_weights_by_half_a_unit_in_the_last_place(tmp_path, model_file):
    exact, (rounded, config, cycle) = make_model(), checkpoint.load_model(model_file, CPU)
    assert (config, cycle) == (CONFIG, CYCLES[2])
    for name, tensor in exact.state_dict().items():
        found = rounded.state_dict()[name]
        assert found.dtype == tensor.dtype
        limit = 2**-11 if tensor.ndim > 1 else 0
        torch.testing.assert_close(found, tensor, rtol=limit, atol=2**-25)


def test_the_default_network_is_small_enough_to_ship(tmp_path):
    config = Config(filters=16, depth=5, blocks=2)
    packed = checkpoint.pack_model(UResNet(config, 3).state_dict(), config, CYCLES[2])
    checkpoint.save(packed, tmp_path / "model.pt")
    assert 5e6 < (tmp_path / "model.pt").stat().st_size < 12e6


@pytest.fixture(scope="module")
def unusable(tmp_path_factory):
    """A folder of good files, and of files that have one fault each."""
    folder = tmp_path_factory.mktemp("unusable")
    with contextlib.chdir(folder):
        save("best.pt")
        make_test_file(Path("test.h5"))
        _write_unusable()
    return folder


def _write_unusable():
    good = Path("best.pt").read_bytes()
    Path("cut.pt").write_bytes(good[: len(good) // 2])
    Path("empty.pt").write_bytes(b"")
    Path("text.pt").write_text("no checkpoint")
    torch.save({"weights": {}}, "foreign.pt")
    torch.save([1, 2], "list.pt")
    Path("pickle.pt").write_bytes(pickle.dumps(Config))
    packed = checkpoint.load("best.pt")
    torch.save({**packed, "version": 99}, "future.pt")
    checkpoint.save({**packed, "config": replace(CONFIG, filters=8).to_dict()}, "unlike.pt")
    checkpoint.save({**packed, "config": {"filters": 4}}, "other.pt")
    checkpoint.save({**packed, "cycle": 7}, "cycle7.pt")
    checkpoint.save({**packed, "weights": None}, "bare.pt")
    checkpoint.save({**packed, "config": CONFIG.to_dict() | {"blocks": 10**9}}, "blocks.pt")
    large = replace(CONFIG, filters=256, depth=6, blocks=16)  # 41 GB
    checkpoint.save({**packed, "config": large.to_dict()}, "large.pt")
    with torch.device("meta"):
        shapes = UResNet(large, 3).state_dict()
    claims = {name: torch.zeros(()).expand(w.shape) for name, w in shapes.items()}
    checkpoint.save({**packed, "config": large.to_dict(), "weights": claims}, "claims.pt")
    checkpoint.save({**packed, "weights": dict.fromkeys(packed["weights"], "x")}, "words.pt")
    save("cycle1.pt", cycle=1)
    Path("rubbish.h5").write_bytes(b"no events")


@pytest.mark.parametrize(
    ("model", "events", "sentence"),
    [
        ("none.pt", "test.h5", "none.pt: no such file"),
        ("cut.pt", "test.h5", "not a readable checkpoint"),
        ("empty.pt", "test.h5", "not a readable checkpoint"),
        ("text.pt", "test.h5", "not a readable checkpoint"),
        ("pickle.pt", "test.h5", "not a readable checkpoint"),
        ("foreign.pt", "test.h5", "not a checkpoint of this baseline"),
        ("list.pt", "test.h5", "not a checkpoint of this baseline"),
        ("future.pt", "test.h5", "a checkpoint of version 99"),
        ("unlike.pt", "test.h5", "not a checkpoint of this version"),
        ("other.pt", "test.h5", "not a checkpoint of this version"),
        ("cycle7.pt", "test.h5", "not a checkpoint of this version"),
        ("blocks.pt", "test.h5", "blocks must be at least 1 and at most 16, found 1000000000"),
        ("large.pt", "test.h5", "not a checkpoint of this version"),
        ("claims.pt", "test.h5", "its weights are larger than the file"),
        ("words.pt", "test.h5", "not a checkpoint of this version"),
        ("bare.pt", "test.h5", "without its weights"),
        ("cycle1.pt", "test.h5", "is of cycle 2, but cycle1.pt was trained on cycle 1"),
        ("best.pt", "rubbish.h5", "not a readable HDF5 file"),
        ("best.pt", "none.h5", "no such file"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    unusable, capsys, monkeypatch, model, events, sentence
):
    monkeypatch.chdir(unusable)
    Path("out.zip").write_bytes(b"an earlier result")
    assert run_command("--checkpoint", model, "--events", events, "--out", "out.zip") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("predict: ")
    assert sentence in said
    assert Path("out.zip").read_bytes() == b"an earlier result"


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    """A pickle that would create a file when loaded is refused, and has not."""

    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"format": "lartpc-challenge-model", "weights": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(ChallengeError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path / "hostile.pt")
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_holds_tensors_and_plain_values(model_file):
    """So that torch.load's safe mode reads it, today and tomorrow."""
    with zipfile.ZipFile(model_file) as archive:
        assert sum(name.endswith("data.pkl") for name in archive.namelist()) == 1
    packed = torch.load(model_file, weights_only=True)
    assert set(packed) == {"format", "version", "cycle", "config", "weights"}
    assert {t.dtype for t in packed["weights"].values() if t.ndim > 1} == {torch.float16}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_gpu_predicts_what_a_cpu_does(model_file, test_file):
    """Ties aside: 99 % of the labels, where fp32 rounds in another order."""
    on_cpu, on_gpu = (predict.predict(model_file, test_file, device) for device in ("cpu", "cuda"))
    assert np.mean(on_cpu == on_gpu) > 0.99

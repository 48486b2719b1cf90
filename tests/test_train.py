"""Training learns, resumes exactly, is exact on several processes, and stops cleanly."""

import copy
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from two_processes import gradients

from baseline import checkpoint, train
from baseline.config import Config
from baseline.dataset import Ragged, read_events
from baseline.device import choose_device, explaining_memory, joined_processes
from baseline.options import BACKENDS, cores
from baseline.training import Training, event_loss, learning_rate
from lartpc_challenge.command import alone_in
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import ChallengeError

resource = pytest.importorskip("resource", reason="limits and signals as of Unix")
CPU = torch.device("cpu")
CHOICES = {
    "filters": 4,
    "depth": 3,
    "blocks": 1,
    "epochs": 3,
    "batch_events": 4,
    "ema": 0.9,
    "views": 2,
    "holdout": 0.2,
}
SMALL = Config(**CHOICES)
# Bit by bit on a CPU alone, so these tests run there, be there a GPU or not.
ON_CPU = ["--device=cpu", "--threads=1"]
FLAGS = [*ON_CPU, *(f"--{name.replace('_', '-')}={value}" for name, value in CHOICES.items())]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make_file(folder: Path) -> Path:
    events = toy.make_events(20, n_voxels=(20, 60), seed=3)
    toy.make_events_file(folder / "train.h5", events, kind="train", cycle=2)
    return folder / "train.h5"


@pytest.fixture
def file(tmp_path):
    return make_file(tmp_path)


@pytest.fixture
def events(file):
    return read_events([file], labelled=True)[0]


def start(events, **changes):
    return Training(replace(SMALL, **changes), CYCLES[2], events, CPU)


def advance(training, steps):
    for _ in range(steps):
        training.advance()
        if training.step % training.steps_per_epoch == 0:
            training.close_epoch()


def everything(training):
    """The state without clocks, flat."""
    state = training.state_checkpoint()["state"]
    clocks = ("seconds", "events_per_second")
    state["record"] = [{k: v for k, v in row.items() if k not in clocks} for row in state["record"]]
    del state["seconds"]
    return state


def assert_identical(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_identical(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_identical(x, y)
    else:
        assert a == b or (a != a and b != b)  # a class without voxels has no precision


def test_threads_change_no_bit_of_a_training(events):
    one = start(events)
    advance(one, 10)
    torch.set_num_threads(2)
    two = start(events)
    advance(two, 10)
    assert torch.get_num_threads() == 2
    assert_identical(everything(one), everything(two))


def test_two_events_are_learnt_by_heart():
    """Random labels on a random walk: only memory helps. 60 steps reach what chance does not."""
    draw = torch.Generator().manual_seed(1)
    walk = torch.randint(-1, 2, (600, 3), generator=draw).cumsum(0) + 90
    walk = torch.unique(walk, dim=0).int()
    n = len(walk) // 2
    label = torch.randint(1, 4, (2 * n,), generator=draw)
    events = Ragged(
        walk[: 2 * n], torch.rand(2 * n, generator=draw) + 0.1, torch.tensor([n, n]), label
    )
    config = Config(
        filters=8,
        depth=3,
        blocks=1,
        epochs=60,
        batch_events=2,
        learning_rate=1e-2,
        holdout=0,
        symmetries=False,
    )
    training = Training(config, CYCLES[2], events, CPU)
    while training.step < training.n_steps:
        training.advance()
    with torch.no_grad():
        logits = training.model.eval()(events)
    assert (logits.argmax(1) + 1 == label).double().mean() > 0.99


@pytest.mark.parametrize("steps", [4, 6])
def test_resumed_equals_uninterrupted(tmp_path, events, steps):
    """Bit by bit, from the end of an epoch and from its middle, through a file."""
    whole = start(events)
    advance(whole, whole.n_steps)
    first = start(events)
    advance(first, steps)
    checkpoint.save(first.state_checkpoint(), tmp_path / "last.pt")
    second = start(events)
    second.resume(checkpoint.load(tmp_path / "last.pt"), "last.pt")
    assert second.step == steps
    advance(second, second.n_steps - steps)
    assert whole.n_steps == 12
    assert_identical(everything(second), everything(whole))


def test_equal_seeds_give_equal_weights(events):
    runs = [start(events, seed=seed) for seed in (1, 1, 2)]
    for training in runs:
        advance(training, 2)
    one, same, other = (training.averaged.state_dict() for training in runs)
    assert_identical(one, same)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_every_step_sees_an_event_in_another_view(events):
    training = start(events.select(torch.tensor([0])), holdout=0, batch_events=1)
    views = []
    for _ in range(3):
        views.append(training.batch()[0].coords)
        training.advance()
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[1], views[2])


def test_averaged_weights_follow_by_hand(events):
    """With a decay of 1/2 after the first steps' (1 + t) / (10 + t), computed from copies."""
    training = start(events, ema=0.15)
    mean = training.model.head.weight.detach().clone()
    for decay in (1 / 10, 0.15, 0.15):
        training.advance()
        mean = decay * mean + (1 - decay) * training.model.head.weight.detach()
        torch.testing.assert_close(training.averaged.head.weight.detach(), mean)


def test_loss_counts_every_event_alike():
    """Two events of 1 and 3 voxels; by hand: the mean of -log p over each, then over both."""
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))
    events = Ragged(
        torch.zeros(4, 3), torch.ones(4), torch.tensor([1, 3]), torch.tensor([1, 1, 2, 1])
    )
    expected = (0.6931472 + (0.1053605 + 0.2231436 + 0.9162907) / 3) / 2
    assert float(event_loss(logits, events, 2)) == pytest.approx(expected, abs=1e-6)


def test_a_state_from_before_muon_is_continued(events):
    """It held AdamW's state alone, under another name."""
    first = start(events, optimizer="adamw")
    first.advance()
    saved = copy.deepcopy(first.state_checkpoint())
    (saved["state"]["optimizer"],) = saved["state"].pop("optimizers")
    second = start(events, optimizer="adamw")
    second.resume(saved, "last.pt")
    for training in (first, second):
        training.advance()
    assert_identical(first.model.state_dict(), second.model.state_dict())


def test_balance_counts_every_class_alike():
    """Three voxels of one class and one of the other, all equally wrong, then the rare one right:
    by hand, with balance 1 the rare voxel counts as the three together do."""
    events = Ragged(torch.zeros(4, 3), torch.ones(4), torch.tensor([4]), torch.tensor([1, 1, 1, 2]))
    even = torch.zeros(4, 2)
    assert float(event_loss(even, events, 1, balance=1.0)) == pytest.approx(0.6931472, abs=1e-6)
    rare_right = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.1, 0.9]]))
    expected = (0.6931472 + 0.1053605) / 2
    assert float(event_loss(rare_right, events, 1, balance=1.0)) == pytest.approx(
        expected, abs=1e-6
    )
    expected = (3 * 0.6931472 + 0.1053605) / 4
    assert float(event_loss(rare_right, events, 1)) == pytest.approx(expected, abs=1e-6)


def test_learning_rate_climbs_and_falls():
    config = Config(learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(config, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(2 / 101)
    assert rates[100] == max(rates) == 2.0
    assert all(a < b for a, b in zip(rates[:100], rates[1:101]))
    assert all(a > b for a, b in zip(rates[100:], rates[101:]))
    assert rates[550] == pytest.approx(1.0)
    assert 0 < rates[-1] < 1e-4


def test_measure_equals_counting_voxel_by_voxel(events):
    training = start(events)
    advance(training, 3)
    model = training.averaged
    found = training.measure(model, n_views=1)
    accuracies = []
    for index in training.holdout_index:
        event = training.events.select(index[None])
        with torch.no_grad():
            right = model(event).argmax(1) + 1 == event.label
        accuracies.append(sum(right.tolist()) / len(right))
    assert len(accuracies) == 4
    assert found["acc_mean"] == pytest.approx(sum(accuracies) / 4)
    low, high = sorted(accuracies)[1:3]
    assert found["acc_at_50"] == pytest.approx((low + high) / 2)


def test_other_events_are_no_continuation(events):
    state = start(events).state_checkpoint()
    others = replace(events, energy=events.energy + 1)
    with pytest.raises(ChallengeError, match="trained on other events"):
        start(others).resume(state, "last.pt")


def test_a_model_is_nothing_to_resume_from(events):
    training = start(events)
    with pytest.raises(ChallengeError, match="the one to resume from"):
        training.resume(training.model_checkpoint(), "best.pt")


def test_a_state_with_parts_of_another_kind_is_refused(events):
    training = start(events)
    good = training.state_checkpoint()
    for wrong in (
        *({"step": step} for step in (-1, 10**30, "x")),
        *({"record": record} for record in ("x", [1])),
        {"seconds": None},
        {"model": {}},
        {"optimizers": [{}]},
        {"loss_sum": torch.zeros(9)},
    ):
        saved = {**good, "state": {**good["state"], **wrong}}
        with pytest.raises(ChallengeError, match=r"^last\.pt: not a checkpoint of this version"):
            training.resume(saved, "last.pt")


ODD_BATCH = {"symmetries": False, "batch_events": 5, "holdout": 0.25}


def test_a_loss_beyond_the_numbers_ends_the_training(events):
    training = start(events)
    training.model.head.weight.data.fill_(float("nan"))
    with pytest.raises(ChallengeError, match="loss is nan in epoch 1; lower --learning-rate"):
        advance(training, training.steps_per_epoch)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A folder with what two processes made, and what they printed (two_processes.py)."""
    folder = tmp_path_factory.mktemp("together")
    make_file(folder)
    (folder / "config.json").write_text(json.dumps(replace(SMALL, **ODD_BATCH).to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [Path(__file__).with_name("two_processes.py"), folder]
    command += ["--events", folder / "train.h5", "--out", folder / "run", *FLAGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_two_processes_share_a_batch_exactly(together, events):
    """Unequal shares (3 + 2 events): the gradients of one process on the whole batch, to fp32's
    rounding; after a step both know the same loss, which a resumed one goes on from; after an epoch
    both hold the same weights and the same record."""
    (first, loss, weights, record), (second, its_loss, same, also) = (
        torch.load(together[0] / f"{rank}.pt") for rank in (0, 1)
    )
    alone = start(events, **ODD_BATCH)
    expected = gradients(alone)
    assert len(alone.batch()[0]) == 5
    torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(first, second)
    assert loss == its_loss > 0
    assert_identical(weights, same)
    scores = [{k: v for k, v in r[0].items() if "second" not in k} for r in (record, also)]
    assert_identical(*scores)
    assert 0 < scores[0]["acc_mean"] < 1


def test_the_command_runs_in_two_processes(together):
    folder, said = together
    assert said.count("epoch 3/3") == 1
    assert said.count("views of the hold-out") == 1
    assert checkpoint.load_model(folder / "run" / "best.pt", CPU)[1] == SMALL


def _n_parameters():
    """Counted from the topology: 4 filters, 3 levels, one block, 3 classes."""

    def block(n_in, n_out):
        skip = 0 if n_in == n_out else n_in * n_out
        return 2 * n_in + 27 * n_in * n_out + 2 * n_out + 27 * n_out * n_out + skip

    total = 27 * 8 * 4 + 2 * 4 + 4 * 3 + 3 + block(4, 4) + block(8, 8) + block(12, 12)
    for n, m in ((4, 8), (8, 12)):
        total += 2 * n + 8 * n * m + 2 * m + 8 * n * m + block(2 * n, n)
    return total


def run_command(*arguments):
    return train.main([*map(str, arguments)])


def test_the_command_leaves_all_it_promises(tmp_path, file, capsys):
    out = tmp_path / "run"
    assert run_command("--events", file, "--out", out, *FLAGS) == 0
    printed = capsys.readouterr().out
    begin = "device CPU, backend torch, 1 thread, fp32, 20 events, "
    assert printed.startswith(begin)
    assert int(printed[len(begin) :].split()[0].replace(",", "")) == _n_parameters()
    assert "epoch 3/3: train_loss" in printed
    assert f"{out / 'best.pt'} over 2 views of the hold-out: acc_at_80 " in printed
    assert sorted(p.name for p in out.iterdir() if p.name != "tensorboard") == [
        "best.pt",
        "curves.png",
        "last.pt",
        "record.csv",
    ]
    with open(out / "record.csv") as table:
        rows = list(csv.DictReader(table))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"train_loss", "loss", "acc_at_80", "acc_at_50", "acc_mean"} <= rows[0].keys()
    assert {"recall proton", "precision electron/positron"} <= rows[0].keys()
    assert "recall proton 0." in printed or "recall proton 1." in printed
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    model, config, cycle = checkpoint.load_model(out / "best.pt", CPU)
    assert (config, cycle.number) == (SMALL, 2)
    assert not model.training


def test_sigterm_stops_with_a_checkpoint_that_goes_on(tmp_path, file, capsys):
    """Interrupted after its first epoch and resumed, the command leaves the very same model."""
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    more = [*FLAGS, "--epochs=6"]
    assert run_command("--events", file, "--out", whole, *more) == 0

    def interrupt():
        deadline = time.monotonic() + 120
        while not (parted / "last.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    status = run_command("--events", file, "--out", parted, *more)
    watcher.join()
    assert status == 143
    assert "go on with --resume" in capsys.readouterr().out
    assert checkpoint.load(parted / "last.pt")["state"]["step"] < 24
    assert run_command("--events", file, "--resume", parted / "last.pt", *ON_CPU) == 0
    first, second = (checkpoint.load(folder / "best.pt") for folder in (whole, parted))
    assert_identical(first, second)


def test_two_trainings_do_not_write_one_folder(tmp_path, file, capsys):
    with alone_in(tmp_path / "run"):
        assert run_command("--events", file, "--out", tmp_path / "run", *FLAGS) == 1
    assert "run: another process is at work there" in capsys.readouterr().err


def test_more_epochs_on_resume(tmp_path, file, capsys):
    out = tmp_path / "run"
    assert run_command("--events", file, "--out", out, *FLAGS) == 0
    resume = ["--events", file, "--resume", out / "last.pt", *ON_CPU]
    assert run_command(*resume, "--epochs", "5") == 0
    assert "epoch 5/5: train_loss" in capsys.readouterr().out
    with open(out / "record.csv") as table:
        assert [row["epoch"] for row in csv.DictReader(table)] == ["1", "2", "3", "4", "5"]
    assert checkpoint.load(out / "last.pt")["config"] == replace(SMALL, epochs=5).to_dict()
    assert run_command(*resume, "--epochs", "4") == 1
    assert "training of 5 epochs; --epochs can only make them more" in capsys.readouterr().err


def test_init_from_begins_with_the_weights_of_another_cycle(events):
    """All but the head, whose classes are others; of an equal number, the head too."""
    first = start(events)
    advance(first, 3)
    saved = first.model_checkpoint()
    two = replace(events, label=events.label.clamp(max=2))
    other, same = Training(SMALL, CYCLES[1], two, CPU), start(events)
    drawn = other.model.head.weight.clone()
    for training in (other, same):
        training.start_from(saved, "best.pt")
        for model in (training.model, training.averaged):
            weights = model.state_dict()
            assert torch.equal(weights["stem.weight"], saved["weights"]["stem.weight"].float())
    assert torch.equal(other.model.head.weight, drawn)
    assert torch.equal(same.model.head.weight, saved["weights"]["head.weight"].float())
    with pytest.raises(ChallengeError, match="shape; give --filters 4 --depth 3 --blocks 1"):
        start(events, depth=4).start_from(saved, "best.pt")


def test_ctrl_c_while_the_best_model_is_measured(tmp_path, file, capsys, monkeypatch):
    """The model is ready then, and the sentence says so."""
    measure = Training.measure

    def interrupted(self, model, n_views):
        if n_views > 1:
            signal.raise_signal(signal.SIGINT)
        return measure(self, model, n_views)

    monkeypatch.setattr(Training, "measure", interrupted)
    out = tmp_path / "run"
    assert run_command("--events", file, "--out", out, *FLAGS) == 130
    assert f"{out / 'best.pt'} is ready; only its score" in capsys.readouterr().out


def test_a_step_beyond_fp16_is_left_out_of_the_mean(events):
    """The scaler skips it; an epoch of such steps alone still ends the training."""
    training = start(events)
    training.scaler = torch.amp.GradScaler("cpu")
    training.advance()
    mean = float(training.mean_loss)
    weight = training.model.head.weight
    kept = weight.detach().clone()
    weight.data.fill_(float("inf"))
    training.advance()
    assert float(training.mean_loss) == mean
    weight.data.copy_(kept)
    training.advance()
    assert torch.isfinite(training.mean_loss)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--events", "none.h5", "--out", "new"], "none.h5: no such file"),
        (["--events", "train.h5"], "--out is missing"),
        (["--events", "train.h5", "--out", "new", "--device", "cuda"], "no CUDA GPU"),
        (["--events", "train.h5", "--out", "new", "--preset", "gpu"], "needs a CUDA GPU"),
        (["--events", "train.h5", "--out", "new", "--depth", "9"], "depth must be"),
        (["--events", "train.h5", "--resume", "train.h5"], "not a readable checkpoint"),
        (["--events", "rubbish.h5", "--out", "new"], "not a readable HDF5 file"),
        (["--events", "train.h5", "--out", "train.h5"], "is not a folder"),
        (["--events", "train.h5", "--out", "held"], "holds a training already"),
        (
            ["--events", "train.h5", "--resume", "held/last.pt", "--depth", "4"],
            "leave out --depth",
        ),
        (["--events", "train.h5", "--resume", "held/last.pt", "--out", "new"], "leave out --out"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path, file, capsys, monkeypatch, arguments, sentence
):
    if torch.cuda.is_available() and "CUDA" in sentence:
        pytest.skip("there is a GPU")
    monkeypatch.chdir(tmp_path)
    Path("rubbish.h5").write_bytes(b"no events")
    Path("held").mkdir()
    Path("held/last.pt").write_bytes(b"")
    assert run_command(*arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("train: ")
    assert sentence in said
    assert "Traceback" not in said


def test_a_full_disk_keeps_the_former_checkpoint(tmp_path, events):
    """A limit on the size of files stands in for the disk's end."""
    training = start(events)
    checkpoint.save(training.model_checkpoint(), tmp_path / "best.pt")
    before = (tmp_path / "best.pt").read_bytes()
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, former[1]))
    try:
        with pytest.raises(ChallengeError, match="can't be written"):
            checkpoint.save(training.model_checkpoint(), tmp_path / "best.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert (tmp_path / "best.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".h5"] == ["best.pt"]


def test_the_end_of_memory_names_what_to_lower():
    with (
        pytest.raises(ChallengeError, match="out of memory: lower --batch-events"),
        explaining_memory("--batch-events"),
    ):
        torch.empty(2**50)


def test_other_failures_are_not_called_memory():
    with pytest.raises(RuntimeError, match="negative dimension"), explaining_memory("it"):
        torch.empty(-1)


def test_more_processes_than_cards_are_a_sentence(monkeypatch):
    more = str(torch.cuda.device_count() + 1)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, more if more != "1" else "2")
    with (
        pytest.raises(ChallengeError, match="processes need as many GPUs, found"),
        joined_processes(torch.device("cuda")),
    ):
        pass


def test_all_cores_are_shared_among_the_processes_of_a_machine(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    alone = cores()
    assert 1 <= alone <= os.cpu_count()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(2 * alone))
    assert cores() == 1


def test_auto_takes_what_is_there():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", ["fp16", "tf32", "fp32"])
def test_a_gpu_trains_what_a_cpu_reads(tmp_path, file, precision, backend):
    if backend != "torch":
        pytest.importorskip(backend.replace("-", "_"))
    out = tmp_path / "run"
    flags = ["--device", "cuda", "--backend", backend, "--precision", precision, "--filters", "16"]
    assert run_command("--events", file, "--out", out, *FLAGS, *flags) == 0
    loss = [row["train_loss"] for row in checkpoint.load(out / "last.pt")["state"]["record"]]
    assert loss[-1] < loss[0]
    assert checkpoint.load_model(out / "best.pt", CPU)[1].precision == precision

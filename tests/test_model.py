"""The network with each backend compared with dense convolutions; its symmetries.

All tests that need spconv are here: its import takes 4 s, in each process of pytest-xdist once.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
import toy
from torch.nn import functional

from baseline import checkpoint, predict, train
from baseline.backends import open_backend
from baseline.backends.torch import PlainTorch
from baseline.config import Config
from baseline.dataset import Ragged, read_events
from baseline.model import UResNet, arithmetic, input_features
from baseline.options import BACKENDS
from baseline.training import Training
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import ChallengeError

SIDE = 16  # a dense grid that holds the tests' events; beyond it there is nothing to compute
TOLERANCE = {"rtol": 0, "atol": 1e-10}
CPU = torch.device("cpu")


@pytest.fixture(params=("spconv", "torch"))
def backend(request):
    if request.param == "spconv":
        pytest.importorskip("spconv")
    return open_backend(request.param, CPU)


def make_events(counts, seed=0, side=SIDE):
    """Events with `counts` voxels, clustered so that neighbours exist, in random order."""
    draw = torch.Generator().manual_seed(seed)
    coords = []
    for n in counts:
        cells = torch.randperm((side // 2) ** 3, generator=draw)[:n]
        corner = torch.randint(side // 2 + 1, (3,), generator=draw)
        coords.append(torch.stack(torch.unravel_index(cells, (side // 2,) * 3), 1) + corner)
    coords = torch.cat(coords).int()
    energy = torch.rand(len(coords), generator=draw) * 2 + 0.05
    label = torch.randint(1, 4, (len(coords),), generator=draw)
    return Ragged(coords, energy, torch.tensor(counts), label)


def make_model(backend, config=None, seed=0, double=True):
    """A network whose norms have statistics and weights unlike the initial ones."""
    torch.manual_seed(seed)
    model = UResNet(config or Config(filters=3, depth=3, blocks=2), 3, backend)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.2, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return model.double() if double else model


class Dense:
    """The same network on full grids: an implementation of its own, with the weights of `model`.

    A field is (features (N, C, X, Y, Z), mask (N, 1, X, Y, Z)); features are 0 outside the mask.
    """

    def __init__(self, model):
        self.model = model

    def __call__(self, events, features):
        where = (events.event, *events.coords.long().T)
        shape = (len(events), SIDE, SIDE, SIDE)
        mask = torch.zeros(shape, dtype=torch.float64).index_put(where, torch.ones(1).double())
        field = torch.zeros((*shape, features.shape[1]), dtype=torch.float64)
        field = field.index_put(where, features).permute(0, 4, 1, 2, 3)
        x = self.submanifold(self.model.stem, field, mask[:, None])
        x = self.level(self.model.levels, x, mask[:, None])
        rows = self.norm(self.model.norm, x, mask[:, None]).permute(0, 2, 3, 4, 1)[where]
        return rows @ self.model.head.weight.T + self.model.head.bias

    @staticmethod
    def submanifold(layer, x, mask):
        return functional.conv3d(x, layer.weight.permute(0, 4, 1, 2, 3), padding=1) * mask

    @staticmethod
    def down(layer, x, mask):
        y = functional.conv3d(x, layer.weight.permute(0, 4, 1, 2, 3), stride=2)
        return y, functional.max_pool3d(mask, 2)

    @staticmethod
    def up(layer, x, fine_mask):
        weight = layer.weight.permute(4, 0, 1, 2, 3)
        return functional.conv_transpose3d(x, weight, stride=2) * fine_mask

    @staticmethod
    def norm(layer, x, mask):
        mean, variance = layer.running_mean, layer.running_var
        if layer.training:
            count = mask.sum()
            mean = x.sum((0, 2, 3, 4)) / count
            centred = (x - mean.view(1, -1, 1, 1, 1)) * mask
            variance = (centred**2).sum((0, 2, 3, 4)) / count
        scale = layer.weight / torch.sqrt(variance + 1e-4)
        y = (x - mean.view(1, -1, 1, 1, 1)) * scale.view(1, -1, 1, 1, 1)
        return (y + layer.bias.view(1, -1, 1, 1, 1)).relu() * mask

    def block(self, block, x, mask):
        kept = x
        if not isinstance(block.skip, torch.nn.Identity):
            kept = torch.einsum("oc,ncxyz->noxyz", block.skip.weight, x)
        for norm, layer in zip(block.norms, block.convolutions):
            x = self.submanifold(layer, self.norm(norm, x, mask), mask)
        return x + kept

    def level(self, level, x, mask):
        for block in level.encode:
            x = self.block(block, x, mask)
        if level.inner is None:
            return x
        y, coarse_mask = self.down(level.down, self.norm(level.down_norm, x, mask), mask)
        y = self.level(level.inner, y, coarse_mask)
        y = self.up(level.up, self.norm(level.up_norm, y, coarse_mask), mask)
        x = torch.cat([x, y], 1)
        for block in level.decode:
            x = self.block(block, x, mask)
        return x


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("counts", [[60, 1, 90], [40, 0, 25]])
def test_network_equals_dense_convolutions(backend, counts, training):
    """Logits, input and weight gradients, with a single voxel and with an event that has none."""
    events = make_events(counts)
    model = make_model(backend).train(training)
    direction = torch.randn(sum(counts), 3, dtype=torch.float64)
    logits = model(events)
    expected = Dense(model)(events, input_features(events.energy).double())
    torch.testing.assert_close(logits, expected, **TOLERANCE)
    parameters = list(model.parameters())
    found = torch.autograd.grad((logits * direction).sum(), parameters)
    wanted = torch.autograd.grad((expected * direction).sum(), parameters)
    for a, b in zip(found, wanted):
        torch.testing.assert_close(a, b, **TOLERANCE)
    assert all(gradient.abs().max() > 0 for gradient in wanted)


def test_each_layer_equals_dense_convolutions(backend):
    """Submanifold, strided and inverse convolution one by one, with the gradient of their input."""
    events = make_events([70, 30])
    model = make_model(backend)
    level = model.levels
    where = (events.event, *events.coords.long().T)
    mask = torch.zeros(2, 1, SIDE, SIDE, SIDE, dtype=torch.float64)
    mask[where[0], 0, where[1], where[2], where[3]] = 1
    rows = torch.randn(100, 3, dtype=torch.float64, requires_grad=True)
    field = torch.zeros(2, SIDE, SIDE, SIDE, 3, dtype=torch.float64).index_put(where, rows)
    field = field.permute(0, 4, 1, 2, 3)
    x = model.locate(events, rows)

    convolution = level.encode[0].convolutions[0]
    found = convolution(x).features
    expected = Dense.submanifold(convolution, field, mask).permute(0, 2, 3, 4, 1)[where]
    _assert_equal_with_gradient(found, expected, rows)

    coarse = level.down(x)
    dense, coarse_mask = Dense.down(level.down, field, mask)
    place = tuple(coarse.indices.long().T)
    assert len(coarse.indices) == int(coarse_mask.sum())
    _assert_equal_with_gradient(coarse.features, dense.permute(0, 2, 3, 4, 1)[place], rows)

    found = level.up(coarse).features
    expected = Dense.up(level.up, dense, mask).permute(0, 2, 3, 4, 1)[where]
    _assert_equal_with_gradient(found, expected, rows)


def _assert_equal_with_gradient(found, expected, rows):
    torch.testing.assert_close(found, expected, **TOLERANCE)
    direction = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad((found * direction).sum(), rows, retain_graph=True)
    (wanted,) = torch.autograd.grad((expected * direction).sum(), rows, retain_graph=True)
    assert wanted.abs().max() > 0
    torch.testing.assert_close(gradient, wanted, **TOLERANCE)


def test_event_alone_is_the_event_in_a_batch(backend):
    events = make_events([50, 0, 1, 80])
    model = make_model(backend).eval()
    together = model(events)
    alone = [model(events.select(torch.tensor([i]))) for i in (0, 2, 3)]
    torch.testing.assert_close(torch.cat(alone), together, **TOLERANCE)


def test_order_of_voxels_does_not_matter(backend):
    events = make_events([50, 80])
    order = torch.cat([torch.randperm(50), 50 + torch.randperm(80)])
    shuffled = Ragged(events.coords[order], events.energy[order], events.length)
    model = make_model(backend).eval()
    torch.testing.assert_close(model(shuffled), model(events)[order], **TOLERANCE)


def test_non_contiguous_coords_are_no_trap(backend):
    """spconv reads the memory of a transposed tensor as if it were contiguous."""
    events = make_events([50, 80])
    model = make_model(backend).eval()
    strided = Ragged(events.coords.T.contiguous().T, events.energy, events.length)
    assert not strided.coords.is_contiguous()
    torch.testing.assert_close(model(strided), model(events), **TOLERANCE)


def test_shifts_by_the_period_change_nothing(backend):
    events = make_events([50, 80])
    model = make_model(backend).eval()
    moved = Ragged(events.coords + model.period, events.energy, events.length)
    torch.testing.assert_close(model(moved), model(events), **TOLERANCE)


def test_every_shift_stays_inside_the_grid(backend):
    """The last voxel of the detector, moved as far as augmentation may, still counts."""
    model = make_model(backend).eval()
    far = Ragged(torch.full((1, 3), 191 + model.period - 1).int(), torch.ones(1), torch.tensor([1]))
    near = Ragged(far.coords % model.period, far.energy, far.length)
    torch.testing.assert_close(model(far), model(near), **TOLERANCE)


def test_one_voxel_in_training_has_finite_gradients(backend):
    """Batch norm has no variance for one row; the running statistics stand in."""
    model = make_model(backend).train()
    model(make_events([1])).sum().backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_batch_without_voxels_is_refused(backend):
    with pytest.raises(ValueError, match="at least one voxel"):
        make_model(backend)(make_events([0, 0]))


def test_more_events_than_the_index_can_number_are_refused():
    """spconv's 31 bits: at 208^3 cells per event, 2^31 are reached by the 239th."""
    pytest.importorskip("spconv")
    model = UResNet(Config(filters=1), 2, open_backend("spconv", CPU))
    assert model.most_events == 2**31 // 208**3 == 238
    length = torch.ones(239, dtype=torch.int64)
    events = Ragged(torch.zeros(239, 3).int(), torch.ones(239), length)
    with pytest.raises(ChallengeError, match="238 events"):
        model(events)


def test_index_is_right_at_its_last_event(backend):
    """The last event of a large batch, of the largest where there is one, gets what it gets
    alone."""
    model = make_model(backend, Config(filters=1, depth=2), double=False).eval()
    draw = torch.Generator().manual_seed(0)
    n = min(model.most_events, 2000)
    coords = torch.randint(192, (2 * n, 3), generator=draw).int()
    coords[1::2] = coords[::2] ^ 1  # neighbours, so that an event's voxels see each other
    events = Ragged(coords, torch.rand(2 * n, generator=draw) + 0.1, torch.full((n,), 2))
    alone = model(events.select(torch.tensor([n - 1])))
    torch.testing.assert_close(model(events)[-2:], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("counts", [[300, 1, 0, 500], [1], [0, 2, 0]])
def test_backends_agree(counts):
    """From the same seed: first weights, logits, every gradient and the norms' statistics.

    Statistics of a few rows would enlarge what rounding does: small batches use the running ones.
    """
    pytest.importorskip("spconv")
    events, results = make_events(counts, side=32), []
    for name in ("spconv", "torch"):
        torch.manual_seed(3)
        model = UResNet(Config(filters=8, depth=5), 3, open_backend(name, CPU))
        model.train(sum(counts) > 100)
        functional.cross_entropy(model(events), events.label - 1).backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        results.append((model.state_dict(), model.eval()(events).detach(), gradients))
    (state, logits, gradients), (other, others, its_gradients) = results
    torch.testing.assert_close(other, state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(others, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(its_gradients, gradients, rtol=1e-3, atol=1e-5)


def test_predictions_do_not_depend_on_the_number_of_threads(backend, monkeypatch):
    """Each batch is computed by one thread: equal bits, however many there are."""
    events = make_events([40, 1, 60, 0, 30, 55, 20] * 3)
    model = make_model(backend, double=False).eval()
    monkeypatch.setattr(predict, "_BATCH_VOXELS", {"cpu": 100})
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3, 2):
            torch.set_num_threads(threads)
            results.append(predict.class_probabilities(model, events, Config(), n_views=2))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("name", ["spconv", "torch"])
def test_a_checkpoint_goes_on_with_the_other_backend(tmp_path, name):
    """Trained by one, resumed and used by the other: the record continues, predictions agree."""
    pytest.importorskip("spconv")
    other = {"spconv": "torch", "torch": "spconv"}[name]
    file, out = tmp_path / "train.h5", tmp_path / "run"
    toy.make_events_file(file, toy.make_events(20, seed=3), kind="train", cycle=2)
    flags = "--device=cpu --threads=1 --filters=4 --depth=3 --blocks=1 --batch-events=8 --epochs=1"
    command = ["--events", str(file), "--out", str(out), *flags.split(), "--backend", name]
    assert train.main(command) == 0
    events = read_events([file], labelled=True)[0]
    models = [
        checkpoint.load_model(out / "best.pt", CPU, open_backend(kind, CPU))[0]
        for kind in (name, other)
    ]
    with torch.no_grad():
        logits = [model(events) for model in models]
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)
    chosen = Config.from_dict(checkpoint.load(out / "best.pt")["config"])
    training = Training(chosen, CYCLES[2], events, CPU, open_backend(other, CPU))
    training.resume(checkpoint.load(out / "last.pt"), "last.pt")
    assert training.step == training.n_steps


def _logits_and_gradients(threads, double):
    """Of plain torch, from equal weights and events."""
    events = make_events([4000, 1, 2500], side=64)
    model = make_model(PlainTorch(), Config(filters=8, depth=3), double=double)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        logits = model(events)
        gradients = torch.autograd.grad(logits.square().mean(), list(model.parameters()))
    finally:
        torch.set_num_threads(before)
    return [logits, *gradients]


@pytest.mark.parametrize("threads", [1, 2])
def test_plain_torch_repeats_bit_by_bit(threads):
    first, *others = (_logits_and_gradients(threads, double=False) for _ in range(3))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(other, first))


def test_threads_change_nothing_but_rounding():
    of_one, of_three = (_logits_and_gradients(threads, double=True) for threads in (1, 3))
    for a, b in zip(of_three, of_one):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_inference_mode_reaches_all_threads():
    events, model = make_events([300, 1]), make_model(PlainTorch()).eval()
    expected, before = model(events).detach(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode():
            torch.testing.assert_close(model(events), expected)
    finally:
        torch.set_num_threads(before)


def test_the_network_needs_no_spconv():
    """A process in which spconv can't be imported trains a step, by the backend of choice."""
    program = """
import sys
sys.modules["spconv"] = None
import torch
from baseline.backends import open_backend
from baseline.config import Config
from baseline.dataset import Ragged
import baseline.predict, baseline.train, baseline.checkpoint
from lartpc_challenge.format import ChallengeError
from baseline.model import UResNet
cpu = torch.device("cpu")
model = UResNet(Config(filters=2, depth=2), 2, open_backend("auto", cpu))
model(Ragged(torch.ones(1, 3).int(), torch.ones(1), torch.tensor([1]))).sum().backward()
try:
    open_backend("spconv", cpu)
except ChallengeError as reason:
    print(model.backend.name, "|", reason)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torch | the backend spconv can't be imported")
    assert "--backend torch" in done.stdout


def test_a_backend_that_cannot_be_had_is_a_sentence():
    with pytest.raises(ChallengeError, match="spconv-triton computes on GPUs alone"):
        open_backend("spconv-triton", CPU)
    if importlib.util.find_spec("spconv_triton") is None:
        with pytest.raises(ChallengeError, match="install spconv-triton, or use --backend torch"):
            open_backend("spconv-triton", torch.device("cuda"))


def test_number_of_parameters():
    """About 2.74 million at 16 filters and depth 5, counted by hand from the topology."""
    config = Config(filters=16, depth=5, blocks=2)
    widths = [16 * (i + 1) for i in range(5)]

    def block(n_in, n_out):
        skip = 0 if n_in == n_out else n_in * n_out
        return 2 * n_in + 27 * n_in * n_out + 2 * n_out + 27 * n_out * n_out + skip

    expected = 27 * 8 * 16 + 2 * 16 + 16 * 3 + 3
    for n in widths:
        expected += 2 * block(n, n)
    for n, m in zip(widths, widths[1:]):
        expected += 2 * n + 8 * n * m + 2 * m + 8 * n * m + block(2 * n, n) + block(n, n)
    model = UResNet(config, 3)
    assert sum(p.numel() for p in model.parameters()) == expected
    assert 2.7e6 < expected < 2.8e6


def test_input_features():
    features = input_features(torch.tensor([0.5, 1.0]))
    assert features.shape == (2, 8)
    expected = [[0.0, 0.5, 1.0], [0.6931472, 1.0, 1.0]]
    torch.testing.assert_close(features[:, :3], torch.tensor(expected))
    assert (features[:, 3:] == 0).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 2e-2), ("fp16", 5e-2)]
)
def test_gpu_equals_cpu(name, precision, tolerance):
    """The same weights; tolerances follow the mantissas. In training mode, in which alone spconv
    computes in fp16; in a process of its own, since spconv keeps the kernels it has tuned."""
    if name != "torch":
        pytest.importorskip(name.replace("-", "_"))
    program = f"import test_model; test_model.compare_with_cpu({name!r}, {precision!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < tolerance


def compare_with_cpu(name, precision):
    """Print the largest difference of logits between GPU and CPU, in units of the largest one."""
    device, config = torch.device("cuda"), Config(filters=16, depth=4)
    cpu = make_model(PlainTorch(), config, double=False).train()
    gpu = UResNet(config, 3, open_backend(name, device)).to(device).train()
    gpu.load_state_dict(cpu.state_dict())
    events = make_events([200, 1, 0, 300], side=64)
    with arithmetic(gpu, precision), torch.no_grad():
        found = gpu(events.to(device)).float().cpu()
    expected = cpu(events).detach()
    print(float((found - expected).abs().max() / expected.abs().max()))

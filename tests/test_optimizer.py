"""baseline.optimizer against singular values and PyTorch's own Muon."""

import pytest
import torch

from baseline.config import Config
from baseline.model import UResNet
from baseline.optimizer import Muon, make_optimizers, orthogonal


@pytest.mark.parametrize("shape", [(16, 432), (80, 2160), (48, 16), (1, 5)])
def test_a_matrix_becomes_nearly_orthogonal(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonal(matrix)
    singular = torch.diagonal(left.T @ made @ right.T)  # in the matrix's own directions
    assert singular.min() > 0.6
    assert singular.max() < 1.25
    torch.testing.assert_close(left * singular @ right, made, atol=1e-3, rtol=0)


def test_steps_are_those_of_pytorch():
    """Which computes the same in bfloat16, to some parts in a hundred."""
    theirs = getattr(torch.optim, "Muon", None)
    if theirs is None:
        pytest.skip("torch.optim.Muon came with PyTorch 2.9")
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(24, 60, generator=generator)
    ours, reference = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    options = {"lr": 0.1, "weight_decay": 0.01}
    optimizers = [
        Muon([ours], 0.01),
        theirs([reference], momentum=0.95, adjust_lr_fn="match_rms_adamw", **options),
    ]
    optimizers[0].param_groups[0]["lr"] = 0.1
    for _ in range(4):
        gradient = torch.randn(24, 60, generator=generator)
        for weight, optimizer in zip((ours, reference), optimizers):
            weight.grad = gradient.clone()
            optimizer.step()
    moved = (ours - start).norm()
    assert (ours - reference).norm() < 0.03 * moved
    kernel = torch.nn.Parameter(start.reshape(24, 3, 5, 4).clone())
    muon = Muon([kernel], 0.0)
    muon.param_groups[0]["lr"] = 0.1
    kernel.grad = gradient.reshape(kernel.shape).clone()
    muon.step()
    size = (kernel.reshape(24, 60) - start).square().mean().sqrt()
    assert 0.5 * 0.02 < size < 1.1 * 0.02  # 0.2 learning rates, as a step of AdamW


@pytest.mark.parametrize(("name", "n_optimizers"), [("adamw", 1), ("muon", 2)])
def test_every_parameter_is_trained_once(name, n_optimizers):
    model = UResNet(Config(filters=4, depth=3, blocks=1, optimizer=name), 3)
    optimizers = make_optimizers(model, Config(optimizer=name, weight_decay=0.5))
    groups = [group for one in optimizers for group in one.param_groups]
    assert len(optimizers) == n_optimizers
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(listed) == sorted(map(id, model.parameters()))
    for group in groups:
        decays = {parameter.ndim > 1 for parameter in group["params"]}
        assert decays == {group["weight_decay"] > 0}

"""The optimizers: AdamW, and Muon for hidden layers: steps of equal size in all directions.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; weight decay and
the step's size as J. Liu et al., arXiv:2502.16982, so that AdamW's learning rates carry over.
PyTorch's own (2.9 and newer) takes matrices alone, no convolution's kernels.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import torch

from baseline.config import Config

_MOMENTUM = 0.95
_AS_ADAMW = 0.2  # the root mean square of AdamW's steps, in learning rates
# Of the polynomial that brings singular values close to 1 within so many iterations.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


def make_optimizers(model: torch.nn.Module, config: Config) -> list[torch.optim.Optimizer]:
    """Return the model's optimizers: kernels and matrices decay, norms and biases do not.

    Muon is for layers between others: the first and the last are left to AdamW.
    """
    hidden, ends, vectors = [], [], []
    for name, parameter in model.named_parameters():
        is_end = config.optimizer == "adamw" or name.startswith(("stem", "head"))
        of_kind = vectors if parameter.ndim == 1 else ends if is_end else hidden
        of_kind.append(parameter)
    groups = [
        {"params": ends, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    muon = [Muon(hidden, config.weight_decay)] if hidden else []
    return [_AdamW(groups), *muon]


class _Optimizer(torch.optim.Optimizer):
    """A PyTorch optimizer that does not import PyTorch's compiler.

    PyTorch's own methods import it, only to say that they must not be compiled. Without this class
    a training starts 1.1 s of CPU time later.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class _AdamW(_Optimizer, torch.optim.AdamW):
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Muon(_Optimizer):
    """Step along the orthogonal matrix next to the momentum; decay weights as AdamW does.

    parameters: kernels (outputs, ..., inputs) and matrices (outputs, inputs) of hidden layers.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], weight_decay: float):
        super().__init__(parameters, {"lr": 0.0, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # training has no use for closures
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
                ahead = weight.grad.lerp(state["momentum"], _MOMENTUM)  # Nesterov's
                matrix = ahead.reshape(len(weight), -1)
                size = group["lr"] * _AS_ADAMW * max(matrix.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(size * orthogonal(matrix).reshape(weight.shape))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return `matrix` (n, m) with singular values of 0.7 to 1.2, by Newton and Schulz's iteration.

    Singular values below a thousandth of the largest stay smaller.
    """
    x = matrix / (matrix.norm() + 1e-7)
    is_tall = len(x) > x.shape[1]
    if is_tall:
        x = x.T
    # x <- (a + b xx' + c (xx')^2) x changes x by a factor that depends on xx' alone: to follow xx'
    # and the factors' product takes a quarter of the time for (80, 2160).
    square = x @ x.T
    product = identity = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(_ITERATIONS):
        factor = _A * identity + _B * square + _C * square @ square
        product = factor @ product
        square = factor @ square @ factor
    x = product @ x
    return x.T if is_tall else x

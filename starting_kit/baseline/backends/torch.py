"""Sparse convolutions in plain PyTorch: they run wherever PyTorch does.

Each offset of a kernel pairs rows of the input with rows of the output. For each offset, the rows
are gathered and multiplied into one array of products, which is then summed for each voxel. The
pairs are found once per batch and level. Sums have a fixed order, so results repeat bit by bit for
a given number of threads.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from baseline.dataset import Ragged

_CENTRE = 13  # of the 27 offsets of a 3^3 kernel; offset k and 26 - k are opposite
_NO_CELL = -(2**62)  # follows the last cell; no search finds it


class PlainTorch:
    """Make the layers from PyTorch alone: a baseline.backends.Backend."""

    name = "torch"

    def submanifold(self, n_in: int, n_out: int, level: int) -> nn.Module:
        return Submanifold(n_in, n_out, 3)

    def down(self, n_in: int, n_out: int, level: int) -> nn.Module:
        return Down(n_in, n_out, 2)

    def up(self, n_in: int, n_out: int, level: int) -> nn.Module:
        return Up(n_in, n_out, 2)

    def locate(self, events: Ragged, features: torch.Tensor, side: int) -> PlainVoxels:
        stride = side + 1  # leaves room beside the last cell, so that no neighbour wraps
        cell = events.event
        for along in events.coords.unbind(1):
            cell = cell * stride + along
        return PlainVoxels(features, (_Grid(cell, stride),))

    def most_events(self, side: int) -> int:
        return sys.maxsize // (side + 1) ** 3

    def allow_tf32(self, allowed: bool) -> None:
        """Do nothing: PyTorch's own switch applies to all products of this backend."""


@dataclass(frozen=True)
class PlainVoxels:
    """Features (rows, channels) at the voxels of the last of `grids`, which begin with level 0."""

    features: torch.Tensor
    grids: tuple[_Grid, ...]

    @property
    def indices(self) -> torch.Tensor:
        """(rows, 4) int64: event, x, y, z."""
        return torch.stack(self.grids[-1].decoded(), 1)

    def replace_feature(self, features: torch.Tensor) -> PlainVoxels:
        return PlainVoxels(features, self.grids)


class _Layer(nn.Module):
    def __init__(self, n_in: int, n_out: int, side: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, side, side, side, n_in))
        bound = (n_in * side**3) ** -0.5  # as nn.Linear and spconv draw their first weights
        nn.init.uniform_(self.weight, -bound, bound)


class Submanifold(_Layer):
    """3^3 convolution onto the same voxels."""

    def forward(self, x: PlainVoxels) -> PlainVoxels:
        pairs = x.grids[-1].neighbours
        return x.replace_feature(_Submanifold.apply(x.features, self.weight, pairs))


class Down(_Layer):
    """2^3 convolution with stride 2."""

    def forward(self, x: PlainVoxels) -> PlainVoxels:
        halving = x.grids[-1].halving
        features = _Down.apply(x.features, self.weight, halving)
        return PlainVoxels(features, (*x.grids, halving.coarse))


class Up(_Layer):
    """Transposed 2^3 convolution back onto the voxels that a Down came from."""

    def forward(self, x: PlainVoxels) -> PlainVoxels:
        grids = x.grids[:-1]
        features = _Up.apply(x.features, self.weight, grids[-1].halving)
        return PlainVoxels(features, grids)


@dataclass(frozen=True)
class _Bags:
    """The products that add up to each row: row i is the sum of order[start[i]:start[i + 1]]."""

    order: torch.Tensor
    start: torch.Tensor

    @classmethod
    def of(cls, row: torch.Tensor, n_rows: int) -> _Bags:
        """Sort the products by the row (P,) that each belongs to."""
        start = row.new_zeros(n_rows + 1)
        start[1:] = torch.bincount(row, minlength=n_rows).cumsum(0)
        return cls(torch.argsort(row, stable=True), start)

    def sum(self, products: torch.Tensor) -> torch.Tensor:
        """Return the sums (rows, channels) of products (P, channels)."""
        return embedding_bag(self.order, products, self.start, mode="sum", include_last_offset=True)


@dataclass(frozen=True)
class _Neighbours:
    """Pairs of neighbouring voxels for each of the 27 offsets but the centre.

    pairs: the rows (source, target) of offsets 0 to 12; offset 26 - k has those of k the other way
    round. counts: pairs of each offset, 0 of the centre. bags: sum the products of all offsets.
    """

    pairs: list[tuple[torch.Tensor, torch.Tensor]]
    counts: list[int]
    bags: _Bags

    def both_ways(self, k: int) -> tuple[tuple[int, torch.Tensor, torch.Tensor], ...]:
        """Return offset k < 13 and the opposite one, each with its rows of source and target."""
        source, target = self.pairs[k]
        return (k, source, target), (26 - k, target, source)


@dataclass(frozen=True)
class _Halving:
    """Each fine voxel's coarse one, by its place 0..7 in it: 8 tensors of rows each."""

    fine: Sequence[torch.Tensor]
    parent: Sequence[torch.Tensor]
    counts: list[int]
    bags: _Bags
    coarse: _Grid


class _Grid:
    """The voxels of a batch at one level, and their neighbours.

    cell (n,) int64: ((event * stride + x) * stride + y) * stride + z of each, all different.
    """

    def __init__(self, cell: torch.Tensor, stride: int):
        self.cell, self.stride = cell, stride

    @cached_property
    def neighbours(self) -> _Neighbours:
        n, stride = len(self.cell), self.stride
        cell, row = self.cell.sort()
        rank = torch.empty_like(row)
        rank[row] = torch.arange(n, device=row.device)
        cell = torch.cat([cell, cell.new_full((1,), _NO_CELL)])
        pairs = []

        def match(place: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            found = cell[place] == wanted
            rows = torch.nonzero(found)[:, 0]
            pairs.append((row[place[rows]], rows))
            return found

        # The three cells of a column along z follow one another: one search finds them all.
        for column in (-stride - 1, -stride, -stride + 1, -1):
            wanted = self.cell + (column * stride - 1)
            place = torch.searchsorted(cell[:n], wanted)
            for _ in range(3):
                place = place + match(place, wanted)
                wanted = wanted + 1
        match(rank - 1, self.cell - 1)
        targets = [target for _, target in pairs] + [source for source, _ in pairs[::-1]]
        counts = [len(target) for target in targets]
        counts.insert(_CENTRE, 0)
        return _Neighbours(pairs, counts, _Bags.of(torch.cat(targets), n))

    def decoded(self) -> tuple[torch.Tensor, ...]:
        """Return event, x, y and z of each voxel, (n,) int64 each."""
        rest, z = self.cell // self.stride, self.cell % self.stride
        rest, y = rest // self.stride, rest % self.stride
        return rest // self.stride, rest % self.stride, y, z

    @cached_property
    def halving(self) -> _Halving:
        stride = self.stride
        event, x, y, z = self.decoded()
        place = (x % 2 * 2 + y % 2) * 2 + z % 2
        coarse = ((event * stride + x // 2) * stride + y // 2) * stride + z // 2
        cell, parent = coarse.unique(return_inverse=True)
        fine = torch.argsort(place, stable=True)
        parent = parent[fine]
        counts = torch.bincount(place, minlength=8).tolist()
        bags = _Bags.of(parent, len(cell))
        grid = _Grid(cell, stride)
        return _Halving(fine.split(counts), parent.split(counts), counts, bags, grid)


@contextlib.contextmanager
def one_thread_per_operation() -> Iterator[int]:
    """Let torch compute each operation with one thread in the block; yield how many it may use.

    By itself, torch shares every small operation among its threads, which then wait for one
    another: with two threads a step took 19.9 ms per event of 800 voxels instead of 12.1, and 35.6
    instead of 33.4 with 2,700 (one thread: 13.1 and 37.6).
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(n_threads)


@lru_cache
def thread_pool(n_threads: int) -> ThreadPoolExecutor:
    """Return threads in each of which torch computes by itself."""
    return ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))


# The number of threads that share products. 0: as many as torch uses for all its operations.
_sharing = 0


@contextlib.contextmanager
def sharing_products() -> Iterator[None]:
    """Share products alone among the threads that torch may use; a CPU computes all else with one.

    The result has the same bits for any number of threads.
    """
    global _sharing
    with one_thread_per_operation() as _sharing:
        try:
            yield
        finally:
            _sharing = 0


def _spread(work: Callable[[int], None], count: int, device: torch.device) -> None:
    """Call work(0) to work(count - 1); on a CPU on several threads, each call on one of them."""
    n_threads = (_sharing or torch.get_num_threads()) if device.type == "cpu" else 1
    is_inference = torch.is_inference_mode_enabled()

    def share(first: int) -> None:
        with torch.inference_mode(is_inference), torch.no_grad():  # both are a thread's own
            for k in range(first, count, n_threads):
                work(k)

    if n_threads == 1:
        share(0)
    else:
        list(thread_pool(n_threads).map(share, range(n_threads)))


def _input_to_output(weight: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return the matrix (in, out) of each offset: parts of weight (out, k, k, k, in)."""
    return weight.flatten(1, 3).permute(1, 2, 0).unbind()


# PyTorch declares backward for any number of gradients, and its decorators hide the names of the
# arguments: hence the ignored checks below.


class _Submanifold(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float16)
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, near: _Neighbours) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.near = near
        kernels = _input_to_output(weight)
        products = x.new_empty(sum(near.counts), len(weight))
        parts = products.split(near.counts)

        def multiply(k: int) -> None:
            for offset, source, _ in near.both_ways(k):
                torch.mm(x.index_select(0, source), kernels[offset], out=parts[offset])

        _spread(multiply, _CENTRE, x.device)
        return near.bags.sum(products).addmm_(x, kernels[_CENTRE])

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, gradient: torch.Tensor):  # type: ignore[override]
        x, weight = ctx.saved_tensors
        near, gradient = ctx.near, gradient.contiguous()
        of_weight = torch.empty_like(weight)
        kernels, of_kernels = (w.flatten(1, 3).unbind(1) for w in (weight, of_weight))
        torch.mm(gradient.t(), x, out=of_kernels[_CENTRE])
        # Backwards, a pair belongs to the opposite offset: the same tables and sums serve.
        products = x.new_empty(sum(near.counts), x.shape[1])
        parts = products.split(near.counts)

        def multiply(k: int) -> None:
            for offset, source, target in near.both_ways(k):
                gathered = gradient.index_select(0, target)
                torch.mm(gathered, kernels[offset], out=parts[26 - offset])
                torch.mm(gathered.t(), x.index_select(0, source), out=of_kernels[offset])

        _spread(multiply, _CENTRE, x.device)
        return near.bags.sum(products).addmm_(gradient, kernels[_CENTRE]), of_weight, None


class _Down(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float16)
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, halving: _Halving) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.halving = halving
        return _to_coarse(x, _input_to_output(weight), halving)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, gradient: torch.Tensor):  # type: ignore[override]
        x, weight = ctx.saved_tensors
        halving, gradient = ctx.halving, gradient.contiguous()
        of_weight = _weight_gradient(weight, gradient, halving.parent, x, halving.fine)
        return _to_fine(gradient, weight.flatten(1, 3).unbind(1), halving), of_weight, None


class _Up(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float16)
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, halving: _Halving) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.halving = halving
        return _to_fine(x, _input_to_output(weight), halving)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, gradient: torch.Tensor):  # type: ignore[override]
        x, weight = ctx.saved_tensors
        halving, gradient = ctx.halving, gradient.contiguous()
        of_weight = _weight_gradient(weight, gradient, halving.fine, x, halving.parent)
        return _to_coarse(gradient, weight.flatten(1, 3).unbind(1), halving), of_weight, None


def _weight_gradient(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    gradient_rows: Sequence[torch.Tensor],
    x: torch.Tensor,
    x_rows: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Return the gradient of `weight`. Rows: of output and input that each offset connects."""
    of_weight = torch.empty_like(weight)
    kernels = of_weight.flatten(1, 3).unbind(1)
    for of_kernel, of_gradient, of_x in zip(kernels, gradient_rows, x_rows):
        gathered = gradient.index_select(0, of_gradient)
        torch.mm(gathered.t(), x.index_select(0, of_x), out=of_kernel)
    return of_weight


def _to_coarse(x: torch.Tensor, kernels, halving: _Halving) -> torch.Tensor:
    """Return coarse rows: each sums its fine rows times the kernels (in, out) of their places."""
    products = x.new_empty(len(x), kernels[0].shape[1])
    for kernel, fine, part in zip(kernels, halving.fine, products.split(halving.counts)):
        torch.mm(x.index_select(0, fine), kernel, out=part)
    return halving.bags.sum(products)


def _to_fine(x: torch.Tensor, kernels, halving: _Halving) -> torch.Tensor:
    """Return fine rows: each is its coarse row times the kernel (in, out) of its place."""
    out = x.new_empty(sum(halving.counts), kernels[0].shape[1])
    for kernel, fine, parent in zip(kernels, halving.fine, halving.parent):
        out.index_copy_(0, fine, x.index_select(0, parent) @ kernel)
    return out

"""The device to compute on, the processes of torchrun, and errors for lack of memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist

from baseline.model import UResNet
from lartpc_challenge.format import ChallengeError


def describe(model: UResNet, n_events: int, precision: str) -> str:
    """Return device, backend, threads, precision, numbers of events and parameters as one line."""
    device = model.head.weight.device
    where = f"GPU {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "CPU"
    where += f" x {world_size()}" if world_size() > 1 else ""
    count = torch.get_num_threads()
    n_parameters = sum(p.numel() for p in model.parameters())
    return (
        f"device {where}, backend {model.backend.name}, {count} thread{'s' * (count > 1)}, "
        f"{precision if device.type == 'cuda' else 'fp32'}, {n_events:,} events, "
        f"{n_parameters:,} parameters"
    )


def choose_device(name: str, precision: str = "fp32") -> torch.device:
    """Return the device cpu, cuda or auto: a GPU if there is one.

    Raises ChallengeError if there is no such device, or if it can't compute with this precision.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ChallengeError("no CUDA GPU is visible to torch; use --device cpu")
    if name == "cpu" and precision != "fp32":
        raise ChallengeError(
            f"{precision} needs a CUDA GPU and none is in use; train with --preset cpu or "
            "--precision fp32"
        )
    return torch.device(name)


@contextlib.contextmanager
def joined_processes(device: torch.device) -> Iterator[torch.device]:
    """Yield this process's device; in the block, all processes of torchrun are joined.

    Raises ChallengeError if there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.type == "cuda":
        n_processes, n_cards = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
        if n_processes > n_cards:
            raise ChallengeError(
                f"{n_processes} processes need as many GPUs, found {n_cards}; lower "
                "--nproc-per-node, or use --device cpu"
            )
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield device
    # Not after a failure: NCCL would wait for processes that no longer answer.
    dist.destroy_process_group()


def rank() -> int:
    """Return this process's number among the joined ones, 0 without others."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return the number of joined processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


# In the texts of torch's allocator for CPUs and of spconv, which have no class for this error.
_SIGNS_OF_MEMORY = ("can't allocate memory", "out of memory", "cudaMalloc")


@contextlib.contextmanager
def explaining_memory(what_to_lower: str) -> Iterator[None]:
    """Raise ChallengeError if the memory of the GPU or of the machine is not sufficient.

    what_to_lower: the advice in the message, for example an option that needs less memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as reason:
        known = isinstance(reason, (MemoryError, torch.OutOfMemoryError))
        if not known and not any(sign in str(reason) for sign in _SIGNS_OF_MEMORY):
            raise
        raise ChallengeError(f"out of memory: lower {what_to_lower}") from reason

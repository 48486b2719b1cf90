"""The device to compute on, and what to tell somebody whose device gives up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from lartpc_challenge.format import ChallengeError


def choose_device(name: str, precision: str) -> torch.device:
    """The device named cpu, cuda or auto: a GPU if there is one. ChallengeError if it won't do."""
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
def explaining_memory(what_to_lower: str) -> Iterator[None]:
    """Turn the end of the device's or the machine's memory into a ChallengeError."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as reason:
        raise ChallengeError(f"out of memory: lower {what_to_lower}") from reason
    except RuntimeError as reason:  # torch's allocator for CPUs has no class of its own
        if "can't allocate memory" not in str(reason):
            raise
        raise ChallengeError(f"out of memory: lower {what_to_lower}") from reason

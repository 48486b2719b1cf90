"""Checkpoints: plain dictionaries that torch.load(weights_only=True) reads.

A model (best.pt) contains what prediction needs: averaged weights in half precision, configuration
and cycle. A state (last.pt) contains the same, and everything that is needed to resume.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from baseline.backends import Backend
from baseline.config import Config
from baseline.model import UResNet
from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.files import NOT_AS_WRITTEN, check_seal, replacing
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.seal import append_seal
from lartpc_challenge.submission.upload import READ_ERRORS
from lartpc_challenge.verify import NOT_PROVEN, WHOLE, verify

# What torch raises for damaged bytes, in addition to zip's and its own.
_MORE_READ_ERRORS = (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
_FORMAT = "lartpc-challenge-model"
_GIVE = "give best.pt or last.pt of baseline.train"
_VERSION = 2  # from 2 on with a seal


def pack_model(weights: dict, config: Config, cycle: Cycle) -> dict:
    """Return weights, configuration and cycle as a dictionary to save.

    Convolutions and matrices are converted to half precision: this halves the file, and a hold-out
    is too small to measure the change of the scores. Norms are not converted, because a variance
    can exceed the range of half precision.
    """
    halved = {
        name: tensor.half() if tensor.ndim > 1 else tensor.clone()
        for name, tensor in weights.items()
    }
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "cycle": cycle.number,
        "config": config.to_dict(),
        "weights": halved,
    }


def save(checkpoint: dict, path) -> None:
    """Save a checkpoint at `path`, with a seal; if this is interrupted, the former file stays.

    Raises ChallengeError if the file can't be written.
    """
    content = io.BytesIO()  # serialise first: torch's own error on a full disk is unreadable
    torch.save(checkpoint, content)
    append_seal(content)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def load(path, map_location="cpu") -> dict:
    """Return the checkpoint at `path`. Raises ChallengeError if it is none of this baseline.

    No code in the file is executed: weights_only admits only tensors and plain containers.
    """
    is_sealed = check_seal(path)
    if not is_sealed:  # of version 1; torch itself doesn't look at the sums in its zip
        state = verify(path)
        if state not in (WHOLE, NOT_PROVEN):
            raise ChallengeError(f"{path}: {state}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd pickles; bad files raise below
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except PermissionError as reason:
        raise ChallengeError(f"{path}: no permission to read it") from reason
    except (*READ_ERRORS, *_MORE_READ_ERRORS, pickle.UnpicklingError) as reason:
        raise ChallengeError(
            f"{path}: not a readable checkpoint (damaged, cut short or of another kind); {_GIVE}"
        ) from reason
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != _FORMAT:
        raise ChallengeError(f"{path}: not a checkpoint of this baseline; {_GIVE}")
    if checkpoint.get("version") not in (1, _VERSION):
        raise ChallengeError(
            f"{path}: a checkpoint of version {checkpoint.get('version')}, this is {_VERSION}"
        )
    if not is_sealed and checkpoint["version"] > 1:
        raise ChallengeError(f"{path}: {NOT_AS_WRITTEN}")
    for name, kind in {"cycle": int, "config": dict, "weights": dict}.items():
        if not isinstance(checkpoint.get(name), kind):
            raise ChallengeError(f"{path}: a checkpoint without its {name}")
    _check_fit(checkpoint, path)
    return checkpoint


@contextlib.contextmanager
def fitting(path) -> Iterator[None]:
    """Turn the errors of missing parts and of parts of another kind or shape into ChallengeError.

    path: of the checkpoint, for the message. Lack of a GPU's memory stays what it is.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        ChallengeError,
    ) as reason:
        first = str(reason).partition("\n")[0]
        raise ChallengeError(f"{path}: not a checkpoint of this version: {first}") from reason


def _check_fit(checkpoint: dict, path) -> None:
    """Raise ChallengeError unless the weights are those of the configuration's network.

    The sizes that a damaged file declares are not allocated.
    """
    with fitting(path):
        config, weights = Config.from_dict(checkpoint["config"]), checkpoint["weights"]
        with torch.device("meta"):
            model = UResNet(config, len(CYCLES[checkpoint["cycle"]].labels))
        model.load_state_dict(weights, assign=True)
        if sum(tensor.numel() for tensor in weights.values()) > Path(path).stat().st_size:
            raise ValueError("its weights are larger than the file")


def load_model(
    path, device: torch.device, backend: Backend | None = None
) -> tuple[UResNet, Config, Cycle]:
    """Return the network of a model or a state, ready to predict on `device`.

    backend: computes its convolutions (plain PyTorch if None); it may differ from the one that
    trained the network. Raises ChallengeError as `load`.
    """
    checkpoint = load(path)
    config, cycle = Config.from_dict(checkpoint["config"]), CYCLES[checkpoint["cycle"]]
    with fitting(path):
        model = UResNet(config, len(cycle.labels), backend)
        model.load_state_dict(checkpoint["weights"])
    return model.to(device).eval(), config, cycle

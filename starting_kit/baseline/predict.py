"""Label every voxel of a test file and write the submission.

python -m baseline.predict --checkpoint run/best.pt --events cycle1_test.h5 --out submission.zip
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import contextlib
import sys

import numpy as np

from baseline.options import end_without_torch, predict_parser

try:
    import torch
except ModuleNotFoundError:
    end_without_torch(predict_parser(__doc__ or ""), __name__)
from tqdm import tqdm

from baseline import checkpoint
from baseline.augment import fixed_view
from baseline.backends import open_backend
from baseline.backends.torch import one_thread_per_operation, thread_pool
from baseline.config import Config
from baseline.dataset import Ragged, batches_by_size, read_events
from baseline.device import choose_device, describe, explaining_memory
from baseline.model import UResNet, arithmetic
from baseline.submit import submit
from lartpc_challenge.command import run
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from lartpc_challenge.submission.forms import check_zip_name

# Voxels per batch. On a CPU every thread has a batch of its own, and threads wait for each other at
# every operation: with batches half as large two take 10 % longer. Larger ones are no faster.
_BATCH_VOXELS = {"cpu": 30_000, "cuda": 500_000}


def class_probabilities(
    model: UResNet, events: Ragged, config: Config, n_views: int, progress: bool = False
) -> torch.Tensor:
    """Return (M, n_classes) float32 on the CPU: probabilities averaged over `n_views` orientations.

    model: in evaluation mode, on the device that computes; events: on any device. Column i is
    the class of label i + 1. An event's result depends on that event alone. On a CPU, as many
    threads as torch uses share the batches; the result is the same, bit by bit, for any number.
    """
    device = model.head.weight.device
    result = torch.zeros(events.n_voxels, model.head.out_features)

    @torch.inference_mode()  # which is a thread's own
    def fill(index: torch.Tensor) -> int:
        """Put the probabilities of some events into the result; return the number of voxels."""
        index = index.to(events.coords.device)
        batch = events.select(index).to(device)
        total = torch.zeros(batch.n_voxels, result.shape[1], device=device)
        for view in range(n_views):
            logits = model(fixed_view(batch, view, n_views, model.period))
            total += logits.float().softmax(1)
        result[events.rows(index).cpu()] = (total / n_views).cpu()
        return batch.n_voxels

    # The largest first, so that no thread is left with a large one at the end.
    most_voxels, length = _BATCH_VOXELS[device.type], events.length.cpu()
    batches = list(batches_by_size(length, most_voxels, model.most_events))[::-1]
    one_each = one_thread_per_operation() if device.type == "cpu" else contextlib.nullcontext(1)
    with (
        tqdm(total=events.n_voxels, unit="voxel", unit_scale=True, disable=not progress) as bar,
        arithmetic(model, config.precision),
        one_each as n_threads,
    ):
        # After Ctrl-C, `map` of the pool cancels the rest.
        spread = thread_pool(n_threads).map if n_threads > 1 else map
        for n_voxels in spread(fill, batches):
            bar.update(n_voxels)
    return result


def predict(
    checkpoint_path,
    events_path,
    device: str = "auto",
    backend: str = "auto",
    views: int | None = None,
) -> np.ndarray:
    """Return (M,) uint8: the labels of an event file's voxels, in its order.

    If checkpoint and events are of different cycles, classes are matched by name, and those that
    the events' cycle does not separate are added up: protons are "other" in cycle 1.
    device: cpu, cuda or auto. backend: one of BACKENDS or auto. Prints which are used.
    views: how many orientations are averaged; by default what the checkpoint says.
    Raises ChallengeError if the classes can't be matched, or if a file can't be read.
    """
    with explaining_memory("the number of other programs, or use --device cpu"):
        where = choose_device(device)
        opened = open_backend(backend, where)
        model, config, cycle = checkpoint.load_model(checkpoint_path, where, opened)
        events, found = read_events([events_path], labelled=False)
        labels = cycle.labels_in(found)
        if labels is None:
            raise ChallengeError(
                f"{events_path}: is of cycle {found.number}, but {checkpoint_path} was trained on "
                f"cycle {cycle.number}, which does not separate its classes: "
                f"{', '.join(found.class_names)}"
            )
        print(describe(model, len(events), config.precision), flush=True)
        if cycle != found:
            print(f"trained on cycle {cycle.number}, the events are of cycle {found.number}")
        with EventFile(events_path) as file:
            if file.voxel_size_mm != VOXEL_SIZE_MM:
                print(f"trained on voxels of {VOXEL_SIZE_MM:g} mm, here {file.voxel_size_mm:g} mm")
        probability = class_probabilities(
            model, events, config, views or config.views, progress=True
        )
    of_label = torch.zeros(len(probability), len(found.labels))
    of_label.index_add_(1, torch.tensor(labels) - 1, probability)
    return (of_label.argmax(1) + 1).numpy().astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    options = predict_parser(__doc__).parse_args(arguments)
    torch.set_num_threads(options.threads)

    def command() -> None:
        check_zip_name(options.out)
        check_writable(options.out)
        pred = predict(
            options.checkpoint, options.events, options.device, options.backend, options.views
        )
        print(submit(options.out, options.events, pred))

    return run("predict", command, stopped="stopped, nothing was written")


if __name__ == "__main__":
    sys.exit(main())

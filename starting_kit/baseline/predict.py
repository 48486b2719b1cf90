"""Label every voxel of a test file and write the submission.

python -m baseline.predict --checkpoint run/best.pt --events cycle1_test.h5 --out submission.zip
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from tqdm import tqdm

from baseline import checkpoint
from baseline.augment import fixed_view
from baseline.backends import open_backend
from baseline.config import Config
from baseline.dataset import Ragged, batches_by_size, read_events
from baseline.device import add_options, choose_device, describe, explaining_memory
from baseline.model import UResNet, arithmetic
from baseline.submit import submit
from lartpc_challenge.command import new_parser, run
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import check_zip_name

# Voxels a batch: about 1 GB at 16 filters on a CPU, where larger batches are no faster.
_BATCH_VOXELS = {"cpu": 60_000, "cuda": 500_000}


@torch.inference_mode()
def class_probabilities(
    model: UResNet, events: Ragged, config: Config, n_views: int, progress: bool = False
) -> torch.Tensor:
    """(M, n_classes) float32 on the CPU: probabilities averaged over `n_views` orientations.

    model: in evaluation mode, on the device that computes; events: on any device. Column i is
    the class of label i + 1. Each event's result depends on it alone.
    """
    device = model.head.weight.device
    offset, length = events.offset.cpu(), events.length.cpu()
    batches = batches_by_size(length, _BATCH_VOXELS[device.type], model.most_events)
    result = torch.zeros(events.n_voxels, model.head.out_features)
    with tqdm(total=events.n_voxels, unit="voxel", unit_scale=True, disable=not progress) as bar:
        for index in batches:
            batch = events.select(index.to(events.coords.device)).to(device)
            total = torch.zeros(batch.n_voxels, result.shape[1], device=device)
            for view in range(n_views):
                with arithmetic(model, config.precision):
                    logits = model(fixed_view(batch, view, n_views, model.period))
                total += logits.float().softmax(1)
            rows = torch.cat([torch.arange(offset[i], offset[i] + length[i]) for i in index])
            result[rows] = (total / n_views).cpu()
            bar.update(batch.n_voxels)
    return result


def predict(
    checkpoint_path, events_path, device: str = "auto", backend: str = "auto"
) -> np.ndarray:
    """(M,) uint8 labels of an event file's voxels, in its order, of whatever kind the file is.

    device: cpu, cuda or auto; backend: spconv, torch or auto. Prints which it took.
    ChallengeError where checkpoint and events are of different cycles, or one can't be read.
    """
    with explaining_memory("the number of other programs, or use --device cpu"):
        where = choose_device(device)
        opened = open_backend(backend, where)
        model, config, cycle = checkpoint.load_model(checkpoint_path, where, opened)
        events, found = read_events([events_path], labelled=False)
        if found != cycle:
            raise ChallengeError(
                f"{events_path}: is of cycle {found.number}, but {checkpoint_path} was trained on "
                f"cycle {cycle.number}; each cycle needs its own network"
            )
        print(describe(model, len(events), config.precision), flush=True)
        probability = class_probabilities(model, events, config, config.views, progress=True)
    return (probability.argmax(1) + 1).numpy().astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m baseline.predict", __doc__)
    parser.add_argument("--checkpoint", required=True, help="best.pt (or last.pt) of a training")
    parser.add_argument("--events", required=True, help="the test file of the checkpoint's cycle")
    parser.add_argument("--out", required=True, help="the submission to write, a .zip")
    add_options(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)

    def command() -> None:
        check_zip_name(options.out)
        check_writable(options.out)
        manifest = Manifest.from_events(options.events)
        pred = predict(options.checkpoint, options.events, options.device, options.backend)
        print(submit(options.out, manifest, pred))

    return run("predict", command, stopped="stopped, nothing was written")


if __name__ == "__main__":
    sys.exit(main())

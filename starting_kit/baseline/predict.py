"""Label every voxel of a test file and write the submission.

python -m baseline.predict --checkpoint run/best.pt --events cycle1_test.h5 --out submission.zip
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from tqdm import tqdm

from . import checkpoint
from .augment import test_view
from .config import Config
from .dataset import Ragged, batches_by_size, read_events
from .device import choose_device, explaining_memory
from .model import UResNet, arithmetic

# Voxels a batch: some 1.5 GB at 32 filters; larger batches are no faster.
BATCH_VOXELS = {"cpu": 60_000, "cuda": 500_000}


@torch.inference_mode()
def class_probabilities(
    model: UResNet, events: Ragged, config: Config, n_views: int, progress: bool = False
) -> torch.Tensor:
    """(M, n_classes) float32 on the CPU: probabilities averaged over `n_views` orientations.

    model: in evaluation mode, on the device that computes; events: on any device.
    """
    device = model.head.weight.device
    most_voxels = BATCH_VOXELS[device.type]
    offset, length = events.offset.cpu(), events.length.cpu()
    result = torch.zeros(events.n_voxels, model.head.out_features)
    batches = batches_by_size(length, most_voxels, model.most_events)
    with tqdm(total=events.n_voxels, unit="voxel", unit_scale=True, disable=not progress) as bar:
        for index in batches:
            batch = events.select(index.to(events.coords.device)).to(device)
            total = 0
            for view in range(n_views):
                with arithmetic(config.precision, device):
                    logits = model(test_view(batch, view, n_views, model.period))
                total = total + logits.float().softmax(1)
            rows = torch.cat([torch.arange(offset[i], offset[i] + length[i]) for i in index])
            result[rows] = (total / n_views).cpu()
            bar.update(len(rows))
    return result


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="baseline.predict", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="best.pt (or last.pt) of a training")
    parser.add_argument("--events", required=True, help="the test file of the checkpoint's cycle")
    parser.add_argument("--out", required=True, help="the submission to write, a .zip")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--threads", type=int, default=1, help="1 repeats bit by bit; 2 gain 10-30 %%"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        write_prediction(options.checkpoint, options.events, options.out, options.device)
    except ChallengeError as reason:
        print(f"baseline.predict: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("baseline.predict: interrupted, nothing written", file=sys.stderr)
        return 130
    return 0


def write_prediction(checkpoint_path, events_path, out, device_name: str = "auto") -> None:
    from lartpc_challenge.submission import write_submission

    device = choose_device(device_name, "fp32")
    model, config, cycle = checkpoint.load_model(checkpoint_path, device)
    events, found = read_events([events_path], labelled=False)
    if found != cycle:
        raise ChallengeError(
            f"{events_path}: is of cycle {found.number}, but {checkpoint_path} was trained on "
            f"cycle {cycle.number}; give it the test file of cycle {cycle.number}"
        )
    with explaining_memory("the number of other programs, or use --device cpu"):
        probability = class_probabilities(model, events, config, config.views, progress=True)
    pred = (probability.argmax(1) + 1).numpy().astype(np.uint8)
    with EventFile(events_path) as file:
        event_id, offset = file.event_id, file.offset
    write_submission(out, event_id, offset, pred)
    size = Path(out).stat().st_size
    shares = np.bincount(pred, minlength=max(cycle.labels) + 1)[1:] / max(1, len(pred))
    print(f"{out}: {len(event_id)} events, {len(pred)} voxels, {size / 1e6:.2f} MB")
    print(", ".join(f"{name} {share:.1%}" for name, share in zip(cycle.class_names, shares)))


if __name__ == "__main__":
    sys.exit(main())

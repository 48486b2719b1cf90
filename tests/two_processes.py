"""What torchrun starts twice for test_train: parts of a training, and then the command.

    torchrun --nproc-per-node 2 two_processes.py FOLDER COMMAND...

FOLDER holds train.h5 and config.json. Each process leaves there 0.pt or 1.pt: the gradients of a
step with the norms' statistics held fixed, the loss after the first step, the weights and the
record after an epoch.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from baseline import train
from baseline.config import Config
from baseline.dataset import read_events
from baseline.training import Training
from lartpc_challenge.cycles import CYCLES


def gradients(training: Training) -> torch.Tensor:
    """Of one step with the norms' statistics held fixed, as one flat tensor."""
    training.model.eval()
    training.backward()
    return torch.cat([p.grad.flatten() for p in training.model.parameters()])


def share(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    # Not the store of torchrun, which serves the command.
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    config = Config.from_dict(json.loads((folder / "config.json").read_text()))
    events = read_events([folder / "train.h5"], labelled=True)[0]
    training = Training(config, CYCLES[2], events, torch.device("cpu"))
    found = gradients(training)
    training.advance()
    loss = training.loss_sum.clone()
    while training.step < training.steps_per_epoch:
        training.advance()
    training.close_epoch()
    weights = {name: p.detach() for name, p in training.model.named_parameters()}
    torch.save((found, loss, weights, training.record), folder / f"{rank}.pt")
    del training, weights  # before their process group, as in baseline.train
    dist.destroy_process_group()


if __name__ == "__main__":
    share(Path(sys.argv[1]), int(os.environ["RANK"]))
    sys.exit(train.main(sys.argv[2:]))

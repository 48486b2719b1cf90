"""The graph network of the starting kit's notebook your_own_model.ipynb.

Voxels exchange messages with their nearest neighbours, as in the kit of 2018.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree  # type: ignore[attr-defined]
from torch import nn

from baseline.dataset import Ragged

NOTEBOOK = Path(__file__).parents[2] / "starting_kit/your_own_model.ipynb"
NEAR, FAR = 12, 48  # all of the 12 nearest neighbours, and every fourth of the 48 nearest


class GraphPeer(nn.Module):
    """Ragged events -> logits (M, n_classes). Finds the neighbours anew for each batch."""

    def __init__(self, n_classes: int):
        super().__init__()
        self.network = _from_notebook("GraphNetwork")(n_classes)

    def forward(self, events: Ragged) -> torch.Tensor:
        position = events.coords.float()
        feature = torch.stack([torch.log(events.energy / 0.5), events.energy], 1)
        return self.network(position, feature, neighbours(events))


def neighbours(events: Ragged) -> torch.Tensor:
    """Return for each voxel the rows of its neighbours in the event: (M, 2 * NEAR) int64."""
    parts = []
    for start, n in zip(events.offset.tolist(), events.length.tolist()):
        position = events.coords[start : start + n].numpy()
        nearest = cKDTree(position).query(position, FAR)[1]
        # A small event has fewer: the voxel itself stands for those that are missing.
        nearest = np.where(nearest < n, nearest, np.arange(n)[:, None])
        parts.append(start + np.hstack([nearest[:, :NEAR], nearest[:, :: FAR // NEAR]]))
    return torch.from_numpy(np.concatenate(parts))


def _from_notebook(name: str) -> Callable[[int], nn.Module]:
    """Return the notebook's class with this name, with other classes that it uses."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    (source,) = [text for c in cells if f"class {name}(" in (text := "".join(c["source"]))]
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(compile(tree, str(NOTEBOOK), "exec"), found)
    return found[name]

"""What a training is made of: one frozen dataclass that travels in the checkpoint.

Every field is a command-line flag; its help says why one would turn it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, fields, replace

from lartpc_challenge.format import ChallengeError

PRECISIONS = ("fp32", "tf32", "fp16")
OPTIMIZERS = ("muon", "adamw")
MOST_VIEWS = 48  # a cube has so many orientations


def _option(default, reason: str, least=None, most=None, choices=None):
    limits = {"least": least, "most": most, "choices": choices}
    return field(default=default, metadata={"help": reason, **limits})


@dataclass(frozen=True)
class Config:
    """The settings of network, training, augmentation and inference; the helps explain them.

    Raises ChallengeError if a value is of another type or out of its range.
    """

    filters: int = _option(16, "channels of the finest level; level i has i times as many", 1, 256)
    depth: int = _option(
        5, "levels, each half as fine as the one before; 5 sees 16-voxel cells", 2, 6
    )
    blocks: int = _option(2, "residual blocks per level, down and again up", 1, 16)

    epochs: int = _option(
        14, "passes over the training events; more help until the hold-out stalls", 1, 10**6
    )
    batch_events: int = _option(
        16, "events per step of all processes; lower it if memory ends", 1, 10**6
    )
    optimizer: str = _option(
        "muon", "muon learns more from each step; adamw wants half the rate", choices=OPTIMIZERS
    )
    learning_rate: float = _option(
        8e-3, "peak of the one-cycle schedule; lower it if loss jumps", 0.0, 1000.0
    )
    warmup: float = _option(0.05, "share of all steps in which the learning rate climbs", 0.0, 1.0)
    weight_decay: float = _option(
        0.01, "of kernels and matrices (not norms, biases); less overfitting", 0.0, 1000.0
    )
    ema: float = _option(
        0.999, "decay per step of the averaged weights that predict; 0 for none", 0, 1
    )
    precision: str = _option(
        "fp32", "fp16 is fastest on a GPU, a CPU computes fp32", choices=PRECISIONS
    )
    holdout: float = _option(
        0.05, "share of the events kept out of training to measure it", 0.0, 0.9
    )
    seed: int = _option(1, "of hold-out, first weights, order and augmentation", 0, 2**63 - 1)

    balance: float = _option(
        0.0, "0: every voxel counts alike; 1: every class does, which finds rare ones", 0, 1
    )
    symmetries: bool = _option(True, "turn and mirror events: 48 orientations and all shifts")
    views: int = _option(
        8, "orientations averaged in prediction; time grows with it", 1, MOST_VIEWS
    )

    def __post_init__(self):
        for item in fields(self):
            value, kind = getattr(self, item.name), type(item.default)
            known, low, high = (item.metadata[limit] for limit in ("choices", "least", "most"))
            if type(value) is not kind and (kind, type(value)) != (float, int):
                raise ChallengeError(f"{item.name} must be {kind.__name__}, found {value!r}")
            if known and value not in known:
                raise ChallengeError(f"{item.name} must be one of {known}, found {value!r}")
            if low is not None and not low <= value <= high:  # NaN too
                raise ChallengeError(
                    f"{item.name} must be at least {low} and at most {high}, found {value}"
                )

    def to_dict(self) -> dict:
        """Return the fields by their names, as a checkpoint holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Config:
        """Read a checkpoint's configuration. Raises ChallengeError if its fields are others."""
        # Checkpoints from before these were options had these values.
        values = {"balance": 0.0, "optimizer": "adamw", **values}
        known = {item.name for item in fields(cls)}
        if values.keys() != known:
            unlike = sorted(values.keys() ^ known)
            raise ChallengeError(f"the configuration's fields differ from this version's: {unlike}")
        return cls(**values)


PRESETS = {
    # Minutes on a CPU with the sample events: to see learning, not to win.
    "quick": Config(epochs=10, batch_events=8, ema=0.98, holdout=0.2, views=4),
    "cpu": Config(),
    "gpu": Config(filters=32, epochs=40, batch_events=64, precision="fp16"),
}
_DEFAULT = "cpu"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --preset and a flag for every field; the help gives reasons and the presets' values."""
    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--preset",
        choices=PRESETS,
        default=argparse.SUPPRESS,
        help=f"to start from (default: {_DEFAULT}); the flags below change it",
    )
    for item in fields(Config):
        reason = f"{item.metadata['help']} ({_in_presets(item.name)})".replace("%", "%%")
        kind: dict = {"type": type(item.default), "choices": item.metadata["choices"]}
        if isinstance(item.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        group.add_argument(_flag(item.name), help=reason, default=argparse.SUPPRESS, **kind)


def _in_presets(name: str) -> str:
    """Return the field's value in each preset, in words."""
    values = {preset: getattr(config, name) for preset, config in PRESETS.items()}
    if len(set(values.values())) == 1:
        return f"default: {values[_DEFAULT]}"
    return ", ".join(f"{preset}: {value}" for preset, value in values.items())


def given(options: argparse.Namespace) -> list[str]:
    """Return the flags of the configuration that stood on the command line."""
    names = ("preset", *(item.name for item in fields(Config)))
    return [_flag(name) for name in names if hasattr(options, name)]


def from_options(options: argparse.Namespace) -> Config:
    """Return the preset, changed by the flags that were given."""
    values = vars(options)
    changes = {item.name: values[item.name] for item in fields(Config) if item.name in values}
    return replace(PRESETS[values.get("preset", _DEFAULT)], **changes)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")

"""Make the competition's data: simulate each cycle's events and split them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lartpc_challenge.events import EventFile
from lartpc_challenge.format import CYCLES, ChallengeError, Cycle
from organizer.data.seeds import Seeds, fixed_seeds, kept_seeds
from organizer.phases.split import check_distinct, prepare
from organizer.progress import progress
from organizer.simulate.chunks import SimulationRequest, simulate
from organizer.source import public_files, reference_files, test_file, train_file

SPLITS = {"train": train_file, "test": test_file}
FULL_EVENTS = {
    1: {"train": 6_000, "test": 4_000},
    2: {"train": 10_000, "test": 10_000},
    3: {"train": 10_000, "test": 10_000},
}
DEMONSTRATION_EVENTS = {number: {"train": 300, "test": 400} for number in CYCLES}


@dataclass(frozen=True)
class Plan:
    """What to make and where. `raw` gets the simulator's files, `private` the references."""

    scale: str
    events: dict[int, dict[str, int]]
    seeds: Seeds
    public: Path
    private: Path
    raw: Path


def full_plan(out: Path) -> Plan:
    """The sizes of 2018 with secret seeds."""
    raw = out / "secret"
    return Plan(
        "full", FULL_EVENTS, kept_seeds(raw / "seeds.json"), out, out / "reference_data", raw
    )


def demonstration_plan(out: Path) -> Plan:
    """The tracked data, from fixed seeds; the simulator's files stay in build/, untracked."""
    return Plan(
        "demonstration",
        DEMONSTRATION_EVENTS,
        fixed_seeds,
        out / "starting_kit" / "data",
        out / "reference_data",
        out / "build" / "demonstration",
    )


def make_cycle(plan: Plan, cycle: Cycle, *, jobs: int, dask: str | None) -> None:
    """Simulate and split one cycle's events. What is there already is kept."""
    for split, name_in in SPLITS.items():
        n_events = plan.events[cycle.number][split]
        seed = int.from_bytes(plan.seeds(f"cycle{cycle.number} {split}"), "big")
        request = SimulationRequest(cycle.number, n_events, seed, plan.scale)
        out = name_in(plan.raw, cycle)
        with progress(n_events, out.stem, "events") as advance:
            simulate(out, request, jobs=jobs, dask=dask, progress=advance)
    secret = plan.seeds(f"cycle{cycle.number} phases")
    prepare(plan.raw, plan.public, plan.private, cycle=cycle, secret=secret)


def _check_length(path: Path, n_events: int) -> None:
    with EventFile(path) as file:
        if len(file) != n_events:
            raise ChallengeError(
                f"{path}: is there with {len(file)} events, {n_events} are asked for; ask for as "
                f"many as before, or remove {path.parent} to begin anew, with new seeds"
            )


def is_complete(plan: Plan, cycle: Cycle) -> bool:
    """Whether the cycle's public files and references are all there.

    Raises ChallengeError where a public one has another size than `plan` asks for.
    """
    for split, name_in in SPLITS.items():
        if name_in(plan.public, cycle).exists():
            _check_length(name_in(plan.public, cycle), plan.events[cycle.number][split])
    return all(path.exists() for path in outputs(plan, cycle))


def outputs(plan: Plan, cycle: Cycle) -> list[Path]:
    """The two public files and the two references of a cycle."""
    return [*public_files(plan.public, cycle), *reference_files(plan.private, cycle)]


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can look into."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as reason:
        raise ChallengeError(f"{folder}: can't be written: {reason.strerror}") from reason


def at_most(plan: Plan, limit: int | None) -> Plan:
    """The plan with at most `limit` train and as many test events a cycle."""
    if limit is None:
        return plan
    events = {
        number: {split: min(limit, n) for split, n in sizes.items()}
        for number, sizes in plan.events.items()
    }
    return replace(plan, events=events)


def check_all(plan: Plan) -> None:
    """Raise ChallengeError if an event stands in two public files, of whatever cycle."""
    files = [path for c in CYCLES.values() for path in public_files(plan.public, c)]
    check_distinct(path for path in files if path.exists())

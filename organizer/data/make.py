"""Make the competition's data: simulate each cycle's events and split them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from organizer.competition import Competition
from organizer.cycles import production_of
from organizer.data.seeds import Seeds, fixed_seeds, kept_seeds
from organizer.phases.split import check_distinct, prepare
from organizer.progress import progress
from organizer.simulate.chunks import SimulationRequest, simulate
from organizer.source import public_files, reference_file, test_file, train_file

SPLITS = {"train": train_file, "test": test_file}


@dataclass(frozen=True)
class Plan:
    """The data to make, and the folders for it.

    scale: one of SCALES. public: folder for event files. private: folder for references. raw:
    folder for the simulator's files. most: largest number of train and of test events per cycle;
    None for no limit.
    """

    competition: Competition
    scale: str
    seeds: Seeds
    public: Path
    private: Path
    raw: Path
    most: int | None = None

    def n_events(self, cycle: Cycle, split: str) -> int:
        """Return the number of events of a split, `train` or `test`."""
        production = production_of(cycle)
        sizes = production.full if self.scale == "full" else production.demonstration
        n_events = dict(zip(SPLITS, sizes))[split]
        return n_events if self.most is None else min(self.most, n_events)


def full_plan(competition: Competition, out: Path, most: int | None = None) -> Plan:
    """Return the plan of the full data, with secret seeds."""
    raw = out / "secret"
    seeds = kept_seeds(raw / "seeds.json")
    return Plan(competition, "full", seeds, out, out / "reference_data", raw, most)


def demonstration_plan(competition: Competition, out: Path, most: int | None = None) -> Plan:
    """Return the plan of the tracked demonstration data, with fixed seeds."""
    return Plan(
        competition,
        "demonstration",
        fixed_seeds,
        out / "starting_kit" / "data",
        out / "reference_data",
        out / "build" / "demonstration",
        most,
    )


def make_cycle(plan: Plan, cycle: Cycle, *, jobs: int, dask: str | None) -> None:
    """Simulate and split one cycle's events. Existing simulator's files are kept.

    jobs: number of processes. dask: address of a scheduler to use instead.
    """
    for split, name_in in SPLITS.items():
        n_events = plan.n_events(cycle, split)
        seed = int.from_bytes(plan.seeds(f"cycle{cycle.number} {split}"), "big")
        request = SimulationRequest(cycle.number, n_events, seed, plan.scale)
        out = name_in(plan.raw, cycle)
        with progress(n_events, out.stem, "events") as advance:
            simulate(out, request, jobs=jobs, dask=dask, progress=advance)
    secret = plan.seeds(f"cycle{cycle.number} phases")
    phases = plan.competition.phases_of(cycle)
    prepare(plan.raw, plan.public, plan.private, phases=phases, secret=secret)


def _check_length(path: Path, n_events: int) -> None:
    with EventFile(path) as file:
        if len(file) != n_events:
            raise ChallengeError(
                f"{path}: exists with {len(file)} events, expected {n_events}; ask for as many as "
                f"before, or remove {path.parent} to start again with new seeds"
            )


def is_complete(plan: Plan, cycle: Cycle) -> bool:
    """Return whether all public files and references of the cycle exist.

    Raises ChallengeError if a public file has another number of events than the plan.
    """
    for split, name_in in SPLITS.items():
        if name_in(plan.public, cycle).exists():
            _check_length(name_in(plan.public, cycle), plan.n_events(cycle, split))
    return all(path.exists() for path in outputs(plan, cycle))


def outputs(plan: Plan, cycle: Cycle) -> list[Path]:
    """Return the paths of the two public files and the two references of a cycle."""
    phases = plan.competition.phases_of(cycle)
    references = [reference_file(plan.private, phase.number) for phase in phases]
    return [*public_files(plan.public, cycle), *references]


def check_all(plan: Plan) -> None:
    """Raise ChallengeError if an event is in two public files of any cycles."""
    files = [path for c in plan.competition.cycles for path in public_files(plan.public, c)]
    check_distinct(path for path in files if path.exists())

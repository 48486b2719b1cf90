"""Read competition.yaml: the cycles of a competition, and the events that each phase scores.

The file is in Codabench's format, version 2, with two more keys in each task: `cycle` (a number or
a name) and `events` (public or hidden). Phases are numbered from 1 in the order of the file.

`python -m organizer.competition` prints the numbers of the cycles.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.cycles import Cycle, find_cycle
from lartpc_challenge.files import read_text
from lartpc_challenge.format import ChallengeError

if TYPE_CHECKING:
    import jsonschema
    from jsonschema.protocols import Validator

ROOT = Path(__file__).resolve().parents[1]
_SCHEMA = Path(__file__).with_name("competition.schema.yaml")
_OWN_KEYS = ("cycle", "events")


@dataclass(frozen=True)
class Phase:
    """A phase of a competition: it scores the public or the hidden test events of a cycle."""

    number: int
    name: str
    cycle: Cycle
    hidden: bool


@dataclass(frozen=True)
class Competition:
    """A competition.

    path: its competition.yaml. keys: the contents of the file, in Codabench's format. phases: in
    order; each cycle has a public phase and directly after it a hidden one.
    """

    path: Path
    keys: dict
    phases: tuple[Phase, ...]

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The cycles in the order of their phases."""
        return tuple(phase.cycle for phase in self.phases if not phase.hidden)

    def phases_of(self, cycle: Cycle) -> tuple[Phase, ...]:
        """Return the public phase of a cycle and its hidden one."""
        return tuple(phase for phase in self.phases if phase.cycle == cycle)

    def phase(self, number: int) -> Phase:
        """Return the phase with this number. Raises ChallengeError if there is none."""
        if not 1 <= number <= len(self.phases):
            raise ChallengeError(
                f"{self.path}: has no phase {number}, expected 1 to {len(self.phases)}"
            )
        return self.phases[number - 1]

    def find_cycles(self, key: str | int | None) -> tuple[Cycle, ...]:
        """Return the cycle with this number or name, or all cycles for None.

        Raises ChallengeError if the competition does not have it.
        """
        if key is None:
            return self.cycles
        cycle = find_cycle(key)
        if cycle not in self.cycles:
            raise ChallengeError(
                f"{self.path}: has no phases for cycle {cycle.number} {cycle.name}"
            )
        return (cycle,)


def read_competition(path: Path = ROOT / "competition.yaml") -> Competition:
    """Read a competition.yaml. Raises ChallengeError with all problems of the file."""
    return parse_competition(read_text(path), Path(path))


def add_competition(parser: argparse.ArgumentParser) -> None:
    """Add the option --competition to a parser; by default the repository's competition.yaml."""
    parser.add_argument(
        "--competition",
        type=Path,
        default=ROOT / "competition.yaml",
        metavar="YAML",
        help="competition.yaml with the cycles and phases (default: the repository's)",
    )


def parse_competition(text: str, path: Path) -> Competition:
    """Parse the text of a competition.yaml. path: the file's name in errors.

    Raises ChallengeError with all problems of the text.
    """
    keys = _parse_yaml(text, path)
    errors = sorted(_validator().iter_errors(keys), key=lambda error: list(error.path))
    problems = [_sentence(error) for error in errors]
    phases: list[Phase] = []
    if not problems:
        problems = list(_find_phases(keys, phases))
    if problems:
        raise ChallengeError("\n".join(f"{path}: {problem}" for problem in problems))
    tasks = [{k: v for k, v in task.items() if k not in _OWN_KEYS} for task in keys["tasks"]]
    return Competition(path, {**keys, "tasks": tasks}, tuple(phases))


def _find_phases(keys: dict, phases: list[Phase]) -> Iterator[str]:
    """Append the phases to `phases`; yield a sentence per problem."""
    tasks = {task["index"]: task for task in keys["tasks"]}
    for number, phase in enumerate(keys["phases"], 1):
        name, indexes = phase["name"], phase["tasks"]
        if len(indexes) != 1:
            yield f"{name}: expected one task, found {len(indexes)}"
        elif indexes[0] not in tasks:
            yield f"{name}: there is no task with the index {indexes[0]}"
        else:
            task = tasks[indexes[0]]
            try:
                cycle = find_cycle(task["cycle"])
            except ChallengeError as problem:
                yield f"{task['name']}: {problem}"
                continue
            phases.append(Phase(number, name, cycle, task["events"] == "hidden"))
    if len(phases) < len(keys["phases"]):
        return
    pairs = [(public.cycle, hidden.cycle) for public, hidden in zip(phases[::2], phases[1::2])]
    if (
        [phase.hidden for phase in phases] != [False, True] * len(pairs)
        or any(public != hidden for public, hidden in pairs)
        or len({public.number for public, _ in pairs}) < len(pairs)
    ):
        yield (
            "phases: expected one pair of phases per cycle: first a phase whose task has "
            "events: public, directly after it one whose task has events: hidden"
        )


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses repeated keys; YAML itself would silently use the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value):
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key} occurs twice", problem_mark=key_node.start_mark
                )
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, path: Path) -> dict:
    try:
        keys = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as reason:
        line = f", line {reason.problem_mark.line + 1}" if reason.problem_mark else ""
        raise ChallengeError(f"{path}{line}: not valid YAML: {reason.problem}") from reason
    except yaml.YAMLError as reason:
        raise ChallengeError(f"{path}: not valid YAML: {reason}") from reason
    if not isinstance(keys, dict):
        raise ChallengeError(f"{path}: expected keys and values, found none")
    return keys


@functools.cache
def _validator() -> Validator:
    """Return the validator of the schema, which uses no formats (addresses, dates).

    If Jupyter is installed, 1.1 s of the 1.3 s that the import of jsonschema takes are for the
    package rfc3987_syntax, a check of addresses. Here jsonschema is imported without it.
    """
    slow, modules = "rfc3987_syntax", cast("dict[str, object]", sys.modules)
    before = modules.get(slow)
    modules[slow] = None  # `import` then raises ImportError
    try:
        from jsonschema import Draft202012Validator, validators
    finally:
        del modules[slow]
        if before:
            modules[slow] = before
    schema = yaml.safe_load(_SCHEMA.read_text(encoding="utf-8"))
    # In JSON schemas 2.0 is an integer; for Codabench it is another version than 2.
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return validators.extend(Draft202012Validator, type_checker=types)(schema)


def _sentence(error: jsonschema.ValidationError) -> str:
    """Return an error of jsonschema with its place in the file and, for some errors, advice."""
    place, advice = error.json_path.removeprefix("$").removeprefix("."), ""
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        advice = f"; known are: {', '.join(schema['properties'])}"
    elif error.validator == "maxLength":
        advice = f"; the platform accepts {error.validator_value} characters"
    elif isinstance(error.instance, date):
        advice = "; write dates in quotes"
    return f"{place}: {error.message}{advice}" if place else f"{error.message}{advice}"


def main(argv: list[str] | None = None) -> int:
    """Print the numbers of a competition's cycles; return the exit status."""
    parser = new_parser("python -m organizer.competition", __doc__)
    add_competition(parser)
    path = parser.parse_args(argv).competition
    return run("competition", lambda: print(*(c.number for c in read_competition(path).cycles)))


if __name__ == "__main__":
    sys.exit(main())

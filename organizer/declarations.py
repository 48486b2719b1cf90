"""Find mistakes in the declarations of cycles, in their public part and the organiser's."""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lartpc_challenge.cycles import Cycle, SemanticClass
from organizer.simulate.primaries import Group, Recipe

if TYPE_CHECKING:
    from organizer.cycles import Production

PUBLIC, OWN = "lartpc_challenge/cycles.py", "organizer/cycles.py"
MOST_CLASSES = 254  # a label has 8 bits, and 255 often marks "no label"
LONGEST_NAME = 40  # characters; the pages have columns for names


def find_mistakes(cycles: Sequence[Cycle], productions: Mapping[int, Production]) -> Iterator[str]:
    """Yield a sentence for each mistake: where it is, what was expected and what was found."""
    for number in _repeated(cycle.number for cycle in cycles):
        free = max(cycle.number for cycle in cycles) + 1
        yield f"{PUBLIC}: two cycles have the number {number}; {free} is free"
    for name in _repeated(cycle.name for cycle in cycles):
        yield f"{PUBLIC}: two cycles have the name {name!r}; rename one of them"
    for cycle in cycles:
        where = f"cycle {cycle.number} {cycle.name}"
        mistakes = list(_in_public_part(cycle))
        yield from (f"{PUBLIC}: {where}: {mistake}" for mistake in mistakes)
        if cycle.number in productions and not mistakes:
            for mistake in _in_own_part(cycle, productions[cycle.number]):
                yield f"{OWN}: {where}: {mistake}"
    for number in set(productions) - {cycle.number for cycle in cycles}:
        yield f"{OWN}: {PUBLIC} has no cycle with the number {number}; declare its classes there"


def _in_public_part(cycle: Cycle) -> Iterator[str]:
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", cycle.name):
        yield "its name may have only letters (a to z), digits, _ and -, first a letter"
    classes = cycle.classes
    if not isinstance(classes, tuple) or not 2 <= len(classes) <= MOST_CLASSES:
        found = f"{len(classes)}" if isinstance(classes, tuple) else f"{type(classes).__name__}"
        yield f"expected a tuple of 2 to {MOST_CLASSES} classes, found {found}"
        return
    for name in _repeated(cycle.label_names):
        of_label_0 = " (`empty` is the name of label 0)" if name == "empty" else ""
        yield f"two classes have the name {name!r}{of_label_0}; rename one of them"
    for one in classes:
        yield from (f"class {one.name!r}: {mistake}" for mistake in _in_class(one))


def _in_class(one: SemanticClass) -> Iterator[str]:
    name = one.name
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= LONGEST_NAME:
        yield (
            f"expected a name of 1 to {LONGEST_NAME} characters on one line, without spaces at its "
            "ends; `meaning` has room for more"
        )
    for colour in (one.on_light, one.on_dark):
        if len(colour) != 3 or not all(type(c) is int and 0 <= c < 256 for c in colour):
            yield f"expected a colour (red, green, blue) of 0 to 255 each, found {colour}"


def _in_own_part(cycle: Cycle, production: Production) -> Iterator[str]:
    known = ", ".join(cycle.class_names)
    for what, names in (
        ("the rule", [name for name, _ in production.rule]),
        ("precedence", production.precedence),
    ):
        for name in names:
            if name not in cycle.class_names:
                yield f"{what} names the class {name!r}, expected one of {known}"
    for name, condition in production.rule:
        if not inspect.isfunction(condition):  # the settings' hash needs its source
            yield f"the condition of the class {name!r} must be a function, found {condition!r}"
    for name in cycle.class_names:
        if name not in dict(production.rule):
            yield f"the rule has no condition for the class {name!r}, so no voxel can belong to it"
    if not 0 <= production.min_classes <= len(cycle.classes):
        yield f"min_classes is {production.min_classes}, expected at most {len(cycle.classes)}"
    if cycle.has_dead_planes and production.detector is None:
        yield f"its detector is None, but has_dead_planes is True in {PUBLIC}"
    for recipe in production.recipes:
        yield from _in_recipe(recipe)


def _in_recipe(recipe: Recipe) -> Iterator[str]:
    for name in ("extra_odds", "vertex_odds", "cosmic_odds"):
        odds = getattr(recipe, name)
        if not math.isclose(sum(odds), 1, abs_tol=1e-8) or min(odds) < 0:
            yield f"{name} is {odds}, expected probabilities of 0, 1, 2, ... that sum to 1"
    if any(recipe.extra_odds[1:]) and not recipe.extra:
        yield "extra is empty, but extra_odds allow additional particles"
    for groups in recipe.required:
        if not isinstance(groups, tuple) or not groups:
            yield f"required has {groups}, expected tuples of groups: ((ELECTRON, PHOTON), (MUON,))"
            return
    groups: Iterable[Group] = [*recipe.extra, *(g for tuple_ in recipe.required for g in tuple_)]
    for group in groups:
        if not group.pdgs or not 0 <= group.lowest_mev <= group.highest_mev:
            yield f"{group}: expected particles and 0 <= lowest_mev <= highest_mev"


def _repeated(values: Iterable) -> list:
    """Return the values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1]

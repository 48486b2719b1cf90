"""Mistakes in the declaration of a cycle are named, with what was expected and what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lartpc_challenge.cycles import CYCLES, DECLARED
from organizer.cycles import PRODUCTIONS
from organizer.declarations import find_mistakes
from organizer.simulate.primaries import Group
from organizer.simulate.truth import anything, is_proton

NUMBER = 7  # five classes


def mistakes(public=None, own=None) -> list[str]:
    """Return the mistakes of a cycle 7 whose two parts have these values changed."""
    cycle = replace(CYCLES[NUMBER], **(public or {}))
    production = replace(PRODUCTIONS[NUMBER], **(own or {}))
    return list(find_mistakes([cycle], {cycle.number: production}))


def classes(**changes):
    first, *others = CYCLES[NUMBER].classes
    return (replace(first, **changes), *others)


def recipe(**changes):
    production = PRODUCTIONS[NUMBER]
    return {"recipe": replace(production.recipes[0], **changes)}


def test_the_shipped_declarations_have_no_mistakes():
    assert list(find_mistakes(DECLARED, PRODUCTIONS)) == []


@pytest.mark.parametrize(
    ("public", "told"),
    [
        ({"name": "my cycle"}, "its name may have only letters"),
        ({"name": "7"}, "first a letter"),
        ({"classes": CYCLES[NUMBER].classes[:1]}, "a tuple of 2 to 254 classes, found 1"),
        ({"classes": CYCLES[NUMBER].classes[0]}, "found SemanticClass"),
        ({"classes": classes(name="track")}, "two classes have the name 'track'; rename one"),
        ({"classes": classes(name="empty")}, r"'empty' \(`empty` is the name of label 0\)"),
        ({"classes": classes(name="")}, "expected a name of 1 to 40 characters"),
        ({"classes": classes(name="a" * 41)}, "expected a name of 1 to 40 characters"),
        ({"classes": classes(name="two\nlines")}, "expected a name of 1 to 40 characters"),
        ({"classes": classes(on_dark=(0, 0, 300))}, r"of 0 to 255 each, found \(0, 0, 300\)"),
        ({"has_dead_planes": True}, "its detector is None, but has_dead_planes is True"),
    ],
)
def test_in_the_public_part(public, told):
    (mistake, *_) = mistakes(public)
    assert mistake.split(": ")[0].endswith("cycles.py")
    assert re.search(told, mistake)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"rule": (*PRODUCTIONS[NUMBER].rule, ("Myon", is_proton))}, "the rule names .*'Myon'"),
        ({"rule": PRODUCTIONS[NUMBER].rule[1:]}, "no condition for the class 'low-energy'"),
        ({"precedence": ("muon",)}, "precedence names the class 'muon', expected one of shower"),
        ({"min_classes": 6}, "min_classes is 6, expected at most 5"),
        ({"rule": (*PRODUCTIONS[NUMBER].rule, ("track", 13))}, "must be a function, found 13"),
        (recipe(extra_odds=(0.5, 0.6)), r"extra_odds is \(0.5, 0.6\), expected probabilities"),
        (recipe(vertex_odds=(-0.5, 1.5)), "vertex_odds is .*expected probabilities"),
        (recipe(extra=()), "extra is empty"),
        (recipe(required=(Group((13,), 1, 2),)), "expected tuples of groups"),
        (recipe(extra=(Group((13,), 9, 2),)), "0 <= lowest_mev <= highest_mev"),
    ],
)
def test_in_the_organisers_part(own, told):
    (mistake,) = mistakes(own=own)
    assert mistake.startswith("organizer/cycles.py: cycle 7 motifs: ")
    assert re.search(told, mistake)


def test_between_cycles():
    twice = [CYCLES[1], replace(CYCLES[2], number=1), replace(CYCLES[3], name="two_classes")]
    told = list(find_mistakes(twice, {}))
    assert told[0].endswith("two cycles have the number 1; 4 is free")
    assert "two cycles have the name 'two_classes'" in told[1]
    (lonely,) = find_mistakes([CYCLES[1]], {9: PRODUCTIONS[1]})
    assert "has no cycle with the number 9; declare its classes there" in lonely


def _descends(pdg):
    def condition(facts):
        return facts.pdg == pdg

    return condition


def test_the_hash_of_the_settings_depends_on_the_values_in_a_condition():
    """Else a simulation that was stopped would go on with another rule."""
    made = [
        replace(PRODUCTIONS[1], rule=(("other", _descends(pdg)), ("electron/positron", anything)))
        for pdg in (13, 211, 13)
    ]
    first, second, third = (production.hash for production in made)
    assert first == third != second

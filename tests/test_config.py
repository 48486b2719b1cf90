"""The configuration: presets, flags, limits, and storage in a checkpoint."""

import argparse
from dataclasses import FrozenInstanceError, fields

import pytest

from baseline import config
from baseline.config import PRESETS, Config
from lartpc_challenge.format import ChallengeError


def parse(*arguments):
    parser = argparse.ArgumentParser()
    config.add_options(parser)
    return config.from_options(parser.parse_args(arguments))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_taken_word_for_word(name):
    assert parse("--preset", name) == PRESETS[name]


def test_flags_change_the_preset_and_nothing_else():
    chosen = parse("--preset", "gpu", "--epochs", "3", "--no-symmetries", "--learning-rate", "0.5")
    changed = {
        f.name for f in fields(Config) if getattr(chosen, f.name) != getattr(PRESETS["gpu"], f.name)
    }
    assert changed == {"epochs", "symmetries", "learning_rate"}
    assert (chosen.epochs, chosen.symmetries, chosen.learning_rate) == (3, False, 0.5)


def test_every_field_is_a_flag_with_a_reason():
    parser = argparse.ArgumentParser()
    config.add_options(parser)
    helped = {action.dest: action.help for action in parser._actions}
    for field in fields(Config):
        assert len(helped[field.name].split()) >= 4
    assert "--batch-events" in parser.format_help()


def test_help_shows_what_each_preset_contains():
    parser = argparse.ArgumentParser()
    config.add_options(parser)
    helped = {action.dest: action.help for action in parser._actions}
    assert helped["filters"].endswith("(quick: 16, cpu: 16, gpu: 32)")
    assert helped["depth"].endswith("(default: 5)")
    assert "default: cpu" in helped["preset"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": 0},
        {"depth": 7},
        {"epochs": 0},
        {"learning_rate": float("nan")},
        {"holdout": 1.0},
        {"precision": "bf16"},
        {"views": 49},
        {"filters": 10**9},
        {"blocks": 10**9},
        {"seed": 2**64},
        {"learning_rate": 1e300},
        {"filters": "16"},
        {"filters": 1.5},
        {"symmetries": 1},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ChallengeError, match=name):
        Config(**wrong)


def test_it_cannot_change_under_way():
    with pytest.raises(FrozenInstanceError):
        Config().epochs = 3


def test_to_and_from_a_dictionary_of_plain_values():
    values = PRESETS["gpu"].to_dict()
    assert all(type(value) in (int, float, bool, str) for value in values.values())
    assert Config.from_dict(values) == PRESETS["gpu"]


@pytest.mark.parametrize("values", [{}, {**Config().to_dict(), "colour": 1}])
def test_a_dictionary_of_another_version_is_refused(values):
    with pytest.raises(ChallengeError, match="differ from this version"):
        Config.from_dict(values)

"""Reference files and manifests: the truth of a phase and its public part."""

from dataclasses import replace

import numpy as np
import pytest
import toy
from damage import as_version_1, attribute, changed, edited, lacking, mutations

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import METRICS, ChallengeError, ReferenceDataError
from lartpc_challenge.reference import (
    Manifest,
    read_labelled_events,
    read_manifest,
    read_reference,
    write_reference,
)

SCORED = [7, 1, 4]


@pytest.fixture
def events():
    return toy.make_events(10, cycle=2)


@pytest.fixture
def path(tmp_path, events):
    toy.make_reference(tmp_path / "reference.h5", events, phase=3, scored=SCORED)
    return tmp_path / "reference.h5"


def test_what_is_written_is_read(path, events):
    reference = read_reference(path)
    own = [events[i] for i in SCORED]
    assert (reference.phase, reference.hidden, reference.scale) == (3, False, "demonstration")
    assert reference.cycle == CYCLES[2]
    assert reference.event_id.tolist() == [event.event_id for event in own]
    assert reference.offset.tolist() == toy.offsets(own).tolist()
    assert reference.label.tolist() == toy.labels(own).tolist()
    assert reference.energy == pytest.approx([e.energy.astype(float).sum() for e in events])
    assert reference.trivial == toy.TRIVIAL


def test_a_manifest_tells_what_the_test_file_tells_and_no_more(tmp_path, path, events):
    toy.make_events_file(tmp_path / "test.h5", events, kind="test", cycle=2)
    public, secret = Manifest.from_events(tmp_path / "test.h5"), read_manifest(path)
    for manifest in (public, secret):
        assert manifest.cycle == CYCLES[2]
        assert manifest.n_events == 10
        assert manifest.n_voxels == sum(map(len, events))
        assert manifest.event_id.tolist() == [event.event_id for event in events]
        assert manifest.offset.tolist() == toy.offsets(events).tolist()
        coords = np.concatenate([event.coords for event in events])
        assert np.array_equal(manifest.coords(), coords)


def test_phases_share_their_manifest(tmp_path, events):
    """A submission is checked only against the manifest: all phases refuse the same."""
    manifests = []
    for phase, scored in ((3, [0, 1]), (4, [2, 3])):
        toy.make_reference(tmp_path / "r.h5", events, phase=phase, scored=scored)
        manifests.append(read_manifest(tmp_path / "r.h5"))
    one, other = manifests
    assert one.cycle == other.cycle
    assert one.event_id.tolist() == other.event_id.tolist()
    assert one.offset.tolist() == other.offset.tolist()


def test_a_manifest_is_read_without_the_truth(path):
    with edited(path) as file:
        for name in ("label", "event_id", "offset"):
            del file[name]
    assert read_manifest(path).n_events == 10
    with pytest.raises(ReferenceDataError):
        read_reference(path)


def test_rows_of_events(path, events):
    manifest = read_manifest(path)
    wanted = np.array([*(events[i].event_id for i in (3, 3, 9, 0)), 4_000_000_000, -1])
    assert manifest.rows(wanted).tolist() == [3, 3, 9, 0, -1, -1]
    assert manifest.rows(wanted[:0]).tolist() == []
    beyond = np.array([2**64 - 1, 2**63], np.uint64)
    assert manifest.rows(beyond).tolist() == [-1, -1]


def test_own_voxels_of_a_column(path, events):
    reference = read_reference(path)
    assert reference.rows.tolist() == SCORED
    own = [events[i] for i in SCORED]
    assert reference.own(toy.labels(events)).tolist() == toy.labels(own).tolist()


@pytest.mark.parametrize(("phase", "cycle", "hidden"), [(1, 1, False), (4, 2, True), (6, 3, True)])
def test_a_phase_knows_its_cycle_and_visibility(tmp_path, phase, cycle, hidden):
    events = toy.make_events(4, cycle=cycle)
    toy.make_reference(tmp_path / "r.h5", events, phase=phase, scale="full")
    reference = read_reference(tmp_path / "r.h5")
    assert (reference.cycle.number, reference.hidden) == (cycle, hidden)
    assert reference.scale == "full"


def test_a_placeholder_is_no_reference(tmp_path):
    toy.make_placeholder(tmp_path / "r.h5", phase=2, scale="full")
    assert read_reference(tmp_path / "r.h5") is None
    assert read_manifest(tmp_path / "r.h5") is None


def test_trivial_baselines_may_be_missing(tmp_path, events):
    toy.make_reference(tmp_path / "r.h5", events, phase=3, trivial={})
    assert read_reference(tmp_path / "r.h5").trivial == {}


def test_equal_truth_gives_equal_bytes(tmp_path, events):
    for name in ("a.h5", "b.h5"):
        toy.make_reference(tmp_path / name, events, phase=3)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_labelled_events_are_a_truth_of_ones_own(tmp_path, events):
    toy.make_events_file(tmp_path / "train.h5", events, kind="train", cycle=2)
    reference = read_labelled_events(tmp_path / "train.h5")
    assert (reference.phase, reference.hidden, reference.trivial) == (None, False, {})
    assert reference.event_id.tolist() == reference.manifest.event_id.tolist()
    assert reference.label.tolist() == toy.labels(events).tolist()
    assert reference.energy == pytest.approx([e.energy.astype(float).sum() for e in events])


def test_events_without_labels_are_no_truth(tmp_path, events):
    toy.make_events_file(tmp_path / "test.h5", events, kind="test", cycle=2)
    with pytest.raises(ChallengeError, match="holds no labels"):
        read_labelled_events(tmp_path / "test.h5")


def attribute_gone(path):
    with edited(path) as file:
        del file["trivial/majority"].attrs["acc_mean"]


def first(value):
    def change(values):
        values[0] = value
        return values

    return change


def twice(values):
    values[0] = values[1]
    return values


def shifted(offset):
    offset[1] += 1
    return offset


DAMAGES = {
    "missing": (lambda path: path.unlink(), "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "not a readable HDF5 file"),
    "events": (attribute("kind", "train"), "is a train file, expected reference or placeholder"),
    "version": (attribute("format_version", 3), "format_version 3 is not readable"),
    "phase 0": (attribute("phase", 0), "phase is 0, expected 1 or larger"),
    "classes": (
        attribute("class_names", ["empty", "electron/positron", "proton", "other"]),
        "its classes are empty, electron/positron, proton, other, but those of cycle 2",
    ),
    "other cycle": (attribute("cycle", 1), "its classes are .* but those of cycle 1 two_classes"),
    "phase is text": (attribute("phase", "x"), "damaged, it can't be read"),
    "no label": (lacking("label"), "damaged, it can't be read"),
    "no test": (lacking("test"), "damaged, it can't be read"),
    "no trivial": (lacking("trivial"), "damaged, it can't be read"),
    "label of float": (changed("label", np.float64), "label is float64, expected uint8"),
    "unknown class": (changed("label", first(9)), "label holds a class that the cycle does not"),
    "short label": (changed("label", lambda v: v[:-1]), "offset must ascend from 0"),
    "shifted": (changed("offset", shifted), "an event has another number of labels than of voxels"),
    "own event twice": (changed("event_id", twice), "event_id holds an event twice"),
    "unknown event": (changed("event_id", first(4_000_000_000)), "names an event that test/ does"),
    "test event twice": (changed("test/event_id", twice), "test/event_id holds an event twice"),
    "test offset": (changed("test/offset", lambda v: v + 1), "test: offset must ascend from 0"),
    "energies": (changed("test/energy", lambda v: v[1:]), "test/energy needs one value per event"),
    "trivial": (attribute("acc_mean", np.nan, "trivial/majority"), "trivial holds a score outside"),
    "trivial lacks one": (
        attribute_gone,
        "damaged, it can't be read",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_reference_scores_nobody_and_says_why(path, damage):
    spoil, match = DAMAGES[damage]
    spoil(path)
    with pytest.raises(ReferenceDataError, match=match) as told:
        read_reference(path)
    assert str(told.value).startswith(str(path))
    assert len(str(told.value).splitlines()) == 1


def test_damaged_coords_are_an_organisers_fault(path):
    manifest = read_manifest(path)
    lacking("test/coords")(path)
    with pytest.raises(ReferenceDataError, match="coords: damaged, it can't be read"):
        manifest.coords()


def test_any_mutation_is_told(path):
    good = path.read_bytes()
    for mutated in mutations(good, seed=42):
        if mutated == good:
            continue
        path.write_bytes(mutated)
        with pytest.raises(
            ReferenceDataError, match=r"has changed since it was written|not a readable HDF5"
        ):
            read_reference(path)


def test_any_mutation_of_a_reference_without_a_seal_is_read_or_told(path):
    as_version_1(path)
    told = 0
    for mutated in mutations(path.read_bytes(), seed=42):
        path.write_bytes(mutated)
        try:
            read_reference(path)
        except ReferenceDataError:
            told += 1
    assert 20 < told < 150


def test_a_reference_needs_all_scores_of_a_trivial_baseline(tmp_path, events):
    with pytest.raises(KeyError, match="acc_mean"):
        write_reference(
            tmp_path / "r.h5",
            cycle=CYCLES[2],
            phase=3,
            hidden=False,
            scale="full",
            truth=events,
            test=events,
            trivial={"majority": dict.fromkeys(METRICS[:2], 0.5)},
        )
    assert list(tmp_path.iterdir()) == []


def test_truth_with_other_lengths_than_the_test_events_is_refused(tmp_path, events):
    shorter = replace(
        events[0],
        coords=events[0].coords[1:],
        energy=events[0].energy[1:],
        label=events[0].label[1:],
    )
    write_reference(
        tmp_path / "r.h5",
        cycle=CYCLES[2],
        phase=3,
        hidden=False,
        scale="full",
        truth=[shorter],
        test=events,
        trivial={},
    )
    with pytest.raises(ReferenceDataError, match="another number of labels than of voxels"):
        read_reference(tmp_path / "r.h5")

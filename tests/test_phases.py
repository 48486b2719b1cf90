"""The split into public and hidden events is complete and random, and reveals nothing."""

import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy import make_events, without_labels

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import read_reference
from organizer.phases import split as phases
from organizer.phases.__main__ import main
from organizer.phases.split import (
    as_read_out,
    check_distinct,
    event_numbers,
    keyed_numbers,
    labelled_test_events,
    prepare,
)

CYCLE = CYCLES[2]
SECRET = bytes(range(16))
N_TRAIN, N_TEST = 60, 81
# Beyond this many standard deviations a coincidence has odds of 7e-6; seeds are fixed here, so that
# the tests do the same each time.
SIGMAS = 4.5


def particle_of(event: Event) -> np.ndarray:
    """It depends on the position of a voxel, so that it can be found again in any order."""
    return (event.coords[:, 0] % 3).astype(np.int16) - 1


def write_raw(path, events, *, seed=1, cycle=CYCLE):
    """Write events like the simulator: ids in order, more columns, particles, attributes."""
    rng = np.random.default_rng(seed)
    columns = {"origin": np.uint8, "second_share": np.float32}
    with EventWriter(
        path,
        kind="simulation",
        cycle=cycle.number,
        scale="demonstration",
        columns={**columns, "particle": np.int16},
        attributes={"seed": f"{seed:032x}", "seed_scheme": "of the simulation"},
    ) as out:
        for number, event in enumerate(events):
            more = {name: rng.integers(0, 2, len(event)).astype(t) for name, t in columns.items()}
            out.append(replace(event, event_id=number, particle=particle_of(event)), **more)
        particles = rng.integers(1, 4, len(events))
        group, n = out.file.create_group("particles"), particles.sum()
        group["offset"] = np.concatenate([[0], np.cumsum(particles)])
        # A particle's energy, rounded, names the event that it belongs to.
        energies = np.repeat(np.arange(len(events)), particles) + rng.uniform(-0.4, 0.4, n)
        group["kinetic_energy_mev"] = energies.astype("f4")
        group["pdg"] = rng.choice([11, 13, 2212], n).astype("i4")
        group["vertex"] = rng.uniform(0, 192, (n, 3)).astype("f4")
        group["direction"] = rng.normal(size=(n, 3)).astype("f4")


@pytest.fixture(scope="module")
def events():
    return make_events(N_TRAIN + N_TEST, seed=11)


def write_both(raw, events, seed=1):
    raw.mkdir()
    write_raw(raw / "cycle2_train.h5", events[:N_TRAIN], seed=seed)
    write_raw(raw / "cycle2_test.h5", events[N_TRAIN:], seed=seed + 1)


@pytest.fixture(scope="module")
def split(tmp_path_factory, events):
    """A folder with raw/, public/ and private/."""
    folder = tmp_path_factory.mktemp("split")
    write_both(folder / "raw", events)
    prepare_in(folder)
    return folder


def prepare_in(folder, secret=SECRET):
    folders = (folder / name for name in ("raw", "public", "private"))
    prepare(*folders, phases=toy.COMPETITION.phases_of(CYCLE), secret=secret)


def read(path) -> list[Event]:
    with EventFile(path) as file:
        return list(file)


def truth_of(split, phase) -> dict[int, np.ndarray]:
    reference = read_reference(split / "private" / f"phase{phase}" / "reference.h5")
    labels = np.split(reference.label, reference.offset[1:-1])
    return dict(zip(reference.event_id.tolist(), labels))


def voxels(event) -> dict:
    """Return position -> (energy, label), without order and event number."""
    label = [None] * len(event) if event.label is None else event.label.tolist()
    return dict(zip(map(tuple, event.coords.tolist()), zip(event.energy.tolist(), label)))


def places(event) -> frozenset:
    return frozenset(voxels(event))


def assert_same_event(found, simulated):
    found, simulated = voxels(found), voxels(simulated)
    assert found.keys() == simulated.keys()
    for place, (energy, label) in found.items():
        assert energy == pytest.approx(simulated[place][0], rel=2**-13)
        assert label == simulated[place][1]


# ---- complete and right


def test_every_train_event_is_there_once(split, events):
    with EventFile(split / "public/cycle2_train.h5", kind="train") as file:
        assert file.scale == "demonstration"
        found = list(file)
    simulated = {places(event): event for event in events[:N_TRAIN]}
    assert len(found) == N_TRAIN
    for event in found:
        assert_same_event(event, simulated.pop(places(event)))


def test_every_test_event_has_its_truth_in_one_reference(split, events):
    simulated = {places(event): event for event in events[N_TRAIN:]}
    public, hidden = truth_of(split, 3), truth_of(split, 4)
    assert (len(public), len(hidden)) == (40, 41)
    assert not public.keys() & hidden.keys()
    labels = {**public, **hidden}
    found = read(split / "public/cycle2_test.h5")
    assert len(found) == N_TEST
    for event in found:
        truth = replace(event, label=labels.pop(event.event_id))
        assert_same_event(truth, simulated.pop(places(event)))


def references_in(private):
    return [private / f"phase{phase}" / "reference.h5" for phase in (3, 4)]


def test_labelled_test_events_are_what_was_split(split, events):
    simulated = {places(event): event for event in events[N_TRAIN:]}
    with EventFile(split / "public/cycle2_test.h5") as test:
        found = list(labelled_test_events(test, references_in(split / "private")))
        assert [event.event_id for event in found] == test.event_id.tolist()
    for event in found:
        assert_same_event(event, simulated.pop(places(event)))
    assert not simulated


def test_truth_of_other_events_or_none_labels_nothing(split, tmp_path):
    shutil.copytree(split / "private", tmp_path / "private")
    toy.make_placeholder(tmp_path / "private/phase4/reference.h5", phase=4, scale="demonstration")
    said = "no labels for event 2[0-9]{9} of .*h5; give the references"
    for kind, references in (("test", tmp_path / "private"), ("train", split / "private")):
        with (
            EventFile(split / f"public/cycle2_{kind}.h5") as file,
            pytest.raises(ChallengeError, match=said),
        ):
            list(labelled_test_events(file, references_in(references)))


def test_an_event_without_voxels_has_no_labels_in_a_placeholder(tmp_path):
    """Its truth is empty, and a placeholder has none: there must be no KeyError."""
    empty = Event(7, np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))
    toy.make_events_file(tmp_path / "test.h5", [empty], kind="test", cycle=2)
    toy.make_placeholder(tmp_path / "reference.h5", phase=4)
    with (
        EventFile(tmp_path / "test.h5") as file,
        pytest.raises(ChallengeError, match="no labels for event 7 of"),
    ):
        list(labelled_test_events(file, [tmp_path / "reference.h5"]))


def test_references_know_the_test_file(split):
    with h5py.File(split / "public/cycle2_test.h5") as test:
        for phase in (3, 4):
            reference = read_reference(split / f"private/phase{phase}/reference.h5")
            assert (reference.phase, reference.scale) == (phase, "demonstration")
            np.testing.assert_array_equal(reference.manifest.event_id, test["event_id"][:])
            np.testing.assert_array_equal(reference.manifest.offset, test["offset"][:])
            np.testing.assert_array_equal(reference.manifest.coords(), test["coords"][:])
            total = np.add.reduceat(test["energy"][:].astype(float), test["offset"][:-1])
            np.testing.assert_allclose(reference.energy, total, rtol=1e-6)
            # Both phases' events stand in test-file order.
            rows = reference.manifest.rows(reference.event_id)
            assert (np.diff(rows) > 0).all()


def test_trivial_baselines_are_fitted_on_train_and_scored_on_the_phase(split):
    train = np.concatenate([event.label for event in read(split / "public/cycle2_train.h5")])
    majority = np.bincount(train).argmax()
    for phase in (3, 4):
        truth = truth_of(split, phase).values()
        right = [np.mean(label == majority) for label in truth]
        reference = read_reference(split / f"private/phase{phase}/reference.h5")
        assert reference.trivial["majority"]["acc_mean"] == pytest.approx(np.mean(right))
        assert reference.trivial["majority"]["acc_at_50"] == pytest.approx(np.median(right))
        # The toy's energies grow with the label: a threshold tells something.
        assert reference.trivial["threshold"]["acc_mean"] > np.mean(right)


def test_particles_follow_their_events(split, events):
    number = {places(event): i for i, event in enumerate(events[:N_TRAIN])}
    with (
        h5py.File(split / "public/cycle2_train.h5") as file,
        h5py.File(split / "raw/cycle2_train.h5") as raw,
    ):
        found, theirs = file["particles"], raw["particles"]
        for row, event in enumerate(read(split / "public/cycle2_train.h5")):
            mine = slice(*found["offset"][row : row + 2])
            i = number[places(event)]
            here = slice(*theirs["offset"][i : i + 2])
            assert (found["kinetic_energy_mev"][mine] == i).all()
            np.testing.assert_array_equal(found["pdg"][mine], theirs["pdg"][here])
            np.testing.assert_allclose(found["vertex"][mine], theirs["vertex"][here], atol=0.051)
            np.testing.assert_allclose(
                found["direction"][mine], theirs["direction"][here], atol=0.0051
            )
        # Digits that nobody measures could tell one event from another.
        for name, unit in (("kinetic_energy_mev", 1), ("vertex", 0.1), ("direction", 0.01)):
            steps = found[name][:].astype(np.float64) / unit
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-3, err_msg=name)
        assert {name: file["particles"][name].dtype for name in file["particles"]} == {
            "offset": np.int64,
            "pdg": np.int32,
            "kinetic_energy_mev": np.float32,
            "vertex": np.float32,
            "direction": np.float32,
        }


def test_the_particle_of_each_voxel_follows_it_into_the_train_file_alone(split):
    for event in read(split / "public/cycle2_train.h5"):
        np.testing.assert_array_equal(event.particle, particle_of(event))
    assert {event.particle for event in read(split / "public/cycle2_test.h5")} == {None}


def test_events_with_labels_from_elsewhere_can_be_split_too(tmp_path, events):
    (tmp_path / "raw").mkdir()
    for name, some in (("train", events[:5]), ("test", events[5:11])):
        path = tmp_path / "raw" / f"cycle2_{name}.h5"
        with EventWriter(path, kind="train", cycle=2, scale="full") as out:
            for event in some:
                out.append(event)
    prepare_in(tmp_path)
    assert read_reference(tmp_path / "private/phase4/reference.h5").scale == "full"
    with h5py.File(tmp_path / "public/cycle2_train.h5") as file:
        assert "particles" not in file
        assert "particle" not in file


# ---- silent


def test_a_test_file_holds_what_it_must_and_no_more(split):
    with h5py.File(split / "public/cycle2_test.h5") as file:
        assert set(file) == {"event_id", "offset", "coords", "energy"}
        assert dict(file.attrs).keys() == {
            "format",
            "format_version",
            "kind",
            "cycle",
            "scale",
            "grid_shape",
            "voxel_size_mm",
            "class_names",
        }
        assert all(not dataset.attrs for dataset in file.values())
    content = (split / "public/cycle2_test.h5").read_bytes()
    for trace in (b"label", b"origin", b"phase", b"hidden", b"seed", b"particle", b"simulation"):
        assert trace not in content


def test_a_test_file_does_not_depend_on_what_it_hides(split, tmp_path, events, monkeypatch):
    """The same voxels with other labels, particles, seeds and phases give the same bytes."""
    rng = np.random.default_rng(3)
    others = [
        replace(event, label=rng.choice(np.array(CYCLE.labels, np.uint8), len(event)))
        for event in events
    ]
    write_both(tmp_path / "raw", others, seed=77)
    kept = phases.shuffled

    def other_phases(secret, purpose, n):
        return kept(secret, purpose, n)[::-1] if purpose == b"phase" else kept(secret, purpose, n)

    monkeypatch.setattr(phases, "shuffled", other_phases)
    prepare_in(tmp_path)
    name = "cycle2_test.h5"
    assert (tmp_path / "public" / name).read_bytes() == (split / "public" / name).read_bytes()
    assert truth_of(tmp_path, 3).keys() != truth_of(split, 3).keys()


def z_score(rank_of, chosen) -> float:
    """Return the deviation of the mean rank of the chosen in sigmas (Mann and Whitney)."""
    n, mine = len(rank_of), len(chosen)
    sigma = np.sqrt(mine * (n - mine) * (n + 1) / 12)
    return (np.sum(np.asarray(rank_of)[chosen] + 1.0) - mine * (n + 1) / 2) / sigma


def ranks(values) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


def test_nothing_in_a_test_file_goes_with_the_phase(tmp_path):
    """In 1,000 events label and size follow the simulator's order; the file must not show it."""
    rng = np.random.default_rng(8)
    events = make_events(1000, n_voxels=(5, 9), seed=12)
    for i, event in enumerate(events):
        event.label[:] = 1 if rng.random() < i / 1000 else 2
    (tmp_path / "raw").mkdir()
    write_raw(tmp_path / "raw/cycle2_train.h5", make_events(5, seed=13))
    write_raw(tmp_path / "raw/cycle2_test.h5", events)
    prepare_in(tmp_path)
    found = read(tmp_path / "public/cycle2_test.h5")
    hidden = truth_of(tmp_path, 4)
    labels = {**truth_of(tmp_path, 3), **hidden}
    simulated = {places(event): i for i, event in enumerate(events)}
    seen = {
        "place in the file": np.arange(1000),
        "event id": ranks([event.event_id for event in found]),
        "parity of the id": ranks([event.event_id % 2 for event in found]),
        "size": ranks([len(event) for event in found]),
        "energy": ranks([event.energy.sum() for event in found]),
    }
    is_hidden = np.flatnonzero([event.event_id in hidden for event in found])
    is_em = np.flatnonzero([labels[event.event_id][0] == 1 for event in found])
    is_early = np.flatnonzero([simulated[places(event)] < 500 for event in found])
    for name, rank in seen.items():
        assert abs(z_score(rank, is_hidden)) < SIGMAS, name
    for name in ("place in the file", "event id", "parity of the id"):
        assert abs(z_score(seen[name], is_em)) < SIGMAS, name
        assert abs(z_score(seen[name], is_early)) < SIGMAS, name
    # The simulation's own order does tell the label here, so that the test can fail.
    order = ranks([simulated[places(event)] for event in found])
    assert abs(z_score(order, is_em)) > 10


def test_voxels_stand_in_one_order_whatever_made_them(split):
    for name in ("train", "test"):
        for event in read(split / f"public/cycle2_{name}.h5"):
            x, y, z = event.coords.T.astype(int)
            assert (np.diff((z * 192 + y) * 192 + x) > 0).all()


def test_the_same_secret_gives_the_same_bytes_another_gives_others(split, tmp_path):
    shutil.copytree(split / "raw", tmp_path / "raw")
    prepare_in(tmp_path)
    files = [f"public/cycle2_{name}.h5" for name in ("train", "test")]
    files += [f"private/phase{phase}/reference.h5" for phase in (3, 4)]
    for name in files:
        assert (tmp_path / name).read_bytes() == (split / name).read_bytes()
    prepare_in(tmp_path, secret=b"another" * 2)
    assert not truth_of(tmp_path, 4).keys() & truth_of(split, 4).keys()
    old, new = (
        [places(event) for event in read(folder / "public/cycle2_test.h5")]
        for folder in (split, tmp_path)
    )
    assert set(old) == set(new)
    assert np.sum([one == other for one, other in zip(old, new)]) < 10


def test_event_ids_are_unlike_in_all_files_of_the_competition():
    cycles = toy.COMPETITION.cycles
    ids = np.concatenate([event_numbers(SECRET, cycle, 20_000) for cycle in cycles])
    assert ids.dtype == np.uint32
    assert len(np.unique(ids)) == 60_000
    for cycle in CYCLES.values():
        assert len(np.unique(event_numbers(SECRET, cycle, 20_000))) == 20_000
    first = event_numbers(SECRET, CYCLES[1], 20_000) - 10**9
    # Uniform below 1e9: mean of 20,000 within 4.5 sigma; neighbours in time are no neighbours.
    assert abs(first.mean() / 1e9 - 0.5) < SIGMAS / np.sqrt(12 * 20_000)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < SIGMAS / np.sqrt(20_000)


def test_each_purpose_has_numbers_of_its_own():
    one, other = keyed_numbers(SECRET, b"phase", 100), keyed_numbers(SECRET, b"test order", 100)
    assert len(np.unique([one, other])) == 200
    np.testing.assert_array_equal(keyed_numbers(SECRET, b"phase", 10), one[:10])


# ---- energies


@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(2**-126, 2**100, width=32)))
def test_rounding_is_small_keeps_the_order_and_never_gives_0(energy):
    rounded = as_read_out(energy)
    assert rounded.dtype == np.float32
    assert (rounded > 0).all()
    np.testing.assert_allclose(rounded, energy, rtol=2**-13)
    assert (np.diff(as_read_out(np.sort(energy))) >= 0).all()
    np.testing.assert_array_equal(as_read_out(rounded), rounded)


def test_rounding_leaves_12_bits_of_mantissa():
    rng = np.random.default_rng(4)
    mantissa, _ = np.frexp(as_read_out(rng.exponential(size=1000).astype(np.float32)))
    scaled = mantissa * 2**13  # frexp's mantissa has the leading 1 behind the point
    assert (scaled == np.round(scaled)).all()
    assert as_read_out(np.float32([1.0, 0.5, 0.75])).tolist() == [1.0, 0.5, 0.75]
    assert as_read_out(np.float32([2**-149])) > 0
    largest = np.finfo(np.float32).max
    assert as_read_out(np.float32([largest])) == np.float32(2.0**128 - 2.0**115)


# ---- what can't be split


def test_an_event_in_both_files_is_refused_whatever_its_order(tmp_path, events):
    twin = events[0]
    order = np.arange(len(twin))[::-1]
    turned = replace(twin, coords=twin.coords[order], energy=twin.energy[order] * 2)
    (tmp_path / "raw").mkdir()
    write_raw(tmp_path / "raw/cycle2_train.h5", events[:5])
    write_raw(tmp_path / "raw/cycle2_test.h5", [*events[5:9], turned])
    with pytest.raises(ChallengeError, match=r"event 4 of .*test\.h5 is a duplicate of event 0 of"):
        prepare_in(tmp_path)
    assert not (tmp_path / "public").exists()
    with pytest.raises(ChallengeError, match="is a duplicate of"):
        check_distinct([tmp_path / "raw/cycle2_test.h5"] * 2)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda raw, events: (raw / "cycle2_test.h5").unlink(), "no such file"),
        (lambda raw, events: (raw / "cycle2_test.h5").write_bytes(b"\x89HDF"), "not a readable"),
        (lambda raw, events: write_raw(raw / "cycle2_test.h5", events[:1]), "holds 1 events"),
        (
            lambda raw, events: write_raw(raw / "cycle2_test.h5", events[:9], cycle=CYCLES[3]),
            "is of cycle 3, not 2",
        ),
        (lambda raw, events: write_unlabelled(raw / "cycle2_test.h5", events), "holds no labels"),
    ],
    ids=["missing", "damaged", "one event", "another cycle", "no labels"],
)
def test_what_cannot_be_split_is_refused_and_nothing_written(tmp_path, events, spoil, match):
    write_both(tmp_path / "raw", events)
    spoil(tmp_path / "raw", events)
    with pytest.raises(ChallengeError, match=match):
        prepare_in(tmp_path)
    assert not (tmp_path / "public").exists()
    assert not (tmp_path / "private").exists()


def write_unlabelled(path, events):
    with EventWriter(path, kind="test", cycle=2, scale="demonstration") as out:
        for event in events:
            out.append(without_labels(event))


def test_command(split, tmp_path, capsys):
    folders = [str(split / "raw"), str(tmp_path / "public"), str(tmp_path / "private")]
    assert main([*folders, "--cycle", "2"]) == 0
    assert "phase4/reference.h5: secret" in capsys.readouterr().out
    first = truth_of(tmp_path, 4).keys()
    assert main([*folders, "--cycle", "2"]) == 1  # a running competition's are not replaced
    assert "cycle2_train.h5: already exists" in capsys.readouterr().err
    assert truth_of(tmp_path, 4).keys() == first
    others = [str(split / "raw"), str(tmp_path / "other/public"), str(tmp_path / "other/private")]
    assert main([*others, "--cycle", "2"]) == 0
    assert truth_of(tmp_path / "other", 4).keys() != first  # a fresh secret each time
    assert main([*folders, "--cycle", "1"]) == 1
    assert "cycle1_train.h5: no such file" in capsys.readouterr().err


KILLED = """
import os, sys
from organizer.phases.__main__ import main
rename, done = os.replace, []
def rename_or_die(source, target):
    rename(source, target)
    done.append(target)
    if len(done) == int(sys.argv[1]):
        os.kill(os.getpid(), 9)
os.replace = rename_or_die
main(sys.argv[2:])
"""


@pytest.mark.parametrize("renamed", [1, 3, 5])
@pytest.mark.slow
def test_killed_in_the_middle_the_same_command_finishes_the_same_split(split, tmp_path, renamed):
    """The first file to be renamed is the secret, then two references, and so on."""
    folders = [split / "raw", tmp_path / "public", tmp_path / "private"]
    words = [*map(str, folders), "--cycle", "2"]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(renamed), *words])
    assert killed.returncode == -signal.SIGKILL
    there = [path for path in references_in(tmp_path / "private") if path.exists()]
    assert len(there) == min(renamed - 1, 2)
    before = [path.read_bytes() for path in there]
    assert main(words) == 0
    assert [path.read_bytes() for path in there] == before
    found = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(found) == ["cycle2_test.h5", "cycle2_train.h5", "reference.h5", "reference.h5"]
    with EventFile(tmp_path / "public/cycle2_test.h5") as test:
        truth = labelled_test_events(test, references_in(tmp_path / "private"))
        assert len(list(truth)) == N_TEST

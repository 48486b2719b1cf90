"""Split a cycle's events into public files and references."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile, write_events
from lartpc_challenge.files import replacing
from lartpc_challenge.format import GRID_SHAPE, ChallengeError
from lartpc_challenge.reference import read_reference, write_reference
from organizer.competition import Phase
from organizer.data.trivial import fit_trivial_rules, score_rule
from organizer.phases.tiles import check_apart, groups_of, hidden_groups
from organizer.source import reference_file, test_file, train_file

# The precision of the energies in public files, like that of a read-out: 12 bits of mantissa.
_MANTISSA_BITS = 12
_FLOAT32_MANTISSA_BITS = 23
# The event ids of cycle 1 start at 1,000,000,000, and so on; uint32 has room for four such ranges.
_IDS_PER_CYCLE, _ID_RANGES = 10**9, 4
# The public columns of the particle table in train files, and the decimals to which they are
# rounded: kinetic energy in MeV, vertex in voxels, direction.
PARTICLE_DECIMALS = {"pdg": 0, "kinetic_energy_mev": 0, "vertex": 1, "direction": 2}


def prepare(
    raw: Path, public: Path, private: Path, *, phases: Sequence[Phase], secret: bytes
) -> None:
    """Write a cycle's public files from `raw` into `public` and its references into `private`.

    phases: the public and the hidden phase of the cycle. secret: 16 bytes; the same raw files and
    secret give the same bytes. Tiles of one event of a converted source stay in one phase. Memory:
    the voxels of one of the two files, 8 bytes each, and the same again during writing.
    Raises ChallengeError if a raw file is missing or has no labels, or if both share an event.
    """
    cycle = phases[0].cycle
    raw_train, raw_test = train_file(raw, cycle), test_file(raw, cycle)
    n_train, n_test = (_checked_length(path, cycle) for path in (raw_train, raw_test))
    check_distinct([raw_train, raw_test])
    check_apart(raw_train, raw_test)
    numbers = event_numbers(secret, cycle, n_train + n_test)

    with contextlib.ExitStack() as stack:  # all files appear together at the end

        def new(path: Path, *, private: bool = False) -> Path:
            return stack.enter_context(replacing(path, private=private))

        order = shuffled(secret, b"train order", n_train)
        events, scale = _published_events(raw_train, numbers[:n_train], order)
        write_events(
            new(train_file(public, cycle)),
            events,
            kind="train",
            cycle=cycle.number,
            scale=scale,
            particles=_particles(raw_train, order),
        )
        rules = fit_trivial_rules(events, cycle)

        order = shuffled(secret, b"test order", n_test)
        events, scale = _published_events(raw_test, numbers[n_train:], order)
        unlabelled = (replace(event, label=None) for event in events)
        public_test = new(test_file(public, cycle))
        write_events(public_test, unlabelled, kind="test", cycle=cycle.number, scale=scale)
        group = groups_of(raw_test, n_test)[order]
        is_hidden = hidden_groups(shuffled(secret, b"phase", n_test), group)
        for phase in phases:
            chosen = is_hidden == phase.hidden
            truth = [event for event, mine in zip(events, chosen) if mine]
            write_reference(
                new(reference_file(private, phase.number), private=True),
                cycle=cycle,
                phase=phase.number,
                hidden=phase.hidden,
                scale=scale,
                truth=truth,
                test=events,
                trivial={name: score_rule(rule, truth) for name, rule in rules.items()},
            )


def labelled_test_events(test: EventFile, references: Sequence[Path]) -> Iterator[Event]:
    """Yield the events of a test file, in its order, with the labels from the references.

    references: those of both phases. Memory: all labels and a block of events. Raises
    ChallengeError if a reference is missing, a placeholder, or of other events.
    """
    truth = {}
    for path in references:
        reference = read_reference(path)
        if reference:  # a placeholder gives None
            labels = np.split(reference.label, reference.offset[1:-1])
            truth.update(zip(reference.event_id.tolist(), labels))
    for event in test:
        label = truth.get(event.event_id)
        if label is None or len(label) != len(event):
            raise ChallengeError(
                f"{', '.join(map(str, references))}: no labels for event {event.event_id} of "
                f"{test.path}; give the references that were made with it"
            )
        yield replace(event, label=label)


def _checked_length(path: Path, cycle: Cycle) -> int:
    """Return the number of events of a raw file. Raises ChallengeError if it can't be split."""
    with EventFile(path, labelled=True) as file:
        if file.cycle != cycle:
            raise ChallengeError(f"{path}: is of cycle {file.cycle.number}, not {cycle.number}")
        if len(file) < 2:
            raise ChallengeError(f"{path}: holds {len(file)} events, expected at least 2")
        return len(file)


def check_distinct(paths: Iterable[Path]) -> None:
    """Raise ChallengeError if two events in the files have the same voxels."""
    seen = {}
    for path in paths:
        with EventFile(path) as file:
            for event in file:
                voxels = event.coords[_canonical_order(event.coords)].tobytes()
                fingerprint = blake2b(voxels, digest_size=16).digest()
                here = f"event {event.event_id} of {path}"
                if len(event) and fingerprint in seen:
                    raise ChallengeError(
                        f"{here} is a duplicate of {seen[fingerprint]}: the labels of one would "
                        "reveal those of the other"
                    )
                seen[fingerprint] = here


# ---- random numbers from the secret


def keyed_numbers(secret: bytes, purpose: bytes, n: int) -> np.ndarray:
    """Return random numbers (n,) uint64 that can't be predicted without the secret.

    Different purposes give independent numbers. They are a keyed hash (BLAKE2, RFC 7693) of 0, 1,
    ...: the state of a generator such as PCG64 could be computed from its output (Bouillaguet,
    Martinez, Sauvage, IACR ToSC 2020-3).
    """
    digests = (
        blake2b(i.to_bytes(8, "little"), key=secret, person=purpose, digest_size=8).digest()
        for i in range(n)
    )
    return np.frombuffer(b"".join(digests), "<u8")


def shuffled(secret: bytes, purpose: bytes, n: int) -> np.ndarray:
    """Return the numbers 0..n - 1 in a random order that depends on the secret: (n,) int64."""
    return np.argsort(keyed_numbers(secret, purpose, n), kind="stable")


def event_numbers(secret: bytes, cycle: Cycle, n: int) -> np.ndarray:
    """Return random event ids without repeats: (n,) uint32."""
    drawn = keyed_numbers(secret, b"event id", n + n // 100 + 100) % _IDS_PER_CYCLE
    first = np.sort(np.unique(drawn, return_index=True)[1])[:n]
    return (drawn[first] + cycle.number % _ID_RANGES * _IDS_PER_CYCLE).astype(np.uint32)


# ---- events


def published(event: Event, number: int) -> Event:
    """Return the event with its public number, sorted voxels and rounded energies."""
    order = _canonical_order(event.coords)
    return Event(
        int(number),
        event.coords[order],
        as_read_out(event.energy[order]),
        None if event.label is None else event.label[order],
        None if event.particle is None else event.particle[order],
    )


def _canonical_order(coords: np.ndarray) -> np.ndarray:
    """Return the order of voxels (n, 3) by z, then y, then x: (n,) int64.

    The simulator's order could reveal labels.
    """
    return np.argsort(np.ravel_multi_index(tuple(coords.T[::-1].astype(np.int64)), GRID_SHAPE))


def as_read_out(energy: np.ndarray) -> np.ndarray:
    """Round energies to 12 bits of mantissa: (n,) float32, by at most 1/8192, never to 0."""
    dropped = _FLOAT32_MANTISSA_BITS - _MANTISSA_BITS
    bits = energy.astype(np.float32).view(np.uint32)
    half, mask = np.uint32(1 << (dropped - 1)), np.uint32(~((1 << dropped) - 1) & 0xFFFFFFFF)
    nearest, lower = ((bits + half) & mask).view(np.float32), (bits & mask).view(np.float32)
    rounded = np.where(np.isfinite(nearest), nearest, lower)  # the largest float would become inf
    return np.where(rounded > 0, rounded, energy).astype(np.float32)


# ---- files


def _published_events(
    path: Path, numbers: np.ndarray, order: np.ndarray
) -> tuple[list[Event], str]:
    """Return the public events of a raw file in `order`, with labels, and the file's scale."""
    with EventFile(path) as file:
        events = [published(event, number) for event, number in zip(file, numbers)]
        return [events[i] for i in order], file.scale


def _particles(path: Path, order: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rounded particle table of a raw file's events in `order`; empty if it has none."""
    with EventFile(path) as file:
        table = file.particles(order)
    if not table:
        return {}
    rounded = {name: np.round(table[name], by) for name, by in PARTICLE_DECIMALS.items()}
    return {"offset": table["offset"], **rounded}

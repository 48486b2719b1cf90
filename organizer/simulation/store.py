"""The simulator's file: an events file with what only the organiser may know.

Beyond the events file (FORMAT.md) of kind `simulation` it holds, per voxel, `origin` (uint8, see the
attribute `origins`) and `second_share` (float32, share of the second class's energy); per event
`attempts` (uint8); and the particles that were drawn, group `particles/`: offset (N+1,) int64,
pdg (P,) int32, kinetic_energy_mev (P,) float32, vertex (P, 3) float32 in voxels, direction (P, 3)
float32. Attributes `seed` (hexadecimal: the root of all randomness), `seed_scheme`, `configuration`.
"""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.format import VOXEL_SIZE_MM
from organizer.simulation.event import SEED_SCHEME, SimulatedEvent
from organizer.simulation.voxels import HALF_CROP_MM, Origin

COLUMNS = {"origin": np.uint8, "second_share": np.float32}
PARTICLE_COLUMNS = {
    "pdg": (np.int32, ()),
    "kinetic_energy_mev": (np.float32, ()),
    "vertex": (np.float32, (3,)),
    "direction": (np.float32, (3,)),
}


def write_simulation(
    path: Path, events: Iterable[SimulatedEvent], *, cycle: int, scale: str, attributes: dict
) -> None:
    """Write `events` to `path`."""
    particles, attempts = [], []
    with _writer(path, cycle, scale, attributes) as out:
        for event in events:
            voxels = event.voxels
            out.append(
                Event(event.event_id, voxels.coords, voxels.energy, voxels.label),
                origin=voxels.origin,
                second_share=voxels.second_share,
            )
            particles.append(_particle_table(event))
            attempts.append(event.attempts)
        _write_particles(out.file, particles, attempts)


def join_simulations(
    path: Path, parts: Iterable[Path], *, cycle: int, scale: str, attributes: dict
) -> None:
    """Write the events of `parts`, in their order, to one file at `path`."""
    particles, attempts = [], []
    with _writer(path, cycle, scale, attributes) as out:
        for part in parts:
            with EventFile(part, kind="simulation") as events:
                columns = {name: events.column(name) for name in COLUMNS}
                for event, start, stop in zip(
                    events, events.offset[:-1], events.offset[1:], strict=True
                ):
                    out.append(event, **{name: c[start:stop] for name, c in columns.items()})
            tables, tries = read_particles(part)
            particles += tables
            attempts += tries
        _write_particles(out.file, particles, attempts)


def read_particles(path: Path) -> tuple[list[dict[str, np.ndarray]], list[int]]:
    """Per event the table of its particles, name -> column, and the attempts it took."""
    with h5py.File(path) as file:
        group = file["particles"]
        offset = group["offset"][:]
        columns = {name: group[name][:] for name in PARTICLE_COLUMNS}
        attempts = file["attempts"][:].tolist()
    tables = [
        {name: column[start:stop] for name, column in columns.items()}
        for start, stop in zip(offset[:-1], offset[1:], strict=True)
    ]
    return tables, attempts


def _writer(path: Path, cycle: int, scale: str, attributes: dict) -> EventWriter:
    return EventWriter(
        path,
        kind="simulation",
        cycle=cycle,
        scale=scale,
        columns=COLUMNS,
        attributes={
            "origins": [f"{origin.value} {origin.name.lower()}" for origin in Origin],
            "seed_scheme": SEED_SCHEME,
            **attributes,
        },
    )


def _particle_table(event: SimulatedEvent) -> dict[str, np.ndarray]:
    particles = event.particles
    position_mm = np.array([particle.position_mm for particle in particles])
    return {
        "pdg": np.array([particle.pdg for particle in particles], np.int32),
        "kinetic_energy_mev": np.array([p.kinetic_energy_mev for p in particles], np.float32),
        "vertex": ((position_mm + HALF_CROP_MM) / VOXEL_SIZE_MM).astype(np.float32),
        "direction": np.array([particle.direction for particle in particles], np.float32),
    }


def _write_particles(file: h5py.File, tables: list[dict], attempts: list[int]) -> None:
    group = file.create_group("particles")
    length = [len(table["pdg"]) for table in tables]
    group["offset"] = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    for name, (dtype, tail) in PARTICLE_COLUMNS.items():
        rows = [table[name] for table in tables]
        group[name] = np.concatenate(rows) if rows else np.zeros((0, *tail), dtype)
    file["attempts"] = np.array(attempts, np.uint8)

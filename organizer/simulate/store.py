"""Write the simulator's file: an event file of kind `simulation`, for the organiser only.

It has the columns of every event file and

    particle                      (M,) int16     index in the event's particles, see FORMAT.md
    origin                        (M,) uint8     a voxel's `Origin`; attribute `origins` names them
    second_share                  (M,) float32   share of its energy that the second class left
    attempts                      (N,) uint8     number of draws until an event was accepted
    particles/offset              (N+1,) int64   first particle of each event
    particles/pdg                 (P,) int32
    particles/kinetic_energy_mev  (P,) float32
    particles/vertex              (P, 3) float32, in voxels from the grid's corner
    particles/direction           (P, 3) float32

and the attributes `seed` (hexadecimal) and `seed_scheme`, which define all random numbers, and
`configuration`, the hash of the cycle's settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lartpc_challenge.events import Event, EventFile, EventWriter, offset_of
from lartpc_challenge.format import VOXEL_SIZE_MM
from organizer.cycles import PRODUCTIONS
from organizer.simulate.event import SEED_SCHEME, SimulatedEvent
from organizer.simulate.geant4 import Particle
from organizer.simulate.truth import Origin
from organizer.simulate.voxels import HALF_CROP_MM

_COLUMNS = {"particle": np.int16, "origin": np.uint8, "second_share": np.float32}
_PARTICLE_COLUMNS = {
    "pdg": (np.int32, ()),
    "kinetic_energy_mev": (np.float32, ()),
    "vertex": (np.float32, (3,)),
    "direction": (np.float32, (3,)),
}


class SimulationWriter(EventWriter):
    """Write the simulator's file, event by event. The file appears when the block ends."""

    def __init__(self, path: Path, cycle: int, scale: str, seed: int):
        super().__init__(
            path,
            kind="simulation",
            cycle=cycle,
            scale=scale,
            columns=_COLUMNS,
            attributes={
                "origins": [f"{origin.value} {origin.name.lower()}" for origin in Origin],
                "seed": f"{seed:x}",
                "seed_scheme": SEED_SCHEME,
                "configuration": PRODUCTIONS[cycle].hash,
            },
        )
        self._particles: list[dict[str, np.ndarray]] = []  # tables of one event or several
        self._n_particles, self._attempts = [], []  # of each event

    def append_simulated(self, event: SimulatedEvent) -> None:
        """Add an event of `simulate_event`."""
        voxels = event.voxels
        self.append(
            Event(event.event_id, voxels.coords, voxels.energy, voxels.label, voxels.particle),
            origin=voxels.origin,
            second_share=voxels.second_share,
        )
        self._particles.append(_particle_table(event.particles))
        self._n_particles.append(len(event.particles))
        self._attempts.append(event.attempts)

    def append_file(self, path: Path) -> None:
        """Add all events of another file of this kind. Raises ChallengeError if it is damaged."""
        with EventFile(path, kind="simulation") as events:
            columns = {name: events.column(name) for name in _COLUMNS}
            bounds = zip(events.offset[:-1], events.offset[1:])
            for event, (start, stop) in zip(events, bounds):
                self.append(event, **{name: column[start:stop] for name, column in columns.items()})
            table = events.particles(np.arange(len(events)))
            self._particles.append(table)
            self._n_particles.extend(np.diff(table["offset"]))
            self._attempts.extend(events.file["attempts"][:])

    def _finish(self) -> None:
        super()._finish()
        self.file["attempts"] = np.array(self._attempts, np.uint8)
        group = self.file.create_group("particles")
        group["offset"] = offset_of(self._n_particles)
        for name, (dtype, tail) in _PARTICLE_COLUMNS.items():
            rows = [table[name] for table in self._particles]
            group[name] = np.concatenate([np.zeros((0, *tail), dtype), *rows])


def _particle_table(particles: Iterable[Particle]) -> dict[str, np.ndarray]:
    """Return the columns of the particles as they are stored, except `offset`."""
    rows = [
        (
            p.pdg,
            p.kinetic_energy_mev,
            np.add(p.position_mm, HALF_CROP_MM) / VOXEL_SIZE_MM,
            p.direction,
        )
        for p in particles
    ]
    columns = zip(_PARTICLE_COLUMNS.items(), zip(*rows))
    return {name: np.array(values, dtype) for (name, (dtype, _)), values in columns}

"""The beams: single particles in argon along +z, each with its own world."""

from dataclasses import dataclass

from organizer.physics import published
from organizer.simulate.geant4 import Particle, Settings

# The settings of the simulation in worlds of other sizes; processes that disturb a measurement are
# switched off.
DEEP = Settings(half_size_mm=7000, hadronic=False, decay=False)
SLAB = Settings(half_size_mm=100, decay=False)
# For first interactions: without delta electrons and bremsstrahlung and with long steps, for speed.
BARE = Settings(half_size_mm=100, production_cut_mm=1e5, max_step_mm=1e4)

AT_REST_MEV = 1e-3


@dataclass(frozen=True)
class Beam:
    """A beam of equal particles.

    quick, full: number of particles in these sets. observer: name of a function in observe.py.
    """

    name: str
    pdg: int
    kinetic_energy_mev: float
    observer: str
    settings: Settings
    quick: int
    full: int
    from_wall: bool = False  # starts at the wall, else at the centre

    def particle(self) -> Particle:
        """Return a particle of the beam."""
        # Slightly inside: on the surface itself Geant4 may not find the world.
        start_mm = -self.settings.half_size_mm * (1 - 1e-9) if self.from_wall else 0.0
        return Particle(self.pdg, self.kinetic_energy_mev, (0.0, 0.0, start_mm), (0.0, 0.0, 1.0))


def _range_beam(pdg: int, row: int) -> Beam:
    energy = published.STOPPING[pdg][row, 0]
    return Beam(f"range {pdg} {energy:.0f}", pdg, energy, "stopping_track", DEEP, 60, 600)


# (pdg, row of published.STOPPING)
RANGES = {
    (pdg, row): _range_beam(pdg, row) for pdg, rows in published.RANGE_ROWS.items() for row in rows
}
# Kinetic energies in MeV.
ELECTRONS = {
    energy: Beam(f"range 11 {energy}", 11, energy, "track_length", DEEP, quick, 5000)
    for energy, quick in ((1, 400), (5, 300))
}
CROSSING_MUONS = Beam("crossing muons", 13, 300, "crossing_track", SLAB, 1000, 15_000, True)
PHOTONS = {
    energy: Beam(f"photons {energy}", 22, energy, "first_interaction", BARE, 4000, 40_000, True)
    for energy in published.XCOM_BARN
}
SHOWERS = Beam("showers", 11, 1000, "shower", DEEP, 50, 600)
STOPPED_ANTIMUONS = Beam("mu+ at rest", -13, AT_REST_MEV, "decay_electron", BARE, 4000, 100_000)
STOPPED_MUONS = Beam("mu- at rest", 13, AT_REST_MEV, "muon_decay", BARE, 1500, 20_000)
STOPPED_PIONS = Beam("pi+ at rest", 211, AT_REST_MEV, "pion_decay", BARE, 300, 3000)
PIONS = {
    pdg: Beam(f"pions {pdg}", pdg, 200, "pion_reaction", BARE, 4000, 40_000)
    for pdg in published.PION_REACTION_MB
}
NEUTRONS = Beam("neutrons", 2112, 5, "neutron_reactions", SLAB, 1500, 15_000, True)

# The slowest world comes first. A beam's position here is part of its seeds.
BEAMS = (
    *PHOTONS.values(),
    *PIONS.values(),
    STOPPED_ANTIMUONS,
    STOPPED_MUONS,
    STOPPED_PIONS,
    *RANGES.values(),
    *ELECTRONS.values(),
    SHOWERS,
    CROSSING_MUONS,
    NEUTRONS,
)

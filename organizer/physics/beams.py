"""What is shot into the argon: single particles along +z, each beam in its own world."""

from dataclasses import dataclass

from organizer.physics import published
from organizer.simulate.geant4 import Particle, Settings

# The product's settings (step limit, production cut, physics) in worlds of other sizes; what would
# blur a measurement is switched off.
DEEP = Settings(half_size_mm=7000, hadronic=False, decay=False)
DEEP_SHOWER = Settings(half_size_mm=10_000, hadronic=False)
SLAB = Settings(half_size_mm=100, decay=False)
THIN_SLAB = Settings(half_size_mm=50)
# For what happens first: no delta electrons, no bremsstrahlung and long steps, to be quick.
BARE = Settings(half_size_mm=5000, hadronic=False, production_cut_mm=1e5, max_step_mm=1e4)

AT_REST_MEV = 1e-3


@dataclass(frozen=True)
class Beam:
    """`quick` or `full` particles, observed by the function `observer` of observe."""

    name: str
    pdg: int
    kinetic_energy_mev: float
    observer: str
    settings: Settings
    quick: int
    full: int
    from_wall: bool = False  # otherwise from the centre

    def particle(self) -> Particle:
        """One particle of the beam."""
        # A hair inside: on the surface itself Geant4 may not find the world.
        start_mm = -self.settings.half_size_mm * (1 - 1e-9) if self.from_wall else 0.0
        return Particle(self.pdg, self.kinetic_energy_mev, (0.0, 0.0, start_mm), (0.0, 0.0, 1.0))


def _range_beam(pdg: int, row: int) -> Beam:
    energy = published.STOPPING[pdg][row, 0]
    return Beam(f"range {pdg} {energy:.0f}", pdg, energy, "stopping_track", DEEP, 60, 500)


# (pdg, row of published.STOPPING)
RANGES = {
    (pdg, row): _range_beam(pdg, row) for pdg, rows in published.RANGE_ROWS.items() for row in rows
}
CROSSING_MUONS = Beam("crossing muons", 13, 300, "crossing_track", SLAB, 1500, 15_000, True)
# MeV
PHOTONS = {
    energy: Beam(f"photons {energy}", 22, energy, "first_interaction", BARE, 6000, 20_000, True)
    for energy in published.XCOM_BARN
}
SHOWERS = {
    energy: Beam(f"showers {energy}", 11, energy, "shower", DEEP_SHOWER, quick, full)
    for energy, quick, full in ((500, 100, 1000), (1000, 50, 600))
}
STOPPED_ANTIMUONS = Beam("mu+ at rest", -13, AT_REST_MEV, "decay_electron", BARE, 10_000, 100_000)
STOPPED_MUONS = Beam("mu- at rest", 13, AT_REST_MEV, "muon_decay", THIN_SLAB, 2000, 20_000)
PIONS = {
    pdg: Beam(f"pions {pdg}", pdg, 200, "pion_reaction", THIN_SLAB, 6000, 20_000, True)
    for pdg in published.PION_REACTION_MB
}

BEAMS = (
    *RANGES.values(),
    CROSSING_MUONS,
    *PHOTONS.values(),
    *SHOWERS.values(),
    STOPPED_ANTIMUONS,
    STOPPED_MUONS,
    *PIONS.values(),
)

"""Describe the simulation as Markdown tables, from the settings in the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from organizer.cycles import production_of
from organizer.data.table import SPECIES, markdown
from organizer.simulate import primaries, response
from organizer.simulate.constants import GEANT4_VERSION, LAR_DENSITY_G_CM3
from organizer.simulate.geant4 import (
    DECAY_PHYSICS,
    ELECTROMAGNETIC_PHYSICS,
    HADRONIC_PHYSICS,
    Settings,
)
from organizer.simulate.primaries import Group
from organizer.simulate.truth import ORIGINS, Origin


def primaries_table(cycles: Sequence[Cycle]) -> str:
    """Return a table of the primary particles of each cycle: kinetic energies and numbers."""
    columns = {}
    for cycle in cycles:
        recipes = production_of(cycle).recipes
        groups = [g for r in recipes for among in (r.extra, *r.required) for g in among]
        rows = {}
        for name, pdgs in SPECIES.items():
            own = [group for group in groups if set(group.pdgs) <= set(pdgs)]
            rows[f"{name}, MeV"] = _ranges(own)
        rows["vertices"] = _counts((r.vertex_odds, 0) for r in recipes)
        rows["particles per vertex"] = _counts((r.extra_odds, len(r.required)) for r in recipes)
        rows["crossing muons"] = _counts((r.cosmic_odds, 0) for r in recipes)
        columns[f"cycle {cycle.number}"] = rows
    return markdown(columns)


def _ranges(groups: Iterable[Group]) -> str:
    """Return the kinetic energies of the groups as text."""
    covered: list[list[float]] = []
    for low, high in sorted((group.lowest_mev, group.highest_mev) for group in groups):
        if covered and low <= covered[-1][1]:
            covered[-1][1] = max(high, covered[-1][1])
        else:
            covered.append([low, high])
    return "; ".join(f"{low:g} to {high:g}" for low, high in covered)


def _counts(odds_and_more: Iterable[tuple[Sequence[float], int]]) -> str:
    """Return the possible numbers of particles as text.

    odds_and_more: (probabilities of 0, 1, 2, ..., number to add) per recipe.
    """
    possible = [n + more for odds, more in odds_and_more for n, p in enumerate(odds) if p]
    least, most = min(possible), max(possible)
    return f"{least}" if least == most else f"{least} to {most}"


def settings_table(cycles: Sequence[Cycle]) -> str:
    """Return a table of the settings: Geant4, thresholds, and the detector with its sources."""
    world = Settings()
    detector = response.Detector()
    physics = (*ELECTROMAGNETIC_PHYSICS, *DECAY_PHYSICS, *HADRONIC_PHYSICS)
    thresholds = {cycle.number: production_of(cycle).threshold_mev for cycle in cycles}
    rows = {
        "Geant4": (GEANT4_VERSION, ", ".join(f"`{name}`" for name in physics)),
        "argon": (f"{LAR_DENSITY_G_CM3} g/cm3", "`G4_lAr`"),
        "world": (f"cube of {world.half_size_mm / 500:.3f} m", "tracks end at its walls"),
        "step of charged particles": (f"at most {world.max_step_mm:g} mm", ""),
        "production cut": (f"{world.production_cut_mm:g} mm", "electrons, positrons, photons"),
        "neutrons followed": (f"above {world.neutron_limit_mev:g} MeV", "slower ones only scatter"),
        "crossing muons": (
            f"{primaries.COSMIC_LOWEST_MEV / 1e3:g} to {primaries.COSMIC_HIGHEST_MEV / 1e3:g} GeV",
            "flat in the logarithm; zenith angle as cos2",
        ),
        "threshold of a voxel": (
            ", ".join(f"{mev:g} MeV" for mev in dict.fromkeys(thresholds.values())),
            "; ".join(f"cycle {number}: {mev:g}" for number, mev in thresholds.items()),
        ),
    }
    if any(production_of(cycle).detector for cycle in cycles):
        rows |= {
            "electric field": (f"{response.FIELD_KV_CM:g} kV/cm", ""),
            "energy per electron": (f"{response.MEV_PER_ELECTRON * 1e6:g} eV", "mev_per_electron"),
            "recombination, modified Box: alpha, beta": (
                f"{response.BOX_ALPHA:g}, {response.BOX_BETA_KV_G_CM3_MEV:g} kV g/cm3/MeV",
                "box",
            ),
            "drift speed": (f"{detector.drift_speed_mm_us:g} mm/us", "drift_speed_mm_us"),
            "drift distance": (
                f"{detector.drift_mm[0]:g} to {detector.drift_mm[1] + 576:g} mm",
                "drift_mm",
            ),
            "diffusion along the drift": (
                f"{1e4 * detector.diffusion_longitudinal_mm2_us:g} cm2/s", "diffusion",
            ),
            "diffusion across": (
                f"{1e4 * detector.diffusion_transverse_mm2_us:g} cm2/s", "diffusion",
            ),
            "electron lifetime": (f"{detector.lifetime_us / 1e3:g} ms", "lifetime_us"),
            "noise per voxel": (f"{detector.noise_electrons:g} electrons", "noise_electrons"),
        }  # fmt: skip
    return _left(
        {
            "value": {name: value for name, (value, _) in rows.items()},
            "source, or more": {
                name: response.SOURCES.get(source, source) for name, (_, source) in rows.items()
            },
        }
    )


def origins_table(simulated: dict[int, Path]) -> str:
    """Return a table of the origins of the voxels' energy by class, from the simulator's files.

    simulated: cycle number -> a file of kind `simulation`. Raises ChallengeError for other files.
    """
    columns = {}
    for number, path in simulated.items():
        with EventFile(path, kind="simulation") as events:
            names = events.cycle.label_names
            shape = (max(Origin) + 1, len(names))
            cell = np.ravel_multi_index((events.column("origin"), events.column("label")), shape)
        share = np.bincount(cell, minlength=np.prod(shape)).reshape(shape) / max(1, len(cell))
        columns[f"cycle {number}"] = {
            f"{name}: {meaning}": ", ".join(
                f"{names[label]} {share[origin, label]:.1%}".replace("%", " %")
                for label in np.argsort(-share[origin])
                if share[origin, label] >= 5e-4
            )
            for origin, (name, meaning) in ORIGINS.items()
        }
    return _left(columns)


def _left(columns: dict[str, dict[str, str]]) -> str:
    """Return a Markdown table with left-aligned columns."""
    return markdown(columns).replace("--:", "---")

"""Draw the figures of the report: samples as points or histograms, published numbers as lines."""

from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from particle import Particle
from scipy import stats

from organizer.physics import beams, checks, observe, published
from organizer.physics.runs import Samples
from organizer.simulate.argon_data import log_log
from organizer.simulate.constants import LAR_DENSITY_G_CM3
from organizer.simulate.voxels import VOXEL_SIZE_MM

STYLE: Any = {
    "figure.figsize": (9, 4), "figure.dpi": 120, "figure.constrained_layout.use": True,
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.3, "legend.frameon": False, "legend.fontsize": 9, "savefig.facecolor": "white",
}  # fmt: skip
MUON, PION, PROTON, ELECTRON, PHOTON = "#1f77b4", "#d95f02", "#2ca02c", "#c0392b", "#7b4fa3"
COLOUR = {13: MUON, 211: PION, 2212: PROTON}
TABLE = {13: "PDG", 211: "PDG muon, scaled", 2212: "PSTAR"}
PUBLISHED = {"color": "black", "lw": 1.2, "ls": "--"}


def all_figures(samples: Samples) -> list[tuple[Figure, str]]:
    """Draw all figures, each with its caption, in the order of the report."""
    with plt.rc_context(STYLE):
        return [
            draw(samples)
            for draw in (
                _draw_ranges,
                _draw_stopping,
                _draw_fluctuation,
                _draw_photons,
                _draw_showers,
                _draw_michel,
                _draw_nuclei,
            )
        ]


def _symbol(pdg: int) -> str:
    return f"${Particle.from_pdgid(pdg).latex_name}$"


def _draw_ranges(samples: Samples) -> tuple[Figure, str]:
    figure, (left, right) = plt.subplots(1, 2)
    for pdg, table in published.STOPPING.items():
        energy, _, reach = table.T
        left.loglog(energy, reach / LAR_DENSITY_G_CM3, color=COLOUR[pdg], lw=1)
        rows = [row for particle, row in beams.RANGES if particle == pdg]
        measured = [
            checks.mean_and_error(samples[beams.RANGES[pdg, row].name]["length"]) for row in rows
        ]
        mean, error = np.array(measured).T
        label = f"{_symbol(pdg)} ({TABLE[pdg]})"
        left.loglog(energy[rows], mean, "o", ms=5, color=COLOUR[pdg], label=label)
        expected = np.array([published.range_cm(pdg, row) for row in rows])
        right.errorbar(
            energy[rows], mean / expected, error / expected, fmt="o", ms=5, color=COLOUR[pdg],
            label=label,
        )  # fmt: skip
    left.set(xlabel="kinetic energy (MeV)", ylabel="range (cm)", xlim=(9, 1500))
    left.legend(title="points: simulated, lines: published")
    right.axhspan(0.99, 1.01, color="grey", alpha=0.15, lw=0, label="tolerance")
    right.axhline(1, **PUBLISHED)
    right.set(
        xscale="log", xlabel="kinetic energy (MeV)", ylabel="simulated / published range",
        ylim=(0.96, 1.04),
    )  # fmt: skip
    right.legend(loc="lower right", ncols=2)
    return figure, "Path length until the particle stops, hadronic processes and decay off."


def _draw_stopping(samples: Samples) -> tuple[Figure, str]:
    figure, axes = plt.subplots()
    centre = observe.centres(observe.RESIDUAL_BINS_CM)
    fine = np.geomspace(1, 40, 200)
    for pdg, table in published.STOPPING.items():
        sample = samples[beams.RANGES[pdg, published.RANGE_ROWS[pdg][-1]].name]
        loss, path = sample["residual_loss"].sum(axis=0), sample["residual_path"].sum(axis=0)
        energy, stopping, _ = table.T
        at_residual = [published.energy_at_residual_range(pdg, cm) for cm in fine]
        curve = log_log(at_residual, energy, stopping)
        axes.plot(fine, curve * LAR_DENSITY_G_CM3, color=COLOUR[pdg], lw=1)
        label = f"{_symbol(pdg)} ({TABLE[pdg]})"
        axes.plot(centre[1:], (loss / path)[1:], "o", ms=4, color=COLOUR[pdg], label=label)
    axes.set(
        xlabel="residual range (cm)", ylabel="mean dE/dx (MeV/cm)", xlim=(0, 40), yscale="log",
        ylim=(1.8, 20),
    )  # fmt: skip
    axes.set_yticks([2, 3, 5, 10, 20], ["2", "3", "5", "10", "20"])
    axes.minorticks_off()
    axes.legend(title="points: simulated, lines: published")
    return figure, "Mean energy loss against the residual range, in bins of 1 cm."


def _draw_fluctuation(samples: Samples) -> tuple[Figure, str]:
    figure, (left, right) = plt.subplots(1, 2, width_ratios=(1.6, 1))
    slices = samples[beams.CROSSING_MUONS.name]["slices"]
    energy = checks.minimum_ionising_energy()
    most_probable, xi = published.landau_of_muon(energy, VOXEL_SIZE_MM / 10)
    at = np.linspace(0.2, 1.6, 400)
    # SciPy's standard distribution is Landau's in units of pi/2 xi, with its mode at -0.4293.
    scale = xi * np.pi / 2
    landau: Any = stats.landau(loc=most_probable + 0.4293 * scale, scale=scale)
    left.hist(
        slices.ravel(), np.arange(0.2, 1.6, 0.02), density=True, color=MUON, alpha=0.6,
        label=f"simulated, {VOXEL_SIZE_MM:.0f} mm slices",
    )  # fmt: skip
    left.plot(at, landau.pdf(at), **PUBLISHED, label="Landau with density effect (PDG)")
    left.set(
        xlabel=f"energy in {VOXEL_SIZE_MM:.0f} mm (MeV)", ylabel="density (1/MeV)",
        title=rf"$\mu^-$ at {energy:.0f} MeV", xlim=(0.2, 1.6),
    )  # fmt: skip
    left.legend()
    lags = list(range(1, 9))
    right.bar(lags, [checks.rank_correlation(slices, lag) for lag in lags], color=MUON, alpha=0.6)
    right.axhspan(0, 0.12, color="grey", alpha=0.15, lw=0, label="tolerance")
    right.axhline(0, **PUBLISHED)
    right.set(
        xlabel=f"distance ({VOXEL_SIZE_MM:.0f} mm slices)", ylabel="rank correlation",
        ylim=(-0.2, 0.6),
    )  # fmt: skip
    right.legend()
    caption = (
        "Energy in slices of a voxel's size along a minimum-ionising track. Without a step limit "
        "the distribution is less than half as wide and the correlation of neighbours is 0.5."
    )
    return figure, caption


def _draw_photons(samples: Samples) -> tuple[Figure, str]:
    figure, (left, right) = plt.subplots(1, 2)
    energies = np.array(list(beams.PHOTONS))
    distances = [samples[beam.name]["distance"] for beam in beams.PHOTONS.values()]
    mean, error = np.array([checks.photon_path(distance) for distance in distances]).T
    expected = np.array([published.photon_path_cm(energy) for energy in beams.PHOTONS])
    left.plot(energies, expected, "*", ms=12, color="black", label="XCOM")
    left.errorbar(energies, mean, error, fmt="o", ms=5, color=PHOTON, label="simulated")
    left.set(xscale="log", xlabel="photon energy (MeV)", ylabel="mean free path (cm)")
    pairs = [
        checks.mean_and_error(samples[beam.name]["is_pair"][np.isfinite(distance)])
        for beam, distance in zip(beams.PHOTONS.values(), distances)
    ]
    share, error = np.array(pairs).T
    expected = np.array([published.pair_share(energy) for energy in beams.PHOTONS])
    right.plot(energies, expected, "*", ms=12, color="black", label="XCOM less Klein-Nishina")
    right.errorbar(energies, share, error, fmt="o", ms=5, color=PHOTON, label="simulated")
    right.set(xscale="log", xlabel="photon energy (MeV)", ylabel="share of pair production")
    left.legend()
    right.legend()
    return figure, "First interaction of photons: mean free path, and share of pair production."


def _draw_showers(samples: Samples) -> tuple[Figure, str]:
    figure, (left, right) = plt.subplots(1, 2)
    sample, energy = samples[beams.SHOWERS.name], beams.SHOWERS.kinetic_energy_mev
    radial = sample["radial"].sum(axis=0)
    centre, profile = checks.shower_profile(sample["depth"])
    maximum, shape = checks.shower_shape(sample["depth"])
    left.plot(centre, profile, "o", ms=3, color=ELECTRON, label=f"{energy:.0f} MeV, simulated")
    left.plot(centre, shape(centre), color=ELECTRON, lw=1, label=f"gamma fit, max. {maximum:.2f}")
    left.axvspan(
        *published.shower_maximum(energy), color="grey", alpha=0.15, lw=0,
        label="maximum: Rossi to PDG",
    )  # fmt: skip
    left.set(
        xlabel="depth (radiation lengths)", ylabel="share of energy per radiation length",
        xlim=(0, 12), ylim=(0, None),
    )  # fmt: skip
    left.legend()
    contained = np.cumsum(radial)[:-1] / radial.sum()
    right.plot(
        observe.RADIUS_BINS_CM[1:-1], contained, color=ELECTRON,
        label=f"90 % in {checks.radius_holding_90(sample['radial']):.1f} cm",
    )  # fmt: skip
    right.axhline(0.9, **PUBLISHED)
    right.set(xlabel="radius (cm)", ylabel="share of energy within", xlim=(0, 40), ylim=(0, 1))
    right.legend(loc="lower right")
    return figure, "Mean profile of electron showers along and across their axis."


def _draw_michel(samples: Samples) -> tuple[Figure, str]:
    figure, axes = plt.subplots()
    energy = samples[beams.STOPPED_ANTIMUONS.name]["energy"]
    axes.hist(energy, list(range(56)), density=True, color=ELECTRON, alpha=0.6, label="simulated")
    at = np.linspace(0, published.MICHEL_ENDPOINT_MEV, 200)
    axes.plot(at, published.michel_density(at), **PUBLISHED, label=r"Michel, $\rho$ = 3/4 (PDG)")
    axes.axvline(published.MICHEL_ENDPOINT_MEV, color="grey", lw=1, label="endpoint 52.83 MeV")
    axes.set(xlabel=r"energy of the positron (MeV)", ylabel="density (1/MeV)", xlim=(0, 56))
    axes.legend(loc="upper left")
    return figure, "Decay of mu+ at rest."


def _draw_nuclei(samples: Samples) -> tuple[Figure, str]:
    figure, (left, right) = plt.subplots(1, 2)
    sample = samples[beams.NEUTRONS.name]
    centre = observe.centres(observe.RECOIL_BINS_KEV)
    share = sample["recoil_ionising"].sum(axis=0) / sample["recoil"].sum(axis=0)
    left.plot(centre, share, "o", ms=4, color=PROTON, label="simulated")
    for (lowest, highest), (least, most) in published.RECOIL_SHARE.items():
        left.fill_between((lowest, highest), least, most, color="grey", alpha=0.2, lw=0)
    left.fill_between([], [], color="grey", alpha=0.2, label="measured")
    left.set(xlabel="recoil energy (keV)", ylabel="ionising share", xlim=(0, 200), ylim=(0, 0.5))
    left.legend()
    right.stairs(
        sample["gammas"].sum(axis=0), observe.LINE_BINS_MEV, color=PHOTON, label="simulated"
    )
    right.axvline(published.ARGON_LINE_MEV, **PUBLISHED, label="first level of argon-40")
    right.set(xlabel="energy of gammas (MeV)", ylabel="gammas per 2 keV", xlim=(1.35, 1.55))
    right.legend()
    return figure, "Neutrons of 5 MeV: recoils of argon nuclei, and gammas of excited ones."

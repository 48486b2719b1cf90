"""Compare the samples with published numbers: one Check per number.

A check passes if the measured value is within its limits: a tolerance for the accuracy of the
published number and of Geant4's models, plus 4.5 standard deviations for statistics. `odds` is the
probability that a simulation with exactly the published mean fails: at most 1 in 100,000. Errors
are statistical, one standard deviation; the full set has narrower limits than the quick one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from particle import Particle
from scipy import ndimage, optimize, stats

from organizer.physics import beams, observe, published
from organizer.physics.runs import Samples
from organizer.simulate.constants import LAR_DENSITY_G_CM3
from organizer.simulate.voxels import VOXEL_SIZE_MM

RESAMPLES = 60  # bootstrap samples for an error, which is then known to 1 / sqrt(120)
SIGMAS = 4.5  # two-sided probability of 7e-6


@dataclass(frozen=True)
class Check:
    """A measured and a published number. It passes if low <= measured <= high."""

    title: str
    unit: str
    published: float
    low: float
    high: float
    source: str
    measured: float
    error: float

    @property
    def passed(self) -> bool:
        """Whether the measured number is within the limits."""
        return self.low <= self.measured <= self.high

    @property
    def odds(self) -> float:
        """The probability to fail for a simulation whose true mean is `published`."""
        if not self.error:
            return 0.0
        spread = self.error * math.sqrt(2)
        below, above = (self.published - self.low) / spread, (self.high - self.published) / spread
        return (math.erfc(below) + math.erfc(above)) / 2


def all_checks(samples: Samples) -> list[Check]:
    """Return all checks, in the order of the report."""
    return [
        *check_ranges(samples),
        *check_stopping(samples),
        *check_minimum_ionisation(samples),
        *check_scattering(samples),
        *check_photons(samples),
        *check_showers(samples),
        *check_decays_at_rest(samples),
        *check_pions(samples),
        *check_nuclei(samples),
    ]


def check_ranges(samples: Samples) -> list[Check]:
    """Check the mean path length of stopping tracks against CSDA ranges.

    The two differ by less than 0.1 %; for electrons of 5 MeV by about 1 %, because they lose a
    tenth of their energy to a few photons.
    """
    checks = [
        _check(
            f"range of e-, {energy} MeV", "cm", published.electron_range_cm(energy), 0.02,
            published.ELECTRON_SOURCE, *mean_and_error(samples[beam.name]["length"]),
        )
        for energy, beam in beams.ELECTRONS.items()
    ]  # fmt: skip
    for (pdg, row), beam in beams.RANGES.items():
        length, name = samples[beam.name]["length"], Particle.from_pdgid(pdg).name
        checks.append(
            _check(
                f"range of {name}, {beam.kinetic_energy_mev:.0f} MeV", "cm",
                published.range_cm(pdg, row), 0.01, published.STOPPING_SOURCE[pdg],
                *mean_and_error(length),
            )
        )  # fmt: skip
    return checks


STOPPING_FROM_CM, STOPPING_TO_CM = 2, 10


def check_stopping(samples: Samples) -> list[Check]:
    """Check the mean dE/dx from 2 to 10 cm before the end, which separates protons from muons."""
    checks = []
    bins = slice(*np.searchsorted(observe.RESIDUAL_BINS_CM, (STOPPING_FROM_CM, STOPPING_TO_CM)))
    for pdg in published.STOPPING:
        beam = beams.RANGES[pdg, published.RANGE_ROWS[pdg][2]]
        loss = samples[beam.name]["residual_loss"][:, bins].sum(axis=1)
        path = samples[beam.name]["residual_path"][:, bins].sum(axis=1)
        energy = [
            published.energy_at_residual_range(pdg, at) for at in (STOPPING_FROM_CM, STOPPING_TO_CM)
        ]
        expected = (energy[1] - energy[0]) / (STOPPING_TO_CM - STOPPING_FROM_CM)
        name = Particle.from_pdgid(pdg).name
        checks.append(
            _check(
                f"dE/dx of {name}, {STOPPING_FROM_CM} to {STOPPING_TO_CM} cm before its end",
                "MeV/cm", expected, 0.02, published.STOPPING_SOURCE[pdg],
                *value_and_error(_ratio, loss, path),
            )
        )  # fmt: skip
    return checks


def check_minimum_ionisation(samples: Samples) -> list[Check]:
    """Check the mean energy loss of a muon near the minimum, and its fluctuation between voxels.

    If a step crosses many voxels, they have the same dE/dx: the distribution is too narrow (less
    than half as wide without a step limit) and neighbours are correlated (rank correlation 0.5
    without a limit; 0.2 with steps of 3 mm; 0.1 with 1 mm, from delta electrons that cross voxels).
    """
    sample = samples[beams.CROSSING_MUONS.name]
    slices = sample["slices"]
    energy = minimum_ionising_energy()
    loss, path = sample["loss"], sample["path"]
    most_probable, xi = published.landau_of_muon(energy, VOXEL_SIZE_MM / 10)
    mean = _muon_loss_mev_cm(energy)
    return [
        _check(
            f"mean dE/dx of mu-, {energy:.0f} MeV", "MeV/cm", mean, 0.01,
            published.PDG_MUON_SOURCE, *value_and_error(_ratio, loss, path),
        ),
        _check(
            "most probable energy in 3 mm of that track", "MeV", most_probable, 0.03,
            published.LANDAU_SOURCE, *value_and_error(lambda x: peak_and_width(x)[0], slices),
        ),
        _check(
            "its full width at half maximum", "MeV", published.LANDAU_FWHM_IN_XI * xi, 0.06,
            published.LANDAU_SOURCE, *value_and_error(lambda x: peak_and_width(x)[1], slices),
        ),
        _between(
            "rank correlation of neighbouring 3 mm", "", 0.0, 0.12,
            "0 in separate layers (L. D. Landau, 1944); delta electrons cross a border",
            *value_and_error(lambda x: rank_correlation(x, 1), slices),
        ),
        _check(
            f"delta electrons above {observe.DELTA_MEV:.0f} MeV", "per cm",
            published.delta_rays_per_cm(energy, observe.DELTA_MEV), 0.02, published.DELTA_SOURCE,
            *value_and_error(_ratio, sample["deltas"], path),
        ),
    ]  # fmt: skip


def check_scattering(samples: Samples) -> list[Check]:
    """Check the multiple scattering of a muon in 5 cm, from its displacement.

    The width of the plane displacement is that of the plane angle times length / sqrt(3) (PDG).
    """
    beam = beams.CROSSING_MUONS
    way_cm = observe.SCATTERING_MM / 10
    energy = beam.kinetic_energy_mev - way_cm / 2 * _muon_loss_mev_cm(beam.kinetic_energy_mev)
    angle = samples[beam.name]["aside_mm"] * math.sqrt(3) / observe.SCATTERING_MM * 1000
    return [
        _check(
            f"plane scattering angle of mu-, {energy:.0f} MeV, in {way_cm:.0f} cm", "mrad",
            1000 * published.highland_angle(energy, way_cm), 0.08, published.HIGHLAND_SOURCE,
            *value_and_error(lambda x: float(np.quantile(np.abs(x), 0.6827)), angle),
        )
    ]  # fmt: skip


def minimum_ionising_energy() -> float:
    """Return the mean kinetic energy of the crossing muons in the world, in MeV."""
    beam = beams.CROSSING_MUONS
    way_cm = 2 * beam.settings.half_size_mm / 10
    return beam.kinetic_energy_mev - way_cm / 2 * _muon_loss_mev_cm(beam.kinetic_energy_mev)


def _muon_loss_mev_cm(kinetic_energy_mev: float) -> float:
    """Return the published mean dE/dx of a muon in liquid argon, MeV/cm."""
    return LAR_DENSITY_G_CM3 * np.interp(kinetic_energy_mev, *published.PDG_MUON[:, :2].T)


def check_photons(samples: Samples) -> list[Check]:
    """Check the mean path to the first interaction, and the share of pair production."""
    checks = []
    for energy, beam in beams.PHOTONS.items():
        sample = samples[beam.name]
        interacted = np.isfinite(sample["distance"])
        is_pair = sample["is_pair"][interacted]
        checks += [
            _check(
                f"mean path of photons, {energy} MeV", "cm", published.photon_path_cm(energy), 0.02,
                published.XCOM_SOURCE, *photon_path(sample["distance"]),
            ),
            _check(
                f"share of pair production, {energy} MeV", "", published.pair_share(energy), 0.02,
                published.PAIR_SOURCE, *mean_and_error(is_pair),
            ),
        ]  # fmt: skip
    return checks


def photon_path(distance: np.ndarray) -> tuple[float, float]:
    """Return the mean path to the first interaction and its error, in cm.

    distance: (n,) cm; infinite for photons that left the world.
    """
    world_cm = 2 * beams.BARE.half_size_mm / 10
    return value_and_error(
        lambda cm: np.minimum(cm, world_cm).sum() / np.isfinite(cm).sum(), distance
    )


def check_showers(samples: Samples) -> list[Check]:
    """Check the depth of the shower maximum. For the width there is no published number."""
    return [
        _between(
            "depth of the maximum of showers, 1 GeV", "radiation lengths",
            *published.shower_maximum(1000), published.SHOWER_MAXIMUM_SOURCE,
            *value_and_error(lambda x: shower_shape(x)[0], samples[beams.SHOWERS.name]["depth"]),
        ),
    ]  # fmt: skip


def check_decays_at_rest(samples: Samples) -> list[Check]:
    """Check the chain pi+ -> mu+ -> e+, the Michel spectrum of mu+ and the decays of mu-.

    mu+ are not captured and not bound, so that their spectrum is the one of free muons.
    """
    energy = samples[beams.STOPPED_ANTIMUONS.name]["energy"]
    endpoint = published.MICHEL_ENDPOINT_MEV
    source = published.MICHEL_SOURCE
    free = published.FREE_MUON_LIFETIME_NS
    decaying = published.ARGON_MUON_LIFETIME_NS / free
    margin = 3 * published.ARGON_MUON_LIFETIME_ERROR_NS / free
    pions = samples[beams.STOPPED_PIONS.name]
    return [
        _check(
            "energy of the muon of pi+ decay", "MeV", published.PION_DECAY_MUON_MEV, 0.005,
            published.PION_DECAY_SOURCE, *mean_and_error(pions["muon_energy"][pions["chain"]]),
        ),
        # 1.2 of 10,000 decay differently: less than 1 % of 300.
        Check(
            "share of stopped pi+ that end in a positron", "", 1.0, 0.99, 1.0,
            "pi+ and mu+ decay to one positron: PDG 2024", *mean_and_error(pions["chain"]),
        ),
        _check(
            "mean energy of electrons of mu+ decay", "MeV", published.MICHEL_MEAN_MEV, 0.01, source,
            *mean_and_error(energy),
        ),
        Check(
            "highest energy of them", "MeV", endpoint, endpoint - 0.5, endpoint + 0.05, source,
            float(energy.max()), endpoint / 2 / len(energy),
        ),
        _check(
            "share above 40 MeV", "", published.michel_share_above(40.0), 0.02, source,
            *mean_and_error(energy > 40),
        ),
        _between(
            "share of stopped mu- that decay", "", decaying - margin, decaying + margin,
            published.ARGON_MUON_SOURCE,
            *mean_and_error(samples[beams.STOPPED_MUONS.name]["decayed"]),
        ),
    ]  # fmt: skip


def check_pions(samples: Samples) -> list[Check]:
    """Check the mean path between nuclear reactions of pions from 200 to 177 MeV, pi+ and pi-.

    Geant4's cross sections come from the same evaluation. The check shows that they are used for
    argon; its tolerance is that of the interpolation between neighbouring nuclei.
    """
    both = [samples[beam.name] for beam in beams.PIONS.values()]
    path = np.concatenate([sample["path"] for sample in both])
    reacted = np.concatenate([sample["reacted"] for sample in both])
    return [
        _check(
            "mean path of pions, 190 MeV, between reactions", "cm", published.pion_path_cm(), 0.10,
            published.PION_REACTION_SOURCE, *value_and_error(_ratio, path, reacted),
        )
    ]  # fmt: skip


def check_nuclei(samples: Samples) -> list[Check]:
    """Check the quenching of argon recoils and the gammas of argon-40's first level.

    The recoils include slow ones, which Geant4 does not track.
    """
    sample = samples[beams.NEUTRONS.name]
    checks = []
    for (lowest, highest), measured in published.RECOIL_SHARE.items():
        bins = slice(*np.searchsorted(observe.RECOIL_BINS_KEV, (lowest, highest)))
        total, ionising = (sample[name][:, bins] for name in ("recoil", "recoil_ionising"))
        checks.append(
            _between(
                f"ionising share of argon recoils, {lowest} to {highest} keV", "", *measured,
                published.RECOIL_SOURCE, *value_and_error(_ratio, ionising, total),
            )
        )  # fmt: skip
    line, width = published.ARGON_LINE_MEV, 0.010
    centre = observe.centres(observe.LINE_BINS_MEV)
    gammas, near = sample["gammas"], np.abs(centre - line) < 2 * width
    return [
        *checks,
        _check(
            "energy of argon-40's line", "MeV", line, 0.001, published.ARGON_LINE_SOURCE,
            *value_and_error(
                lambda counts: np.average(centre[near], weights=counts[:, near].sum(axis=0)), gammas
            ),
        ),
        _between(
            "inelastic reactions of neutrons, 5 MeV, with that line", "",
            *published.ARGON_LINE_SHARE, published.ARGON_LINE_SHARE_SOURCE,
            *value_and_error(
                lambda counts, reacted: counts[:, np.abs(centre - line) < width].sum()
                / reacted.sum(),
                gammas, sample["reacted"],
            ),
        ),
    ]  # fmt: skip


def _check(
    title: str,
    unit: str,
    expected: float,
    tolerance: float,
    source: str,
    measured: float,
    error: float,
) -> Check:
    """Make a check with a relative tolerance."""
    margin = expected * tolerance + SIGMAS * error
    low, high = float(expected - margin), float(expected + margin)
    return Check(title, unit, float(expected), low, high, source, measured, error)


def _between(
    title: str, unit: str, lowest: float, highest: float, source: str, measured: float, error: float
) -> Check:
    """Make a check against the lowest and the highest of several published numbers."""
    limits = lowest - SIGMAS * error, highest + SIGMAS * error
    return Check(title, unit, (lowest + highest) / 2, *limits, source, measured, error)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of independent values (n,) and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))


def value_and_error(statistic: Callable[..., float], *arrays: np.ndarray) -> tuple[float, float]:
    """Return the statistic of all rows, and its standard error by bootstrap (B. Efron, 1979)."""
    rng = np.random.default_rng(0)
    n = len(arrays[0])
    rows = [rng.integers(n, size=n) for _ in range(RESAMPLES)]
    spread = [statistic(*(array[chosen] for array in arrays)) for chosen in rows]
    return float(statistic(*arrays)), float(np.std(spread, ddof=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the sum of `part` divided by that of `whole`."""
    return part.sum() / whole.sum()


def peak_and_width(values: np.ndarray) -> tuple[float, float]:
    """Return the most probable value and the full width at half maximum of `values`, in MeV.

    The histogram is smoothed by 8 keV, which adds 1 % to a width of 125 keV.
    """
    bin_mev, smoothing_mev = 0.002, 0.008
    counts, edges = np.histogram(values, np.arange(0, 2, bin_mev))
    density = ndimage.gaussian_filter1d(counts.astype(float), smoothing_mev / bin_mev)
    centre = observe.centres(edges)
    peak = int(np.argmax(density))
    half = density[peak] / 2
    rising = np.interp(half, density[: peak + 1], centre[: peak + 1])
    falling = np.interp(-half, -density[peak:], centre[peak:])
    return float(centre[peak]), float(falling - rising)


def rank_correlation(slices: np.ndarray, lag: int) -> float:
    """Return Spearman's correlation of slices (tracks, slices) at a distance of `lag`."""
    found: Any = stats.spearmanr(slices[:, :-lag].ravel(), slices[:, lag:].ravel())
    return float(found.statistic)


def radius_holding_90(radial: np.ndarray) -> float:
    """Return the radius in cm that contains 90 % of the mean energy.

    radial: (showers, bins of RADIUS_BINS_CM), MeV.
    """
    contained = np.cumsum(radial.sum(axis=0))
    contained /= contained[-1]
    return float(np.interp(0.9, contained, observe.RADIUS_BINS_CM[1:]))


def shower_profile(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the depths (n,) in radiation lengths, and the mean share of energy per length there.

    depth: (showers, bins of DEPTH_BINS_X0), MeV.
    """
    edges = observe.DEPTH_BINS_X0[:-1]
    return observe.centres(edges), depth[:, :-1].sum(axis=0) / depth.sum() / np.diff(edges)


def shower_shape(depth: np.ndarray) -> tuple[float, Callable[[np.ndarray], np.ndarray]]:
    """Fit a gamma distribution to the `shower_profile`; return its maximum and the fitted function.

    The maximum is in radiation lengths; the function gives the share of energy per length.
    """

    def shape(t, a, scale, share):
        return share * stats.gamma.pdf(t, a, scale=scale)

    best, _ = optimize.curve_fit(shape, *shower_profile(depth), p0=(2.5, 1.7, 1.0))
    return float((best[0] - 1) * best[1]), lambda t: shape(t, *best)

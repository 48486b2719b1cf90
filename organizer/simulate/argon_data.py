"""Write the data directories that Geant4 needs for pure argon, from public tables.

Geant4's official data sets (about 2 GB) contain all elements. Pure argon with the standard
electromagnetic physics, decay, FTFP_BERT and stopping needs only a few small tables:

- bremsstrahlung: Tsai's screened spectrum, scaled energy by energy to ESTAR's radiative stopping
  power (G4SeltzerBergerModel's format);
- photoelectric effect and Rayleigh scattering: XCOM's cross sections (EPICS2017's format);
- the levels of excited nuclei (`levels.txt`);
- neutron cross sections below 20 MeV, smoothed (resonances are invisible in 3 mm voxels). Geant4
  reads those of inelastic scattering for every Z, although it uses only argon's.

If the environment names the official data sets, those are used.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from lartpc_challenge.files import write_text
from organizer.simulate.constants import ARGON_MOLAR_MASS_G, ARGON_Z, AVOGADRO, ELECTRON_MASS_MEV

# The environment variables of Geant4 11.4 with geant4_pybind 0.1.3 -> the names of our folders.
DATA_FOLDERS = {
    "G4LEDATA": "EMLOW",
    "G4ENSDFSTATEDATA": "ENSDFSTATE",
    "G4PARTICLEXSDATA": "PARTICLEXS",
    "G4LEVELGAMMADATA": "PhotonEvaporation",
    "G4RADIOACTIVEDATA": "RadioactiveDecay",
    "G4NEUTRONHPDATA": "NDL",
    "G4PIIDATA": "PII",
    "G4REALSURFACEDATA": "RealSurface",
    "G4SAIDXSDATA": "SAIDDATA",
    "G4ABLADATA": "ABLA",
    "G4INCLDATA": "INCL",
    "G4CHANNELINGDATA": "CHANNELING",
}

# Names a folder with all official sets; Geant4 uses it for variables above that are not set.
INSTALLED_DATA = "GEANT4_DATA_DIR"

FINE_STRUCTURE = 7.2973525693e-3  # CODATA 2018
ELECTRON_RADIUS_CM = 2.8179403262e-13  # CODATA 2018
MM2_PER_BARN = 1e-22
PROMPT_S = 1e-12  # lifetime of every level: much shorter than the read-out

# NIST ESTAR (NISTIR 4999, 2017), argon: electron kinetic energy and radiative stopping power.
ESTAR_ENERGY_MEV, ESTAR_RADIATIVE_MEV_CM2_G = np.array(
    [
        (1e-3, 4.171e-3), (1e-2, 8.23e-3), (0.1, 9.932e-3), (0.5, 1.611e-2), (1, 2.741e-2),
        (2, 5.569e-2), (5, 0.1595), (10, 0.3569), (20, 0.7872), (50, 2.176), (100, 4.601),
        (300, 14.6), (1000, 50.12),
    ]
).T  # fmt: skip

# NIST XCOM (NBSIR 87-3597, version 1.5), argon: photon energy in MeV, cross section in barn per
# atom. The K edge is at 3.2029 keV.
XCOM_PHOTOELECTRIC = np.array(
    [
        (1e-3, 2.11e5), (3.2029e-3, 1.045e4), (3.20291e-3, 8.42e4), (5e-3, 2.78e4), (1e-2, 4134.0),
        (2e-2, 539.0), (5e-2, 33.0), (0.1, 3.69), (0.2, 0.42), (0.5, 0.0285), (1, 5.7e-3),
        (2, 1.639e-3), (5, 4.59e-4), (10, 2.022e-4), (100, 1.791e-5), (1e5, 1.766e-8),
    ]
)  # fmt: skip
XCOM_COHERENT = np.array(
    [
        (1e-3, 201.8), (2e-3, 170.5), (3e-3, 138.2), (4e-3, 112.4), (6e-3, 79.7), (8e-3, 61.33),
        (1.5e-2, 30.22), (3e-2, 10.72), (0.07, 2.619), (0.1, 1.369), (0.15, 0.6390), (0.3, 0.1671),
        (1, 1.531e-2), (10, 1.534e-4), (1e5, 1.53e-12),
    ]
)  # fmt: skip

# Neutrons on argon-40, MeV and barn: ENDF/B-VIII.0 (Nuclear Data Sheets 148 (2018) 1) at a few
# points, without resonances. Inelastic scattering starts at the first level, 1.46 MeV.
NEUTRON_ARGON = {
    "el": (
        [1e-5, 0.01, 0.05, 0.1, 0.5, 1, 3, 6, 10, 14, 20],
        [0.66, 0.6, 0.3, 0.8, 2.2, 2.8, 2.4, 1.5, 1.1, 1.2, 1.3],
    ),
    "inel": (
        [1e-5, 1.46, 2, 3, 5, 8, 14, 20],
        [1e-9, 1e-3, 0.3, 0.7, 1.0, 1.15, 1.1, 1.05],
    ),
    "cap": (
        [2.5e-8, 1e-5, 0.01, 0.1, 1, 20],
        [0.66, 0.033, 1e-3, 9e-4, 6e-4, 1e-4],
    ),
}


def provide_data_directories(directory: Path) -> None:
    """Set the environment variables of Geant4's data: the official sets if they are set, else ours.

    Our data are written below `directory`. Call it before geant4_pybind is imported.
    """
    if INSTALLED_DATA in os.environ:
        return
    if not all(os.environ.get(name) and Path(os.environ[name]).is_dir() for name in DATA_FOLDERS):
        write_argon_data(directory)
        for name, folder in DATA_FOLDERS.items():
            os.environ[name] = str(directory / folder)
    # Else the import asks whether to download 2 GB, or does so without asking if CI=true.
    os.environ[INSTALLED_DATA] = str(directory)


def write_argon_data(directory: Path) -> None:
    """Write the argon-only data directories (less than 1 MB) below `directory`.

    Several processes may do so at the same time: each file is written atomically.
    """
    for folder in DATA_FOLDERS.values():
        (directory / folder).mkdir(parents=True, exist_ok=True)
    write_text(directory / "ENSDFSTATE/ENSDFSTATE.dat", "")
    write_text(directory / f"EMLOW/brem_SB/br{ARGON_Z}", bremsstrahlung_table())
    _write_photon_tables(directory / "EMLOW/epics2017")
    energy = np.geomspace(1e-5, 20.0, 200)
    for kind, table in NEUTRON_ARGON.items():
        section_mm2 = log_log(energy, *table) * MM2_PER_BARN
        for z in range(1, 93) if kind == "inel" else (ARGON_Z,):
            path = directory / f"PARTICLEXS/neutron/{kind}{z}"
            write_text(path, physics_vector(energy, section_mm2))
    for (z, mass_number), text in level_files().items():
        write_text(directory / f"PhotonEvaporation/z{z}.a{mass_number}", text)


def level_files() -> dict[tuple[int, int], str]:
    """Return G4LevelReader's files from `levels.txt`: (Z, A) of a nuclide -> text.

    A level's line: number, mark, energy (keV), lifetime (s), spin, number of gammas. A gamma's
    line: final level, energy, intensity, multipolarity, mixing and conversion (none).
    """
    files: dict[tuple[int, int], str] = {}
    levels = Path(__file__).with_name("levels.txt").read_text(encoding="utf-8")
    blocks = (block for block in levels.split("\n\n") if not block.startswith("#"))
    for block in blocks:
        head, *rows = block.strip("\n").split("\n")
        z, mass_number = map(int, head.split())
        energies_kev: list[float] = []
        lines = []
        for number, row in enumerate(rows):
            energy_kev, spin, *gammas = row.split()
            energies_kev.append(float(energy_kev))
            lifetime_s = -1 if number == 0 else PROMPT_S  # -1: stable
            lines.append(f"{number} - {energy_kev} {lifetime_s} {spin} {len(gammas)}")
            for gamma in gammas:
                to, share = gamma.split(":")
                gamma_kev = energies_kev[number] - energies_kev[int(to)]
                lines.append(f"  {to} {gamma_kev:.2f} {100 * float(share):.4g} 0 0 0")
        files[z, mass_number] = "\n".join(lines) + "\n"
    return files


def bremsstrahlung_table() -> str:
    """Return G4SeltzerBergerModel's table: scaled cross section (mb) over k/E and ln(E/MeV).

    The spectrum of each energy (`bremsstrahlung_spectrum_mb`) is scaled so that its integral gives
    ESTAR's radiative stopping power.
    """
    x = np.array([*np.arange(0, 0.9, 0.05), 0.9, 0.925, 0.95, 0.97, 0.99, 0.995, 0.999, 1.0])
    energy = np.geomspace(1e-3, 1e4, 71)
    spectrum_mb = bremsstrahlung_spectrum_mb(energy, x)
    beta2 = 1 - 1 / (1 + energy / ELECTRON_MASS_MEV) ** 2
    integral = np.sum(np.diff(x) * (spectrum_mb[:, 1:] + spectrum_mb[:, :-1]) / 2, axis=1) * 1e-27
    atoms_per_g = AVOGADRO / ARGON_MOLAR_MASS_G
    from_spectrum = atoms_per_g * energy * ARGON_Z**2 / beta2 * integral
    wanted = log_log(energy, ESTAR_ENERGY_MEV, ESTAR_RADIATIVE_MEV_CM2_G)
    # Above ESTAR's last energy the stopping power grows like that of the spectrum.
    last = ESTAR_ENERGY_MEV[-1]
    at_last = log_log(last, energy, from_spectrum)
    above = from_spectrum * ESTAR_RADIATIVE_MEV_CM2_G[-1] / at_last
    scale = np.where(energy > last, above, wanted) / from_spectrum
    lines = [f"4 {len(x)} {len(energy)}", _row(x), _row(np.log(energy))]
    lines += [_row(row) for row in spectrum_mb * scale[:, None]]
    return "\n".join(lines) + "\n"


def bremsstrahlung_spectrum_mb(energy_mev: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return photon energy times cross section over Z^2 in mb at x = k/E: (energies, x).

    Y.-S. Tsai, Rev. Mod. Phys. 46 (1974) 815, eq. 3.83 with the Thomas-Fermi screening functions
    of eqs. 3.38-3.41, as in Geant4's G4eBremsstrahlungRelModel. Above 5 MeV it agrees within 2 %
    with Seltzer and Berger's argon spectrum (k/E 0.05-0.95); with complete screening there would be
    20-40 % too few soft photons.
    """
    z = ARGON_Z
    coupling2 = (FINE_STRUCTURE * z) ** 2
    coulomb = coupling2 * (
        1 / (1 + coupling2) + 0.20206 - 0.0369 * coupling2 + 0.0083 * coupling2**2
        - 0.002 * coupling2**3
    )  # fmt: skip
    total = energy_mev[:, None] + ELECTRON_MASS_MEV
    photon = energy_mev[:, None] * x
    y = photon / total
    momentum = ELECTRON_MASS_MEV * photon / (total * (total - photon))
    gamma = 100 * momentum * z ** (-1 / 3)
    epsilon = 100 * momentum * z ** (-2 / 3)
    nucleus = 20.863 - 2 * np.log1p((0.55846 * gamma) ** 2)
    nucleus -= 4 * (1 - 0.6 * np.exp(-0.9 * gamma) - 0.4 * np.exp(-1.5 * gamma))
    nucleus_difference = 2 / 3 / (1 + 6.5 * gamma + 6 * gamma**2)
    electrons = 28.340 - 2 * np.log1p((3.621 * epsilon) ** 2)
    electrons -= 4 * (1 - 0.7 * np.exp(-8 * epsilon) - 0.3 * np.exp(-29.2 * epsilon))
    electrons_difference = 2 / 3 / (1 + 40 * epsilon + 400 * epsilon**2)
    screened = nucleus - 4 / 3 * np.log(z) - 4 * coulomb + (electrons - 8 / 3 * np.log(z)) / z
    spectrum = (4 / 3 - 4 / 3 * y + y**2) * screened
    spectrum += 2 / 3 * (1 - y) * (nucleus_difference + electrons_difference / z)
    return 1e27 * FINE_STRUCTURE * ELECTRON_RADIUS_CM**2 * np.maximum(spectrum, 0)


def physics_vector(energy_mev: np.ndarray, value: np.ndarray) -> str:
    """Return a table as the text of a Geant4 physics vector.

    Its lines: lowest energy, highest energy and size; size; energy and value of each row.
    """
    rows = "".join(f"{e:.10g} {v:.8g}\n" for e, v in zip(energy_mev, value, strict=True))
    count = len(energy_mev)
    return f"{energy_mev[0]:.10g} {energy_mev[-1]:.10g} {count}\n{count}\n{rows}"


def log_log(at: ArrayLike, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Interpolate y(x) at `at` linearly in the logarithms; constant beyond the ends."""
    return np.exp(np.interp(np.log(at), np.log(x), np.log(y)))


def _write_photon_tables(directory: Path) -> None:
    energy = np.union1d(np.geomspace(1e-3, 1e5, 200), XCOM_PHOTOELECTRIC[:, 0])
    photoelectric = log_log(energy, *XCOM_PHOTOELECTRIC.T)
    coherent = log_log(energy, *XCOM_COHERENT.T) * MM2_PER_BARN
    # Geant4 expects them multiplied by powers of the energy, which makes them smooth.
    z = ARGON_Z
    write_text(directory / f"phot/pe-cs-{z}.dat", physics_vector(energy, photoelectric * energy**3))
    write_text(directory / f"rayl/re-cs-{z}.dat", physics_vector(energy, coherent * energy**2))
    # One shell, with a parametrisation that starts at 1e12 MeV, so that it is never used.
    parametrisation = f"1 1 1e12\n{energy[0]:.6g} 0 0 0 0 0 0\n"
    for kind in ("high", "low"):
        write_text(directory / f"phot/pe-{kind}-{z}.dat", parametrisation)


def _row(values: np.ndarray) -> str:
    return " ".join(f"{value:.8g}" for value in values)

"""The data directories that Geant4 needs for a world of pure argon, written from public tables.

Geant4's own data sets (some 2 GB) hold every element. A liquid-argon world with the standard
electromagnetic physics, decay, FTFP_BERT and stopping needs six small tables of argon only:

- bremsstrahlung: Tsai's complete-screening spectrum, scaled energy by energy to ESTAR's radiative
  stopping power (G4SeltzerBergerModel's format);
- photoelectric effect and Rayleigh scattering: XCOM cross sections (EPICS2017 format);
- neutron cross sections below 20 MeV, smooth (resonances leave no trace in 3 mm voxels).

Hydrogen stands in too because the neutron and photon code asks for Z = 1 (recoil protons' tables),
and the neutron tables run over all Z because Geant4 loads any that a nuclear fragment might have.

Where the environment names the official data sets, those are used.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Geant4 11.4 with geant4_pybind 0.1.3 looks for these; the folder names below a directory of ours.
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

ARGON_Z, ARGON_MOLAR_MASS_G = 18, 39.948
AVOGADRO = 6.02214076e23  # CODATA 2018, per mole
FINE_STRUCTURE = 7.2973525693e-3  # CODATA 2018
ELECTRON_RADIUS_CM = 2.8179403262e-13  # CODATA 2018
ELECTRON_MASS_MEV = 0.51099895  # CODATA 2018
MM2_PER_BARN = 1e-22

# NIST ESTAR (NISTIR 4999, 2017), argon: electron kinetic energy and radiative stopping power.
ESTAR_ENERGY_MEV = (
    [1e-3, 1e-2, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 300, 1000]
)  # fmt: skip
ESTAR_RADIATIVE_MEV_CM2_G = (
    [4.171e-3, 8.23e-3, 9.932e-3, 1.611e-2, 2.741e-2, 5.569e-2, 0.1595, 0.3569, 0.7872, 2.176, 4.601, 14.6, 50.12]
)  # fmt: skip

# NIST XCOM (NBSIR 87-3597, version 1.5), argon: photon energy in MeV and cross section in barn an atom.
# The K edge is at 3.2029 keV.
XCOM_PHOTOELECTRIC = np.array(
    [
        (1e-3, 2.11e5), (3.2029e-3, 1.045e4), (3.20291e-3, 8.42e4), (5e-3, 2.78e4), (1e-2, 4134.0),
        (2e-2, 539.0), (5e-2, 33.0), (0.1, 3.69), (0.2, 0.42), (0.5, 0.0285), (1, 5.7e-3), (10, 2.4e-4),
        (1e5, 1.8e-8),
    ]
)  # fmt: skip
XCOM_COHERENT = np.array(
    [(1e-3, 202.0), (1e-2, 85.0), (0.05, 8.1), (0.1, 2.4), (1, 0.026), (1e5, 1.53e-12)]
)

# Neutrons on argon-40 below 20 MeV, smoothed by eye from ENDF/B-VIII.0: MeV and barn.
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
NEUTRON_HYDROGEN_ELASTIC = (
    [1e-5, 0.01, 0.1, 1, 5, 10, 20],
    [20.4, 19, 12.7, 4.25, 1.6, 0.94, 0.48],
)
NO_CROSS_SECTION_BARN = 1e-9  # Geant4's vectors are read in logarithms


def provide_data_directories(directory: Path) -> None:
    """Let Geant4 find its data: the official sets if the environment names all, otherwise ours.

    Writes below `directory` what is missing there and sets the environment's variables. Must run
    before geant4_pybind is imported (on import it asks on the terminal whether to download 2 GB).
    """
    if all(os.environ.get(name) and Path(os.environ[name]).is_dir() for name in DATA_FOLDERS):
        return
    write_argon_data(directory)
    for name, folder in DATA_FOLDERS.items():
        os.environ[name] = str(directory / folder)


def write_argon_data(directory: Path) -> None:
    """Write the argon-only data directories (about 2 MB) below `directory`."""
    for folder in DATA_FOLDERS.values():
        (directory / folder).mkdir(parents=True, exist_ok=True)
    _write(directory / "ENSDFSTATE/ENSDFSTATE.dat", "")
    low_energy = directory / "EMLOW"
    for z, molar_mass_g, strength in ((ARGON_Z, ARGON_MOLAR_MASS_G, 1.0), (1, 1.008, 0.2)):
        _write(low_energy / f"brem_SB/br{z}", bremsstrahlung_table(z, molar_mass_g, strength))
    for z, strength in ((ARGON_Z, 1.0), (1, 1e-4)):
        _write_photon_tables(low_energy / "epics2017", z, strength)
    energy = np.geomspace(1e-5, 20.0, 200)
    for z in range(1, 93):
        for kind in NEUTRON_ARGON:
            section = _neutron_cross_section_barn(kind, z, energy)
            _write(
                directory / f"PARTICLEXS/neutron/{kind}{z}",
                physics_vector(energy, section * MM2_PER_BARN),
            )


def bremsstrahlung_table(z: int, molar_mass_g: float, strength: float = 1.0) -> str:
    """Text of G4SeltzerBergerModel's table: scaled cross section (mb) over k/E and ln(E/MeV).

    The shape over k/E is the complete-screening formula (Y.-S. Tsai, Rev. Mod. Phys. 46 (1974)
    815, eq. 3.83); each energy's row is scaled so that its integral gives ESTAR's argon radiative
    stopping power times `strength`.
    """
    a2 = (FINE_STRUCTURE * z) ** 2
    coulomb = a2 * (1 / (1 + a2) + 0.20206 - 0.0369 * a2 + 0.0083 * a2**2 - 0.002 * a2**3)
    radiation, inelastic = (
        (np.log(184.15 * z ** (-1 / 3)), np.log(1194 * z ** (-2 / 3))) if z > 4 else (5.31, 6.144)
    )
    x = np.array([*np.arange(0, 0.9, 0.05), 0.9, 0.925, 0.95, 0.97, 0.99, 0.995, 0.999, 1.0])
    shape_mb = (
        4 * FINE_STRUCTURE * ELECTRON_RADIUS_CM**2 * 1e27
        * (
            (4 / 3 - 4 / 3 * x + x**2) * (radiation - coulomb + inelastic / z)
            + (1 - x) * (1 + 1 / z) / 9
        )
    )  # fmt: skip
    energy = np.geomspace(1e-3, 1e4, 71)
    beta2 = 1 - 1 / (1 + energy / ELECTRON_MASS_MEV) ** 2
    integral = np.sum(np.diff(x) * (shape_mb[1:] + shape_mb[:-1]) / 2) * 1e-27
    from_shape = AVOGADRO / molar_mass_g * energy * z**2 / beta2 * integral
    wanted = strength * log_log(energy, ESTAR_ENERGY_MEV, ESTAR_RADIATIVE_MEV_CM2_G)
    # Above ESTAR's last energy the stopping power grows with the energy, as complete screening has it.
    last = ESTAR_ENERGY_MEV[-1]
    at_last = log_log(last, energy, from_shape)
    above = from_shape * strength * ESTAR_RADIATIVE_MEV_CM2_G[-1] / at_last
    scale = np.where(energy > last, above, wanted) / from_shape
    lines = [f"4 {len(x)} {len(energy)}", _row(x), _row(np.log(energy))]
    lines += [_row(shape_mb * factor) for factor in scale]
    return "\n".join(lines) + "\n"


def physics_vector(energy_mev: np.ndarray, value: np.ndarray) -> str:
    """Text of a Geant4 physics vector: edges and size, size, then rows of energy and value."""
    rows = "".join(f"{e:.10g} {v:.8g}\n" for e, v in zip(energy_mev, value, strict=True))
    count = len(energy_mev)
    return f"{energy_mev[0]:.10g} {energy_mev[-1]:.10g} {count}\n{count}\n{rows}"


def log_log(at: np.ndarray, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    """Interpolate y(x) at `at` with straight lines in logarithms, constant beyond the ends."""
    return np.exp(np.interp(np.log(at), np.log(x), np.log(y)))


def _write_photon_tables(directory: Path, z: int, strength: float) -> None:
    energy = np.union1d(np.geomspace(1e-3, 1e5, 200), XCOM_PHOTOELECTRIC[:, 0])
    photoelectric = strength * log_log(energy, *XCOM_PHOTOELECTRIC.T)
    coherent = strength * log_log(energy, *XCOM_COHERENT.T) * MM2_PER_BARN
    # Geant4 multiplies by powers of the energy to make the vectors smooth.
    _write(directory / f"phot/pe-cs-{z}.dat", physics_vector(energy, photoelectric * energy**3))
    _write(directory / f"rayl/re-cs-{z}.dat", physics_vector(energy, coherent * energy**2))
    for kind in ("high", "low"):  # one shell, whose parametrisation starts beyond reach (1e12 MeV)
        _write(directory / f"phot/pe-{kind}-{z}.dat", f"1 1 1e12\n{energy[0]:.6g} 0 0 0 0 0 0\n")


def _neutron_cross_section_barn(kind: str, z: int, energy_mev: np.ndarray) -> np.ndarray:
    if z == 1:
        if kind == "el":
            return log_log(energy_mev, *NEUTRON_HYDROGEN_ELASTIC)
        return np.full_like(energy_mev, NO_CROSS_SECTION_BARN)
    mass_number = {2: 4.0, ARGON_Z: 39.95}.get(z, 2 * z + 0.015 * z ** (5 / 3))
    return log_log(energy_mev, *NEUTRON_ARGON[kind]) * (mass_number / 39.95) ** (2 / 3)


def _row(values: np.ndarray) -> str:
    return " ".join(f"{value:.8g}" for value in values)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)

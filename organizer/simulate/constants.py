"""Physical constants of the simulation and its checks, with source and edition."""

LAR_DENSITY_G_CM3 = 1.396  # PDG 2024, table 6.1, at the boiling point and 1 bar; Geant4's G4_lAr
ARGON_Z, ARGON_MOLAR_MASS_G = 18, 39.948  # same table
AVOGADRO = 6.02214076e23  # CODATA 2018, per mole
ELECTRON_MASS_MEV = 0.51099895  # CODATA 2018

GEANT4_VERSION = "11.4.1"  # the version in geant4_pybind 0.1.3

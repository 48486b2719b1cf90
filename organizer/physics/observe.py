"""What is kept of one simulated particle: each function makes named numbers or arrays of its steps.

The primary is the first row of the tracks. Lengths in cm, energies in MeV.
"""

import numpy as np

from organizer.physics.published import RADIATION_LENGTH_CM
from organizer.simulate.constants import ELECTRON_MASS_MEV
from organizer.simulate.geant4 import ARGON_40, Steps
from organizer.simulate.voxels import HALF_CROP_MM, VOXEL_SIZE_MM, deposits_in_crop

RESIDUAL_BINS_CM = np.arange(0, 41, 1.0)
SLICE_EDGES_MM = np.arange(-33, 34) * VOXEL_SIZE_MM  # 66 slices of a voxel's size
RECOIL_BINS_KEV = np.arange(0, 201, 10.0)
LINE_BINS_MEV = np.linspace(1.35, 1.55, 101)
DELTA_MEV = 1.0  # delta electrons above are counted
SCATTERING_MM = 50.0  # way in which a crossing track is scattered
RADIUS_BINS_CM = np.append(np.arange(0, 100.1, 0.5), np.inf)
DEPTH_BINS_X0 = np.append(np.arange(0, 20.1, 0.25), np.inf)


def stopping_track(steps: Steps) -> dict:
    """Path length, and energy lost and path in bins of residual range.

    Lost: what the particle leaves and what it gives to those that it sets free.
    """
    primary = steps.track == 0
    end_of_step = np.cumsum(steps.length_mm[primary]) / 10
    length = end_of_step[-1]
    to_go = length - end_of_step
    children = _children(steps)
    born = _nearest(steps.tracks.vertex_mm[children], steps.end_mm[primary])
    lost = steps.energy_mev[primary].copy()
    np.add.at(lost, born, steps.tracks.kinetic_energy_mev[children])
    return {
        "length": length,
        "residual_loss": np.histogram(to_go, RESIDUAL_BINS_CM, weights=lost)[0],
        "residual_path": np.histogram(
            to_go, RESIDUAL_BINS_CM, weights=steps.length_mm[primary] / 10
        )[0],
    }


def track_length(steps: Steps) -> dict:
    """Path length to where the particle stops."""
    return {"length": steps.length_mm[steps.track == 0].sum() / 10}


def crossing_track(steps: Steps) -> dict:
    """Energy lost, path and delta electrons in the world; energy in slices of a voxel's size along
    z; how far (x, y) the track lies from a straight one after SCATTERING_MM."""
    primary = steps.track == 0
    given_away = steps.tracks.kinetic_energy_mev[_children(steps)].sum()
    is_delta = _children(steps) & (steps.tracks.creator == "muIoni")
    x, y, z = steps.end_mm[primary].T
    after = steps.start_mm[primary][0, 2] + SCATTERING_MM
    deposits = deposits_in_crop(steps)
    z_mm = deposits.position_mm[:, 2] - HALF_CROP_MM
    return {
        "loss": steps.energy_mev[primary].sum() + given_away,
        "path": steps.length_mm[primary].sum() / 10,
        "deltas": (steps.tracks.kinetic_energy_mev[is_delta] > DELTA_MEV).sum(),
        "aside_mm": [np.interp(after, z, x), np.interp(after, z, y)],
        "slices": np.histogram(z_mm, SLICE_EDGES_MM, weights=deposits.energy_mev)[0],
    }


def first_interaction(steps: Steps) -> dict:
    """Distance to the primary's first secondary, infinite if none; whether that is of a pair."""
    children = np.flatnonzero(_children(steps))
    way = np.linalg.norm(steps.tracks.vertex_mm[children] - steps.tracks.vertex_mm[0], axis=1) / 10
    if not len(way):
        return {"distance": np.inf, "is_pair": False}
    first = np.argmin(way)
    return {"distance": way[first], "is_pair": steps.tracks.creator[children[first]] == "conv"}


def shower(steps: Steps) -> dict:
    """Energy that stays in the world, by distance from the axis and by depth."""
    where_cm, energy = steps.end_mm / 10, steps.energy_mev
    radius = np.hypot(where_cm[:, 0], where_cm[:, 1])
    depth = np.maximum(where_cm[:, 2], 0) / RADIATION_LENGTH_CM
    return {
        "radial": np.histogram(radius, RADIUS_BINS_CM, weights=energy)[0],
        "depth": np.histogram(depth, DEPTH_BINS_X0, weights=energy)[0],
    }


def decay_electron(steps: Steps) -> dict:
    """Total energy of the electron or positron of the primary's decay."""
    tracks = steps.tracks
    electron = _children(steps) & (np.abs(tracks.pdg) == 11) & (tracks.creator == "Decay")
    return {"energy": tracks.kinetic_energy_mev[electron].sum() + ELECTRON_MASS_MEV}


def pion_decay(steps: Steps) -> dict:
    """Kinetic energy of the primary's decay muon (0: none), and whether it made a positron."""
    tracks = steps.tracks
    muon = np.flatnonzero(_children(steps) & (tracks.pdg == -13) & (tracks.creator == "Decay"))
    from_muon = np.isin(tracks.parent_id, tracks.track_id[muon]) & (tracks.creator == "Decay")
    return {
        "muon_energy": tracks.kinetic_energy_mev[muon].sum(),
        "chain": (from_muon & (tracks.pdg == -11)).any(),
    }


def muon_decay(steps: Steps) -> dict:
    """Whether a mu- decayed: the electron's antineutrino tells; capture makes a neutrino only."""
    return {"decayed": (steps.tracks.pdg[_children(steps)] == -12).any()}


def pion_reaction(steps: Steps) -> dict:
    """Path in the world, and whether a nuclear reaction (not elastic) ended it."""
    creators = steps.tracks.creator[_children(steps)]
    return {
        "path": steps.length_mm[steps.track == 0].sum() / 10,
        "reacted": np.char.endswith(creators, "Inelastic").any(),
    }


def neutron_reactions(steps: Steps) -> dict:
    """Energy and ionisation of argon recoils by their energy; the primary's inelastic reactions (at
    most one) and the energies of their gammas."""
    tracks = steps.tracks
    recoil = tracks.pdg == ARGON_40
    total, ionising = (
        np.bincount(steps.track, energy, len(tracks.pdg))[recoil]
        for energy in (steps.energy_mev, steps.ionising_mev)
    )
    # Slower ones are left by the neutron itself.
    untracked = tracks.pdg[steps.track] == 2112
    total = np.append(total, steps.energy_mev[untracked]) * 1e3
    ionising = np.append(ionising, steps.ionising_mev[untracked]) * 1e3
    product = _children(steps) & (tracks.creator == "neutronInelastic")
    gammas = tracks.kinetic_energy_mev[product & (tracks.pdg == 22)]
    return {
        "recoil": np.histogram(total, RECOIL_BINS_KEV, weights=total)[0],
        "recoil_ionising": np.histogram(total, RECOIL_BINS_KEV, weights=ionising)[0],
        "reacted": product.any(),
        "gammas": np.histogram(gammas, LINE_BINS_MEV)[0],
    }


def _children(steps: Steps) -> np.ndarray:
    return steps.tracks.parent_id == steps.tracks.track_id[0]


def _nearest(points: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Row of `among` nearest to each point."""
    return np.array(
        [np.argmin(((among - point) ** 2).sum(axis=1)) for point in points], dtype=np.int64
    )

"""Observers: each function turns the steps of one simulated particle into named numbers or arrays.

The primary particle is the first track. Lengths in cm, energies in MeV.
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
DELTA_MEV = 1.0  # delta electrons above this energy are counted
SCATTERING_MM = 50.0  # path length for the multiple scattering of a crossing track
RADIUS_BINS_CM = np.append(np.arange(0, 100.1, 0.5), np.inf)
DEPTH_BINS_X0 = np.append(np.arange(0, 20.1, 0.25), np.inf)


def centres(edges: np.ndarray) -> np.ndarray:
    """Return the centres (n,) of the bins between edges (n + 1,)."""
    return (edges[:-1] + edges[1:]) / 2


def stopping_track(steps: Steps) -> dict:
    """Return the path length, and the energy loss and path in bins of residual range.

    Energy loss = deposited energy + kinetic energy of secondaries.
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
    """Return the path length until the particle stops."""
    return {"length": steps.length_mm[steps.track == 0].sum() / 10}


def crossing_track(steps: Steps) -> dict:
    """Return the energy loss, path and delta electrons in the world, and more of a crossing track.

    slices: energy in slices of a voxel's size along z. aside_mm: displacement (x, y) from a
    straight line after SCATTERING_MM.
    """
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
    """Return the distance to the first secondary (infinite if none), and if it is from a pair."""
    children = np.flatnonzero(_children(steps))
    way = np.linalg.norm(steps.tracks.vertex_mm[children] - steps.tracks.vertex_mm[0], axis=1) / 10
    if not len(way):
        return {"distance": np.inf, "is_pair": False}
    first = np.argmin(way)
    return {"distance": way[first], "is_pair": steps.tracks.creator[children[first]] == "conv"}


def shower(steps: Steps) -> dict:
    """Return the deposited energy in bins of distance from the axis (radial) and of depth."""
    where_cm, energy = steps.end_mm / 10, steps.energy_mev
    radius = np.hypot(where_cm[:, 0], where_cm[:, 1])
    depth = np.maximum(where_cm[:, 2], 0) / RADIATION_LENGTH_CM
    return {
        "radial": np.histogram(radius, RADIUS_BINS_CM, weights=energy)[0],
        "depth": np.histogram(depth, DEPTH_BINS_X0, weights=energy)[0],
    }


def decay_electron(steps: Steps) -> dict:
    """Return the total energy of the electron or positron from the primary's decay."""
    tracks = steps.tracks
    electron = _children(steps) & (np.abs(tracks.pdg) == 11) & (tracks.creator == "Decay")
    return {"energy": tracks.kinetic_energy_mev[electron].sum() + ELECTRON_MASS_MEV}


def pion_decay(steps: Steps) -> dict:
    """Return the kinetic energy of the decay muon (0: none), and whether it gave a positron."""
    tracks = steps.tracks
    muon = np.flatnonzero(_children(steps) & (tracks.pdg == -13) & (tracks.creator == "Decay"))
    from_muon = np.isin(tracks.parent_id, tracks.track_id[muon]) & (tracks.creator == "Decay")
    return {
        "muon_energy": tracks.kinetic_energy_mev[muon].sum(),
        "chain": (from_muon & (tracks.pdg == -11)).any(),
    }


def muon_decay(steps: Steps) -> dict:
    """Return whether a mu- decayed: only a decay gives an antineutrino, a capture does not."""
    return {"decayed": (steps.tracks.pdg[_children(steps)] == -12).any()}


def pion_reaction(steps: Steps) -> dict:
    """Return the path in the world, and whether an inelastic nuclear reaction ended it."""
    creators = steps.tracks.creator[_children(steps)]
    return {
        "path": steps.length_mm[steps.track == 0].sum() / 10,
        "reacted": np.char.endswith(creators, "Inelastic").any(),
    }


def neutron_reactions(steps: Steps) -> dict:
    """Return the energy and ionisation of argon recoils, and gammas of inelastic reactions.

    recoil, recoil_ionising: in bins of the recoil's energy, keV. reacted: whether the primary had
    an inelastic reaction. gammas: number in bins of energy.
    """
    tracks = steps.tracks
    recoil = tracks.pdg == ARGON_40
    total, ionising = (
        np.bincount(steps.track, energy, len(tracks.pdg))[recoil]
        for energy in (steps.energy_mev, steps.ionising_mev)
    )
    # The energy of slower recoils is in the steps of the neutron.
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
    """Return the row of `among` that is nearest to each point."""
    return np.array(
        [np.argmin(((among - point) ** 2).sum(axis=1)) for point in points], dtype=np.int64
    )

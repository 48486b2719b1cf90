"""Run Geant4 in a block of liquid argon: particles in, energy deposits and tracks out.

This is the only module that imports geant4_pybind. Geant4 allows one run manager per process, so a
process can make only one `LiquidArgon`. It simulates any number of events, each from its own seed
words; an event does not depend on earlier ones.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.simulate.argon_data import provide_data_directories
from organizer.simulate.constants import LAR_DENSITY_G_CM3
from organizer.simulate.quenching import ionising_share, is_quenched

# Below argon-40's first excited level at 1.461 MeV (ENSDF) a neutron can only scatter elastically,
# or be captured after about 100 us, when the event has been read out.
NEUTRON_LIMIT_MEV = 1.4
ARGON_40 = 1000180400  # PDG code

# Geant4's physics constructors: always, with decay, and with hadronic reactions.
ELECTROMAGNETIC_PHYSICS = ("G4EmStandardPhysics", "G4StepLimiterPhysics")
DECAY_PHYSICS = ("G4DecayPhysics",)
HADRONIC_PHYSICS = ("G4HadronElasticPhysics", "G4HadronPhysicsFTFP_BERT", "G4StoppingPhysics")

# With this, excited nuclei emit the gammas of `levels.txt`. Bertini's own de-excitation, Geant4's
# default, has no levels and emits a continuum.
DE_EXCITATION = {"G4CASCADE_USE_PRECOMPOUND": "1"}


@dataclass(frozen=True)
class Particle:
    """A primary particle.

    position_mm: from the world's centre. direction: a unit vector. is_cosmic: a muon that crosses
    the detector, not from a vertex.
    """

    pdg: int
    kinetic_energy_mev: float
    position_mm: tuple[float, float, float]
    direction: tuple[float, float, float]
    is_cosmic: bool = False


@dataclass(frozen=True)
class Settings:
    """The world, a cube around the origin, and its physics.

    Tracks end at the world's walls. By default the world is 10 cm larger than the crop on each
    side: particles that leave the crop can come back, and no time is spent on distant ones.
    """

    half_size_mm: float = 388.0
    # Longest step of charged particles. Geant4's own steps are several cm long: then all voxels of
    # a step have the same dE/dx, and a classifier would learn that.
    max_step_mm: float = 1.0
    production_cut_mm: float = 0.7  # Geant4's default
    hadronic: bool = True
    decay: bool = True
    neutron_limit_mev: float = NEUTRON_LIMIT_MEV
    gamma_lines: bool = True  # excited nuclei have known levels, not a continuum
    quenching: bool = True  # of nuclei; without it all their energy becomes ionisation


@dataclass(frozen=True)
class Tracks:
    """The T tracks of an event in the order of tracking: parents before children."""

    track_id: np.ndarray  # (T,) int32, Geant4's; primaries are 1, 2, ... in the given order
    parent_id: np.ndarray  # (T,) int32, 0 for primaries
    pdg: np.ndarray  # (T,) int64
    kinetic_energy_mev: np.ndarray  # (T,) float64, at the track's start
    vertex_mm: np.ndarray  # (T, 3) float64
    creator: np.ndarray  # (T,) str, Geant4's process name, "" for primaries

    def rows(self, track_id: np.ndarray) -> np.ndarray:
        """Return the index of each track: (n,) int64. track_id: (n,) integers; 0 gives 0."""
        row_of_id = np.zeros(self.track_id.max(initial=0) + 1, np.int64)
        row_of_id[self.track_id] = np.arange(len(self.track_id))
        return row_of_id[track_id]


@dataclass(frozen=True)
class Steps:
    """The S steps of an event that left energy, track after track."""

    start_mm: np.ndarray  # (S, 3) float64
    end_mm: np.ndarray  # (S, 3) float64
    energy_mev: np.ndarray  # (S,) float64, > 0
    ionising_mev: np.ndarray  # (S,) float64, the part that becomes ionisation (quenching.py)
    length_mm: np.ndarray  # (S,) float64, along the true (scattered) path
    track: np.ndarray  # (S,) int64, index in `tracks`
    tracks: Tracks = field(repr=False)


class LiquidArgon:
    """Geant4's run manager with a world of liquid argon.

    data_directory: the folder for the argon-only data, if the environment names no others.
    """

    def __init__(self, settings: Settings, data_directory: Path):
        provide_data_directories(data_directory)
        if settings.gamma_lines:
            os.environ.update(DE_EXCITATION)
        import geant4_pybind as g4

        self._g4, self._quenching = g4, settings.quenching
        self._manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        self._manager.SetVerboseLevel(0)
        # Geant4 keeps only pointers; the attributes keep the objects alive. Geant4 requires the
        # physics list before the actions.
        self._detector, self._actions = _user_classes(g4, settings)
        self._physics = _physics_list(g4, settings)
        for part in (self._detector, self._physics, self._actions):
            self._manager.SetUserInitialization(part)
        self._manager.Initialize()
        # In the bindings SetDefaultCutValue of the physics list has no effect; this command has.
        interface = g4.G4UImanager.GetUIpointer()
        interface.ApplyCommand(f"/run/setCut {settings.production_cut_mm} mm")
        # Geant4 11.4 tracks the first electron of a process a little differently, and it makes its
        # tables now. So simulate one electron that belongs to no event.
        self.simulate([Particle(11, 10.0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))], (1, 2, 3, 4))

    def simulate(self, particles: Sequence[Particle], seed_words: Sequence[int]) -> Steps:
        """Track `particles` and their secondaries. seed_words: four words of 32 bits.

        Raises ChallengeError if Geant4 does not know a particle.
        """
        table = self._g4.G4ParticleTable.GetParticleTable()
        for particle in particles:
            if table.FindParticle(int(particle.pdg)) is None:
                raise ChallengeError(
                    f"organizer/cycles.py: Geant4 has no particle with the PDG code {particle.pdg}"
                )
        # The bindings read the words up to a zero: no word may be zero, and a zero must follow.
        words = [max(1, int(word)) for word in seed_words]
        self._g4.G4Random.setTheSeeds([*words, 0], len(words))
        stepping, tracking = self._actions.stepping, self._actions.tracking
        self._actions.generator.particles = particles
        stepping.values, tracking.values, tracking.creators = array("d"), array("d"), []
        self._manager.BeamOn(1)
        return _as_steps(
            stepping.values, tracking.values, tracking.creators, quenching=self._quenching
        )


def _physics_list(g4: Any, settings: Settings) -> Any:
    physics = g4.G4VModularPhysicsList()
    physics.SetVerboseLevel(0)
    names = (
        *ELECTROMAGNETIC_PHYSICS,
        *(DECAY_PHYSICS if settings.decay else ()),
        *(HADRONIC_PHYSICS if settings.hadronic else ()),
    )
    for name in names:
        physics.RegisterPhysics(getattr(g4, name)())
    if settings.hadronic:
        neutrons = g4.G4NeutronTrackingCut()
        neutrons.SetKineticEnergyLimit(settings.neutron_limit_mev * g4.MeV)
        physics.RegisterPhysics(neutrons)
    # After the constructors above, which set their own verbosity.
    g4.G4HadronicParameters.Instance().SetVerboseLevel(0)
    g4.G4EmParameters.Instance().SetVerbose(0)
    return physics


def _user_classes(g4: Any, settings: Settings) -> Any:
    """Return Geant4's detector and actions. Their base classes need the import of geant4_pybind."""

    class Detector(g4.G4VUserDetectorConstruction):
        def Construct(self):
            half = settings.half_size_mm * g4.mm
            argon = g4.G4NistManager.Instance().FindOrBuildMaterial("G4_lAr")
            self.solid = g4.G4Box("world", half, half, half)
            self.volume = g4.G4LogicalVolume(self.solid, argon, "world")
            self.limits = g4.G4UserLimits(settings.max_step_mm * g4.mm)
            self.volume.SetUserLimits(self.limits)
            self.world = g4.G4PVPlacement(
                None, g4.G4ThreeVector(), self.volume, "world", None, False, 0
            )
            return self.world

    class Generator(g4.G4VUserPrimaryGeneratorAction):
        def __init__(self):
            super().__init__()
            self.gun = g4.G4ParticleGun(1)
            self.particles: Sequence[Particle] = ()

        def GeneratePrimaries(self, event):
            table = g4.G4ParticleTable.GetParticleTable()
            for particle in self.particles:
                position, direction = particle.position_mm, particle.direction
                self.gun.SetParticleDefinition(table.FindParticle(int(particle.pdg)))
                self.gun.SetParticleEnergy(float(particle.kinetic_energy_mev) * g4.MeV)
                self.gun.SetParticlePosition(g4.G4ThreeVector(*map(float, position)))
                self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(*map(float, direction)))
                self.gun.GeneratePrimaryVertex(event)

    class Stepping(g4.G4UserSteppingAction):
        """Records steps. Called thousands of times per event, so it does as little as possible."""

        def __init__(self):
            super().__init__()
            self.values = array("d")

        def UserSteppingAction(self, step):
            energy = step.GetTotalEnergyDeposit()
            if energy <= 0.0:
                return
            start = step.GetPreStepPoint().GetPosition()
            end = step.GetPostStepPoint().GetPosition()
            self.values.extend(
                (
                    *(start.x, start.y, start.z, end.x, end.y, end.z),
                    *(energy, step.GetNonIonizingEnergyDeposit()),
                    *(step.GetStepLength(), step.GetTrack().GetTrackID()),
                )
            )

    class Tracking(g4.G4UserTrackingAction):
        def __init__(self):
            super().__init__()
            self.values = array("d")
            self.creators = []

        def PreUserTrackingAction(self, track):
            vertex = track.GetVertexPosition()
            process = track.GetCreatorProcess()
            self.values.extend(
                (
                    *(track.GetTrackID(), track.GetParentID()),
                    *(track.GetDefinition().GetPDGEncoding(), track.GetKineticEnergy()),
                    *(vertex.x, vertex.y, vertex.z),
                )
            )
            self.creators.append("" if process is None else process.GetProcessName())

    class Actions(g4.G4VUserActionInitialization):
        def Build(self):
            self.generator, self.stepping, self.tracking = Generator(), Stepping(), Tracking()
            for action in (self.generator, self.stepping, self.tracking):
                self.SetUserAction(action)

    return Detector(), Actions()


def _as_steps(
    step_values: array, track_values: array, creators: list[str], *, quenching: bool
) -> Steps:
    """Return the steps from the flat lists that the actions have recorded."""
    track_table = np.array(track_values).reshape(-1, 7)
    tracks = Tracks(
        track_id=track_table[:, 0].astype(np.int32),
        parent_id=track_table[:, 1].astype(np.int32),
        pdg=track_table[:, 2].astype(np.int64),
        kinetic_energy_mev=track_table[:, 3],
        vertex_mm=track_table[:, 4:7],
        creator=np.array(creators, dtype=str),
    )
    step_table = np.array(step_values).reshape(-1, 10)
    track = tracks.rows(step_table[:, 9].astype(np.int64))
    energy, recoil, length = step_table[:, 6:9].T
    return Steps(
        start_mm=step_table[:, 0:3],
        end_mm=step_table[:, 3:6],
        energy_mev=energy,
        ionising_mev=(
            _ionising_mev(tracks, track, energy, recoil, length) if quenching else energy
        ),
        length_mm=length,
        track=track,
        tracks=tracks,
    )


def _ionising_mev(
    tracks: Tracks,
    track: np.ndarray,
    energy_mev: np.ndarray,
    recoil_mev: np.ndarray,
    length_mm: np.ndarray,
) -> np.ndarray:
    """Return the part of each step's energy that becomes ionisation: (S,) MeV.

    recoil_mev: (S,) energy of argon nuclei that are too slow to be tracked; Geant4 deposits it at
    the point of an elastic reaction.
    """
    ionising = energy_mev - recoil_mev
    hit = np.flatnonzero(recoil_mev)
    argon = np.full(len(hit), ARGON_40)
    ionising[hit] += recoil_mev[hit] * ionising_share(argon, recoil_mev[hit], np.zeros(len(hit)))
    nucleus = np.flatnonzero(is_quenched(tracks.pdg[track]))
    way_g_cm2 = np.maximum(length_mm[nucleus], 1e-6) / 10 * LAR_DENSITY_G_CM3
    dedx = energy_mev[nucleus] / way_g_cm2
    of = track[nucleus]
    ionising[nucleus] *= ionising_share(tracks.pdg[of], tracks.kinetic_energy_mev[of], dedx)
    return ionising

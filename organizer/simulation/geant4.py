"""Geant4 in a block of liquid argon: particles in, energy deposits and tracks out.

The only module that imports geant4_pybind. Geant4 allows one run manager in a process, so one process makes
one `LiquidArgon`; it then simulates any number of events, each from its own seed words and
independent of those before it.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from organizer.simulation.argon_data import provide_data_directories

# Argon-40's first excited level, 1.461 MeV (NNDC, ENSDF 40Ar): a slower neutron can only recoil, or be
# captured after some 100 us, when the readout of the event is over.
NEUTRON_LIMIT_MEV = 1.4


@dataclass(frozen=True)
class Particle:
    """A particle to start with: PDG code, kinetic energy, place in mm, unit direction."""

    pdg: int
    kinetic_energy_mev: float
    position_mm: tuple[float, float, float]
    direction: tuple[float, float, float]


@dataclass(frozen=True)
class Settings:
    """The world (a cube around the origin) and the physics in it."""

    half_size_mm: float = 388.0
    max_step_mm: float = 1.0  # of charged particles; see `LiquidArgon`
    production_cut_mm: float = 0.7
    hadronic: bool = True
    decay: bool = True
    neutron_limit_mev: float = NEUTRON_LIMIT_MEV


@dataclass(frozen=True)
class Tracks:
    """Every track of an event, in the order of tracking. T is the number of tracks."""

    track_id: np.ndarray  # (T,) int32, Geant4's; primaries are 1, 2, ... in the order given
    parent_id: np.ndarray  # (T,) int32, 0 for primaries
    pdg: np.ndarray  # (T,) int64
    kinetic_energy_mev: np.ndarray  # (T,) float64, at its start
    vertex_mm: np.ndarray  # (T, 3) float64
    creator: np.ndarray  # (T,) str, Geant4's process name, "" for primaries


@dataclass(frozen=True)
class Steps:
    """Every step that left energy. S is the number of steps."""

    start_mm: np.ndarray  # (S, 3) float64
    end_mm: np.ndarray  # (S, 3) float64
    energy_mev: np.ndarray  # (S,) float64, > 0
    length_mm: np.ndarray  # (S,) float64, along the true (scattered) path
    track: np.ndarray  # (S,) int64, row of `tracks`
    tracks: Tracks = field(repr=False)


class LiquidArgon:
    """Geant4's run manager with a world of liquid argon.

    Charged particles take steps of at most `settings.max_step_mm`: Geant4's own steps in argon are
    several cm long, and voxels that share one long step would share one perfectly smooth dE/dx.
    """

    def __init__(self, settings: Settings, data_directory):
        provide_data_directories(data_directory)
        import geant4_pybind as g4

        self._g4 = g4
        manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        manager.SetVerboseLevel(0)
        self._detector, self._actions = _user_classes(g4, settings)
        manager.SetUserInitialization(self._detector)
        self._physics = _physics_list(g4, settings)
        manager.SetUserInitialization(self._physics)
        manager.SetUserInitialization(self._actions)
        manager.Initialize()
        # SetDefaultCutValue of the physics list has no effect through the bindings; the command has.
        ui = g4.G4UImanager.GetUIpointer()
        ui.ApplyCommand(f"/run/setCut {settings.production_cut_mm} mm")
        self._manager = manager

    def simulate(self, particles: Sequence[Particle], seed_words: Sequence[int]) -> Steps:
        """Track `particles` and all they set free. `seed_words`: four 32-bit words (MixMax)."""
        # The bindings read the words up to a zero: none may be zero, and one must follow.
        words = [max(1, int(word)) for word in seed_words]
        self._g4.G4Random.setTheSeeds([*words, 0], len(words))
        generator, stepping, tracking = (
            self._actions.generator,
            self._actions.stepping,
            self._actions.tracking,
        )
        generator.particles = particles
        stepping.values, tracking.values, tracking.creators = array("d"), array("d"), []
        self._manager.BeamOn(1)
        return _as_steps(stepping.values, tracking.values, tracking.creators)


def _physics_list(g4, settings: Settings):
    physics = g4.G4VModularPhysicsList()
    physics.SetVerboseLevel(0)
    physics.RegisterPhysics(g4.G4EmStandardPhysics())
    physics.RegisterPhysics(g4.G4StepLimiterPhysics())
    if settings.decay:
        physics.RegisterPhysics(g4.G4DecayPhysics())
    if settings.hadronic:
        physics.RegisterPhysics(g4.G4HadronElasticPhysics())
        physics.RegisterPhysics(g4.G4HadronPhysicsFTFP_BERT())
        physics.RegisterPhysics(g4.G4StoppingPhysics())
        neutrons = g4.G4NeutronTrackingCut()
        neutrons.SetKineticEnergyLimit(settings.neutron_limit_mev * g4.MeV)
        physics.RegisterPhysics(neutrons)
    # After the constructors above, which set their own.
    g4.G4HadronicParameters.Instance().SetVerboseLevel(0)
    g4.G4EmParameters.Instance().SetVerbose(0)
    return physics


def _user_classes(g4, settings: Settings):
    """Geant4's detector and actions, made here because their bases exist only once g4 is imported."""

    class Detector(g4.G4VUserDetectorConstruction):
        def Construct(self):
            argon = g4.G4NistManager.Instance().FindOrBuildMaterial("G4_lAr")
            half = settings.half_size_mm * g4.mm
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
            self.particles = ()

        def GeneratePrimaries(self, event):
            table = g4.G4ParticleTable.GetParticleTable()
            for particle in self.particles:
                self.gun.SetParticleDefinition(table.FindParticle(int(particle.pdg)))
                self.gun.SetParticleEnergy(float(particle.kinetic_energy_mev) * g4.MeV)
                self.gun.SetParticlePosition(g4.G4ThreeVector(*map(float, particle.position_mm)))
                self.gun.SetParticleMomentumDirection(
                    g4.G4ThreeVector(*map(float, particle.direction))
                )
                self.gun.GeneratePrimaryVertex(event)

    class Stepping(g4.G4UserSteppingAction):
        """Called some ten thousand times an event: it must do the least possible."""

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
                    start.x, start.y, start.z, end.x, end.y, end.z,
                    energy, step.GetStepLength(), step.GetTrack().GetTrackID(),
                )
            )  # fmt: skip

    class Tracking(g4.G4UserTrackingAction):
        def __init__(self):
            super().__init__()
            self.values = array("d")
            self.creators = []

        def PreUserTrackingAction(self, track):
            process = track.GetCreatorProcess()
            vertex = track.GetVertexPosition()
            self.values.extend(
                (
                    track.GetTrackID(),
                    track.GetParentID(),
                    track.GetDefinition().GetPDGEncoding(),
                    track.GetKineticEnergy(),
                    vertex.x, vertex.y, vertex.z,
                )
            )  # fmt: skip
            self.creators.append("" if process is None else process.GetProcessName())

    class Actions(g4.G4VUserActionInitialization):
        def Build(self):
            self.generator, self.stepping, self.tracking = Generator(), Stepping(), Tracking()
            for action in (self.generator, self.stepping, self.tracking):
                self.SetUserAction(action)

    return Detector(), Actions()


def _as_steps(step_values: array, track_values: array, creators: list[str]) -> Steps:
    table = np.array(track_values).reshape(-1, 7)
    track_id = table[:, 0].astype(np.int32)
    tracks = Tracks(
        track_id=track_id,
        parent_id=table[:, 1].astype(np.int32),
        pdg=table[:, 2].astype(np.int64),
        kinetic_energy_mev=table[:, 3].copy(),
        vertex_mm=table[:, 4:7].copy(),
        creator=np.array(creators, dtype=str),
    )
    steps = np.array(step_values).reshape(-1, 9)
    row_of_id = np.zeros(track_id.max(initial=0) + 1, np.int64)
    row_of_id[track_id] = np.arange(len(track_id))
    return Steps(
        start_mm=steps[:, 0:3].copy(),
        end_mm=steps[:, 3:6].copy(),
        energy_mev=steps[:, 6].copy(),
        length_mm=steps[:, 7].copy(),
        track=row_of_id[steps[:, 8].astype(np.int64)],
        tracks=tracks,
    )

"""The cycles, as participants and scorers need them: names and classes.

A cycle is one task with its data. It is declared here with its classes, and in organizer/cycles.py
with the settings of its simulation. Label i of a cycle is its i-th class; label 0 means empty.
competition.yaml lists the cycles of a competition.
"""

from __future__ import annotations

from dataclasses import dataclass

from lartpc_challenge.format import ChallengeError

EMPTY = 0
Rgb = tuple[int, int, int]  # sRGB, 0..255


@dataclass(frozen=True)
class SemanticClass:
    """A class of voxels.

    meaning: the particles that belong to it. on_light, on_dark: its colour on a light and on a
    dark background.
    """

    name: str
    meaning: str
    on_light: Rgb
    on_dark: Rgb


@dataclass(frozen=True)
class Cycle:
    """A task with its data.

    number, name: both are unique (see `find_cycle`). title: the task in a few words. classes:
    label i is classes[i - 1]. has_dead_planes: in every event some planes of the detector are not
    read out. any_voxel_size: files may hold voxels of another size than VOXEL_SIZE_MM.
    """

    number: int
    name: str
    title: str
    classes: tuple[SemanticClass, ...]
    has_dead_planes: bool = False
    any_voxel_size: bool = False

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels that a voxel with charge can have: 1 to the number of classes."""
        return tuple(range(1, len(self.classes) + 1))

    @property
    def predictable(self) -> tuple[int, ...]:
        """The labels that a prediction may have: EMPTY, then `labels`."""
        return (EMPTY, *self.labels)

    @property
    def n_labels(self) -> int:
        """The number of `predictable` labels, which are 0 to n_labels - 1."""
        return len(self.predictable)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of `labels`, without EMPTY."""
        return tuple(one.name for one in self.classes)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of `predictable` labels: label_names[label]. Every file contains them."""
        return ("empty", *self.class_names)

    def label(self, class_name: str) -> int:
        """Return the label of the class with this name. Raises ValueError if there is none."""
        return self.label_names.index(class_name)

    def labels_in(self, other: Cycle) -> tuple[int, ...] | None:
        """Return the label in cycle `other` of each class of this cycle, by the classes' names.

        None if a class does not exist in `other`, or if this cycle does not separate all classes
        of `other`.
        """
        names = [one.name for one in self.classes]
        for i, name in enumerate(names):
            while name not in other.class_names and name in _PART_OF:
                name = _PART_OF[name]
            names[i] = name
        if set(names) != set(other.class_names):
            return None
        return tuple(map(other.label, names))


# Class -> the class that contains it in cycles with fewer classes.
_PART_OF = {
    "proton": "other",
    "electron/positron": "shower",
    "other": "track",
    "HIP": "track",
    "MIP": "track",
    "delta": "shower",
    "Michel": "shower",
}

# (on light, on dark); also distinct for people with colour blindness.
_BLUE = (36, 104, 180), (102, 164, 234)
_GREEN = (22, 128, 108), (82, 192, 168)
_ORANGE = (200, 90, 16), (242, 152, 86)
_PURPLE = (126, 72, 170), (190, 148, 234)
_ROSE = (190, 40, 92), (242, 124, 162)

_ELECTROMAGNETIC = SemanticClass(
    "electron/positron", "electrons and positrons, including those from photons", *_BLUE
)
_OTHER = SemanticClass("other", "all other particles", *_GREEN)
_OTHER_THAN_PROTONS = SemanticClass(
    "other", "muons, pions, nuclei and all other particles", *_GREEN
)
_PROTON = SemanticClass("proton", "protons, including those from nuclear reactions", *_ORANGE)
_THREE = (_ELECTROMAGNETIC, _OTHER_THAN_PROTONS, _PROTON)

_SHOWER = SemanticClass(
    "shower", "electrons, positrons and photons of showers, with their descendants", *_BLUE
)
_DELTA = SemanticClass(
    "delta", "electrons knocked out by a track, with their descendants", *_PURPLE
)
_MICHEL = SemanticClass("Michel", "electrons from muon decays, with their descendants", *_ROSE)

DECLARED = (
    Cycle(1, "two_classes", "electrons and positrons against the rest", (_ELECTROMAGNETIC, _OTHER)),
    Cycle(2, "three_classes", "protons are a class of their own", _THREE),
    Cycle(3, "dense", "dense events, cosmic muons, dead planes", _THREE, True),
    Cycle(
        4,
        "track_shower",
        "tracks against showers",
        (_SHOWER, SemanticClass("track", "muons, hadrons, nuclei", *_GREEN)),
    ),
    Cycle(
        5,
        "beam_cosmic",
        "particles from the vertex against crossing muons",
        (
            SemanticClass("beam", "particles from the vertex, with their descendants", *_ORANGE),
            SemanticClass("cosmic", "crossing muons, with their descendants", *_BLUE),
        ),
        True,
    ),
    Cycle(
        6,
        "five_classes",
        "the classes of MicroBooNE's SparseSSNet",
        (
            SemanticClass("HIP", "highly ionising particles: protons and nuclei", *_ORANGE),
            SemanticClass("MIP", "minimum ionising particles: muons, pions, kaons", *_GREEN),
            _SHOWER,
            _DELTA,
            _MICHEL,
        ),
    ),
    Cycle(
        7,
        "motifs",
        "the classes of PILArNet",
        (
            _SHOWER,
            SemanticClass("track", "muons and hadrons", *_GREEN),
            _MICHEL,
            _DELTA,
            SemanticClass("low-energy", "small isolated deposits", *_ORANGE),
        ),
    ),
    Cycle(8, "general", "three classes in events of every kind", _THREE, True, any_voxel_size=True),
)
CYCLES = {cycle.number: cycle for cycle in DECLARED}


def find_cycle(key: int | str) -> Cycle:
    """Return the cycle with this number or name. Raises ChallengeError if there is none."""
    for cycle in DECLARED:
        if str(key) in (str(cycle.number), cycle.name):
            return cycle
    known = ", ".join(f"{cycle.number} {cycle.name}" for cycle in DECLARED)
    raise ChallengeError(f"cycle {key!r} is unknown, expected a number or a name of {known}")

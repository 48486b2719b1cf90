"""The cycles: each is a task of its own. This is what participants and scorers know of them.

A cycle is declared here, with its classes, and once more in organizer/cycles.py, with how its
events are made. Label i of a cycle is its i-th class; 0 is no class: it means empty. Nothing else
in the project names a class or counts cycles, and which of them a competition has is said by its
competition.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass

from lartpc_challenge.format import ChallengeError

EMPTY = 0
Rgb = tuple[int, int, int]  # sRGB, 0..255


@dataclass(frozen=True)
class SemanticClass:
    """A class of voxels: its name, what belongs to it, its colours on light and on dark ground."""

    name: str
    meaning: str
    on_light: Rgb
    on_dark: Rgb


@dataclass(frozen=True)
class Cycle:
    """A task with its data.

    number, name: either finds it. title: what sets it apart, in a few words. classes: label i is
    classes[i - 1]. has_dead_planes: some planes of the detector are not read out, other ones in
    each event.
    """

    number: int
    name: str
    title: str
    classes: tuple[SemanticClass, ...]
    has_dead_planes: bool = False

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels that a voxel with charge can have: 1 to the number of classes."""
        return tuple(range(1, len(self.classes) + 1))

    @property
    def predictable(self) -> tuple[int, ...]:
        """The labels that a prediction may hold: EMPTY, and `labels` after it."""
        return (EMPTY, *self.labels)

    @property
    def n_labels(self) -> int:
        """The number of `predictable` labels; they are 0 to n_labels - 1."""
        return len(self.predictable)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of `labels`, without EMPTY."""
        return tuple(one.name for one in self.classes)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of `predictable`: label_names[label], as every file repeats them."""
        return ("empty", *self.class_names)

    def label(self, class_name: str) -> int:
        """The label of the class with this name. ValueError where the cycle has none."""
        return self.label_names.index(class_name)

    def labels_in(self, other: Cycle) -> tuple[int, ...] | None:
        """The label in `other` of each of this cycle's classes, in order, by names of classes.

        None where a class has no place in `other`, or other's classes are not all told apart here.
        """
        names = [one.name for one in self.classes]
        for i, name in enumerate(names):
            while name not in other.class_names and name in _PART_OF:
                name = _PART_OF[name]
            names[i] = name
        if set(names) != set(other.class_names):
            return None
        return tuple(map(other.label, names))


# The class that holds another one in cycles that tell fewer apart: there its rule gives the same
# deposits this class.
_PART_OF = {
    "proton": "other",
    "electron/positron": "shower",
    "other": "track",
    "HIP": "track",
    "MIP": "track",
    "delta": "shower",
    "Michel": "shower",
}

# Told apart by people who see fewer colours: (on light, on dark).
_BLUE = (36, 104, 180), (102, 164, 234)
_GREEN = (22, 128, 108), (82, 192, 168)
_ORANGE = (200, 90, 16), (242, 152, 86)
_PURPLE = (126, 72, 170), (190, 148, 234)
_ROSE = (190, 40, 92), (242, 124, 162)

_ELECTROMAGNETIC = SemanticClass(
    "electron/positron", "electrons and positrons, also those that photons set free", *_BLUE
)
_OTHER = SemanticClass("other", "all other particles", *_GREEN)
_OTHER_THAN_PROTONS = SemanticClass(
    "other", "muons, pions and all other particles, nuclei among them", *_GREEN
)
_PROTON = SemanticClass("proton", "protons, also those of nuclear reactions", *_ORANGE)
_THREE = (_ELECTROMAGNETIC, _OTHER_THAN_PROTONS, _PROTON)

_SHOWER = SemanticClass(
    "shower", "electrons, positrons and photons of showers, with all that follows", *_BLUE
)
_DELTA = SemanticClass("delta", "electrons knocked out by a track, with all that follows", *_PURPLE)
_MICHEL = SemanticClass("Michel", "electrons of decaying muons, with all that follows", *_ROSE)

_DECLARED = (
    Cycle(1, "two_classes", "electrons and positrons against the rest", (_ELECTROMAGNETIC, _OTHER)),
    Cycle(2, "three_classes", "protons are a class of their own", _THREE),
    Cycle(3, "dense", "dense events, cosmic muons, a real detector's gaps", _THREE, True),
    Cycle(
        4,
        "track_shower",
        "tracks against showers",
        (_SHOWER, SemanticClass("track", "muons, hadrons, nuclei", *_GREEN)),
    ),
    Cycle(
        5,
        "beam_cosmic",
        "what comes from the vertex against crossing muons",
        (
            SemanticClass("beam", "particles of the vertex, with all that follows", *_ORANGE),
            SemanticClass("cosmic", "crossing muons, with all that follows", *_BLUE),
        ),
        True,
    ),
    Cycle(
        6,
        "five_classes",
        "the classes of MicroBooNE's SparseSSNet",
        (
            SemanticClass("HIP", "highly ionising: protons and nuclei", *_ORANGE),
            SemanticClass("MIP", "minimum ionising: muons, pions, kaons", *_GREEN),
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
            SemanticClass("low-energy", "small deposits away from everything else", *_ORANGE),
        ),
    ),
    Cycle(8, "general", "three classes in events of every kind", _THREE, True),
)
CYCLES = {cycle.number: cycle for cycle in _DECLARED}


def find_cycle(key: int | str) -> Cycle:
    """The cycle with this number or name. ChallengeError where there is none."""
    for cycle in _DECLARED:
        if str(key) in (str(cycle.number), cycle.name):
            return cycle
    known = ", ".join(f"{cycle.number} {cycle.name}" for cycle in _DECLARED)
    raise ChallengeError(f"cycle {key!r} is unknown, expected a number or a name of {known}")

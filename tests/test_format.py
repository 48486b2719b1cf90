"""Constants, the page that describes the formats, and files of older versions."""

import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy

import lartpc_challenge
from lartpc_challenge import guarded
from lartpc_challenge.cycles import CYCLES, find_cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import (
    FORMAT,
    FORMAT_VERSION,
    GRID_SHAPE,
    METRICS,
    VOXEL_SIZE_MM,
    ChallengeError,
    ReferenceDataError,
    SubmissionError,
)
from lartpc_challenge.reference import Manifest, read_reference
from lartpc_challenge.submission import (
    csv_form,
    dense_form,
    h5_guard,
    sandbox,
    sparse_form,
    upload,
)
from lartpc_challenge.submission import forms as submission

PAGE = (Path(lartpc_challenge.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
ARCHIVE = Path(__file__).parent / "archive"


# ---- constants


@pytest.mark.parametrize(
    ("trained_on", "asked", "labels"),
    [
        ("general", "general", (1, 2, 3)),
        ("general", "dense", (1, 2, 3)),
        ("general", "two_classes", (1, 2, 2)),
        ("general", "track_shower", (1, 2, 2)),  # electrons are showers, the others tracks
        ("five_classes", "track_shower", (2, 2, 1, 1, 1)),
        ("two_classes", "general", None),  # knows no protons
        ("general", "five_classes", None),
        ("motifs", "track_shower", None),  # its low-energy deposits may be either
        ("beam_cosmic", "two_classes", None),
    ],
)
def test_classes_have_their_places_in_coarser_cycles(trained_on, asked, labels):
    assert find_cycle(trained_on).labels_in(find_cycle(asked)) == labels


def test_labels_of_the_cycles():
    labels = {number: list(cycle.labels) for number, cycle in CYCLES.items() if number < 4}
    assert labels == {1: [1, 2], 2: [1, 2, 3], 3: [1, 2, 3]}
    for number, cycle in CYCLES.items():
        assert cycle.number == number
        assert list(cycle.predictable) == [0, *cycle.labels] == list(range(cycle.n_labels))
        assert len(set(cycle.class_names)) == len(cycle.labels) < 256
        assert [cycle.label(name) for name in cycle.class_names] == list(cycle.labels)
    assert CYCLES[1].class_names == ("electron/positron", "other")
    assert len({cycle.name for cycle in CYCLES.values()}) == len(CYCLES)


def test_a_cycle_is_found_by_number_and_by_name():
    assert find_cycle("6") == find_cycle(6) == find_cycle("five_classes") == CYCLES[6]
    with pytest.raises(ChallengeError, match=r"cycle 'six' is unknown, expected .*6 five_classes"):
        find_cycle("six")


def test_a_participants_fault_is_not_an_organisers():
    assert issubclass(SubmissionError, ChallengeError)
    assert issubclass(ReferenceDataError, ChallengeError)
    assert not issubclass(ReferenceDataError, SubmissionError)


# ---- FORMAT.md


def section(title: str) -> str:
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def rows(text: str, first_column: str) -> list[dict[str, str]]:
    """The rows of all tables in `text` whose first column has that title."""
    found, head = [], None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else None
        if cells is None:
            head = None
        elif head is None:
            head = cells
        elif head[0] == first_column and set(line) - set("|- "):
            found.append(dict(zip(head, cells)))
    return found


def contents(file: h5py.File) -> dict[str, h5py.Dataset]:
    found = {}
    file.visititems(lambda name, item: found.update({name: item} if hasattr(item, "shape") else {}))
    return found


def check_data_sets(file: h5py.File, described: list[dict], sizes: dict[str, int]) -> None:
    """Each data set is described with its dtype and shape, and each that MUST be there is."""
    found = contents(file)
    assert found.keys() <= {row["data set"] for row in described}
    for row in described:
        if row["data set"] not in found:
            assert row["must"] == "MAY", row
            continue
        data = found[row["data set"]]
        assert data.dtype == row["dtype"], row
        shape = [eval(size, sizes) for size in row["shape"].strip("()").split(",") if size]
        assert list(data.shape) == shape, row


def check_attributes(file: h5py.File, described: list[dict]) -> None:
    assert set(file.attrs) == {row["attribute"] for row in described}
    assert {row["must"] for row in described} == {"MUST"}


@pytest.fixture(scope="module")
def events():
    return toy.make_events(6, cycle=2)


@pytest.mark.parametrize("kind", ["train", "test"])
def test_the_page_describes_event_files(tmp_path, events, kind):
    toy.make_events_file(tmp_path / "e.h5", events, kind=kind, cycle=2)
    described = rows(section("Events"), "data set")
    for row in described:
        if row["data set"] == "label":
            assert row["must"] == "MUST in train and simulation, MUST NOT in test"
            row["must"] = "MUST" if kind == "train" else "MAY"
    with h5py.File(tmp_path / "e.h5") as file:
        check_data_sets(file, described, {"N": 6, "M": sum(map(len, events))})
        check_attributes(file, rows(PAGE.split("## Events")[0], "attribute"))
        assert ("label" in file) == (kind == "train")


def test_the_page_describes_references_and_placeholders(tmp_path, events):
    toy.make_reference(tmp_path / "r.h5", events, phase=3, scored=[0, 4])
    toy.make_placeholder(tmp_path / "p.h5", phase=3, scale="full")
    text = section("Reference")
    sizes = {"N": 6, "M": sum(map(len, events)), "n": 2, "m": len(events[0]) + len(events[4])}
    attributes = rows(PAGE.split("## Events")[0], "attribute") + rows(text, "attribute")
    with h5py.File(tmp_path / "r.h5") as file:
        check_data_sets(file, rows(text, "data set"), sizes)
        check_attributes(file, attributes)
        assert set(file["trivial/majority"].attrs) == set(METRICS)
    with h5py.File(tmp_path / "p.h5") as file:
        assert contents(file) == {}
        check_attributes(file, attributes)


def test_the_page_describes_submissions(tmp_path, events):
    offset = toy.offsets(events)
    ids = [event.event_id for event in events]
    submission.write_submission(tmp_path / "s.zip", ids, offset, toy.labels(events))
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        archive.extractall(tmp_path)
    with h5py.File(tmp_path / submission.SUBMISSION_MEMBER) as file:
        sizes = {"N": 6, "M": int(offset[-1])}
        check_data_sets(file, rows(section("Submission"), "data set"), sizes)
        assert list(file.attrs) == []


def test_the_page_names_values_as_the_package_does():
    values = {row["attribute"]: row["value"] for row in rows(PAGE, "attribute")}
    assert f"`{FORMAT}`" in values["format"]
    assert values["format_version"].startswith(f"{FORMAT_VERSION};")
    assert values["grid_shape"] == ", ".join(map(str, GRID_SHAPE))
    assert values["voxel_size_mm"].startswith(f"{VOXEL_SIZE_MM},")
    cycles = {int(row["cycle"]): row for row in rows(PAGE, "cycle")}
    for number, cycle in CYCLES.items():
        assert cycles.pop(number) == {
            "cycle": str(number),
            "name": f"`{cycle.name}`",
            "labels": ", ".join(f"{i} {name}" for i, name in enumerate(cycle.class_names, 1)),
        }
    assert not cycles
    assert re.findall(r"`(acc_\w+)`", section("Scores")) == list(METRICS)


def test_the_page_states_the_limits():
    text = " ".join(section("Submission").split())
    assert f"a chunk has at most {h5_guard.MAX_CHUNK_BYTES >> 20} MiB" in text
    assert f"the root group has at most {h5_guard.MAX_LINKS} names" in text
    assert f"have at most {upload.MAX_ENTRIES} entries" in text
    assert f"unpack to at most {upload.MAX_UNPACKED >> 30} GiB" in text
    assert f"the sparse form has at most {sparse_form.MAX_CHUNKS:,} chunks" in text
    assert f"at most {dense_form.MAX_EVENT_BLOCKS} per event" in text
    assert f"{dense_form.MAX_GROWTH} times the size of the array" in text
    assert f"and {dense_form.MAX_BLOCK_BYTES >> 30} GiB (10,000 events of 8 bits" in text
    assert f"fewer than {dense_form.FEW_EVENTS} events" in text
    assert f"{csv_form.MAX_ROW} bytes per voxel, and {csv_form.MAX_EXTRA >> 20} MiB" in text
    memory, seconds = guarded.MEMORY_LIMIT >> 30, guarded.TIME_LIMIT
    assert f"takes more than {memory} GiB of memory or {seconds} s" in text
    quick, event = sandbox.SHORT_SECONDS, sandbox.EVENT_SECONDS
    assert f"{quick} s of CPU time and {1000 * event:.0f} ms per event" in text


def test_the_page_lists_the_version():
    versions = [str(version) for version in range(1, FORMAT_VERSION + 1)]
    assert [row["version"] for row in rows(PAGE, "version")] == versions
    assert PAGE.startswith(f"# File formats, version {FORMAT_VERSION}\n")


# ---- archived files: written once by the release named in their README, never again

COORDS = [[[0, 0, 0], [191, 191, 191], [10, 20, 30]], [], [[5, 6, 7]]]
ENERGY = [[0.5, 1.25, 3.0], [], [2.0]]
LABEL = [[1, 3, 2], [], [3]]
PARTICLE = [[0, 1, -1], [], [0]]
EVENT_ID = [4_000_000_001, 7, 123]


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
@pytest.mark.parametrize("kind", ["train", "test", "simulation"])
def test_archived_events_stay_readable(version, kind):
    with EventFile(ARCHIVE / f"v{version}_{kind}.h5", kind=kind) as file:
        assert (file.cycle.number, file.scale) == (2, "demonstration")
        events = list(file)
    assert [event.event_id for event in events] == EVENT_ID
    assert [event.coords.tolist() for event in events] == COORDS
    assert [event.energy.tolist() for event in events] == ENERGY
    labels = [None if event.label is None else event.label.tolist() for event in events]
    assert labels == ([None] * 3 if kind == "test" else LABEL)
    particles = [None if event.particle is None else event.particle.tolist() for event in events]
    assert particles == ([None] * 3 if kind == "test" or version == 1 else PARTICLE)


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_archived_references_stay_readable(version):
    reference = read_reference(ARCHIVE / f"v{version}_reference.h5")
    assert (reference.phase, reference.hidden, reference.scale) == (4, True, "demonstration")
    assert reference.event_id.tolist() == [123, 4_000_000_001]
    assert reference.offset.tolist() == [0, 1, 4]
    assert reference.label.tolist() == [3, 1, 3, 2]
    assert reference.energy.tolist() == [4.75, 0.0, 2.0]
    assert reference.trivial == {
        "majority": {"acc_at_80": 0.75, "acc_at_50": 0.5, "acc_mean": 0.25}
    }
    assert reference.manifest.event_id.tolist() == EVENT_ID
    assert reference.manifest.coords().tolist() == COORDS[0] + COORDS[2]


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_archived_placeholders_stay_readable(version):
    assert read_reference(ARCHIVE / f"v{version}_placeholder.h5") is None


@pytest.mark.parametrize(
    "name",
    [
        "v1_submission_sparse.zip",
        "v1_submission_dense.h5",
        "v1_submission_table.csv",
        "v2_submission_sparse.zip",
    ],
)
def test_archived_submissions_stay_readable(name):
    manifest = Manifest.from_events(ARCHIVE / f"v{name[1]}_test.h5")
    pred = submission.read_submission(ARCHIVE / name, manifest)
    assert pred.dtype == np.uint8
    assert pred.tolist() == [1, 2, 0, 3]


def test_the_archive_is_small_and_complete():
    files = [path for path in ARCHIVE.iterdir() if path.name != "README.md"]
    assert len(files) == 8 + 6
    assert sum(path.stat().st_size for path in files) < 300_000

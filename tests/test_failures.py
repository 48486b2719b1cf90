"""The study of failures, counted by hand on small events, and on events of cycle 3."""

from __future__ import annotations

import importlib.util
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from damage import edited
from watching import nothing_exposed

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.submission.forms import write_submission
from organizer.failures.__main__ import main
from organizer.failures.study import dead_planes, study
from organizer.simulate.__main__ import main as simulate
from organizer.simulate.event import SimulatedEvent
from organizer.simulate.geant4 import Particle
from organizer.simulate.store import SimulationWriter
from organizer.simulate.truth import ORIGINS, Origin
from organizer.simulate.voxels import Voxels

N = 40
# Four in ten voxels are delta rays, one in four holds 15 % of a second class.
ORIGIN = np.where(np.arange(N) < 16, Origin.DELTA, Origin.PRIMARY).astype(np.uint8)
SECOND_SHARE = np.where(np.arange(N) < 10, 0.15, 0).astype(np.float32)
LABEL = np.where(np.arange(N) < 16, 1, 2).astype(np.uint8)


def simulated(event_id: int) -> SimulatedEvent:
    """A row of voxels along x from the crop's centre, where its particle starts."""
    coords = np.full((N, 3), 96, np.uint8)
    coords[:, 0] += np.arange(N, dtype=np.uint8)
    voxels = Voxels(
        coords, np.ones(N, np.float32), LABEL, np.zeros(N, np.int16), ORIGIN, SECOND_SHARE
    )
    muon = Particle(13, 500.0, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    return SimulatedEvent(event_id, [muon], voxels, attempts=1)


@pytest.fixture
def files(tmp_path):
    """Two events of cycle 2; four voxels of the second one (delta rays) are predicted wrongly."""
    path, submission = tmp_path / "simulation.h5", tmp_path / "s.zip"
    with SimulationWriter(path, 2, "demonstration", seed=1) as out:
        for event_id in (3, 8):
            out.append_simulated(simulated(event_id))
    pred = np.concatenate([LABEL, LABEL])
    pred[N : N + 4] = 3
    write_submission(submission, [3, 8], [0, N, 2 * N], pred)
    return path, submission


def by_name(split) -> dict[str, tuple[int, int]]:
    return dict(zip(split.names, zip(split.voxels.tolist(), split.errors.tolist())))


def test_voxels_and_errors_are_counted_in_their_groups(files):
    found = study(*files)
    origin = by_name(found.origin)
    assert origin["delta rays"] == (32, 4)
    assert origin["primary particles"] == (48, 0)
    assert found.origin.counts[1, 1, 3] == 4
    second, vertex = map(by_name, found.places)
    assert second["one class alone"] == (60, 0)
    assert second["10 to 20 %"] == (20, 4)
    # Centres are sqrt(2) / 2 voxels beside the axis: 3 mm (k + 1/2) along it, 1 cm is k < 3.
    assert vertex["below 1 cm"] == (6, 6 - 3)
    assert vertex["1 to 3 cm"] == (14, 1)
    assert sum(voxels for voxels, _ in vertex.values()) == 2 * N
    assert found.scores.leaderboard["acc_mean"] == 0.95
    assert found.planes_unknown == ""


def test_the_page_shows_the_numbers_and_the_worst_events(files, tmp_path, capsys):
    path, submission = files
    out = tmp_path / "new" / "page.html"
    options = ["--events", path, "--submission", submission, "--out", out]
    with nothing_exposed(tmp_path, "new"):
        assert main([*map(str, options)]) == 0
    body = out.read_text(encoding="utf-8").partition("\n")[2]
    rows = {
        row[0].text: ["".join(cell.itertext()) for cell in row]
        for row in ElementTree.fromstring(body).iter("tr")
    }
    # 32 of 80 voxels, 4 of 32 wrong, all errors.
    assert rows["10 to 20 %"] == ["10 to 20 %", "25.0", "20.0", "100.0"]
    assert rows["delta rays"][-1] == "100.0"
    assert "data:image/png;base64,iVBORw0KGgo" in body
    line = next(text for text in capsys.readouterr().out.splitlines() if "delta" in text)
    assert line.split() == ["delta", "rays", "40.0", "12.5", "100.0"]


@pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None, reason="geant4_pybind is not installed"
)
def test_no_voxel_lies_in_a_dead_plane_that_the_seed_tells(tmp_path):
    path, submission = tmp_path / "cycle3.h5", tmp_path / "s.zip"
    options = {"--cycle": 3, "--events": 3, "--seed": 5, "--jobs": 1, "--out": path}
    assert simulate([str(word) for pair in options.items() for word in pair]) == 0
    with EventFile(path) as events, h5py.File(path) as file:
        for event, attempts in zip(events, file["attempts"][:].tolist()):
            dead = dead_planes(CYCLES[3], 5, event.event_id, attempts)
            assert dead[1].any()
            assert dead[2].any()
            assert not any(dead[axis, event.coords[:, axis]].any() for axis in range(3))
        label = events.column("label")
        write_submission(submission, events.event_id, events.offset, label)
    gaps = study(path, submission).places[-1]
    assert gaps.voxels.sum() == len(label)
    # A gap is five voxels at most, yet 192 wide: some of these thousands of voxels lie beside one.
    assert gaps.voxels[0] > 0
    with edited(path) as file:
        file.attrs["configuration"] = "another"
    found = study(path, submission)
    assert "another version" in found.planes_unknown
    assert len(found.places) == 2


def test_rubbish_is_one_sentence(files, tmp_path, capsys):
    path, submission = files
    out = tmp_path / "page.html"
    with edited(path) as file:
        del file["particles/vertex"]
    (tmp_path / "bad.h5").write_text("bad")
    for events, answer, text in (
        (path, submission, "particles: damaged"),
        (tmp_path / "missing.h5", submission, "no such file"),
        (tmp_path / "bad.h5", submission, "not a readable HDF5 file"),
    ):
        options = ["--events", events, "--submission", answer, "--out", out]
        assert main([*map(str, options)]) == 1
        assert text in capsys.readouterr().err
    assert not out.exists()


def test_an_event_without_a_particle_is_refused(files):
    path, submission = files
    with edited(path) as file:
        file["particles/offset"][:] = [0, 0, 2]
    with pytest.raises(ChallengeError, match="an event has no particles"):
        study(path, submission)


def test_every_origin_has_its_group():
    """The number of a group is that of its origin, counted from 0."""
    assert list(ORIGINS) == list(Origin)


@pytest.mark.parametrize("name", ["particles/vertex", "origin", "second_share"])
def test_a_column_of_another_shape_is_refused(files, name):
    path, submission = files
    with edited(path) as file:
        values = file[name][:].ravel()[:-1]
        del file[name]
        file[name] = values
    with pytest.raises(ChallengeError, match=f"{name.partition('/')[0]}: damaged, it can't be"):
        study(path, submission)


def test_an_unknown_origin_is_refused(files):
    path, submission = files
    with edited(path) as file:
        file["origin"][0] = max(Origin) + 1
    with pytest.raises(ChallengeError, match="origin holds an unknown number"):
        study(path, submission)

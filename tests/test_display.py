"""The event display shows the contents of the file, on a page and as a picture."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from toy import degrade, make_events, make_events_file, offsets

from baseline.display.__main__ import main
from baseline.display.figure import figure
from baseline.display.notebook import show
from baseline.display.page import page
from baseline.display.picture import FORMATS, picture
from baseline.display.views import (
    Particles,
    Shown,
    class_colour,
    find_dead_planes,
    layers,
    panels,
    read_shown,
)
from lartpc_challenge.cycles import CYCLES, SemanticClass
from lartpc_challenge.events import Event, EventWriter
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.page.colours import on_dark, on_light
from lartpc_challenge.submission.forms import write_submission

SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture
def shown():
    event = make_events(1, cycle=2, n_voxels=(60, 61))[0]
    event.coords[:2] = [[0, 0, 0], [191, 191, 191]]  # it fills the detector
    return Shown(event, CYCLES[2], degrade([event], [0.4], n_labels=4))


@pytest.fixture
def files(tmp_path):
    """A labelled file of cycle 2 with predictions, event i with i tenths of its labels wrong."""
    events = make_events(5, cycle=2, n_voxels=(50, 60))
    pred = degrade(events, np.arange(5) / 10, n_labels=4)
    path, submission = tmp_path / "train.h5", tmp_path / "s.zip"
    make_events_file(path, events, kind="train", cycle=2)
    write_submission(submission, [e.event_id for e in events], offsets(events), pred)
    return path, submission, [event.event_id for event in events]


def test_views_are_those_that_the_data_allow(shown):
    event, cycle = shown.event, shown.cycle
    test_event = Event(event.event_id, event.coords, event.energy)
    assert Shown(test_event, cycle).views == ("energy",)
    assert Shown(event, cycle).views == ("energy", "truth")
    assert Shown(test_event, cycle, shown.pred).views == ("energy", "prediction")
    assert shown.views == ("energy", "truth", "prediction", "mistakes")
    known = replace(event, particle=np.zeros(60, np.int16))
    particles = Particles(np.array([2212]), np.array([50.0]))
    assert Shown(known, cycle, None, particles).views == ("energy", "truth", "particles")
    assert "particles" not in Shown(known, cycle).views


@pytest.mark.parametrize("view", ["truth", "prediction", "mistakes"])
def test_the_layers_of_a_view_hold_every_voxel_once(shown, view):
    found = layers(shown, view)
    rows = np.concatenate([layer.rows for layer in found])
    assert sorted(rows) == list(range(len(shown.event)))


def test_layers_hold_the_voxels_they_name(shown):
    label, pred = shown.event.label, shown.pred
    truth = {layer.name: layer for layer in layers(shown, "truth")}
    assert list(truth) == ["electron/positron", "other", "proton"]
    assert (label[truth["proton"].rows] == 3).all()
    mistakes = {layer.name: layer for layer in layers(shown, "mistakes")}
    assert len(mistakes["right"].rows) == (label == pred).sum() == 36
    taken = mistakes["taken for proton"]
    assert taken.colour == truth["proton"].colour == class_colour(CYCLES[2], 3)
    assert (pred[taken.rows] == 3).all()
    assert (label[taken.rows] != 3).all()
    for row, words in zip(taken.rows, taken.words):
        assert words == {1: "electron/positron", 2: "other"}[label[row]] + " taken for proton"
    # An unlabelled voxel is shown as such, in prediction and mistakes.
    assert "taken for empty" in mistakes
    assert layers(shown, "prediction")[0].name == "empty"


def luminance(rgb):
    """Relative luminance, WCAG 2.2."""
    c = np.divide(rgb, 255)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def test_class_colours_stand_out_from_their_ground():
    # WCAG 2.2, 1.4.11: graphics need a contrast of 3:1.
    for cycle in CYCLES.values():
        for light, dark in zip(on_light(cycle), on_dark(cycle)):
            assert 1.05 / (luminance(light) + 0.05) >= 3
            assert (luminance(dark) + 0.05) / (luminance((15, 19, 25)) + 0.05) >= 3
        assert len(set(on_light(cycle))) == len(set(on_dark(cycle))) == cycle.n_labels
    assert class_colour(CYCLES[2], 3).light == "#c85a10"


def test_particles_are_named_with_their_energy_and_the_largest_comes_first(shown):
    event = replace(shown.event, particle=np.repeat([1, 0, -1], [30, 20, 10]).astype(np.int16))
    particles = Particles(np.array([13, 2212]), np.array([1234.0, 50.0]))
    found = layers(Shown(event, shown.cycle, None, particles), "particles")
    assert [layer.name for layer in found] == [
        "proton, 50 MeV",
        "muon-, 1,234 MeV",
        "no particle of the list",
    ]
    assert [len(layer.rows) for layer in found] == [30, 20, 10]
    assert len({layer.colour for layer in found}) == 3
    assert Particles(np.array([3122]), np.array([7.0])).name(0) == "PDG 3122, 7 MeV"


def test_particles_are_read_with_their_event(tmp_path):
    events = make_events(3, cycle=2, n_voxels=(20, 30))
    path = tmp_path / "train.h5"
    make_events_file(path, events, kind="train", cycle=2)
    assert "particles" not in read_shown(path)[0].views
    attribution = {"columns": {"particle": np.int16}}
    with EventWriter(path, kind="train", cycle=2, scale="full", **attribution) as out:
        for event in events:
            out.append(replace(event, particle=np.zeros(len(event), np.int16)))
        out.file["particles/offset"] = np.array([0, 2, 3, 5])
        out.file["particles/pdg"] = np.array([11, 13, 22, 211, 2212], np.int32)
        out.file["particles/kinetic_energy_mev"] = np.array([1, 2, 3, 4, 5], np.float32)
    ids = [event.event_id for event in events]
    third, second = read_shown(path, event_ids=[ids[2], ids[1]])
    assert third.particles.pdg.tolist() == [211, 2212]
    assert second.particles.kinetic_energy_mev.tolist() == [3]
    assert third.views == ("energy", "truth", "particles")


def test_dead_planes_are_found_where_tracks_break_off():
    way = np.linspace(5, 186, 2000)
    tracks = [np.stack([way, way, 0.5 * way + c], 1) for c in (10, 30, 60)]
    coords = np.unique(np.concatenate(tracks).astype(np.uint8), axis=0)
    assert find_dead_planes(coords) == []
    dead = ((coords[:, 1] >= 40) & (coords[:, 1] < 45)) | (coords[:, 2] == 90)
    assert find_dead_planes(coords[~dead]) == [(1, 40, 45), (2, 90, 91)]
    assert find_dead_planes(coords[:0]) == []
    # A few voxels far apart say nothing of what lies between them.
    assert find_dead_planes(coords[::97]) == []


def of_view(made, view):
    """The traces of a view."""
    return [trace for trace in made.data if trace.meta["view"] == view]


def test_the_figure_holds_the_event_in_cm(shown):
    (energy,) = of_view(figure(shown), "energy")
    expected = (shown.event.coords[:, 0] + 0.5) * 0.3
    np.testing.assert_allclose(energy.x, expected, rtol=1e-6)
    np.testing.assert_array_equal(energy.customdata, shown.event.energy)
    assert shown.box_cm == pytest.approx(57.6)


def test_voxels_of_another_size_stand_where_they_are(shown):
    coarse = replace(shown, voxel_mm=5.0)
    np.testing.assert_allclose(coarse.position_cm, (shown.event.coords + 0.5) * 0.5)
    assert coarse.window_cm.tolist() == [[0, 96]] * 3


def test_each_view_has_its_layers(shown):
    made = figure(shown)
    for view in ("truth", "prediction", "mistakes"):
        names = [trace.name for trace in of_view(made, view)]
        assert names == [f"{one.name} ({len(one.rows)})" for one in layers(shown, view)]


def test_which_views_come_first(shown):
    event = shown.event
    test_event = Event(event.event_id, event.coords, event.energy)
    assert [view for _, view in panels(shown)] == ["truth", "mistakes"]
    assert [view for _, view in panels(Shown(event, shown.cycle))] == ["energy", "truth"]
    assert [view for _, view in panels(Shown(test_event, shown.cycle))] == ["energy"]
    predicted = Shown(test_event, shown.cycle, shown.pred)
    assert [view for _, view in panels(predicted)] == ["energy", "prediction"]
    other = Shown(make_events(2, cycle=2, seed=5)[1], CYCLES[2])
    assert panels(shown, other) == [(shown, "truth"), (other, "truth")]


def test_colours_follow_the_ground(shown):
    proton = of_view(figure(shown), "truth")[2]
    assert proton.meta["theme"] == {"marker.color": {"light": "#c85a10", "dark": "#f29856"}}


def test_an_event_that_fills_a_small_part_of_the_detector_is_shown_large(shown):
    assert (shown.window_cm == [[0, 57.6]] * 3).all()
    event = shown.event
    small = Shown(replace(event, coords=(event.coords // 20 + 180).astype(np.uint8)), shown.cycle)
    window = small.window_cm
    # Voxels 180 to 189: 54.15 to 56.85 cm, a cube with 1.5 cm around, inside of the detector.
    np.testing.assert_allclose(window, [[57.6 - 5.7, 57.6]] * 3)
    assert figure(small).layout.scene.yaxis.range == tuple(window[1])
    assert (picture([small]).axes[0].get_xlim() == window[0]).all()
    assert (
        Shown(Event(1, event.coords[:0], event.energy[:0]), shown.cycle).window_cm[:, 0] == 0
    ).all()


def test_dead_planes_have_one_name_in_the_legend():
    way = np.linspace(5, 186, 2000)
    tracks = np.concatenate([np.stack([way, way, 0.5 * way + c], 1) for c in (10, 30, 60)])
    coords = np.unique(tracks.astype(np.uint8), axis=0)
    coords = coords[(coords[:, 1] // 4 != 10) & (coords[:, 2] != 90)]
    event = Event(1, coords, np.ones(len(coords), np.float32))
    made = figure(Shown(event, CYCLES[3]))
    assert sum(trace.type == "mesh3d" for trace in made.data) == 2
    named = [trace for trace in made.data if trace.name == "dead planes"]
    assert [(trace.type, trace.showlegend) for trace in named] == [("scatter3d", True)]
    assert not find_dead_planes(coords[:0])
    assert all(t.type != "mesh3d" for t in figure(Shown(event, CYCLES[2])).data)


def test_a_notebook_shows_the_page_in_a_frame(shown):
    other = Shown(make_events(2, cycle=2, seed=5)[1], CYCLES[2])
    text = html.unescape(re.search('srcdoc="([^"]*)"', show(shown, (shown, other)).data)[1])
    assert f"event {other.event.event_id}:" in text
    assert text.count("60.0% right") == 2
    assert text == page("", [panels(shown), panels(shown, other)])


def test_the_page_needs_nothing_from_outside(shown):
    text = page("<events>", [panels(shown)] * 2)
    assert "&lt;events&gt;" in text
    assert not re.search(
        r"<script[^>]* src=|<link |@import|url\(http", text.split("</head>")[1][-500_000:]
    )
    assert "<script src" not in text[:5000]


def test_the_page_holds_each_event_once_and_marks_the_chosen_views(shown):
    text = page("events", [panels(shown)] * 12).split("<h1>")[1]
    drawings = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(drawings) == 12
    views = {trace["meta"]["view"] for trace in json.loads(drawings[0])["data"]} - {None}
    assert views == set(shown.views)
    pressed = re.findall(r'<button value="(\w+)" aria-pressed="true">', text)
    assert pressed == ["truth", "mistakes"] * 12


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_are_of_their_kind(files, tmp_path, kind):
    path, submission, ids = files
    out = tmp_path / f"p.{kind}"
    arguments = ["--events", path, "--submission", submission, "--event", ids[0], ids[3]]
    assert main([str(a) for a in (*arguments, "--out", out)]) == 0
    assert out.read_bytes().startswith(SIGNATURES[kind])


def test_a_picture_of_energies_alone_names_no_classes(shown):
    event = Event(shown.event.event_id, shown.event.coords, shown.event.energy)
    assert not picture([Shown(event, shown.cycle)]).legends


@pytest.mark.parametrize("n_classes", [5, 20])
def test_the_names_of_many_classes_fit_into_a_picture(shown, n_classes):
    colour = (36, 104, 180)
    names = [
        SemanticClass(f"class of a long name {i}", "", colour, colour) for i in range(n_classes)
    ]
    cycle = replace(CYCLES[2], classes=tuple(names))
    made = picture([Shown(shown.event, cycle)])
    made.canvas.draw()
    legend, whole = made.legends[0].get_window_extent(), made.bbox
    assert whole.x0 + 3.1 * made.dpi < legend.x0 < legend.x1 <= whole.x1
    assert legend.y1 < whole.y1 - 3.6 * made.dpi  # below the row of events


def test_a_picture_has_a_row_an_event_and_a_column_a_view(shown):
    made = picture([shown, shown, shown])
    assert sum(axes.name == "3d" for axes in made.axes) == 3 * 4


def test_the_worst_events_come_first(files):
    path, submission, ids = files
    worst = read_shown(path, submission=submission, worst=2)
    assert [event.event.event_id for event in worst] == [ids[4], ids[3]]
    assert len(read_shown(path, submission=submission, worst=99)) == 5


def test_named_events_come_as_named_and_with_their_own_predictions(files):
    path, submission, ids = files
    second, first = read_shown(path, event_ids=[ids[2], ids[1]], submission=submission)
    assert (second.event.event_id, first.event.event_id) == (ids[2], ids[1])
    assert np.mean(second.pred != second.event.label) == pytest.approx(0.2, abs=0.02)
    assert len(read_shown(path)) == 1


def test_a_page_is_written_for_many_events(files, tmp_path, capsys):
    path, _, ids = files
    out = tmp_path / "page.html"
    arguments = ["--events", path, "--event", *ids[:3], "--beside", "--out", out]
    assert main([str(a) for a in arguments]) == 0
    assert "3 events" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert text.count("<section>") == 2
    for event_id in ids[:3]:
        assert f"event {event_id}:" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--event", "123456789"], "holds no event 123456789; its first are"),
        (["--worst", "2"], "--submission"),
        (["--submission", "nothing.zip"], "nothing.zip"),
        (["--out", "page.doc"], "must end in .html, .png, .pdf, .svg"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(files, tmp_path, capsys, arguments, sentence):
    common = ["--events", str(files[0]), "--out", str(tmp_path / "p.html")]
    assert main([*common, *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "p.html").exists()


def test_numbers_out_of_range_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--events", "a.h5", "--out", "p.html", "--worst", "0"])
    assert "--worst: must be at least 1, found 0" in capsys.readouterr().err


def test_a_file_without_events_is_refused(tmp_path):
    make_events_file(tmp_path / "none.h5", [], kind="train", cycle=1)
    with pytest.raises(ChallengeError, match="holds no event"):
        read_shown(tmp_path / "none.h5")

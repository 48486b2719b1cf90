"""The event display: what is shown is what is in the file, on a page and in print."""

import re

import numpy as np
import pytest
from toy import degrade, make_events, make_events_file, offsets

from baseline import display
from baseline.display import figure, page, widget
from baseline.picture import FORMATS, picture
from baseline.views import (
    BOX_CM,
    Shown,
    class_colour,
    class_layers,
    empty_slabs,
    read_shown,
)
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.page.colours import on_dark, on_light
from lartpc_challenge.submission.forms import write_submission

SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture
def shown():
    event = make_events(1, cycle=2, n_voxels=(60, 61))[0]
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


@pytest.mark.parametrize("view", ["truth", "prediction", "mistakes"])
def test_the_layers_of_a_view_hold_every_voxel_once(shown, view):
    layers = class_layers(shown, view)
    rows = np.concatenate([layer.rows for layer in layers])
    assert sorted(rows) == list(range(len(shown.event)))


def test_layers_hold_the_voxels_they_name(shown):
    label, pred = shown.event.label, shown.pred
    truth = {layer.name: layer for layer in class_layers(shown, "truth")}
    assert list(truth) == ["electron/positron", "other", "proton"]
    assert (label[truth["proton"].rows] == 3).all()
    mistakes = {layer.name: layer for layer in class_layers(shown, "mistakes")}
    assert len(mistakes["right"].rows) == (label == pred).sum() == 36
    taken = mistakes["taken for proton"]
    assert taken.colour == truth["proton"].colour == class_colour(3)
    assert (pred[taken.rows] == 3).all()
    assert (label[taken.rows] != 3).all()
    for row, words in zip(taken.rows, taken.words):
        assert words == {1: "electron/positron", 2: "other"}[label[row]] + " taken for proton"
    # An unlabelled voxel is shown as such, in prediction and mistakes.
    assert "taken for empty" in mistakes
    assert class_layers(shown, "prediction")[0].name == "empty"


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
    assert class_colour(CYCLES[2], 3) == "#c85a10"


def test_dead_slabs_are_found_where_tracks_break_off():
    way = np.linspace(5, 186, 2000)
    tracks = [np.stack([way, way, 0.5 * way + c], 1) for c in (10, 30, 60)]
    coords = np.unique(np.concatenate(tracks).astype(np.uint8), axis=0)
    assert empty_slabs(coords) == []
    dead = ((coords[:, 1] >= 40) & (coords[:, 1] < 45)) | (coords[:, 2] == 90)
    assert empty_slabs(coords[~dead]) == [(1, 40, 45), (2, 90, 91)]
    assert empty_slabs(coords[:0]) == []
    # A few voxels far apart say nothing of what lies between them.
    assert empty_slabs(coords[::97]) == []


def panel(made, scene):
    return [trace for trace in made.data if (trace.scene or "scene") == scene]


def test_the_figure_holds_the_event_in_cm_and_shows_two_views(shown):
    made = figure(shown)
    energy = panel(made, "scene")[1]
    expected = (shown.event.coords[:, 0] + 0.5) * 0.3
    np.testing.assert_allclose(energy.x, expected, rtol=1e-6)
    np.testing.assert_array_equal(energy.customdata, shown.event.energy)
    assert pytest.approx(57.6) == BOX_CM
    left = [t.name for t in panel(made, "scene") if t.visible]
    right = [t.name for t in panel(made, "scene2") if t.visible]
    count = (shown.event.label == 3).sum()
    assert f"proton ({count})" in left
    assert "right (36)" in right


def test_without_a_prediction_energy_and_truth_stand_beside_each_other(shown):
    made = figure(Shown(shown.event, shown.cycle))
    left = [t for t in panel(made, "scene") if t.visible]
    right = [t for t in panel(made, "scene2") if t.visible]
    assert any(t.marker.colorbar.title.text == "energy [MeV]" for t in left)
    assert any(t.name and t.name.startswith("proton") for t in right)
    assert [menu.buttons[menu.active].label for menu in made.layout.updatemenus] == [
        "Energy",
        "Truth",
    ]


def test_every_button_shows_its_view_of_its_panel_alone(shown):
    made = figure(shown)
    assert len(made.layout.updatemenus) == 2
    for side, menu in enumerate(made.layout.updatemenus):
        assert [button.label for button in menu.buttons] == [v.capitalize() for v in shown.views]
        for view, button in zip(shown.views, menu.buttons):
            change, rows = button.args
            traces = [made.data[row] for row in rows]
            scene = ("scene", "scene2")[side]
            assert {trace.scene or "scene" for trace in traces} == {scene}
            seen = [t.name for t, on in zip(traces, change["visible"]) if on]
            if view == "energy":
                assert seen == [None]
            else:
                layers = class_layers(shown, view)
                assert seen == [f"{layer.name} ({len(layer.rows)})" for layer in layers]


def test_two_events_stand_beside_each_other_in_the_same_view(shown):
    other = Shown(make_events(2, cycle=2, seed=5)[1], CYCLES[2])
    made = figure(shown, other)
    captions = [note.text for note in made.layout.annotations]
    assert str(shown.event.event_id) in captions[0]
    assert str(other.event.event_id) in captions[1]
    assert "60.0% right" in captions[0]


def test_an_event_of_which_only_the_energy_is_known_has_one_panel(shown):
    made = figure(Shown(Event(1, shown.event.coords, shown.event.energy), shown.cycle))
    assert {trace.scene or "scene" for trace in made.data} == {"scene"}


def test_cameras_of_the_widget_follow_each_other(shown):
    made = widget(shown)
    made.layout.scene.camera = {"eye": {"x": 1, "y": 2, "z": 3}}
    assert made.layout.scene2.camera.eye.z == 3
    made.layout.scene2.camera = {"eye": {"x": 4, "y": 2, "z": 3}}
    assert made.layout.scene.camera.eye.x == 4


def test_the_page_needs_nothing_from_outside(shown):
    text = page("<events>", [figure(shown), figure(shown)])
    assert "&lt;events&gt;" in text
    assert text.count('class="plotly-graph-div"') == 2
    assert text.count("Plotly.newPlot(") == 2 + text.split("</head>")[0].count("Plotly.newPlot(")
    assert len(re.findall(r"<script[^>]* src=|<link ", text.split("</head>")[1])) == 0
    assert "<script src" not in text[:5000]


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_are_of_their_kind(files, tmp_path, kind):
    path, submission, ids = files
    out = tmp_path / f"p.{kind}"
    arguments = ["--events", path, "--submission", submission, "--event", ids[0], ids[3]]
    assert display.main([str(a) for a in (*arguments, "--out", out)]) == 0
    assert out.read_bytes().startswith(SIGNATURES[kind])


def test_a_picture_of_energies_alone_names_no_classes(shown):
    event = Event(shown.event.event_id, shown.event.coords, shown.event.energy)
    assert not picture([Shown(event, shown.cycle)]).legends


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
    assert display.main([str(a) for a in arguments]) == 0
    assert "3 events" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert text.count('class="plotly-graph-div"') == 2
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
    assert display.main([*common, *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "p.html").exists()


def test_numbers_out_of_range_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        display.main(["--events", "a.h5", "--out", "p.html", "--worst", "0"])
    assert "--worst: must be at least 1, found 0" in capsys.readouterr().err


def test_a_file_without_events_is_refused(tmp_path):
    make_events_file(tmp_path / "none.h5", [], kind="train", cycle=1)
    with pytest.raises(ChallengeError, match="holds no event"):
        read_shown(tmp_path / "none.h5")

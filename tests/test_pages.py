"""Every name and number in the pages is that of the code, every table that of the data."""

import io
import re
import zipfile

import h5py
import numpy as np
import pytest
import toy
import yaml
from tiny import ROOT, make_tiny
from watching import nothing_exposed

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event, EventWriter
from lartpc_challenge.format import GRID_SIZE, METRICS, VOXEL_SIZE_MM
from lartpc_challenge.guarded import MEMORY_LIMIT, TIME_LIMIT
from lartpc_challenge.metrics import evaluate
from organizer.cycles import PRODUCTIONS
from organizer.pages.render import read_page, to_html
from organizer.pages.simulation import origins_table, primaries_table, settings_table
from organizer.pages.tables import draw_event, filled, tables
from organizer.simulate.variety import Variety
from organizer.source import Source

PAGES = ROOT / "pages"
DEMONSTRATION = Source.of(toy.COMPETITION)


def text(name: str) -> str:
    return read_page(PAGES / f"{name}.md")


def rows(name: str) -> list[list[str]]:
    """Return the cells of all rows of all tables of a page."""
    lines = [line for line in text(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_tables_are_those_of_the_demonstration_data():
    page = (PAGES / "data.md").read_text(encoding="utf-8")
    assert filled(page, DEMONSTRATION) == page
    for name in ("data", "simulation", "origins"):
        assert page.count(f"<!-- begin {name}:") == page.count(f"<!-- end {name} -->") == 1


def test_tables_tell_of_the_files_that_they_were_made_from(tmp_path):
    tiny = make_tiny(tmp_path, baseline=False)
    made = tables(Source.of(toy.COMPETITION, tiny.folder))
    assert "| `cycle2_train.h5` | 4 | 160 |" in made
    assert "| `cycle3_test.h5` | 6 | 240 |" in made
    begin, end = "<!-- begin data: python -m organizer.pages writes this -->", "<!-- end data -->"
    source = Source.of(toy.COMPETITION, tiny.folder)
    page = filled(f"before\n{begin}\nold\n{end}\nafter\n", source)
    assert page == f"before\n{begin}\n{made}\n{end}\nafter\n"
    # The simulator's files are not there: what they told stays.
    origins = page.replace("data:", "origins:").replace("end data", "end origins")
    assert filled(origins, source) == origins
    assert filled("no marks", Source.of(toy.COMPETITION, tiny.folder)) == "no marks"


def test_energies_and_counts_of_particles_are_the_recipes():
    table = {
        row[0]: row[1:]
        for row in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in primaries_table([CYCLES[1], CYCLES[3]]).splitlines()
        )
    }
    assert table[""] == ["cycle 1", "cycle 3"]
    assert table["photon, MeV"] == ["100 to 450", "100 to 450"]
    assert table["vertices"] == ["1", "1 to 3"]
    assert table["particles per vertex"] == ["2 to 4", "2 to 4"]
    assert table["crossing muons"] == ["0", "1 to 2"]


def test_settings_name_sources_where_there_is_a_detector():
    ideal, measured = (settings_table([CYCLES[number]]) for number in (1, 3))
    assert "0.05 MeV" in ideal
    assert "Miyajima" not in ideal
    for said in ("11.4.1", "`G4HadronPhysicsFTFP_BERT`", "0.08 MeV", "Miyajima", "7.2 cm2/s"):
        assert said in measured


def test_origins_are_shares_of_all_voxels(tmp_path):
    path = tmp_path / "simulated.h5"
    with EventWriter(
        path, kind="simulation", cycle=2, scale="demonstration", columns={"origin": np.uint8}
    ) as out:
        label = np.array([1, 1, 1, 3, 3, 2, 2, 2], np.uint8)
        origin = np.array([2, 2, 3, 5, 1, 1, 1, 7], np.uint8)
        coords = np.arange(24, dtype=np.uint8).reshape(8, 3)
        event = Event(1, coords, np.ones(8, np.float32), label)
        out.append(event, origin=origin)
    lines = [line.strip("|").split("|") for line in origins_table({2: path}).splitlines()[2:]]
    found = {meaning.strip(): shares.strip() for meaning, shares in lines}
    assert found["delta rays: electrons knocked out by muons, hadrons and nuclei"] == (
        "electron/positron 25.0 %"
    )
    assert found["Michel electrons: electrons from muon decays"] == "electron/positron 12.5 %"
    assert "other 25.0 %, proton 12.5 %" in found.values()


def test_cycle_8_is_drawn_as_the_data_page_says():
    page, drawn = text("data"), PRODUCTIONS[8].detector
    assert isinstance(drawn, Variety)
    for said in (
        "in {:.0%} of the events: diffusion of {:g} to {:g} mm (sigma after 2 m), noise of {:g} to "
        "{:,g} electrons".format(drawn.drift_odds, *drawn.spread_mm, *drawn.noise_electrons),
        f"| recombination | in {drawn.recombination_odds:.0%} |",
        "| threshold of a voxel | {:g} to {:g} MeV |".format(*drawn.threshold_mev),
        "| energies multiplied by | {:g} to {:g} |".format(*drawn.scale),
        "dead planes in {:.0%}; in {:.0%} one to three blocks of {} to {} voxels".format(
            drawn.dead_planes_odds, drawn.missing_odds, *drawn.missing_voxels
        ),
        "in {:.0%} merged into straight segments of {:g} to {:g} mm".format(
            drawn.straight_odds, *drawn.straight_mm
        ),
    ):
        assert said.replace("%", " %") in page
    assert "| 10 to 5000 |" in primaries_table([CYCLES[8]])
    assert "5 GeV (muons)" in page


def test_metrics_are_named_as_the_code_names_them():
    for name in METRICS:
        assert f"`{name}`" in text("evaluation")
    for page in ("overview", "data", "evaluation", "terms"):
        assert set(re.findall(r"acc_\w+", text(page))) <= set(METRICS)


def test_the_worked_example_is_right():
    """Its numbers are computed by hand and by the scorer."""
    example = [row for row in rows("evaluation") if re.fullmatch("[a-e]", row[0])]
    counts = [(int(voxels), int(right)) for _, voxels, right, _ in example]
    assert [right / voxels for voxels, right in counts] == [float(row[3]) for row in example]
    by_hand = {"acc_at_80": 0.92, "acc_at_50": 0.8, "acc_mean": 0.665}
    said = {
        cells[0].strip("`"): float(cells[1].split(":")[0])
        for cells in rows("evaluation")
        if re.match(r"[\d.]+: ", cells[-1])
    }
    assert said == by_hand
    true = np.ones(sum(voxels for voxels, _ in counts), np.uint8)
    pred = np.concatenate([np.arange(voxels) < right for voxels, right in counts]).astype(np.uint8)
    scores = evaluate(true, pred, np.cumsum([0, *(voxels for voxels, _ in counts)]))
    assert scores == pytest.approx(by_hand)


def test_limits_are_those_of_the_code_and_the_competition():
    page = text("evaluation")
    assert f"{MEMORY_LIMIT >> 30} GiB" in page
    assert f"{TIME_LIMIT} s, of 300 s" in page
    competition = yaml.safe_load((ROOT / "competition.yaml").read_text(encoding="utf-8"))
    first, *_, last = [p for p in competition["phases"] if p["max_submissions"] > 1]
    assert {phase["execution_time_limit"] for phase in competition["phases"]} == {300}
    for phase, names in ((first, "each of Public 1 and 2"), (last, "Public 3")):
        limits = f"{phase['max_submissions_per_day']} a day and {phase['max_submissions']} in all"
        assert f"{limits} in {names}" in page


def test_fields_and_types_are_those_of_the_files():
    described = {row[0].strip("`"): row[1:3] for row in rows("data") if row[0].startswith("`")}
    for kind in ("train", "test"):
        with h5py.File(ROOT / f"starting_kit/data/cycle3_{kind}.h5") as file:
            for name, item in file.items():
                if name == "particles":
                    for field in item:
                        assert f"`{field}`" in text("data")
                    continue
                shape, dtype = described[name]
                assert dtype == f"`{item.dtype}`"
                assert shape.count(",") == (1 if item.ndim == 1 else item.ndim - 1)
            for attribute in file.attrs:
                assert f"`{attribute}`" in text("data")


def test_submission_fields_are_those_that_are_written(tmp_path):
    tiny = make_tiny(tmp_path)
    with zipfile.ZipFile(tiny.folder / "baseline_submission/cycle1/submission.zip") as archive:
        content = io.BytesIO(archive.read(archive.namelist()[0]))
    with h5py.File(content) as file:
        for name in file:
            assert f"`{name}`" in text("evaluation")


def test_labels_grid_and_files_are_named_right():
    overview = dict(row for row in rows("overview") if len(row) == 2)
    for label, name in zip(CYCLES[3].labels, CYCLES[3].class_names):
        assert overview[str(label)].startswith(name)
    for page in ("overview", "data"):
        assert " \N{MULTIPLICATION SIGN} ".join([str(GRID_SIZE)] * 3) in text(page)
        assert f"{VOXEL_SIZE_MM:g} mm" in text(page)
    for number in (1, 2, 3):
        assert f"`cycle{number}_data.zip`" in text("data")


def test_every_page_reads_as_html_too():
    """All tables are converted: a line of Markdown that is not converted contains a bar."""
    for page in ("overview", "data", "evaluation", "terms"):
        html = to_html(text(page))
        assert not re.search(r"^\|", html, re.MULTILINE)
        assert html.count("<table>") == html.count("</table>")
        assert html.count("<h1>") >= 1


def test_truth_is_drawn_from_files_that_nobody_else_can_read(tmp_path):
    data = make_tiny(tmp_path / "data").folder
    source = Source.of(toy.COMPETITION, data)
    with nothing_exposed(tmp_path):
        draw_event(source, CYCLES[2], tmp_path / "event.png", source.submission(CYCLES[2]))
    assert (tmp_path / "event.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_pictures_are_real_and_small():
    for name in ("logo", "task"):
        content = (PAGES / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 200_000

"""make publish: its contents, figures and metadata."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from damage import edited
from tiny import N_TEST, make_tiny
from watching import nothing_exposed

from organizer.publish.__main__ import main

VALIDATE = """
import sys, mlcroissant
issues = mlcroissant.Dataset(sys.argv[1]).metadata.ctx.issues
print(issues.errors, issues.warnings)
"""
DAY, URL = "2027-03-12", "https://data.example.org/lartpc"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("data"), scale="full", baseline=False)


@pytest.fixture(scope="module")
def published(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("publish")
    out = folder / "out"
    words = ["--data", str(tiny.folder), "--out", str(out), "--date", DAY, "--url", URL]
    with nothing_exposed(folder):
        assert main(words) == 0
    return out


def sums(folder: Path) -> dict[str, str]:
    lines = (folder / "sha256sums.txt").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_sums_are_those_of_all_data_files(published):
    found = {
        str(path.relative_to(published)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in published.rglob("*.h5")
    }
    assert sums(published) == found
    assert sorted(found) == [f"cycle{n}_{kind}.h5" for n in (1, 2, 3) for kind in ("test", "train")]


def test_test_files_hold_no_labels_and_no_reference_is_there(published):
    for path in published.rglob("*_test.h5"):
        with h5py.File(path) as file:
            assert "label" not in file
    assert not list(published.rglob("*reference*"))


def test_card_begins_as_hugging_face_reads_it(published, tiny):
    _, header, text = (published / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(header)
    assert card["license"] == "cc-by-4.0"
    assert card["size_categories"] == ["n<1K"]
    for n in (1, 2, 3):
        with h5py.File(published / f"cycle{n}_train.h5") as file:
            n_events, n_voxels = len(file["event_id"]), len(file["energy"])
        line = next(line for line in text.splitlines() if line.startswith(f"| `cycle{n}_train.h5`"))
        assert f"{n_events:,} train events of cycle {n}, {n_voxels:,} voxels" in line
        assert sums(published)[f"cycle{n}_train.h5"] in line
    assert "<!--" not in text
    assert "demonstration data, whose" not in text


def test_demonstration_says_that_it_is_one(tmp_path):
    data = make_tiny(tmp_path / "data", scale="demonstration", baseline=False).folder
    assert main(["--data", str(data), "--out", str(tmp_path / "out")]) == 0
    for name in ("README.md", "croissant.json", "datacite.json", ".zenodo.json"):
        text = (tmp_path / "out" / name).read_text()
        assert "demonstration data, whose hidden labels are public" in text, name


def test_croissant_is_valid_and_lists_every_file(published):
    path = published / "croissant.json"
    # In a process of its own: it imports for seconds, and what it imports warns.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", VALIDATE, str(path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "set() set()\n"), done.stderr
    document = json.loads(path.read_text())
    listed = {item["contentUrl"]: item["sha256"] for item in document["distribution"]}
    assert listed == {f"{URL}/{name}": digest for name, digest in sums(published).items()}
    # The minimal fields of Responsible AI that NeurIPS asks for in 2026, and some more.
    for name in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases",
                 "dataSocialImpact", "dataCollection", "dataAnnotationProtocol"):  # fmt: skip
        assert document[f"rai:{name}"]


def test_archives_get_type_licence_and_day(published):
    attributes = json.loads((published / "datacite.json").read_text())["data"]["attributes"]
    assert attributes["types"]["resourceTypeGeneral"] == "Dataset"
    assert attributes["publicationYear"] == 2027
    assert attributes["rightsList"][0]["rightsIdentifier"] == "CC-BY-4.0"
    total = sum(path.stat().st_size for path in published.rglob("*.h5"))
    assert attributes["sizes"] == [f"{total} bytes"]
    zenodo = json.loads((published / ".zenodo.json").read_text())
    assert (zenodo["upload_type"], zenodo["license"]) == ("dataset", "cc-by-4.0")
    assert zenodo["publication_date"] == DAY


def test_references_come_when_asked_for_and_do_not_stay_unasked(tiny, tmp_path, capfd):
    words = ["--data", str(tiny.folder), "--out", str(tmp_path / "out"), "--date", DAY]
    assert main([*words, "--references"]) == 0
    labelled = []
    for phase in range(1, 7):
        with h5py.File(tmp_path / "out" / f"reference_data/phase{phase}/reference.h5") as file:
            labelled.append(len(file["event_id"]))
    assert np.sum(labelled) == 3 * N_TEST
    assert main(words) == 1
    assert "reference_data/phase1/reference.h5" in capfd.readouterr().err


def test_file_with_a_trace_of_truth_is_not_published(tiny, tmp_path, capfd):
    folder = make_tiny(tmp_path / "data", scale="full", baseline=False).folder
    with edited(folder / "cycle1_test.h5") as file:
        file["label"] = np.ones(len(file["energy"]), np.uint8)
    assert main(["--data", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert "holds label" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()

"""The command that checks that files are unchanged."""

import io
import shutil
import zipfile
from datetime import date

import numpy as np
import pytest
import toy
from damage import as_version_1, edited
from tiny import ROOT, make_tiny

from lartpc_challenge.__main__ import main
from lartpc_challenge.files import NOT_AS_WRITTEN
from lartpc_challenge.submission.forms import write_submission
from lartpc_challenge.verify import NOT_PROVEN, WHOLE, verify
from organizer.bundle.build import BundleRequest, build
from organizer.competition import read_competition
from organizer.verify import main as verify_all


@pytest.fixture
def events():
    return toy.make_events(5, cycle=2)


@pytest.fixture
def train(tmp_path, events):
    toy.make_events_file(tmp_path / "train.h5", events, kind="train", cycle=2)
    return tmp_path / "train.h5"


@pytest.fixture
def submission(tmp_path, events):
    ids = [event.event_id for event in events]
    write_submission(tmp_path / "s.zip", ids, toy.offsets(events), toy.labels(events))
    return tmp_path / "s.zip"


@pytest.fixture
def bundle(tmp_path, train, submission):
    """A zip that holds a zip of events, and a submission; its members are stored, not packed."""
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(train, "train.h5")
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.write(tmp_path / "data.zip", "data.zip")
        archive.write(submission, "s.zip")
        archive.writestr("page.md", "# A page\n")
    return tmp_path / "bundle.zip"


def flip(path, place, bit=0):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_what_was_written_is_whole(train, submission, bundle, capsys):
    assert [verify(path) for path in (train, submission, bundle)] == [WHOLE] * 3
    assert main(["verify", str(train), str(bundle)]) == 0
    assert capsys.readouterr().out == f"{train}: whole\n{bundle}: whole\n"


def test_a_changed_file_is_told_and_the_others_too(train, submission, capsys):
    flip(train, 3000)
    assert main(["verify", str(train), str(submission)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{train}: {NOT_AS_WRITTEN}\n{submission}: whole\n"
    assert err == "verify: 1 of 2 files are not proven to be whole\n"


def test_a_change_anywhere_in_a_members_content_is_told(bundle):
    good = bundle.read_bytes()
    start = good.index(b"\x89HDF\r\n\x1a\n")
    for place in np.random.default_rng(3).integers(start, start + 4000, 20).tolist():
        bundle.write_bytes(good)
        flip(bundle, place, bit=place % 8)
        assert NOT_AS_WRITTEN in verify(bundle)


def test_a_zip_of_a_damaged_file_is_not_whole(tmp_path, train):
    """The checksums of the zip are right, because it contains the damaged file."""
    flip(train, 3000)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(train, "train.h5")
    assert verify(tmp_path / "data.zip") == f"train.h5 in it {NOT_AS_WRITTEN}"


def test_files_without_a_seal_cant_be_proven(tmp_path, train, capsys):
    as_version_1(train)
    (tmp_path / "notes.txt").write_text("mine")
    assert verify(train) == verify(tmp_path / "notes.txt") == NOT_PROVEN
    assert main(["verify", str(train)]) == 1
    assert "can't be checked" in capsys.readouterr().out


def test_no_file_is_one_sentence(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "none.h5")]) == 1
    assert capsys.readouterr().err == f"verify: {tmp_path}/none.h5: no such file\n"


def test_a_folder_without_the_competitions_events_is_not_whole(tmp_path, capsys):
    """For example if --competition was forgotten."""
    toy.make_events_file(
        tmp_path / "cycle7_train.h5", toy.make_events(3, cycle=7), kind="train", cycle=7
    )
    arguments = ["--data", str(tmp_path), "--dist", str(tmp_path / "none")]
    assert verify_all(arguments) == 1
    assert "holds no events of cycles 1, 2, 3 of" in capsys.readouterr().err
    motifs = str(ROOT / "examples/motifs/competition.yaml")
    assert verify_all([*arguments, "--competition", motifs]) == 0


# ---- a whole competition


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """Small data, and the bundles that are built from them."""
    folder = tmp_path_factory.mktemp("competition")
    make_tiny(folder / "data")
    request = BundleRequest(
        read_competition(ROOT / "competition.yaml"),
        date(2027, 1, 4),
        data=folder / "data",
        placeholder=True,
        root=ROOT,
    )
    build(request, folder / "dist")
    return folder


def verified(folder, capsys) -> tuple[int, list[str]]:
    status = verify_all(["--data", str(folder / "data"), "--dist", str(folder / "dist")])
    return status, capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_a_competition_and_its_bundles_are_whole(competition, capsys):
    status, lines = verified(competition, capsys)
    assert status == 0
    assert [line for line in lines if not line.endswith(": whole")] == []
    names = {line.split(":")[0].split("/")[-1] for line in lines}
    assert {"cycle3_test.h5", "reference.h5", "submission.zip", "codabench.zip"} <= names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cycle2_train.h5", "holds another cycle2_train.h5 than"),
        ("reference_data/phase4/reference.h5", "holds another reference of phase 4 than"),
    ],
)
def test_bundles_of_other_data_are_told(competition, tmp_path, capsys, name, told):
    folder = shutil.copytree(competition, tmp_path / "copy")
    with edited(folder / "data" / name) as file:
        file["label"][0] = 3 - file["label"][0] % 2
    status, lines = verified(folder, capsys)
    assert status == 1
    assert [told in line for line in lines if "whole" not in line] == [True, True]


def test_zips_in_zips_are_looked_into_so_far(tmp_path):
    """A zip can even hold itself."""
    content = b"label"
    for _ in range(60):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("in.zip", content)
        content = packed.getvalue()
    (tmp_path / "deep.zip").write_bytes(content)
    assert verify(tmp_path / "deep.zip") == WHOLE

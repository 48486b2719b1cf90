"""The contents of the bundles, and the errors of the builder."""

import io
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy
import yaml
from calls import call
from damage import edited
from tiny import N_TEST, ROOT, copy_repository, make_tiny

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest, read_reference
from lartpc_challenge.submission.forms import read_submission
from organizer.bundle.__main__ import main
from organizer.bundle.archives import folder_members, write_zip
from organizer.bundle.build import BundleRequest, build
from organizer.bundle.contents import source_problems
from organizer.bundle.kit import commit_date
from organizer.bundle.rules import MAX_ZIP_BYTES, size_problems
from organizer.competition import read_competition
from organizer.pages.render import read_page, to_html
from organizer.source import Source

START = date(2027, 1, 4)
# What a participant can download: starting kit, public data and, as solutions, the baseline.
PARTICIPANT_ZIPS = (
    "starting_kit.zip",
    *(f"cycle{number}_data.zip" for number in (1, 2, 3)),
    *(f"baseline_cycle{number}.zip" for number in (1, 2, 3)),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def built(tiny, tmp_path_factory):
    return build(
        BundleRequest(toy.COMPETITION, START, tiny.folder), tmp_path_factory.mktemp("dist")
    )


def wanted(folder, **changes) -> BundleRequest:
    competition = read_competition(changes.get("root", ROOT) / "competition.yaml")
    return BundleRequest(**{"competition": competition, "start": START, "data": folder, **changes})


def members(path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def inner(path, name) -> zipfile.ZipFile:
    with zipfile.ZipFile(path) as archive:
        return zipfile.ZipFile(io.BytesIO(archive.read(name)))


def problems(request, out) -> str:
    """Return the message of a build that fails. Nothing may be written."""
    with pytest.raises(ChallengeError) as caught:
        build(request, out)
    assert not out.exists() or list(out.iterdir()) == []
    return str(caught.value)


# ---- what is in the bundles


def test_members_of_both_bundles(built):
    zips = {
        *PARTICIPANT_ZIPS,
        "scoring_program.zip",
        *(f"reference_phase{phase.number}.zip" for phase in toy.COMPETITION.phases),
    }
    pages = ("overview", "data", "evaluation", "terms")
    common = {"competition.yaml", "pages/logo.png", *zips}
    assert set(members(built.codabench)) == common | {f"pages/{page}.md" for page in pages}
    assert set(members(built.codalab)) == common | {f"pages/{page}.html" for page in pages}


def test_v15_finds_the_yaml_first_and_only_once(built):
    """v1.5 takes the first member whose name contains .yaml."""
    for path in (built.codabench, built.codalab):
        assert [name for name in members(path) if ".yaml" in name] == ["competition.yaml"]
        assert members(path)[0] == "competition.yaml"


def test_scoring_program_runs_by_itself(built):
    names = set(inner(built.codabench, "scoring_program.zip").namelist())
    package = {path.relative_to(ROOT / "scoring_program").as_posix() for path in package_files()}
    assert names == {"metadata", "score.py", *package}


def test_starting_kit_holds_the_package_and_the_licences(built):
    names = set(inner(built.codabench, "starting_kit.zip").namelist())
    package = {path.relative_to(ROOT / "scoring_program").as_posix() for path in package_files()}
    wanted = {
        *package,
        "baseline/py.typed",
        "LICENSE",
        "LICENSE-DATA.md",
        "starting_kit.ipynb",
        "baseline/train.py",
    }
    assert {f"lartpc_starting_kit/{name}" for name in wanted} <= names


def test_starting_kit_unpacks_into_a_folder_of_its_own(built):
    archive = inner(built.codabench, "starting_kit.zip")
    assert {name.split("/")[0] for name in archive.namelist()} == {"lartpc_starting_kit"}


def test_the_kit_s_files_have_the_date_of_the_build(tiny, tmp_path):
    when = datetime(2026, 3, 4, 5, 6, 8)
    made = build(wanted(tiny.folder, date=when), tmp_path)
    dates = {item.date_time for item in inner(made.codalab, "starting_kit.zip").infolist()}
    assert dates == {(2026, 3, 4, 5, 6, 8)}


def test_the_build_s_date_is_the_commit_s(tmp_path):
    assert commit_date(tmp_path) == datetime(1980, 1, 1)
    git = ["git", "-C", tmp_path, "-c", "user.name=n", "-c", "user.email=n@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run(
        [*git, "commit", "-q", "--allow-empty", "-m", "m"],
        env={**os.environ, "GIT_COMMITTER_DATE": "2026-03-04T05:06:08+02:00"},
        check=True,
    )
    assert commit_date(tmp_path) == datetime(2026, 3, 4, 3, 6, 8)


def test_the_kit_says_whom_to_ask(built):
    archive = inner(built.codabench, "starting_kit.zip")
    readme = archive.read("lartpc_starting_kit/README.md").decode()
    contact = yaml.safe_load((ROOT / "competition.yaml").read_text())["contact_email"]
    assert contact in readme
    assert any("contact_email is an example" in note for note in built.notes)


def test_sample_submissions_fit_the_kit_s_test_files(built, tmp_path):
    archive = inner(built.codabench, "starting_kit.zip")
    for number in (1, 2, 3):
        path = tmp_path / f"cycle{number}.zip"
        path.write_bytes(archive.read(f"lartpc_starting_kit/sample_submissions/{path.name}"))
        test = ROOT / f"starting_kit/data/cycle{number}_test.h5"
        assert set(read_submission(path, Manifest.from_events(test))) == {1}


def test_the_baseline_s_weights_are_in_the_kit_on_demand_alone(built, tiny, tmp_path):
    assert "weights" not in "".join(inner(built.codabench, "starting_kit.zip").namelist())
    archive = inner(
        build(wanted(tiny.folder, weights=True), tmp_path).codabench, "starting_kit.zip"
    )
    shipped = list(ROOT.glob("baseline_submission/*/model.pt"))
    assert len(shipped) >= 3
    for path in shipped:
        content = archive.read(f"lartpc_starting_kit/weights/{path.parent.name}.pt")
        assert content == path.read_bytes()


def package_files() -> list[Path]:
    folder = ROOT / "scoring_program" / "lartpc_challenge"
    return [path for path in folder.rglob("*") if path.suffix in (".py", ".md", ".typed")]


def test_public_data_and_references_are_the_source_files(built, tiny):
    for cycle in toy.COMPETITION.cycles:
        number = cycle.number
        archive = inner(built.codabench, f"cycle{number}_data.zip")
        assert archive.namelist() == [f"cycle{number}_test.h5", f"cycle{number}_train.h5"]
        for name in archive.namelist():
            assert archive.read(name) == (tiny.folder / name).read_bytes()
        for phase in (2 * number - 1, 2 * number):
            archive = inner(built.codalab, f"reference_phase{phase}.zip")
            assert archive.namelist() == ["reference.h5"]
            source = tiny.folder / f"reference_data/phase{phase}/reference.h5"
            assert archive.read("reference.h5") == source.read_bytes()


def test_pages_carry_their_pictures_and_no_comment(built):
    with zipfile.ZipFile(built.codabench) as archive:
        overview = archive.read("pages/overview.md").decode()
        texts = [archive.read(name).decode() for name in archive.namelist() if name[-3:] == ".md"]
    assert "](data:image/png;base64,iVBOR" in overview
    assert not any("<!--" in text or ".png)" in text for text in texts)
    # The tables are those of these data, not of the demonstration's.
    assert any("| `cycle2_train.h5` | 4 | 160 |" in text for text in texts)
    with zipfile.ZipFile(built.codalab) as archive:
        assert "<table>" in archive.read("pages/evaluation.html").decode()
        assert 'src="data:image/png;base64,iVBOR' in archive.read("pages/overview.html").decode()


def test_equal_input_gives_equal_bytes(built, tiny, tmp_path):
    """Also from a copy with other times, permissions and order of files on the disk."""
    copied = tmp_path / "copy"
    shutil.copytree(tiny.folder, copied, copy_function=shutil.copyfile)
    repository = copy_repository(tmp_path / "repository")
    for path in repository.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700)
    (repository / "scoring_program" / "__pycache__").mkdir()
    (repository / "scoring_program" / "__pycache__" / "score.pyc").write_bytes(b"leftover")
    (repository / "starting_kit" / ".DS_Store").write_bytes(b"leftover")
    shutil.copytree(ROOT / "starting_kit" / "data", repository / "starting_kit" / "data")
    again = build(wanted(copied, root=repository), tmp_path / "dist")
    assert again.codabench.read_bytes() == built.codabench.read_bytes()
    assert again.codalab.read_bytes() == built.codalab.read_bytes()
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        "codabench.zip",
        "codalab-v1.5.zip",
    ]


def test_the_dates_are_the_only_difference_of_another_start(built, tiny, tmp_path):
    later = build(wanted(tiny.folder, start=date(2028, 5, 1)), tmp_path)
    with zipfile.ZipFile(built.codabench) as one, zipfile.ZipFile(later.codabench) as other:
        differ = [name for name in one.namelist() if one.read(name) != other.read(name)]
        phases = yaml.safe_load(other.read("competition.yaml"))["phases"]
    assert differ == ["competition.yaml"]
    assert phases[0]["start"] == "2028-05-01 00:00"


# ---- what must not be in them


def test_participants_get_no_hidden_truth_no_seed_nothing_of_the_organisers(built, tiny):
    """Check every file in every zip that a participant can download."""
    hidden = {}
    for number in (1, 2, 3):
        reference = read_reference(tiny.folder / f"reference_data/phase{2 * number}/reference.h5")
        hidden[number] = set(reference.event_id.tolist())
        assert len(hidden[number]) == N_TEST // 2
    for bundle in (built.codabench, built.codalab):
        for name in PARTICIPANT_ZIPS:
            archive = inner(bundle, name)
            for member in archive.namelist():
                assert not re.search(r"organizer|reference\.h5|secret|simulat|seed", member)
                content = archive.read(member)
                if member == "predictions.h5":
                    with h5py.File(io.BytesIO(content), "r") as file:
                        assert set(file) == {"event_id", "offset", "pred"}
                elif member.endswith(".h5"):
                    check_events(content, hidden)
                elif member.endswith(".py"):
                    assert not re.search(
                        r"^(from|import) organizer", content.decode(), re.MULTILINE
                    )


def check_events(content: bytes, hidden: dict) -> None:
    with h5py.File(io.BytesIO(content), "r") as file:
        attributes = dict(file.attrs)
        everything = {"": attributes}
        file.visititems(lambda name, item: everything.update({name: dict(item.attrs)}))
        ids = set(file["event_id"][:].tolist())
    assert all(not item for name, item in everything.items() if name)
    assert set(attributes) == {
        *("format", "format_version", "kind", "cycle", "scale"),
        *("grid_shape", "voxel_size_mm", "class_names"),
    }
    names = {name for name in everything if name}
    if attributes["kind"] == "test":
        assert names == {"event_id", "offset", "coords", "energy"}
    else:
        assert attributes["kind"] == "train"
        found = {name for name in names if not name.startswith("particles")}
        assert found - {"particle"} == {"event_id", "offset", "coords", "energy", "label"}
        assert not ids & hidden[int(attributes["cycle"])]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("test", "label"), ("test", "particles"), ("test", "particle"), ("test", "source")),
        *(("train", "origin"), ("train", "attempts"), ("train", "source")),
    ],
)
def test_event_files_with_more_than_is_public_are_refused(tmp_path, kind, name):
    tiny = make_tiny(tmp_path / "data", baseline=False)
    with edited(tiny.folder / f"cycle2_{kind}.h5") as file:
        file[name] = np.ones(len(file["energy"]), np.int16 if name == "particle" else np.uint8)
    assert f"cycle2_{kind}.h5: holds {name}, which participants must not get" in (
        problems(wanted(tiny.folder), tmp_path / "dist")
    )


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("particles/seed", np.arange(4)),
        ("particles/more/seed", np.arange(4)),
        ("particles/seed", h5py.SoftLink("/offset")),
        ("particles/seed", h5py.SoftLink("/nowhere")),
        ("particles/seed", h5py.ExternalLink("raw.h5", "attempts")),
        ("seed", h5py.SoftLink("/offset")),
    ],
)
def test_particles_with_more_than_is_public_are_refused(tmp_path, name, item):
    tiny = make_tiny(tmp_path, baseline=False)
    source = Source.of(toy.COMPETITION, tiny.folder)
    with edited(tiny.folder / "cycle3_train.h5") as file:
        for column in ("offset", "pdg", "kinetic_energy_mev", "vertex", "direction"):
            file[f"particles/{column}"] = np.arange(4)
    assert list(source_problems(source, scale="full")) == []
    with edited(tiny.folder / "cycle3_train.h5") as file:
        file[name] = item
    (said,) = source_problems(source, scale="full")
    assert re.search(rf"cycle3_train\.h5: holds .*\b{name}, which participants", said)


@pytest.mark.parametrize("place", ["/", "energy", "particles"])
def test_event_files_with_a_seed_are_refused(tmp_path, place):
    tiny = make_tiny(tmp_path / "data", baseline=False)
    with edited(tiny.folder / "cycle1_train.h5") as file:
        file.require_group("particles")
        file[place].attrs["seed"] = "3e9"
    assert "the attribute seed" in problems(wanted(tiny.folder), tmp_path / "dist")


def test_a_file_that_is_on_no_list_is_refused(tiny, tmp_path):
    repository = copy_repository(tmp_path / "repository")
    (repository / "starting_kit" / "truth.h5").write_bytes(b"labels")
    (repository / "scoring_program" / "notes.txt").write_text("secret")
    said = problems(wanted(tiny.folder, root=repository), tmp_path / "dist")
    assert "notes.txt is not in the list of files of a scoring_program zip" in said
    assert "truth.h5 is not in the list of files of a starting_kit zip" in said


def test_write_zip_knows_the_lists_too(tmp_path):
    with pytest.raises(ChallengeError, match=r"a public_data zip must not hold reference\.h5"):
        write_zip(tmp_path / "a.zip", "public_data", {"reference.h5": b""})
    assert list(tmp_path.iterdir()) == []


# ---- placeholders


def test_placeholders_hold_no_truth_and_the_true_ones_lie_beside(tiny, built, tmp_path):
    held = build(wanted(tiny.folder, placeholder=True), tmp_path)
    assert any("hidden_references" in note for note in held.notes)
    assert (tmp_path / "hidden_references").stat().st_mode & 0o777 == 0o700
    assert "  open 4  from 2027-01-10 00:00" in held.notes
    for name, moves in (("codabench.zip", False), ("codalab-v1.5.zip", True)):
        with zipfile.ZipFile(tmp_path / name) as archive:
            phases = yaml.safe_load(archive.read("competition.yaml"))["phases"]
        phases = phases.values() if isinstance(phases, dict) else phases
        keys = ("auto_migrate_to_this_phase", "auto_migration")
        assert any(phase.get(key, False) for phase in phases for key in keys) == moves
    for phase in toy.COMPETITION.phases:
        name = f"reference_phase{phase.number}.zip"
        for bundle in (held.codabench, held.codalab):
            content = inner(bundle, name).read("reference.h5")
            path = tmp_path / f"{phase.number}.h5"
            path.write_bytes(content)
            assert (read_reference(path) is None) == phase.hidden
        if phase.hidden:
            with h5py.File(path) as file:
                assert list(file) == []
            with zipfile.ZipFile(built.codabench) as archive:
                true = archive.read(name)
            assert (tmp_path / "hidden_references" / name).read_bytes() == true


def test_a_build_without_placeholders_leaves_no_references_of_an_earlier_one(tiny, tmp_path):
    build(wanted(tiny.folder, placeholder=True), tmp_path)
    build(wanted(tiny.folder), tmp_path)
    assert list(tmp_path.rglob("reference_phase*.zip")) == []


def test_the_opening_is_said_with_the_hour_of_the_yaml(tiny, tmp_path):
    repository = copy_repository(tmp_path / "repository")
    path = repository / "competition.yaml"
    path.write_text(
        path.read_text().replace('start: "2027-01-04 00:00"', 'start: "2027-01-04 08:30"')
    )
    made = build(wanted(tiny.folder, root=repository, start=date(2027, 2, 1)), tmp_path / "dist")
    assert "The first phase opens on Monday, 2027-02-01, 08:30 UTC." in made.notes


def test_an_earnest_bundle_with_its_hidden_references_warns(built):
    assert any(note.startswith("WARNING") for note in built.notes)


# ---- demonstration


def test_a_demonstration_says_so_in_title_and_terms(tmp_path):
    tiny = make_tiny(tmp_path / "data", scale="demonstration")
    built = build(wanted(tiny.folder, demonstration=True), tmp_path / "dist")
    with zipfile.ZipFile(built.codabench) as archive:
        competition = yaml.safe_load(archive.read("competition.yaml"))
        terms = archive.read("pages/terms.md").decode()
    assert competition["title"].startswith("DEMONSTRATION: hidden labels are public")
    assert terms.startswith("**DEMONSTRATION: hidden labels are public.**")
    with zipfile.ZipFile(built.codalab) as archive:
        title = yaml.safe_load(archive.read("competition.yaml"))["title"]
        assert title.startswith("DEMONSTRATION: hidden labels are public")
        assert len(title) <= 100
        assert "DEMONSTRATION" in archive.read("pages/terms.html").decode()


def test_a_competition_in_earnest_says_nothing_of_a_demonstration(built):
    with zipfile.ZipFile(built.codabench) as archive:
        for name in ("competition.yaml", "pages/terms.md"):
            assert "DEMONSTRATION" not in archive.read(name).decode()


def test_demonstration_data_want_to_be_called_so(tiny, tmp_path):
    demonstration = make_tiny(tmp_path / "data", scale="demonstration")
    said = problems(wanted(demonstration.folder), tmp_path / "dist")
    assert said.count("whose hidden labels are public") == 1
    said = problems(wanted(tiny.folder, demonstration=True), tmp_path / "dist")
    assert "data of full scale, not a demonstration; build without DEMO=1" in said


def test_mixed_scales_are_refused(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    shutil.copy(ROOT / "starting_kit/data/cycle1_train.h5", tiny.folder)
    assert "demonstration data" in problems(wanted(tiny.folder), tmp_path / "dist")


# ---- the baseline as a solution


def test_a_missing_baseline_is_left_out_and_said_so(tmp_path):
    tiny = make_tiny(tmp_path / "data", baseline=False)
    tiny.submit(tiny.folder / "baseline_submission/cycle2/submission.zip", 2)
    built = build(wanted(tiny.folder), tmp_path / "dist")
    with zipfile.ZipFile(built.codabench) as archive:
        solutions = yaml.safe_load(archive.read("competition.yaml"))["solutions"]
    assert [solution["path"] for solution in solutions] == ["baseline_cycle2.zip"]
    assert "baseline_cycle1.zip" not in members(built.codabench)
    kept, left_out = (note for note in built.notes if "baseline" in note)
    assert "cycle2/submission.zip" in kept
    assert "cycle1" not in kept
    assert "cycle1/submission.zip" in left_out
    assert "cycle2" not in left_out


def test_a_stale_baseline_is_refused(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    stale = tiny.folder / "baseline_submission/cycle3/submission.zip"
    shutil.copy(tiny.folder / "baseline_submission/cycle2/submission.zip", stale)
    said = problems(wanted(tiny.folder), tmp_path / "dist")
    assert re.search(
        r"cycle3/submission\.zip: does not cover the events of .*cycle3_test\.h5", said
    )


# ---- data that contradict each other


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    (tiny.folder / "reference_data/phase2/reference.h5").unlink()
    (tiny.folder / "reference_data/phase3/reference.h5").write_bytes(b"damaged")
    (tiny.folder / "cycle3_train.h5").unlink()
    said = problems(
        wanted(tiny.folder, now=datetime(2027, 6, 1), root=ROOT), tmp_path / "dist"
    ).splitlines()
    assert said[0] == "nothing was written, because"
    text = "\n".join(said[1:])
    assert all(line.startswith("  - ") for line in said[1:])
    for sentence in (
        "phase2/reference.h5: no such file",
        "phase3/reference.h5: not a readable HDF5 file",
        "cycle3_train.h5: no such file",
        "Public 1: starts 2027-01-04 00:00 UTC, in the past",
        "contact_email is an example",
    ):
        assert sentence in text


def test_a_reference_of_another_phase_is_refused(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    references = tiny.folder / "reference_data"
    shutil.copy(references / "phase4/reference.h5", references / "phase3/reference.h5")
    said = problems(wanted(tiny.folder), tmp_path / "dist")
    assert "phase3/reference.h5: is the reference of phase 4" in said


def test_a_reference_of_other_events_is_refused(tmp_path):
    tiny = make_tiny(tmp_path / "data", baseline=False)
    other = toy.make_events(N_TEST, cycle=1, seed=99)
    toy.make_events_file(tiny.folder / "cycle1_test.h5", other, kind="test", cycle=1, scale="full")
    said = problems(wanted(tiny.folder), tmp_path / "dist")
    assert said.count("was made for other events than") == 2


def test_hidden_events_in_the_public_phase_are_refused(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    path = tiny.folder / "reference_data/phase6/reference.h5"
    toy.make_reference(path, tiny.test[3], phase=6, scored=[1, 2, 3], scale="full")
    said = problems(wanted(tiny.folder), tmp_path / "dist")
    assert "1 of its events are scored in the public phase 5 too" in said


def test_a_placeholder_is_no_reference(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    held = build(wanted(tiny.folder, placeholder=True), tmp_path / "held")
    path = tiny.folder / "reference_data/phase2/reference.h5"
    path.write_bytes(inner(held.codabench, "reference_phase2.zip").read("reference.h5"))
    assert "phase2/reference.h5: is a placeholder, expected the truth" in problems(
        wanted(tiny.folder), tmp_path / "dist"
    )


# ---- files and pages


def test_oversize_bundles_are_refused(tmp_path):
    one, other = tmp_path / "cycle1_train.h5", tmp_path / "cycle1_test.h5"
    for path, n_bytes in ((one, MAX_ZIP_BYTES - 1), (other, 1)):
        path.touch()
        os.truncate(path, n_bytes)
    assert not list(size_problems([one, other, b"", tmp_path / "missing.h5"]))
    os.truncate(other, 2)
    (problem,) = size_problems([one, other])
    assert problem.startswith("each bundle would have 1.00 GB")


def test_a_full_disk_is_told_by_the_folder_that_was_asked_for(tiny, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        said = problems(wanted(tiny.folder), tmp_path / "dist")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said == f"{tmp_path}/dist/scoring_program.zip: can't be written: File too large"


def test_pages_that_a_platform_would_break_on_are_refused(tiny, tmp_path):
    repository = copy_repository(tmp_path / "repository")
    (repository / "pages" / "data.md").write_text("costs 5 $ or 6 $")
    (repository / "pages" / "terms.md").write_text("\n")
    (repository / "pages" / "overview.md").write_text("![gone](gone.png)")
    (repository / "pages" / "evaluation.md").unlink()
    said = problems(wanted(tiny.folder, root=repository), tmp_path / "dist")
    for sentence in (
        "data.md: holds a $",
        "terms.md: is empty",
        "gone.png: no such file",
        "evaluation.md: no such file",
    ):
        assert sentence in said


def test_a_page_may_link_and_show(tmp_path):
    (tmp_path / "dot.png").write_bytes(b"\x89PNG")
    (tmp_path / "page.md").write_text("<!-- note -->\n# A\n\n![dot](dot.png) [link](a.html)\n")
    assert read_page(tmp_path / "page.md") == (
        "# A\n\n![dot](data:image/png;base64,iVBORw==) [link](a.html)\n"
    )


def test_html_has_tables_lists_and_code():
    html = to_html("| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n- y\n\n```\nx < y\n```\n")
    assert "<td>1</td>" in html
    assert html.count("<li>") == 2
    assert "x &lt; y" in html


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(ChallengeError, match="gone: no such folder"):
        folder_members(tmp_path / "gone", "starting_kit")


# ---- the command


def test_the_command_builds_a_demonstration_of_the_tracked_data(tmp_path):
    """Without START, so that the dates are in the future on every day."""
    command = [sys.executable, "-m", "organizer.bundle", "--demo", "--out", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "codabench.zip" in done.stdout
    assert "DEMONSTRATION: hidden labels are public" in done.stdout
    with zipfile.ZipFile(tmp_path / "codabench.zip") as archive:
        start = yaml.safe_load(archive.read("competition.yaml"))["phases"][0]["start"]
    assert datetime.fromisoformat(start).strftime("%A %H:%M") == "Monday 00:00"
    for number in (1, 2, 3):
        names = inner(tmp_path / "codabench.zip", f"cycle{number}_data.zip").namelist()
        assert names == [f"cycle{number}_test.h5", f"cycle{number}_train.h5"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 1, "whose hidden labels are public"),
        (["--demo", "--start", "2020-01-06"], 1, "in the past"),
        (["--demo", "--start", "tomorrow"], 2, "tomorrow is not a day as YYYY-MM-DD"),
        (["--demo", "--hidden", "no"], 2, "invalid choice"),
        (["--demo", "--data", "nowhere"], 1, "nowhere/cycle1_train.h5: no such file"),
        (["--demo", "--out", "/dev/null/dist"], 1, "/dev/null/dist: can't be written"),
    ],
)
def test_the_command_ends_with_a_sentence(arguments, status, sentence, tmp_path):
    done = call(main, *(arguments if "--out" in arguments else [*arguments, "--out", tmp_path]))
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

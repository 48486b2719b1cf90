"""The starting kit alone: its README works word for word, and its numbers are correct."""

import functools
import re
import shlex

import h5py
import pytest
import tomllib
from calls import run_all
from kit import ROOT, keep_events, make_kit, run_python
from packaging.requirements import Requirement

from lartpc_challenge.events import EventFile
from lartpc_challenge.metrics import evaluate
from lartpc_challenge.reference import Manifest, read_labelled_events
from lartpc_challenge.submission.forms import read_submission

README = (ROOT / "starting_kit/README.md").read_text(encoding="utf-8")
# 30 events, a small network and one thread: the commands run, but only the notebook's test learns.
N_EVENTS = 30
SHORTER = {
    "baseline.train": "--epochs 1 --views 1 --filters 4 --blocks 1 --threads 1",
    "baseline.predict": "--threads 1",
    "baseline.boosting": "--trees 20",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return make_kit(tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Run all commands of the README in a kit; return its folder and what each command printed."""
    kit = make_kit(tmp_path_factory.mktemp("followed"))
    for kind in ("train", "test"):
        keep_events(kit / f"data/cycle1_{kind}.h5", N_EVENTS)
    lines, snippets = "".join(blocks("sh")).splitlines(), blocks("python")
    commands = []
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "python"
        commands.append([*arguments, *SHORTER.get(arguments[1], "").split()])
    for number, snippet in enumerate(snippets):
        (kit / f"snippet_{number}.py").write_text(snippet, encoding="utf-8")
        commands.append([f"snippet_{number}.py"])
    said = run_all(functools.partial(run_python, kit), kit, *commands)
    return kit, dict(zip(lines + snippets, said))


def test_the_kit_imports_its_own_package(kit):
    said = run_python(kit, "-c", "import lartpc_challenge as l, baseline as b; print(l, b)")
    assert said.count(str(kit)) == 2


def test_every_command_writes_what_it_names(followed):
    outputs = re.findall(r"--(?:out|html|train|holdout) (\S+)", " ".join(blocks("sh")))
    assert {"event.html", "network.html", "worst.html", "submission.zip"} <= set(outputs)
    for name in outputs:
        assert (followed[0] / name).exists(), name


def test_submissions_of_the_command_and_of_the_snippet_cover_the_test_file(followed):
    manifest = Manifest.from_events(followed[0] / "data/cycle1_test.h5")
    for name in ("submission.zip", "my_submission.zip"):
        assert set(read_submission(followed[0] / name, manifest)) <= {1, 2}
    (checked,) = [said for line, said in followed[1].items() if " check " in line]
    assert f"complete: {N_EVENTS} events" in checked


def test_boosting_beats_the_threshold(followed):
    truth = read_labelled_events(followed[0] / "holdout.h5")
    mean = {}
    for name in ("boosting", "threshold"):
        pred = read_submission(followed[0] / f"{name}.zip", truth.manifest)
        mean[name] = evaluate(truth.label, pred, truth.offset)["acc_mean"]
    assert mean["boosting"] > mean["threshold"] + 0.03


def test_the_data_dictionary_describes_the_files(kit):
    rows = re.findall(r"^\| `([\w/]+)` \| \((.*?)\) (\w+) \|", README, flags=re.MULTILINE)
    described = {name: (shape.split(", "), dtype) for name, shape, dtype in rows}
    for path in sorted((kit / "data").glob("*.h5")):
        with h5py.File(path) as file:
            found = {}
            file.visititems(
                lambda name, item, found=found: (
                    found.update({name: item}) if isinstance(item, h5py.Dataset) else None
                )
            )
            for name, item in found.items():
                shape, dtype = described[name]
                assert item.dtype == dtype, name
                assert item.ndim == len([part for part in shape if part])
        if path.stem.endswith("train"):
            assert found.keys() | {"event_id"} == described.keys()
        else:
            assert found.keys() == {"event_id", "offset", "coords", "energy"}


def test_the_numbers_in_the_readme_are_those_of_the_files(kit):
    n_train, n_test = map(int, re.search(r"(\d+) train and (\d+) test events", README).groups())
    lowest = {1: 0.05, 2: 0.05, 3: 0.08}
    for cycle, threshold in lowest.items():
        assert f"{threshold}" in README
        for kind, n in (("train", n_train), ("test", n_test)):
            with EventFile(kit / f"data/cycle{cycle}_{kind}.h5") as events:
                assert len(events) == n
                assert events.column("energy").min() == pytest.approx(threshold, rel=0.01)


def test_the_readme_names_files_that_are_there(kit):
    table = README.split("## The files")[1]
    for names in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE):
        folder = ""
        for name in re.findall(r"`(.*?)`", names):
            folder = name.rsplit("/", 1)[0] + "/" if "/" in name else folder
            assert (kit / name).exists() or (kit / folder / name).exists(), name


REQUIREMENTS = {
    "requirements.txt": "baseline",
    "requirements-notebook.txt": "notebook",
    "requirements-network.txt": "network",
    "requirements-spconv.txt": "spconv",
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_requirements_are_the_project_s(name):
    lines = (ROOT / "starting_kit" / name).read_text(encoding="utf-8").splitlines()
    wanted = {line.split("#")[0].strip() for line in lines if not line.startswith("-r ")} - {""}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Scoring admits older versions of these two, which the kit's Python has no wheels of.
    core = {line for line in wanted if line.startswith(("numpy", "h5py"))}
    assert wanted - core == set(project["optional-dependencies"][REQUIREMENTS[name]])
    assert len(core) == (2 if name == "requirements.txt" else 0)
    assert name in README


def test_spconv_is_asked_for_where_it_has_wheels_alone():
    """spconv-cu126 2.3.8 has wheels for x86-64, Linux and Windows, and Python up to 3.13."""
    (line,) = (
        line
        for line in (ROOT / "starting_kit/requirements-spconv.txt").read_text().splitlines()
        if line.startswith("spconv")
    )
    marker = Requirement(line).marker
    systems = {
        ("linux", "x86_64", "3.13"): True,
        ("win32", "AMD64", "3.10"): True,
        ("linux", "x86_64", "3.14"): False,
        ("linux", "aarch64", "3.12"): False,
        ("darwin", "arm64", "3.12"): False,
        ("darwin", "x86_64", "3.12"): False,
    }
    for (system, machine, python), there in systems.items():
        place = {"sys_platform": system, "platform_machine": machine, "python_version": python}
        assert marker.evaluate(place) == there


@pytest.mark.parametrize(
    ("module", "option"), [("baseline.train", "--init-from"), ("baseline.predict", "--checkpoint")]
)
def test_without_pytorch_help_is_given_and_a_sentence_says_what_to_install(kit, module, option):
    run_it = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]\n"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    assert option in run_python(kit, "-c", run_it, "it", "--help")
    given = {"baseline.train": ["--events", "a"], "baseline.predict": []}[module]
    given += ["--checkpoint", "a", "--events", "b", "--out", "c"] if not given else []
    with pytest.raises(AssertionError) as caught:
        run_python(kit, "-c", run_it, "it", *given)
    said = str(caught.value).strip().splitlines()[-1]
    name = module.partition(".")[2]
    assert said == f"{name}: needs PyTorch: pip install -r requirements-network.txt"
    assert "Traceback" not in str(caught.value)

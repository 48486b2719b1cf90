"""The notebooks are small, have no outputs, and work in the kit; their networks learn."""

import re

import nbformat
import pytest
from kit import ROOT, keep_events, make_kit, participant, run_python
from nbclient import NotebookClient

from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission
from organizer.bundle.archives import write_zip
from organizer.bundle.kit import FOLDER, kit_members

NOTEBOOKS = ("starting_kit.ipynb", "your_own_model.ipynb")
# A third of the sample's events, a smaller network and smaller batches: it learns enough in a fifth
# of the time. One thread, because another test uses the other core.
N_TRAIN, N_TEST, EPOCHS = 100, 20, 2
SMALL = "--filters 8 --depth 4 --blocks 1 --views 1 --batch-events 2 --epochs 6"

notebooks = pytest.mark.parametrize("name", NOTEBOOKS)
# On Windows pyzmq says so when a kernel starts.
pytestmark = pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")


def read(name):
    return nbformat.read(ROOT / "starting_kit" / name, as_version=4)


def code_cells(name):
    return [cell.source for cell in read(name).cells if cell.cell_type == "code"]


@notebooks
def test_it_is_short_and_holds_no_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert len(notebook.cells) < 30
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@notebooks
def test_after_its_setup_it_reaches_for_nothing_outside_the_kit(name):
    for source in code_cells(name)[1:]:
        assert not re.search(r"\.\./|https?://|~/|[\"']/|sys\.path", source)


@notebooks
def test_it_deletes_nothing(name):
    assert not re.search(r"rmtree|unlink|remove\(|\brm\b", "".join(code_cells(name)))


@notebooks
def test_its_commands_run_in_a_folder_with_a_space(name):
    commands = [
        line for source in code_cells(name) for line in source.splitlines() if line[:1] == "!"
    ]
    assert commands
    assert all(line.startswith('!"{python}" -m ') for line in commands)


def test_both_have_the_same_setup():
    first, second = (code_cells(name)[0] for name in NOTEBOOKS)
    assert first == second
    assert first.count("%pip") == 1


@pytest.fixture(scope="module")
def find_kit():
    """The set-up's own code that finds the kit and goes there, without the installation."""
    lines = code_cells(NOTEBOOKS[0])[0].splitlines()
    return "\n".join(line for line in lines if not line.startswith("%pip"))


def test_the_setup_unpacks_a_zip_that_was_uploaded(tmp_path, find_kit):
    kit = kit_members(ROOT, "the organisers")
    write_zip(tmp_path / "starting_kit.zip", "starting_kit", kit, folder=FOLDER)
    # Colab's path holds the folder of the beginning, not "", the current one.
    code = f"import sys; sys.path[0] = {str(tmp_path)!r}\n{find_kit}\n"
    code += "import baseline; print(baseline.__file__)"
    for _ in range(2):  # the second time it is there
        assert str(tmp_path / FOLDER / "baseline") in run_python(tmp_path, "-c", code)


def test_the_setup_says_where_the_zip_is_looked_for(tmp_path, find_kit):
    with pytest.raises(AssertionError, match=r"starting_kit\.zip: upload it to this folder"):
        run_python(tmp_path, "-c", find_kit)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The kit's folder after both notebooks, one after the other, and each one's outputs."""
    kit = make_kit(tmp_path_factory.mktemp("a notebook"))
    keep_events(kit / "data/cycle1_train.h5", N_TRAIN)
    keep_events(kit / "data/cycle1_test.h5", N_TEST)
    (kit / "work").mkdir()
    (kit / "work/mine.h5").write_text("of an earlier run")
    outputs = []
    for name in NOTEBOOKS:
        notebook = nbformat.read(kit / name, as_version=4)
        for cell in notebook.cells:
            cell.source = re.sub(r"^EPOCHS = \d+", f"EPOCHS = {EPOCHS}", cell.source, flags=re.M)
            cell.source = cell.source.replace("--preset quick", f"--preset quick {SMALL}")
            cell.source = re.sub(r"-m baseline\.(train|predict)", r"\g<0> --threads 1", cell.source)
        if outputs:  # the first has installed what both need
            notebook.cells[1].source = re.sub("^%pip .*", "", notebook.cells[1].source, flags=re.M)
        where = {"metadata": {"path": str(kit)}}
        # A kernel that starts late on a busy machine is none that fails.
        client = NotebookClient(notebook, timeout=1500, startup_timeout=600, resources=where)
        client.execute(env=participant())
        outputs.append([item for cell in notebook.cells for item in cell.get("outputs", [])])
    return kit, *outputs


def text_of(outputs):
    return "".join(output.get("text", "") for output in outputs)


def test_its_network_learns_what_the_threshold_cannot_tell(executed):
    scores = [float(x) for x in re.findall(r"acc_mean: ([\d.]+)", text_of(executed[1]))]
    threshold, network = scores
    assert network > threshold + 0.1
    assert network > 0.75


def test_the_step_by_hand_lowers_the_loss(executed):
    losses = [float(x) for x in re.findall(r"logits, loss ([\d.]+)", text_of(executed[1]))]
    assert len(losses) == 3
    assert losses[-1] < losses[0]


def test_the_graph_network_learns(executed):
    scores = [float(x) for x in re.findall(r"acc_mean ([\d.]+)", text_of(executed[2]))]
    assert len(scores) == EPOCHS
    # The threshold reaches 0.55.
    assert scores[-1] > 0.65


def test_the_second_goes_on_from_the_first_s_weights(executed):
    (score,) = re.findall(r"best\.pt \{.*'acc_mean': ([\d.]+)", text_of(executed[2]))
    assert float(score) > 0.7


@pytest.mark.parametrize(("number", "folder"), [(1, "work-2"), (2, "own_model")])
def test_the_submissions_cover_the_test_file(executed, number, folder):
    kit, outputs = executed[0], executed[number]
    manifest = Manifest.from_events(kit / "data/cycle1_test.h5")
    pred = read_submission(kit / folder / "submission.zip", manifest)
    assert set(pred) == {1, 2}
    assert f"complete: {manifest.n_events:,} events" in text_of(outputs)


def test_what_was_there_before_is_still_there(executed):
    assert (executed[0] / "work/mine.h5").read_text() == "of an earlier run"


def test_it_shows_events_tables_curves_and_no_errors(executed):
    kinds = [kind for output in executed[1] for kind in output.get("data", {})]
    frames = [
        "<iframe srcdoc=" in output.get("data", {}).get("text/html", "") for output in executed[1]
    ]
    assert frames.count(True) == 2
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") == 5
    for outputs in executed[1:]:
        assert "Traceback" not in text_of(outputs)
        assert not [output for output in outputs if output.output_type == "error"]

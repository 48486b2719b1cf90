"""The notebook: small, without outputs, alone in the kit; its network learns."""

import re

import nbformat
import pytest
from kit import ROOT, keep_events, make_kit, participant
from nbclient import NotebookClient

from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission

NOTEBOOK = ROOT / "starting_kit/starting_kit.ipynb"


def test_it_is_short_and_holds_no_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) < 20
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_it_reaches_for_nothing_outside_the_kit():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not re.search(r"\.\./|https?://|~/|[\"']/|sys\.path", cell.source)


def test_its_commands_run_in_a_folder_with_a_space():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    commands = [line for cell in cells for line in cell.source.splitlines() if line[:1] == "!"]
    assert len(commands) == 8
    assert all(line.startswith('!"{python}" -m ') for line in commands)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The kit's folder after its notebook, and the text that the cells printed."""
    kit = make_kit(tmp_path_factory.mktemp("notebook"))
    # Half of the sample events are enough to learn from, and take half of the time.
    keep_events(kit / "data/cycle1_train.h5", 150)
    keep_events(kit / "data/cycle1_test.h5", 50)
    notebook = nbformat.read(kit / "starting_kit.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=1500, resources={"metadata": {"path": str(kit)}})
    client.execute(env=participant())
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return kit, outputs


def text_of(outputs):
    return "".join(output.get("text", "") for output in outputs)


def test_its_network_learns_what_the_threshold_cannot_tell(executed):
    scores = [float(x) for x in re.findall(r"acc_mean: ([\d.]+)", text_of(executed[1]))]
    threshold, network = scores
    assert network > threshold + 0.1
    assert network > 0.75


def test_its_submission_covers_the_test_file(executed):
    kit, outputs = executed
    manifest = Manifest.from_events(kit / "data/cycle1_test.h5")
    pred = read_submission(kit / "work/submission.zip", manifest)
    assert set(pred) == {1, 2}
    assert f"complete: {manifest.n_events:,} events" in text_of(outputs)


def test_it_shows_events_curves_and_no_errors(executed):
    kinds = [kind for output in executed[1] for kind in output.get("data", {})]
    assert kinds.count("application/vnd.jupyter.widget-view+json") == 3
    assert kinds.count("image/png") == 2
    assert "Traceback" not in text_of(executed[1])
    assert not [output for output in executed[1] if output.output_type == "error"]

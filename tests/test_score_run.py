"""Scoring like the platforms' workers: their folders, command and results."""

import subprocess
import sys
import textwrap
import zipfile

import pytest
from calls import call
from tiny import N_VOXELS, ROOT, make_tiny

from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.reference import read_reference
from organizer.score.__main__ import main
from organizer.score.worker import CODABENCH, CODALAB, PLATFORMS, Task, run_submission

# What the workers' code at the commits named in organizer/score/worker.py lays out.
EXPECTED = {
    CODABENCH.name: {
        "cwd": "app/program",
        "folders": {"app/program", "app/input/ref", "app/input/res", "app/output", "app/shared"},
        "argv": "app/program/score.py app/input app/output",
        "res": {"metadata", "predictions.h5"},
        "output": set(),
    },
    CODALAB.name: {
        "cwd": "run",
        "folders": {"run/program", "run/input/ref", "run/input/res", "run/output", "run/temp"},
        "argv": "run/program/score.py run/input run/output",
        "res": {"predictions.h5"},
        "output": {"detailed_results.html"},
    },
}
COMMAND = "python3 $program/score.py $input $output"
SCORES = "acc_at_80: 0.5\nacc_at_50: 0.25\nacc_mean: 1e-3\n"


def make_task(folder, program: str, command: str = COMMAND, time_limit: int = 60) -> Task:
    """A scoring program of one's own: the body of score.py, and a reference that is one file."""
    files = {"score.py": textwrap.dedent(program), "metadata": f"command: {command}\n"}
    for name, members in (
        ("program.zip", files),
        ("reference.zip", {"reference.h5": "truth"}),
        ("submission.zip", {"predictions.h5": "labels"}),
    ):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, text in members.items():
                archive.writestr(member, text)
    return Task(folder / "program.zip", folder / "reference.zip", time_limit, METRICS)


@pytest.fixture(params=PLATFORMS, ids=lambda platform: platform.name)
def platform(request):
    return request.param


def run(platform, tmp_path, program, **options):
    task = make_task(tmp_path, program, **options)
    return run_submission(platform, task, tmp_path / "submission.zip")


def writing(text: str) -> str:
    return f"import sys\nopen(sys.argv[2] + '/scores.txt', 'w').write({text!r})\n"


# ---- folders and command


def test_folders_are_the_platforms_own(platform, tmp_path):
    seen = run(
        platform,
        tmp_path,
        """
        import os, sys
        from pathlib import Path
        program = Path(sys.argv[0]).parent
        root = program.parent.parent
        def below(path): return Path(path).relative_to(root).as_posix()
        print(below(os.getcwd()))
        print(*(below(path) for path in sys.argv))
        print(*(below(p) for p in root.rglob("*") if p.is_dir()))
        print(*os.listdir(sys.argv[1] + "/res"))
        print(*os.listdir(sys.argv[2]))
        print(os.environ["PYTHONUNBUFFERED"])
        """,
    ).stdout.splitlines()
    expected = EXPECTED[platform.name]
    assert seen[0] == expected["cwd"]
    assert seen[1] == expected["argv"]
    assert expected["folders"] <= set(seen[2].split())
    assert set(seen[3].split()) == expected["res"]
    assert set(seen[4].split()) == expected["output"]
    assert seen[5] == "1"


def test_a_quoted_word_is_one_on_codabench_and_two_on_v15(platform, tmp_path):
    command = "python3 $program/score.py 'a b'"
    program = "import sys; print(len(sys.argv) - 1)"
    done = run(platform, tmp_path, program, command=command)
    assert done.stdout.strip() == {CODABENCH.name: "1", CODALAB.name: "2"}[platform.name]


def test_codabench_prefers_metadata_yaml(tmp_path):
    task = make_task(tmp_path, writing(SCORES))
    with zipfile.ZipFile(tmp_path / "program.zip", "a") as archive:
        archive.writestr("metadata.yaml", "command: python3 -c 'print(7)'\n")
    assert run_submission(CODABENCH, task, tmp_path / "submission.zip").stdout == "7\n"
    assert run_submission(CODALAB, task, tmp_path / "submission.zip").finished


# ---- what a platform makes of a run


def test_scores_are_read(platform, tmp_path):
    done = run(platform, tmp_path, writing(SCORES))
    assert done.finished
    assert done.scores == {"acc_at_80": 0.5, "acc_at_50": 0.25, "acc_mean": 0.001}
    assert done.seconds > 0
    assert done.peak_bytes > 1 << 20


def test_memory_is_that_of_the_program_and_its_children(tmp_path):
    program = """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "x = b'1' * 200_000_000"])
        """
    assert run(CODABENCH, tmp_path, program).peak_bytes > 200_000_000


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "exit status -9"),
        ("pass", "it wrote no scores.txt"),
        (writing("acc_at_80: 1\nacc_at_50: 1\n"), "scores.txt lacks the column 'acc_mean'"),
        (writing(SCORES.replace("0.5", "nan")), "a score is not a finite number"),
        (writing(SCORES.replace("0.5", "high")), "scores.txt can't be read"),
        (writing(SCORES.replace("0.5", "[0.5]")), "scores.txt can't be read"),
        (writing(""), "scores.txt"),
    ],
)
def test_what_fails_on_a_platform_fails_here(platform, tmp_path, program, reason):
    done = run(platform, tmp_path, program)
    assert not done.finished
    assert reason in done.reason


def test_two_colons_a_line_break_v15_alone(tmp_path):
    text = SCORES.replace("0.5", "0.5  # of 1: high")
    assert run(CODABENCH, tmp_path, writing(text)).finished
    done = run(CODALAB, tmp_path, writing(text))
    assert "scores.txt can't be read" in done.reason


def test_the_time_limit_ends_a_run_with_its_children(platform, tmp_path):
    program = """
        import subprocess, sys
        print("started", flush=True)
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
        """
    done = run(platform, tmp_path, program, time_limit=2)
    assert not done.finished
    assert done.reason == "Execution Time Limit exceeded. Limit was 2 seconds"
    assert done.stdout == "started\n"


@pytest.mark.parametrize("place", ["sys.argv[1] + '/ref'", "os.path.dirname(sys.argv[0])"])
def test_a_program_that_writes_into_its_folder_or_the_reference_is_refused(
    platform, tmp_path, place
):
    program = f"""
        import os, sys
        os.chmod({place}, 0o755)
        open({place} + "/note", "w").write("x")
        """
    with pytest.raises(ChallengeError, match=r"wrote into .* the reference, .*: note"):
        run(platform, tmp_path, program)


def test_a_command_that_does_not_exist_fails(platform, tmp_path):
    done = run(platform, tmp_path, "pass", command="python9 $program/score.py")
    assert "the command can't be run" in done.reason


@pytest.mark.parametrize("metadata", ["description: nothing\n", "just words", ""])
def test_metadata_without_a_command_is_the_organisers_fault(tmp_path, platform, metadata):
    task = make_task(tmp_path, "pass")
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("metadata", metadata)
    with pytest.raises(ChallengeError, match="metadata names no command"):
        run_submission(platform, task, tmp_path / "submission.zip")


def test_a_submission_that_is_no_zip_fails(platform, tmp_path):
    task = make_task(tmp_path, writing(SCORES))
    (tmp_path / "submission.zip").write_bytes(b"PK not really")
    done = run_submission(platform, task, tmp_path / "submission.zip")
    assert done.reason.startswith("Bad or empty zip file")


def test_a_reference_that_is_no_zip_is_the_organisers_fault(platform, tmp_path):
    task = make_task(tmp_path, writing(SCORES))
    (tmp_path / "reference.zip").write_bytes(b"nothing")
    with pytest.raises(ChallengeError, match=r"reference\.zip: can't be unpacked"):
        run_submission(platform, task, tmp_path / "submission.zip")


# ---- make score


def test_known_degradation_gives_known_scores_in_a_public_and_a_hidden_phase(tmp_path):
    """Of 40 voxels an event, whole numbers of wrong ones; public events stand in even places.

    public:  errors 0, 0.1, 0.5 -> A 1, 0.9, 0.5: 80th percentile 0.9 + 0.6 * 0.1 = 0.96
    hidden:  errors 0.2, 0.25, 1 -> A 0.8, 0.75, 0: 80th percentile 0.75 + 0.6 * 0.05 = 0.78
    """
    assert N_VOXELS == 40
    tiny = make_tiny(tmp_path / "data", baseline=False)
    tiny.submit(tmp_path / "mine/cycle2/submission.zip", 2, [0, 0.2, 0.1, 0.25, 0.5, 1])
    done = call(
        main, "--data", tiny.folder, "--submissions", tmp_path / "mine", "--phase", 3, "--phase", 4
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[2:5] == list(METRICS)
    assert lines[1].split()[:7] == ["Public", "2", "Finished", "0.9600", "0.9000", "0.8000", "3"]
    assert lines[2].split()[:7] == ["Private", "2", "Finished", "0.7800", "0.7500", "0.5167", "3"]
    assert "MiB" in lines[1]
    assert lines[-1] == "Scores agree: Codabench and CodaLab v1.5."


def test_a_failing_submission_shows_what_its_owner_would_read(tmp_path):
    tiny = make_tiny(tmp_path / "data")
    baseline = tiny.folder / "baseline_submission"
    mine = tiny.submit(tmp_path / "mine/cycle1/submission.zip", 1)
    mine.write_bytes((baseline / "cycle3/submission.zip").read_bytes())
    done = call(main, "--data", tiny.folder, "--submissions", tmp_path / "mine", "--phase", 1)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].split()[:3] == ["Public", "1", "Failed"]
    for platform in PLATFORMS:
        assert f"Public 1, {platform.name}: Failed, exit status 1; the participant reads\n" in (
            done.stderr
        )
    assert "event" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--submissions", "nowhere", "--phase", 1], 1, "nowhere/cycle1/submission.zip: no such"),
        (["--data", "nowhere"], 1, "nowhere/cycle1_train.h5: no such file"),
        (["--phase", 7], 1, "has no phase 7, expected 1 to 6"),
    ],
)
def test_make_score_ends_with_a_sentence(arguments, status, sentence, tmp_path):
    if "--submissions" in arguments:
        arguments = [*arguments, "--data", make_tiny(tmp_path / "data").folder]
    done = call(main, *arguments)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shipped_baseline_beats_the_threshold_in_all_six_phases():
    command = [sys.executable, "-m", "organizer.score"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:-1]]
    assert len(rows) == 6
    for phase, row in enumerate(rows, 1):
        reference = read_reference(ROOT / f"reference_data/phase{phase}/reference.h5")
        assert row[2] == "Finished"
        assert int(row[6]) == len(reference.event_id)
        for name, value in zip(METRICS, map(float, row[3:6])):
            assert round(reference.trivial["threshold"][name], 4) <= value < 1

"""Run the competition on a Codabench server. The commands in their order:

  login      asks for name and password once, and keeps the token in your keyring
  upload     uploads dist/codabench.zip and compares the competition on the server with it
  rehearse   runs the whole competition once, on an invisible copy that is then deleted
  leaks      shows what strangers and participants can read on this server
  publish    makes the competition visible
  watch      opens every hidden phase when its public phase has ended; you can stop and restart it
  open N     opens phase N now
  backup     copies new submissions, scores and participants into a folder
  compare    shows what has changed on the server since the upload and the last backup
  close      writes final boards with intervals, irregularities, and bundles of the open benchmark

Tokens come from CODABENCH_TOKEN (and CODABENCH_PARTICIPANT_TOKEN), the keyring, or a prompt, never
from the command line. build/codabench.json contains the competition's number. Keep it and the
backup private.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import sleep

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.format import ChallengeError
from organizer.codabench.backup import DEFAULT_FOLDER, Backup, backup, changes
from organizer.codabench.benchmark import write_benchmark
from organizer.codabench.client import Server
from organizer.codabench.leaks import leaks
from organizer.codabench.opening import Opening, hidden_reference, open_phase
from organizer.codabench.rehearse import rehearse
from organizer.codabench.session import Session, parse_time
from organizer.codabench.state import DEFAULT_STATE, State, only_one
from organizer.codabench.submissions import list_submissions
from organizer.codabench.tokens import ask_token, find_token, keep_token
from organizer.codabench.tries import all_tries, holds_placeholder, stand_in
from organizer.codabench.upload import publish, report_differences, upload
from organizer.codabench.watch import watch
from organizer.competition import Phase, add_competition, read_competition
from organizer.scratch import scratch_folder
from organizer.source import Source

DEFAULT_SERVER = "https://www.codabench.org"


def main(arguments: list[str] | None = None, **time: Callable) -> int:
    """Run one command; return the exit status. time: Session's now and sleep, for tests."""
    options = _parse(arguments)
    stopped = "stopped; run the same command to continue"
    return run("codabench", lambda: _run(options, time), stopped=stopped)


def _run(options: argparse.Namespace, time: dict[str, Callable]) -> None:
    state = State.load(options.state)
    url = options.server or state.server or DEFAULT_SERVER
    if options.command == "login":
        _login(url, options.participant)
        return
    token = find_token(url, "organiser")
    with Server(url, token, sleep=time.get("sleep", sleep)) as server, only_one(state):
        session = Session(server, state, say=lambda line: print(line, flush=True), **time)
        if state.competition and state.server != server.url and options.command != "upload":
            raise ChallengeError(f"{state.path}: belongs to {state.server}, not {server.url}")
        COMMANDS[options.command](session, options)


def _login(url: str, participant: bool) -> None:
    who = "participant" if participant else "organiser"
    if not keep_token(url, who, ask_token(url, who)):
        raise ChallengeError(
            "this machine has no keyring for the token; set the variable CODABENCH_TOKEN, or type "
            "name and password each time"
        )
    print(f"The keyring keeps the token of the {who} for {url}.")


def _source(session: Session, options: argparse.Namespace) -> Source:
    return Source.of(read_competition(Path(session.state.declaration)), options.data)


def _rehearse(session: Session, options: argparse.Namespace) -> None:
    bundle, source = session.bundle(), _source(session, options)
    source = replace(source, baseline=options.submissions or source.baseline)
    baselines = {cycle.number: source.submission(cycle) for cycle in source.competition.cycles}
    missing = [str(path) for path in baselines.values() if not path.is_file()]
    if missing:
        raise ChallengeError(
            f"no such files: {', '.join(missing)}; give the folder of `make score`'s SUBMISSIONS"
        )
    scale = "full" if options.data else "demonstration"
    with scratch_folder("tries") as folder:
        public = [phase for phase in bundle.phases if not phase.hidden]

        def make_stand_in(phase: Phase, folder: Path) -> Path | None:
            if not holds_placeholder(bundle, phase, folder):
                return None
            return stand_in(phase, source, scale, folder)

        tries = list(all_tries(public, baselines, folder))
        rehearse(session, bundle, tries, make_stand_in)


def _leaks(session: Session, options: argparse.Namespace) -> None:
    url = session.server.url
    try:
        token = find_token(url, "participant", ask=False)
    except ChallengeError:
        leaks(session, None)
    else:
        with Server(url, token) as participant:
            leaks(session, participant)


def _opening(session: Session, options: argparse.Namespace, phase: Phase) -> Opening:
    return Opening(
        phase=phase,
        reference=hidden_reference(session.bundle(), phase, options.references),
        folder=options.backup,
        patience=timedelta(minutes=options.patience),
        keep_uploads=options.keep_uploads,
        drop_late=options.command == "open" and options.drop_late,
        early=options.command == "open" and options.early,
    )


def _open(session: Session, options: argparse.Namespace) -> None:
    phase = session.bundle().phase(options.phase)
    open_phase(session, _opening(session, options, phase))


def _watch(session: Session, options: argparse.Namespace) -> None:
    for phase in session.bundle().hidden_phases:
        hidden_reference(
            session.bundle(), phase, options.references
        )  # report a missing file at once
    watch(
        session,
        lambda phase: open_phase(session, _opening(session, options, phase)),
        lambda: backup(session, options.backup),
    )


def _compare(session: Session, options: argparse.Namespace) -> None:
    kept, phases = Backup.load(options.backup), session.competition()["phases"]
    now = [s for phase in phases for s in list_submissions(session.server, phase["id"])]
    sentences = changes(kept, now)
    for sentence in sentences:
        session.say(sentence)
    session.say(f"{len(sentences)} changes of {len(kept.submissions)} submissions in the backup")
    report_differences(session, session.bundle())


def _close(session: Session, options: argparse.Namespace) -> None:
    # Imports pandas, which takes half a second; no other command needs it.
    from organizer.codabench.close import as_markdown, fact_sheets, final_report, write_report

    bundle, out = session.bundle(), options.out
    kept = backup(session, options.backup)
    shown, ends = {}, {}
    for phase, answer in zip(bundle.phases, session.phases()):
        found = list_submissions(session.server, answer["id"])
        shown[phase.number] = [submission for submission in found if submission.on_board]
        ends[phase.number] = parse_time(answer["end"])
    made, findings = final_report(kept, bundle.phases, _source(session, options), shown, ends)
    title = bundle.keys["title"]
    text = as_markdown(title, made, findings, fact_sheets(kept))
    write_report(out, title, text, made)
    start = session.now() + timedelta(days=1)
    for phase in bundle.hidden_phases:
        reference = hidden_reference(bundle, phase, options.references)
        path = out / f"benchmark_cycle{phase.cycle.number}.zip"
        write_benchmark(bundle, phase, reference, start, path)
    session.say(f"{out}: close.html, close.md, boards.csv and the benchmark's bundles")
    for sentence in (*findings.differences, *findings.uploads, *findings.identical):
        session.say(sentence)


COMMANDS: dict[str, Callable[[Session, argparse.Namespace], object]] = {
    "upload": lambda session, options: upload(
        session, options.bundle, read_competition(options.competition), replace=options.replace
    ),
    "rehearse": _rehearse,
    "leaks": _leaks,
    "close": _close,
    "publish": lambda session, options: publish(session),
    "open": _open,
    "watch": _watch,
    "backup": lambda session, options: backup(session, options.backup),
    "compare": _compare,
}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("python -m organizer.codabench", __doc__ or "")
    parser.add_argument(
        "--server", help=f"address of the server (default: the last one, or {DEFAULT_SERVER})"
    )
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help=f"{DEFAULT_STATE}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    login = commands.add_parser("login", help="keep a token in the keyring")
    login.add_argument(
        "--participant", action="store_true", help="a participant's token, for leaks"
    )

    one = commands.add_parser("upload", help="upload a bundle and compare")
    one.add_argument("bundle", type=Path, nargs="?", default=Path("dist/codabench.zip"))
    one.add_argument("--replace", action="store_true", help="forget the earlier competition")
    add_competition(one)

    one = commands.add_parser("rehearse", help="run all phases on a temporary copy")
    one.add_argument("--data", type=Path, help="folder of make data")
    one.add_argument("--submissions", type=Path, help="folder with cycleN/submission.zip")
    commands.add_parser("leaks", help="show who can read what")
    commands.add_parser("publish", help="make it visible")
    one = commands.add_parser("close", help="write final boards and the open benchmark")
    one.add_argument("--data", type=Path, help="folder of make data")
    one.add_argument("--references", type=Path, help="folder with reference_phaseN.zip")
    one.add_argument("--out", type=Path, default=Path("build/close"), help="build/close")
    _backup_option(one)
    one = commands.add_parser("open", help="open a hidden phase")
    one.add_argument("phase", type=at_least(1), metavar="N", help="number of the hidden phase")
    one.add_argument("--early", action="store_true", help="before the end of its public phase")
    one.add_argument(
        "--drop-late", action="store_true", help="delete submissions after its public phase"
    )
    _opening_options(one)
    _opening_options(commands.add_parser("watch", help="open each hidden phase on time"))
    for name, what in (("backup", "copy what is new"), ("compare", "show what was changed")):
        _backup_option(commands.add_parser(name, help=what))
    return parser.parse_args(arguments)


def _opening_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--references", type=Path, help="folder with reference_phaseN.zip")
    parser.add_argument(
        "--patience", type=at_least(1), default=60, help="minutes after which a run is stuck (60)"
    )
    parser.add_argument(
        "--keep-uploads",
        action="store_true",
        help="keep submissions that were uploaded into the hidden phase",
    )
    _backup_option(parser)


def _backup_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backup", type=Path, default=DEFAULT_FOLDER, help=f"{DEFAULT_FOLDER}")


if __name__ == "__main__":
    sys.exit(main())

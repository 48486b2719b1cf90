"""The command watch: open each hidden phase when its public phase has ended.

It can be stopped at any time and started again: its state is on the server and on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from lartpc_challenge.format import ChallengeError
from organizer.codabench.session import Session, parse_time
from organizer.competition import Phase

LOOK_SECONDS = 600
_SOONEST = timedelta(minutes=2)  # a submission of the last second arrives a little later


def watch(
    session: Session, open_phase: Callable[[Phase], object], back_up: Callable[[], object]
) -> None:
    """Call `open_phase` for each hidden phase when its public phase has ended, until all are open.

    Errors are printed, and the work is repeated after LOOK_SECONDS. A backup is made once per day.
    """
    hidden, shown_before, backed_up = session.bundle().hidden_phases, "", None
    while True:
        waiting = [p for p in hidden if str(p.number) not in session.state.opened]
        try:
            if backed_up is None or session.now() - backed_up > timedelta(days=1) or not waiting:
                back_up()
                backed_up = session.now()
            if not waiting:
                session.log("all hidden phases are open")
                return
            phases = session.phases()
            dates = ", ".join(f"{p['name']} ends {p['end']}" for p in phases)
            if dates != shown_before:
                session.log(dates)
                shown_before = dates
            for phase in waiting:
                public = phases[phase.number - 2]
                if session.now() >= parse_time(public["end"]) + _SOONEST:
                    session.log(f"{public['name']} has ended; opens {phase.name}")
                    open_phase(phase)
                    waiting = [p for p in waiting if p is not phase]
        except ChallengeError as problem:
            session.log(f"{problem}; tries again in {LOOK_SECONDS // 60} minutes")
            session.sleep(LOOK_SECONDS)
            continue
        ends = [parse_time(phases[phase.number - 2]["end"]) + _SOONEST for phase in waiting]
        left = min((end - session.now()).total_seconds() for end in ends) if ends else 0
        session.sleep(min(max(left, 0), LOOK_SECONDS))

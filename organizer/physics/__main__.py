"""Compare the simulation with published numbers:  python -m organizer.physics --out build/report

Simulates single particles in argon (ranges, energy loss, scattering, photons, showers, decay and
capture, reactions, quenching) and writes OUT/physics.html: a table of simulated and published
numbers with limits, and figures. Exit status 1 if a check fails.
"""

import argparse

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import sys
from pathlib import Path

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.files import check_writable, write_text
from lartpc_challenge.format import ChallengeError
from organizer.jobs import add_jobs
from organizer.physics import report
from organizer.physics.checks import all_checks
from organizer.physics.plots import all_figures
from organizer.physics.runs import plan, shoot
from organizer.progress import progress

SEED = 2018


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.physics", __doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for physics.html")
    parser.add_argument(
        "--quick", action="store_true", help="use fewer particles: half a minute on one core"
    )
    parser.add_argument("--seed", type=at_least(0), default=SEED, help=f"random seed ({SEED})")
    add_jobs(parser)
    options = parser.parse_args(arguments)
    return run("physics", lambda: _run(options), alone=[options.out])


def _run(options: argparse.Namespace) -> None:
    out = options.out / "physics.html"
    check_writable(out)
    size = "quick" if options.quick else "full"
    with progress(len(plan(size, options.jobs)), "physics", "processes") as advance:
        samples = shoot(size, seed=options.seed, jobs=options.jobs, progress=lambda: advance(1))
    checks = all_checks(samples)
    n_particles = sum(len(next(iter(sample.values()))) for sample in samples.values())
    how = f"The {size} set, seed {options.seed}: {n_particles:,} particles."
    write_text(out, report.page(checks, all_figures(samples), how))
    print(*map(report.line, checks), str(out), sep="\n")
    failed = [check.title for check in checks if not check.passed]
    if failed:
        raise ChallengeError(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}")


if __name__ == "__main__":
    sys.exit(main())

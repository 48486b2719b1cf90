#!/usr/bin/env python3
"""Score a submission on a platform's worker: python3 score.py INPUT OUTPUT

Reads   INPUT/ref/reference.h5        the truth of the phase
        INPUT/res/                    the participant's submission, unpacked
Writes  OUTPUT/scores.txt             the three scores of the leaderboard
        OUTPUT/detailed_results.html  the page of detailed results
On success the exit status is 0 and nothing is printed. On failure it is 1, with one message on
stderr and no scores.txt.

Participants can read everything that this program prints. So for a fault of the reference data it
prints no details, and for an unexpected error only its type: the text could contain labels. The
details: python -m lartpc_challenge score SUBMISSION --reference reference.h5
"""

import sys
from pathlib import Path

# The platform owns the program's folder; it may be read-only.
sys.dont_write_bytecode = True
try:
    from lartpc_challenge.files import write_text
    from lartpc_challenge.format import ChallengeError, ReferenceDataError
    from lartpc_challenge.page.report import page
    from lartpc_challenge.run import score_files
except Exception as problem:
    sys.exit(f"score.py needs numpy, h5py and the folder lartpc_challenge beside it: {problem!r}")

OUTPUTS = ("detailed_results.html", "scores.txt")


def run(source: Path, target: Path) -> None:
    """Score source/res against source/ref and write OUTPUTS into `target`."""
    for path in (target / name for name in OUTPUTS):
        try:
            path.unlink(missing_ok=True)
        except OSError as reason:
            raise ChallengeError(f"{path}: can't be replaced: {reason.strerror}") from reason
    scores = score_files(source / "ref" / "reference.h5", source / "res")
    if scores is None:
        raise ChallengeError("this phase is not open yet")
    # Write scores.txt last: it means success.
    for name, content in zip(OUTPUTS, (page(scores), scores.text)):
        write_text(target / name, content)


def main(arguments: list) -> int:
    try:
        if len(arguments) != 2:
            raise ChallengeError("usage: python3 score.py INPUT OUTPUT")
        run(*map(Path, arguments))
    except ReferenceDataError:
        failure = "the organiser's reference data can't be used; please tell the organisers"
    except ChallengeError as problem:
        failure = str(problem)
    except KeyboardInterrupt:
        failure = "interrupted"
    except Exception as problem:
        failure = f"scoring failed ({type(problem).__name__}); please tell the organisers"
    else:
        return 0
    print(failure, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

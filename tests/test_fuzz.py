"""Two hundred damaged submissions; `python tests/fuzz_submissions.py` tries more."""

import fuzz_submissions
from calls import in_small_process


def test_damaged_submissions(tmp_path, capfd):
    outcomes = in_small_process(fuzz_submissions.fuzz, tmp_path, 200, 1)
    assert capfd.readouterr() == ("", "")
    assert outcomes["refused"] > 70  # mutations that hurt
    assert outcomes["accepted"] > 7  # mutations that don't

"""Two hundred damaged submissions; `python tests/fuzz_submissions.py` tries more."""

import fuzz_submissions


def test_damaged_submissions(tmp_path, capfd):
    outcomes = fuzz_submissions.fuzz(tmp_path, number=200, seed=1)
    assert capfd.readouterr() == ("", "")
    assert outcomes["refused"] > 70  # mutations that hurt
    assert outcomes["accepted"] > 7  # mutations that don't

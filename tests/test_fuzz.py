"""Some hundred damaged submissions; `python tests/fuzz_submissions.py` tries as many as wanted."""

import fuzz_submissions
import pytest


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_submissions(tmp_path, capfd, seed):
    outcomes = fuzz_submissions.fuzz(tmp_path, number=120, seed=seed)
    assert capfd.readouterr() == ("", "")
    assert outcomes["refused"] > 40  # mutations that hurt
    assert outcomes["accepted"] > 4  # mutations that don't

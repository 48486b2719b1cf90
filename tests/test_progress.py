"""Progress without a terminal: some lines, and a last one at the end."""

from __future__ import annotations

import pytest

from organizer import progress as module
from organizer.progress import progress


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (
            0,
            [
                "1 of 4,000 events (0%)",
                "1,001 of 4,000 events (25%)",
                "4,000 of 4,000 events (100%)",
            ],
        ),
        (3600, ["4,000 of 4,000 events (100%)"]),
    ],
)
def test_without_a_terminal_lines_tell_the_progress(monkeypatch, capsys, seconds, expected):
    monkeypatch.setattr(module, "LINE_SECONDS", seconds)
    with progress(4000, "cycle1_train", "events") as advance:
        for n in (1, 1000, 2999):
            advance(n)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.rsplit(",", 1)[0] for line in lines] == [f"cycle1_train: {e}" for e in expected]
    assert all(line.endswith(" s") for line in lines)

"""The commands for Codabench do what they must with recorded answers of version 1.25."""

from __future__ import annotations

import stat

import codabench_story as story
import pytest
from codabench_exchanges import Recording, Replay
from watching import nothing_exposed

TOKENS = {"CODABENCH_TOKEN": "0123456789-organiser", "CODABENCH_PARTICIPANT_TOKEN": "0987-bob"}


@pytest.mark.slow
@pytest.mark.parametrize("name", story.STORIES)
def test_commands_do_what_they_must_on_what_the_server_answered(name, tmp_path, capfd, monkeypatch):
    for variable, token in TOKENS.items():
        monkeypatch.setenv(variable, token)
    files, said = story.prepare(tmp_path), ""
    with Replay(Recording.load(name), files) as server, nothing_exposed(tmp_path, "made"):
        for episode in story.STORIES[name]:
            clock = server.play(episode.name, episode.kill_at)
            time = {"now": clock.now, "sleep": clock.sleep}
            status = story.run(server.url, tmp_path, episode.command, **time)
            text = "".join(capfd.readouterr())
            assert server.unknown == [], episode.name
            assert status == episode.status, f"{episode.name}: {text}"
            for part in episode.says:
                assert part in text, f"{episode.name}: {text}"
            for part in episode.never_says:
                assert part not in text, f"{episode.name}: {text}"
            said += text
    secrets = (*TOKENS.values(), "AWSAccessKeyId", "Signature", "X-Amz")
    for secret in secrets:
        assert secret not in said
    for path in (tmp_path / "made").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in secrets), path

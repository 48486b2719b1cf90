"""The HTTP client repeats requests, reads both forms of lists, and reports errors in a sentence."""

from __future__ import annotations

import io
import json
import stat

import codabench_exchanges as exchanges
import httpx
import pytest

from lartpc_challenge.format import ChallengeError
from organizer.codabench.client import PAUSES_SECONDS, Server, ServerError
from organizer.codabench.state import State, only_one, write_private
from organizer.codabench.tokens import find_token, keep_token


class Scripted(exchanges._Server):
    """A transport that gives the test's answers in order and keeps the requests."""

    def __init__(self, *answers: tuple) -> None:
        super().__init__()
        self.answers, self.asked = list(answers), []

    def answer(self, method, path, query, headers, body):
        self.asked.append((method, f"{path}?{query}".rstrip("?"), dict(headers), body))
        status, content, *more = self.answers.pop(0)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return status, dict(more[0] if more else {}), raw


@pytest.fixture
def server_of():
    """Return a function that makes a client of a scripted server; its sleeps take no time."""
    made = []

    def make(scripted: Scripted, slept: list) -> Server:
        made.append(Server(scripted.url, "secret-token", sleep=slept.append))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_get_is_sent_again_while_the_server_is_busy(server_of):
    slept: list = []
    with Scripted((503, {}), (502, {}), (200, {"id": 1})) as scripted:
        assert server_of(scripted, slept).get("competitions/1/") == {"id": 1}
    assert slept == list(PAUSES_SECONDS[:2])
    assert {call[2]["Authorization"] for call in scripted.asked} == {"Token secret-token"}


def test_post_that_may_have_acted_is_not_sent_again(server_of):
    slept: list = []
    answered = "POST api/competitions/1/toggle_publish/ answered 502"
    with Scripted((502, b"<html>")) as scripted, pytest.raises(ServerError, match=answered):
        server_of(scripted, slept).post("competitions/1/toggle_publish/")
    assert slept == []
    assert len(scripted.asked) == 1


def test_server_that_does_not_listen_is_tried_for_a_while():
    slept: list = []
    with Scripted() as scripted:
        url = scripted.url
    with (
        Server(url, None, sleep=slept.append) as server,
        pytest.raises(ServerError, match="can't be reached"),
    ):
        server.post("datasets/")
    assert slept == list(PAUSES_SECONDS)


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (401, {"detail": "Invalid token."}, "answered 401: Invalid token."),
        (400, {"file_size": "This field is required."}, "file_size: This field is required."),
        (400, {"non_field_errors": ["You already have a dataset by this name"]},
         "answered 400: You already have a dataset by this name"),
        (403, ["Submission secrets do not match"], "answered 403: Submission secrets do not match"),
        (500, b"<html><h1>Server Error (500)</h1>", "answered 500: Internal Server Error"),
        (413, b"<html>", "too large for the proxy"),
    ],
)  # fmt: skip
def test_error_of_the_server_is_one_sentence(server_of, status, answer, sentence):
    with Scripted((status, answer)) as scripted, pytest.raises(ServerError) as caught:
        server_of(scripted, []).patch("tasks/1/", {})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == status


def test_address_of_something_else_is_told(server_of):
    asked = "is this the address of a Codabench server"
    with Scripted((200, b"<html>")) as scripted, pytest.raises(ServerError, match=asked):
        server_of(scripted, []).get("my_profile/")
    with pytest.raises(ChallengeError, match="expected an address such as https"):
        Server("codabench.org", None)


def test_lists_are_read_whole_in_both_forms(server_of):
    with Scripted((200, [{"id": 1}, {"id": 2}])) as scripted:
        items = list(server_of(scripted, []).items("submissions/", phase=7))
    assert items == [{"id": 1}, {"id": 2}]
    assert scripted.asked[0][1] == "/api/submissions/?phase=7"
    # Newer branches answer in pages; a proxy may call the server by another name.
    pages = (
        (200, {"count": 3, "next": "http://inside:8000/api/submissions/?page=2&phase=7",
               "results": [{"id": 1}, {"id": 2}]}),
        (200, {"count": 3, "next": None, "results": [{"id": 3}]}),
    )  # fmt: skip
    with Scripted(*pages) as scripted:
        items = list(server_of(scripted, []).items("submissions/", phase=7))
    assert [item["id"] for item in items] == [1, 2, 3]
    assert scripted.asked[1][1] == "/api/submissions/?page=2&phase=7"


def test_upload_begins_anew_where_it_was_cut_and_never_shows_the_token(server_of, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"PK" + bytes(700_000))
    slept, sent = [], []
    with Scripted((503, b""), (200, b"")) as scripted:
        signed = f"{scripted.url}/store/bundle.zip?Signature=abc"
        server_of(scripted, slept).send_file(signed, path, sent.append)
    assert [call[3] for call in scripted.asked] == [path.read_bytes()] * 2
    assert all("Authorization" not in call[2] for call in scripted.asked)
    assert all(call[2]["Content-Type"] == "application/zip" for call in scripted.asked)
    assert sent[-1] == 700_002


def test_refused_upload_names_no_signature(server_of, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"PK")
    with Scripted((403, b"<Error><Code>AccessDenied</Code></Error>")) as scripted:
        signed = f"{scripted.url}/store/bundle.zip?Signature=abc"
        with pytest.raises(ServerError, match="refuses the upload") as caught:
            server_of(scripted, []).send_file(signed, path, lambda sent: None)
    assert "abc" not in str(caught.value)


def test_download_is_whole_or_not_there(tmp_path):
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut")

    cut = httpx.MockTransport(handler)
    with (
        Server("http://s", None, sleep=lambda s: None, transport=cut) as server,
        pytest.raises(ServerError, match="the download of a file broke off"),
    ):
        server.fetch_file("http://store/a.zip", tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_state_is_for_its_owner_alone_and_survives(tmp_path):
    path = tmp_path / "made" / "codabench.json"
    state = State(path, server="https://s", competition=3)
    state.save()
    assert State.load(path) == state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    write_private(path, '{"other": 1}')
    with pytest.raises(ChallengeError, match="is not a state of these commands"):
        State.load(path)


def test_second_command_is_kept_off(tmp_path):
    state = State(tmp_path / "codabench.json")
    refused = pytest.raises(ChallengeError, match="another command is working")
    with only_one(state), refused, only_one(state):
        pass
    with only_one(state):
        pass


def test_token_comes_from_the_environment_first(monkeypatch):
    monkeypatch.setenv("CODABENCH_TOKEN", " from-environment\n")
    assert find_token("http://s", "organiser") == "from-environment"


def test_token_comes_from_the_keyring_else_the_user_is_told(monkeypatch):
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1
        held: dict = {}  # noqa: RUF012

        def get_password(self, service, username):
            return self.held.get((service, username))

        def set_password(self, service, username, password):
            self.held[service, username] = password

    before = keyring.get_keyring()
    monkeypatch.delenv("CODABENCH_TOKEN", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    keyring.set_keyring(Memory())
    try:
        with pytest.raises(ChallengeError, match="no token of the organiser: set CODABENCH_TOKEN"):
            find_token("http://s", "organiser")
        assert keep_token("http://s", "organiser", "from-keyring")
        assert find_token("http://s", "organiser") == "from-keyring"
    finally:
        keyring.set_keyring(before)

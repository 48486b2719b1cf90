"""A client of Codabench's REST API: requests with time limits and retries, lists, files.

Tested with version 1.25 (commit c7dbc756). Lists are read in both forms: a plain list, and pages of
{count, next, results}. A request that must not act twice (POST) is repeated only if the server
can't have received it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError

# Seconds: to connect, between two packets. Some servers unpack a bundle before they answer.
TIMEOUT = httpx.Timeout(120.0, connect=20.0)
PAUSES_SECONDS = (1, 2, 5, 10, 30)
_BUSY = (429, 502, 503, 504)
_CHUNK_BYTES = 1 << 18


class ServerError(ChallengeError):
    """An error of the server, as one sentence. status: the HTTP status, 0 without an answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class Server:
    """A Codabench server, used by one account; without a token as a stranger.

    sleep: waits for a number of seconds. transport: of httpx. Both are for tests.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ChallengeError(f"{url}: expected an address such as https://www.codabench.org")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._sleep = sleep
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Token {token}"
        self._api = httpx.Client(
            base_url=f"{self.url}/api/", headers=headers, timeout=TIMEOUT, transport=transport
        )
        # Signed URLs belong to a file store, which must not get the token.
        self._files = httpx.Client(timeout=TIMEOUT, transport=transport, follow_redirects=True)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._api.close()
        self._files.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the answer of GET api/`path`. Raises ServerError if it is refused."""
        # httpx would replace the parameters in the path by an empty set of parameters.
        return self._ask("GET", path, params=parameters or None)

    def post(self, path: str, body: Any = None) -> Any:
        """Return the answer of POST api/`path`."""
        return self._ask("POST", path, json={} if body is None else body)

    def patch(self, path: str, body: Any) -> Any:
        """Return the answer of PATCH api/`path`."""
        return self._ask("PATCH", path, json=body)

    def put(self, path: str) -> Any:
        """Return the answer of PUT api/`path`. It is sent only once: it starts an action."""
        return self._ask("PUT", path)

    def delete(self, path: str) -> None:
        """Delete api/`path`. It is no error if it does not exist."""
        try:
            self._ask("DELETE", path)
        except ServerError as problem:
            if problem.status != 404:
                raise

    def items(self, path: str, **parameters: Any) -> Iterator[dict]:
        """Yield all items of the list api/`path`, with or without pages."""
        answer = self.get(path, **parameters)
        while isinstance(answer, dict):
            yield from answer["results"]
            if not answer.get("next"):
                return
            # The address may contain a proxy's name of the server: use only its query.
            answer = self.get(f"{path}?{urlsplit(answer['next']).query}")
        yield from answer

    def status(self, path: str, *, api: bool = True) -> int:
        """Return the HTTP status of GET `path`, without its content and without redirects.

        api: use api/`path` with this account's token; else a page of the site without a token.
        """
        client, url = (self._api, path) if api else (self._files, f"{self.url}/{path}")
        request = client.build_request("GET", url)
        response = self._retried(
            self._place("GET", path),
            lambda: client.send(request, stream=True, follow_redirects=False),
        )
        response.close()
        return response.status_code

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        place, can_repeat = self._place(method, path), method in ("GET", "PATCH", "DELETE")
        response = self._retried(
            place, lambda: self._api.request(method, path, **options), can_repeat
        )
        if response.is_success:
            try:
                return response.json() if response.content else None
            except ValueError:
                what = "no JSON; is this the address of a Codabench server?"
                raise ServerError(f"{place} answered {what}") from None
        sentence = f"{place} answered {response.status_code}: {_reason(response)}"
        raise ServerError(sentence, response.status_code)

    def _retried(
        self, place: str, send: Callable[[], httpx.Response], can_repeat: bool = True
    ) -> httpx.Response:
        """Return the answer, after retries. can_repeat: also if the server may have acted."""
        for pause in (*PAUSES_SECONDS, None):
            try:
                response = send()
            except httpx.ConnectError as reason:
                problem = f"can't be reached: {reason}"
            except httpx.HTTPError as reason:
                problem = f"broke off: {_words(reason)}"
                if not can_repeat:
                    pause = None
            else:
                code = response.status_code
                again = code == 429 or (code in _BUSY and can_repeat)
                if not again or pause is None:
                    return response
                response.close()
                problem = f"answered {code}"
            if pause is None:
                raise ServerError(f"{place} {problem}")
            self._sleep(pause)
        raise AssertionError("unreachable")

    def _place(self, method: str, path: str) -> str:
        return f"{self.url}: {method} api/{path.partition('?')[0]}"

    def send_file(self, url: str, path: Path, progress: Callable[[int], None]) -> None:
        """PUT a file to a signed URL. progress: is called with the number of bytes sent so far."""
        headers = {
            "Content-Type": "application/zip",
            "Content-Length": str(path.stat().st_size),
            "x-ms-blob-type": "BlockBlob",  # for stores at Azure; others ignore it
        }

        def send() -> httpx.Response:
            with open(path, "rb") as file:
                return self._files.put(url, content=_chunks(file, progress), headers=headers)

        self._store(url, "upload", send)

    def fetch_file(self, url: str, path: Path) -> None:
        """Download a signed URL or a page of the site to `path`, readable by its owner only."""
        url = url if "://" in url else f"{self.url}/{url}"

        def send() -> httpx.Response:
            with self._files.stream("GET", url) as response:
                if response.is_success:
                    with replacing(path, private=True) as temporary, open(temporary, "wb") as file:
                        for chunk in response.iter_bytes(_CHUNK_BYTES):
                            file.write(chunk)
                else:
                    response.read()
            return response

        self._store(url, "download", send)

    def _store(self, url: str, what: str, send: Callable[[], httpx.Response]) -> None:
        store = urlsplit(url).netloc  # the rest of a signed URL is secret
        response = self._retried(f"{store}: the {what} of a file", send)
        if not response.is_success:
            status = response.status_code
            raise ServerError(
                f"{store}: refuses the {what} with {status}: {_reason(response)}", status
            )


def _chunks(file: Any, progress: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
        sent += len(chunk)
        progress(sent)


def _words(reason: httpx.HTTPError) -> str:
    kind = "it took too long" if isinstance(reason, httpx.TimeoutException) else "the connection"
    return f"{kind} ({type(reason).__name__})"


def _reason(response: httpx.Response) -> str:
    """Return one sentence from an error of Django, Django REST framework or a store."""
    with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):
        return _sentence(response.json()) or response.reason_phrase
    if response.status_code == 413:
        return "the file is too large for the proxy in front of the server; raise its limit"
    return response.reason_phrase or "no reason given"


def _sentence(answer: Any) -> str:
    if isinstance(answer, dict):
        parts = []
        for key, value in answer.items():
            named = key not in ("detail", "error", "error_msg", "non_field_errors")
            parts.append(f"{key}: {_sentence(value)}" if named else _sentence(value))
        return "; ".join(parts)
    if isinstance(answer, list):
        return "; ".join(map(_sentence, answer))
    return " ".join(str(answer).split())

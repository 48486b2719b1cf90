"""Record the answers of a Codabench server, and replay them in tests.

Both are small HTTP servers on the loopback address. The recorder sends every request to a real
server and records the answer. The replay gives the recorded answers to the same method, path, query
and body, in the recorded order; the last answer to a GET is repeated. Requests that were never
recorded are listed in `unknown`, which must be empty. The time is the time of the recording plus
the time that the client has slept since then.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections import defaultdict, deque
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

RECORDINGS = Path(__file__).parent / "data" / "codabench"
_LONG = 300


class Clock:
    """A clock for tests. kill_at: the number of the sleep that Ctrl-C interrupts."""

    def __init__(self, start: datetime, kill_at: int = 0) -> None:
        self.moment, self.kill_at, self.sleeps = start, kill_at, 0

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.sleeps += 1
        if self.sleeps == self.kill_at:
            raise KeyboardInterrupt

    def reach(self, moment: datetime) -> None:
        self.moment = max(self.moment, moment)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Server:
    """An HTTP server in a thread, which calls `answer(method, path, query, headers, body)`."""

    def __init__(self) -> None:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer's second packet waits for 40 ms

            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                parts = urlsplit(self.path)
                with outer.lock:
                    status, headers, content = outer.answer(
                        self.command, parts.path, parts.query, self.headers, body
                    )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

            def log_message(self, *_) -> None:
                pass

        self.lock = threading.Lock()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _key(method: str, path: str, query: str, body: str) -> tuple:
    return method, path, tuple(sorted(parse_qsl(query))), body


def _body_text(path: str, body: bytes) -> str:
    """Return a body for comparison: sorted JSON with TIME for each time, or a file's sha256."""
    if path.startswith("/store/"):
        return f"sha256:{sha256_of(body)}" if body else ""
    text = json.dumps(json.loads(body), sort_keys=True) if body else ""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME", text)


class Replay(_Server):
    """Answers with the recording of one episode at a time.

    files: {name: content} of the files that the recording names. clock: the client's clock, which
    each answer moves to the time of its recording.
    """

    def __init__(self, recording: Recording, files: dict[str, bytes]) -> None:
        super().__init__()
        self.files, self.unknown, self._recording = files, [], recording

    def play(self, episode: str, kill_at: int = 0) -> Clock:
        """Answer with this episode from now on; return the clock, set to its start."""
        self.clock = Clock(self._recording.start(episode), kill_at)
        self._left: dict[tuple, deque] = defaultdict(deque)
        for exchange in self._recording.episodes[episode]:
            key = _key(*(exchange[name] for name in ("method", "path", "query", "body")))
            self._left[key].append(exchange)
        return self.clock

    def answer(self, method, path, query, headers, body):
        key = _key(method, path, query, _body_text(path, body))
        left = self._left.get(key)
        if not left:
            self.unknown.append(f"{method} {path}?{query} {key[3][:300]}")
            return 501, {}, b'{"detail": "never recorded"}'
        exchange = left[0] if method == "GET" and len(left) == 1 else left.popleft()
        self.clock.reach(datetime.fromisoformat(exchange["at"]))
        content = exchange.get("answer", "")
        if isinstance(content, int):
            content = self._recording.bodies[content]
        if "file" in exchange:
            raw = self.files[exchange["file"]]
        elif "base64" in exchange:
            raw = base64.b64decode(exchange["base64"])
        else:
            raw = content.replace("{base}", self.url).encode()
        answered = {"Content-Type": exchange["type"]}
        if "location" in exchange:
            answered["Location"] = exchange["location"].replace("{base}", self.url)
        return exchange["status"], answered, raw


class Recording:
    """A recorded story: the server's version, exchanges per episode, and long answers (bodies)."""

    def __init__(self, version: str = "") -> None:
        self.version, self.bodies, self.episodes = version, [], {}

    @classmethod
    def load(cls, name: str) -> Recording:
        held = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
        made = cls(held["version"])
        made.bodies, made.episodes = held["bodies"], held["episodes"]
        return made

    def save(self, name: str) -> None:
        RECORDINGS.mkdir(parents=True, exist_ok=True)
        held = {"version": self.version, "bodies": self.bodies, "episodes": self.episodes}
        text = json.dumps(held, indent=0, ensure_ascii=False)
        (RECORDINGS / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    def start(self, episode: str) -> datetime:
        """Return the time of the episode's first answer."""
        return datetime.fromisoformat(self.episodes[episode][0]["at"])

    def add(self, episode: str, exchange: dict) -> None:
        answer = exchange.get("answer", "")
        if len(answer) > _LONG:
            if answer not in self.bodies:
                self.bodies.append(answer)
            exchange["answer"] = self.bodies.index(answer)
        self.episodes.setdefault(episode, []).append(exchange)


class Recorder(_Server):
    """Records all exchanges with `server`, whose signed URLs begin with `store`."""

    def __init__(self, server: str, store: str, recording: Recording, files: dict[str, bytes]):
        super().__init__()
        self.server, self.store, self.recording = server, store, recording
        self.episode = ""
        self._names = {sha256_of(content): name for name, content in files.items()}
        self._signed: list[str] = []
        self._client = httpx.Client(timeout=600)

    def _rewrite(self, text: str) -> str:
        """Replace signed URLs and the server's own URL by URLs of this recorder."""

        def point(found: re.Match) -> str:
            self._signed.append(found[0])
            path = urlsplit(found[0]).path
            return f"{self.url}/store{path}?n={len(self._signed) - 1}"

        text = re.sub(re.escape(self.store) + r'/[^"\s]*', point, text)
        return text.replace(self.server, self.url)

    def answer(self, method, path, query, headers, body):
        options = {"content": body}
        if path.startswith("/store/"):
            target, query = self._signed[int(dict(parse_qsl(query))["n"])], ""
            options["headers"] = {"Content-Type": "application/zip"} if body else {}
        else:
            target = f"{self.server}{path}" + (f"?{query}" if query else "")
            wanted = ("Authorization", "Content-Type", "Accept")
            options["headers"] = {name: headers[name] for name in wanted if name in headers}
        response = self._client.request(method, target, **options)
        exchange = {
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "method": method,
            "path": path,
            "query": urlencode(sorted(parse_qsl(query))),
            "body": _body_text(path, body),
            "status": response.status_code,
            "type": response.headers.get("Content-Type", ""),
        }
        sent = response.content
        digest = sha256_of(sent)
        if digest in self._names:
            exchange["file"] = self._names[digest]
        elif path.startswith("/store/") and sent:
            exchange["base64"] = base64.b64encode(sent).decode()
        else:
            sent = self._rewrite(response.text).encode()
            exchange["answer"] = self._plain(sent.decode())
        answered = {"Content-Type": exchange["type"]}
        if "Location" in response.headers:
            answered["Location"] = self._rewrite(response.headers["Location"])
            exchange["location"] = self._plain(answered["Location"])
        self.recording.add(self.episode, exchange)
        return response.status_code, answered, sent

    def _plain(self, text: str) -> str:
        return re.sub(r"(/store/[^?\"\s]*)\?n=\d+", r"\1", text).replace(self.url, "{base}")

"""Fetching over HTTP: whole, resumed, checked. The server is this test's own."""

import hashlib
import http.server
import threading
from typing import ClassVar

import pytest

from vlhyper.errors import JobError
from vlhyper.metrics.captions.spice import NEEDED
from vlhyper.metrics.java.fetching import SPICE_JARS, Jar, fetch_jars

CONTENT = bytes(range(256)) * 9000
GOOD = Jar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest())
PATH = "/org/example/thing/1.0/thing-1.0.jar"


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, ranges too, and breaks off the first `breaks` answers half way."""

    breaks = 0
    asked: ClassVar[list[str | None]] = []

    def do_GET(self):
        if self.path != PATH:
            self.send_error(404)
            return
        wish = self.headers.get("Range")
        type(self).asked.append(wish)
        start = int(wish.removeprefix("bytes=").rstrip("-")) if wish else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if wish else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).breaks:
            type(self).breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def repository(monkeypatch, tmp_path):
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("NO_PROXY", "*")
    Server.breaks, Server.asked = 0, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_once(tmp_path, repository):
    [path] = fetch_jars((GOOD,), tmp_path / "jars", repository)
    assert path == tmp_path / "jars" / "thing-1.0.jar"
    assert path.read_bytes() == CONTENT
    fetch_jars((GOOD,), tmp_path / "jars", repository)
    assert Server.asked == [None]
    assert [file.name for file in path.parent.iterdir()] == ["thing-1.0.jar"]


def test_a_broken_connection_goes_on_from_where_it_was(tmp_path, repository, capsys):
    Server.breaks = 2
    [path] = fetch_jars((GOOD,), tmp_path, repository)
    assert path.read_bytes() == CONTENT
    assert len(Server.asked) == 3
    assert None not in Server.asked[1:]
    assert "the connection broke off" in capsys.readouterr().err


def test_an_interrupted_run_is_taken_up(tmp_path, repository):
    (tmp_path / "thing-1.0.jar.part").write_bytes(CONTENT[:1000])
    [path] = fetch_jars((GOOD,), tmp_path, repository)
    assert path.read_bytes() == CONTENT
    assert Server.asked == ["bytes=1000-"]


def test_a_part_that_is_the_whole_is_only_checked(tmp_path, repository):
    (tmp_path / "thing-1.0.jar.part").write_bytes(CONTENT)
    [path] = fetch_jars((GOOD,), tmp_path, repository)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("place", "fault"), [("thing", "another checksum"), ("none", "the server says 404")])
def test_what_is_wrong_does_not_come_into_place(tmp_path, repository, place, fault):
    with pytest.raises(JobError, match=fault):
        fetch_jars((Jar("org.example", place, "1.0", "0" * 64),), tmp_path / "jars", repository)
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_whole_copy_in_the_users_maven_repository_is_taken(tmp_path, repository):
    own = tmp_path / "m2" / PATH.lstrip("/")
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)
    [path] = fetch_jars((GOOD,), tmp_path / "jars", repository)
    assert path.read_bytes() == CONTENT
    assert Server.asked == []


def test_what_is_fetched_is_what_spice_needs():
    names = [f"{jar.name}-{jar.version}{'-' * bool(jar.classifier)}{jar.classifier}.jar" for jar in SPICE_JARS]
    assert sorted(names) == sorted(NEEDED)

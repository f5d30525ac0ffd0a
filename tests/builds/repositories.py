"""Real git repositories for tests, and real servers for them: `git daemon` and smart HTTP, on loopback.

repository = Repository.make(folder)                    # with a first commit
commit = repository.commit({".slipway.yml": "..."})     # the new head of main
with serve_http(folder) as url: ...                     # url + "/<repository.name>"
with serve_daemon(folder) as url: ...
"""

import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

READY_S = 10.0  # a server on this machine answers within a fraction of it

_ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree, on branch main at first."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def make(cls, folder: Path, name: str = "hello", files: Mapping[str, str | bytes] | None = None) -> "Repository":
        """Make a repository below `folder` with one commit of `files`."""
        repository = cls(folder / name)
        repository.path.mkdir(parents=True)
        repository.git("init", "-q", "-b", "main")
        repository.commit(files or {"README": "hello\n"})
        return repository

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it printed."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=_ENV, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | bytes], message: str = "change", branch: str | None = None) -> str:
        """Commit files (on a new branch when one is named) and return the commit's id."""
        if branch is not None:
            self.git("checkout", "-q", "--orphan", "work")
            self.git("update-ref", f"refs/heads/{branch}", "main")
            self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@contextmanager
def serve_daemon(folder: Path) -> Iterator[str]:
    """Serve every repository below `folder` by git:// and yield the address of the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            "git", "daemon", "--export-all", "--reuseaddr", f"--base-path={folder}", "--listen=127.0.0.1",
            f"--port={port}", str(folder),
        ],
        env=_ENV,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or daemon.poll() is not None:
                    raise
                time.sleep(0.02)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(daemon.pid, 15)  # `git daemon` is a process below `git`
        daemon.wait(timeout=READY_S)


@contextmanager
def serve_http(folder: Path, *, protocol_v2: bool = True, login: tuple[str, str] | None = None) -> Iterator[str]:
    """Serve every repository below `folder` by smart HTTP and yield the address of the folder.

    Without `protocol_v2` the server is an old one, which gives commits by the name of a ref only. With `login` it asks
    for that user name and password.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_GitHttp, folder, protocol_v2, login))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _GitHttp(BaseHTTPRequestHandler):
    """git-http-backend(1) behind the standard library's server, by CGI (RFC 3875)."""

    def __init__(self, folder: Path, protocol_v2: bool, login: tuple[str, str] | None, *request: object) -> None:
        self._folder = folder
        self._protocol_v2 = protocol_v2
        self._login = base64.b64encode(":".join(login).encode()).decode() if login else None
        super().__init__(*request)  # type: ignore[arg-type]  # socketserver's three

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(body)

    def _serve(self, body: bytes) -> None:
        if self._login and self.headers.get("Authorization") != f"Basic {self._login}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        address = urlsplit(self.path)
        env = _ENV | {
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": address.path,
            "QUERY_STRING": address.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "",
        }
        if self._protocol_v2:
            env["GIT_PROTOCOL"] = self.headers.get("Git-Protocol", "")
        answer = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, timeout=60, check=False
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is for its own words."""

"""Requests as bytes: signed pushes and reads. Instances travel to the driver's process, so they pickle."""

import gzip
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from itertools import count, cycle

from benchmarks.servers import API_KEY, ROOT, WEBHOOK_SECRET

# A push of one commit as GitHub sent it, 8 kB.
_RECORDED = ROOT / "tests/data/webhooks/octokit-webhooks-examples.json.gz"
_BRANCHES, _REPOSITORIES = 500, 20


class Pushes:
    """Signed deliveries of GitHub's recorded push, each of a commit that was never seen, on some branches and names."""

    def __init__(self) -> None:
        examples = json.loads(gzip.decompress(_RECORDED.read_bytes()))["sets"]["api.github.com"]
        push = next(body for name, body in examples if name == "push" and body["ref"] == "refs/heads/master")
        body = json.dumps(push).replace(push["after"], "{sha}")
        body = body.replace("refs/heads/master", "{ref}").replace(push["repository"]["full_name"], "{name}")
        self._body = body
        self._numbers: count[int] | None = None

    def __call__(self) -> bytes:
        if self._numbers is None:
            # Made in the process that sends: two floods of one run must not send the same deliveries.
            self._numbers = count(int.from_bytes(os.urandom(5), "big") << 20)
        number = next(self._numbers)
        body = (
            self._body.replace("{sha}", f"{number:040x}")
            .replace("{ref}", f"refs/heads/b{number % _BRANCHES}")
            .replace("{name}", f"ada/r{number % _REPOSITORIES}")
            .encode()
        )
        signature = hmac.digest(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hex()
        head = (
            "POST /webhook/github HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: benchmark-{number}\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\n\r\n"
        )
        return head.encode() + body


class Reads:
    """GET requests for these paths, by turns, with the administrator's key."""

    def __init__(self, *paths: str) -> None:
        self._paths: Sequence[str] = paths
        self._turn: cycle[bytes] | None = None

    def __call__(self) -> bytes:
        if self._turn is None:
            head = f"Host: localhost\r\nAccept: application/json\r\nX-API-Key: {API_KEY}\r\n\r\n"
            self._turn = cycle([f"GET {path} HTTP/1.1\r\n{head}".encode() for path in self._paths])
        return next(self._turn)

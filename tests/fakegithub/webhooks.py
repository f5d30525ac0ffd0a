"""The deliveries that GitHub sends when a run or a job moves on: signed, one after the other, never repeated."""

import hashlib
import hmac
import json
import queue
import threading
import uuid
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

from tests.fakegithub.actions import Job, Repository, Run
from tests.fakegithub.forge import FakeGitHub

_TIMEOUT_S: Final = 10.0  # as GitHub's


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was sent; `status` None: nobody answered."""

    event: str
    action: str
    run_id: int
    status: int | None


class Webhooks:
    """Sends `workflow_run` and `workflow_job` of a fake GitHub to an address for the length of a `with` block.

    From a thread of its own: whoever changes a run never waits for the receiver, as on GitHub.
    """

    def __init__(
        self, github: FakeGitHub, address: str, secret: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._github = github
        self._address = address
        self._secret = secret.encode()
        self._transport = transport
        self._waiting: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self.delivered: list[Delivered] = []

    def __enter__(self) -> Self:
        self._github.told.append(self._tell)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._github.told.remove(self._tell)
        self._waiting.put(None)
        self._thread.join()

    def _tell(self, repository: Repository, run: Run, job: Job | None, action: str) -> None:
        bodies = self._github.newest_bodies()
        event = "workflow_run" if job is None else "workflow_job"
        about = bodies.run(repository, run) if job is None else bodies.job(repository, run, job)
        body = {
            "action": action,
            event: about,
            "repository": bodies.repository(repository),
            "sender": bodies.run(repository, run)["actor"],
        }
        self._waiting.put((event, body))

    def _send_all(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_S, transport=self._transport) as client:
            while (next_one := self._waiting.get()) is not None:
                event, body = next_one
                run_id = body[event]["id" if event == "workflow_run" else "run_id"]
                self.delivered.append(Delivered(event, body["action"], run_id, self._send(client, event, body)))

    def _send(self, client: httpx.Client, event: str, body: dict[str, Any]) -> int | None:
        raw = json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/fake",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": f"sha256={hmac.new(self._secret, raw, hashlib.sha256).hexdigest()}",
        }
        try:
            return client.post(self._address, content=raw, headers=headers).status_code
        except httpx.HTTPError:
            return None

"""Deliveries as forges send them: payloads in each forge's form, and requests signed as the forge would.

    request = push_request("gitea", secret="s3cret", clone_url=url, sha=head)
    client.post("/webhook/gitea", content=request.body, headers=request.headers)

The payloads are written for the tests from the forges' documentation; they are as full as a parser has to cope with.
"""

import base64
import gzip
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

NO_COMMIT = "0" * 40
SHA = "8d5a0e5f0fd5e2b3d5c1d9bd1f2a6f3c0b7e4a11"
BEFORE = "1f9c2d7be4a05c6688d3a3b1c9e0f7d2a4b6c8e0"
FORGES = ("gitea", "forgejo", "github", "gitlab")

Payload = dict[str, Any]


class SignedRequest(NamedTuple):
    """What to POST to `/webhook/<forge>`."""

    headers: dict[str, str]
    body: bytes


def push_request(
    forge: str,
    *,
    secret: str,
    repository: str = "acme/app",
    branch: str = "main",
    sha: str = SHA,
    before: str = BEFORE,
    message: str = "Mend the bridge",
    clone_url: str = "https://git.example/acme/app.git",
    files: Sequence[str] = ("src/bridge.py",),
    form: bool = False,
    delivery: str | None = None,
) -> SignedRequest:
    """Make the delivery of one commit that was pushed to a branch; an `sha` of NO_COMMIT deletes the branch."""
    payload = push_payload(
        forge, ref=f"refs/heads/{branch}", repository=repository, sha=sha, before=before, message=message,
        clone_url=clone_url, files=files,
    )  # fmt: skip
    event = "Push Hook" if forge == "gitlab" else "push"
    return sign(forge, event, payload, secret=secret, form=form, delivery=delivery)


def tag_request(
    forge: str,
    *,
    secret: str,
    repository: str = "acme/app",
    tag: str = "v1.0.0",
    sha: str = SHA,
    clone_url: str = "https://git.example/acme/app.git",
    form: bool = False,
    delivery: str | None = None,
) -> SignedRequest:
    """Make the delivery of a new tag."""
    payload = push_payload(
        forge, ref=f"refs/tags/{tag}", repository=repository, sha=sha, before=NO_COMMIT, clone_url=clone_url
    )
    event = "Tag Push Hook" if forge == "gitlab" else "push"
    return sign(forge, event, payload, secret=secret, form=form, delivery=delivery)


def sign(
    forge: str,
    event: str,
    payload: Payload,
    *,
    secret: str,
    form: bool = False,
    delivery: str | None = None,
    now_s: float | None = None,
) -> SignedRequest:
    """Wrap a payload as the forge does. A GitLab secret that begins with `whsec_` signs, another is the token.

    `delivery` is the delivery's id, by default a new one; `now_s` the time in a signature, by default now. GitLab sends
    no forms.
    """
    text = json.dumps(payload).encode()
    body = urlencode({"payload": text.decode()}).encode() if form else text
    delivery = delivery or str(uuid.uuid4())
    headers = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json"}
    match forge:
        case "github":
            headers |= _github_headers(event, delivery, _hmac(secret, body))
        case "gitea" | "forgejo":
            # Both also send what GitHub sends, so that a reader who goes by headers would mistake them for it.
            headers |= _github_headers(event, delivery, _hmac(secret, text))
            headers |= {
                "X-Gitea-Event": event,
                "X-Gitea-Event-Type": event,
                "X-Gitea-Delivery": delivery,
                "X-Gitea-Signature": _hmac(secret, text),
                "X-Gogs-Event": event,
                "X-Gogs-Delivery": delivery,
                "X-Gogs-Signature": _hmac(secret, text),
            }
            if forge == "forgejo":
                headers |= {
                    "X-Forgejo-Event": event,
                    "X-Forgejo-Delivery": delivery,
                    "X-Forgejo-Signature": _hmac(secret, text),
                }
        case "gitlab":
            headers |= {
                "X-Gitlab-Event": event,
                "X-Gitlab-Instance": "https://gitlab.example",
                "X-Gitlab-Webhook-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
                "X-Gitlab-Event-UUID": "2f0c5ac4-2b0e-4f2e-9d0e-6f8d3a8d1c2b",
                "Idempotency-Key": delivery,
            }
            if secret.startswith("whsec_"):
                headers |= standard_webhook_headers(
                    secret, delivery, int(time.time() if now_s is None else now_s), body
                )
            else:
                headers["X-Gitlab-Token"] = secret
        case _:
            raise ValueError(forge)
    return SignedRequest(headers, body)


def standard_webhook_headers(secret: str, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Sign as Standard Webhooks 1.0 says."""
    signed = f"{identifier}.{timestamp}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def push_payload(
    forge: str,
    *,
    ref: str = "refs/heads/main",
    repository: str = "acme/app",
    sha: str = SHA,
    before: str = BEFORE,
    message: str = "Mend the bridge",
    clone_url: str = "https://git.example/acme/app.git",
    files: Sequence[str] = ("src/bridge.py",),
) -> Payload:
    """Make the body of a push (or tag, or deletion) of one commit."""
    commits = [] if sha == NO_COMMIT else [_commit(sha, message, files)]
    body: Payload = {"ref": ref, "before": before, "after": sha, "commits": commits}
    match forge:
        case "github":
            return body | {
                "created": before == NO_COMMIT,
                "deleted": sha == NO_COMMIT,
                "forced": False,
                "base_ref": None,
                "compare": "https://git.example/acme/app/compare",
                "head_commit": commits[0] if commits else None,
                "repository": hub_repository(repository, clone_url),
                "pusher": {"name": "ada", "email": "ada@example.com"},
                "sender": {"login": "ada", "id": 7, "type": "User"},
            }
        case "gitea" | "forgejo":
            return body | {
                "compare_url": "https://git.example/acme/app/compare",
                "total_commits": len(commits),
                "head_commit": commits[0] if commits else None,
                "repository": hub_repository(repository, clone_url),
                "pusher": gitea_user("ada"),
                "sender": gitea_user("ada"),
            }
        case "gitlab":
            return body | {
                "object_kind": "tag_push" if ref.startswith("refs/tags/") else "push",
                "event_name": "tag_push" if ref.startswith("refs/tags/") else "push",
                "ref_protected": True,
                "checkout_sha": None if sha == NO_COMMIT else sha,
                "message": None,
                "user_id": 4,
                "user_name": "Ada Lovelace",
                "user_username": "ada",
                "user_email": None,
                "project_id": 15,
                "project": gitlab_project(repository, clone_url),
                "total_commits_count": len(commits),
                "push_options": {},
                "repository": {"name": repository, "url": f"git@git.example:{repository}.git"},
            }
        case _:
            raise ValueError(forge)


def pull_request_payload(forge: str, action: str, *, source_id: int | None = 15, title: str = "A bridge") -> Payload:
    """Make the body of a pull request from `topic` to `main`; a `source_id` other than 15 is a fork, None lost."""
    if forge == "gitlab":
        return {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "user": {"id": 4, "name": "Ada Lovelace", "username": "ada"},
            "project": gitlab_project("acme/app", "https://git.example/acme/app.git"),
            "object_attributes": {
                "id": 99,
                "iid": 3,
                "action": action,
                "title": title,
                "source_branch": "topic",
                "target_branch": "main",
                "source_project_id": source_id,
                "target_project_id": 15,
                "last_commit": {
                    "id": SHA,
                    "message": "Mend the bridge\n",
                    "author": {"name": "Ada Lovelace", "email": "ada@example.com"},
                },
                "state": "opened",
                "draft": False,
            },
            "labels": [],
            "changes": {},
        }
    name = "acme/app" if source_id == 15 else "someone/app"
    source = None if source_id is None else hub_repository(name, "https://git.example/x.git") | {"id": source_id}
    return {
        "action": action,
        "number": 3,
        "pull_request": {
            "id": 99,
            "number": 3,
            "title": title,
            "user": gitea_user("ada"),
            "draft": False,
            "head": {"label": "topic", "ref": "topic", "sha": SHA, "repo": source},
            "base": {
                "label": "main",
                "ref": "main",
                "sha": BEFORE,
                "repo": hub_repository("acme/app", "https://git.example/acme/app.git"),
            },
        },
        "repository": hub_repository("acme/app", "https://git.example/acme/app.git"),
        "sender": gitea_user("ada"),
    }


def release_payload(forge: str, action: str, *, draft: bool = False) -> Payload:
    """Make the body of a release of v1.0.0."""
    if forge == "gitlab":
        return {
            "object_kind": "release",
            "action": action,
            "name": "One",
            "tag": "v1.0.0",
            "description": "",
            "commit": {"id": SHA, "message": "Release\n", "title": "Release", "author": {"name": "Ada Lovelace"}},
            "project": gitlab_project("acme/app", "https://git.example/acme/app.git"),
        }
    return {
        "action": action,
        "release": {
            "id": 1,
            "tag_name": "v1.0.0",
            "target_commitish": "main",
            "name": "One",
            "draft": draft,
            "prerelease": False,
            "author": gitea_user("ada"),
        },
        "repository": hub_repository("acme/app", "https://git.example/acme/app.git"),
        "sender": gitea_user("ada"),
    }


def create_payload(ref: str = "v1.0.0", ref_type: str = "tag") -> Payload:
    """Make the first of the two announcements that Gitea and GitHub make of a new tag or branch."""
    return {
        "sha": SHA,
        "ref": ref,
        "ref_type": ref_type,
        "repository": hub_repository("acme/app", "https://git.example/acme/app.git"),
        "sender": gitea_user("ada"),
    }


def old_gitea_push_payload() -> Payload:
    """Make a push of the first Gitea versions: secret in the body, no head_commit, no total_commits, a lean owner."""
    owner = {"name": "acme", "email": "acme@example.com", "username": "acme", "login": "acme"}
    return {
        "secret": "the-secret-in-the-body",
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": SHA,
        "compare_url": "",
        "commits": [
            {
                "id": SHA,
                "message": "Mend the bridge\n",
                "url": f"http://git.example/acme/app/commit/{SHA}",
                "author": {"name": "Ada Lovelace", "email": "ada@example.com", "username": "ada"},
            },
            {"id": BEFORE, "message": "Older", "author": {"name": "Bob", "email": "", "username": ""}},
        ],
        "repository": {
            "id": 1,
            "name": "app",
            "full_name": "acme/app",
            "html_url": "http://git.example/acme/app",
            "clone_url": "http://git.example/acme/app.git",
            "owner": owner,
        },
        "pusher": {"name": "ada", "email": "ada@example.com", "username": "ada", "login": "ada"},
        "sender": {"login": "ada", "id": 1, "username": "ada"},
    }


@cache
def octokit_examples() -> tuple[tuple[str, str, Payload], ...]:
    """Return GitHub's recorded payloads as (set, event name, payload); see tests/data/webhooks/README.md."""
    path = Path(__file__).parents[2] / "data" / "webhooks" / "octokit-webhooks-examples.json.gz"
    sets = json.loads(gzip.decompress(path.read_bytes()))["sets"]
    return tuple((name, event, payload) for name, examples in sets.items() for event, payload in examples)


def hub_repository(full_name: str, clone_url: str) -> Payload:
    """Make the `repository` object of GitHub and Gitea."""
    owner, _, name = full_name.partition("/")
    return {
        "id": 15,
        "name": name,
        "full_name": full_name,
        "owner": gitea_user(owner),
        "private": True,
        "fork": False,
        "html_url": f"https://git.example/{full_name}",
        "clone_url": clone_url,
        "ssh_url": f"git@git.example:{full_name}.git",
        "default_branch": "main",
    }


def gitlab_project(path: str, clone_url: str) -> Payload:
    """Make the `project` object of GitLab."""
    return {
        "id": 15,
        "name": path.rpartition("/")[2],
        "web_url": f"https://git.example/{path}",
        "git_ssh_url": f"git@git.example:{path}.git",
        "git_http_url": clone_url,
        "namespace": path.partition("/")[0],
        "visibility_level": 0,
        "path_with_namespace": path,
        "default_branch": "main",
    }


def gitea_user(login: str) -> Payload:
    """Make a user object; Gitea names the login twice."""
    return {"id": 7, "login": login, "username": login, "full_name": "", "email": f"{login}@example.com"}


def _commit(sha: str, message: str, files: Sequence[str]) -> Payload:
    person = {"name": "Ada Lovelace", "email": "ada@example.com", "username": "ada"}
    return {
        "id": sha,
        "message": message,
        "timestamp": "2026-11-20T12:00:00Z",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": list(files),
    }


def _github_headers(event: str, delivery: str, signature: str) -> dict[str, str]:
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature": "sha1=" + "0" * 40,
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def _hmac(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()

"""A Gitea (or Forgejo) for tests: the commit statuses of repositories, over real HTTP and below a path of its own.

    with FakeGitea() as gitea:
        ...  # a repository cloned from f"{gitea.web}/acme/app.git", whose api_token is TOKEN
        assert [status.state for status in gitea.statuses] == ["pending", "success"]

Faults are injected as into the fake GitHub; a request that Gitea's API does not allow fails the test.
"""

import re
from typing import Final

from tests.fakeforge.description import Description, load
from tests.fakeforge.faults import Answer
from tests.fakeforge.server import Call, FakeForge
from tests.fakegithub.actions import Status, moment

TOKEN: Final = "0123456789abcdef0123456789abcdef01234567"
LOGIN: Final = "slipway"


class FakeGitea(FakeForge):
    """Gitea, installed below `/git`. `statuses` holds what was posted, oldest first; `renamed` old names and new."""

    prefix = "/git/api/v1"

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[Status] = []
        self.renamed: dict[str, str] = {}

    @property
    def web(self) -> str:
        """Where its pages and repositories are."""
        return f"{self.origin}/git"

    def forget(self) -> None:
        super().forget()
        self.statuses.clear()
        self.renamed.clear()

    def description(self, call: Call) -> Description:
        return load("gitea/api.json", "gitea-1.23")

    def elsewhere(self, call: Call) -> Answer | None:
        for old, new in self.renamed.items():
            if call.path.startswith(f"/repos/{old}/"):
                place = f"{self.prefix}{call.path.replace(old, new, 1)}"
                return Answer(307, None, {"Location": place})
        return None

    def perform(self, call: Call) -> Answer:
        assert call.operation is not None
        if call.headers.get("authorization") != f"token {TOKEN}":
            return Answer(401, {"message": "token is required", "url": f"{self.web}/api/swagger"})
        sha = call.parameters["sha"]
        if call.operation.id == "repoListStatuses":
            return Answer(200, [self._body(status) for status in reversed(self.statuses) if status.sha == sha])
        if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", sha):
            return Answer(404, {"message": f"object does not exist [id: {sha}]", "url": f"{self.web}/api/swagger"})
        body = call.body
        made = Status(
            sha,
            body["state"],
            body.get("context", "default"),
            body.get("target_url"),
            body.get("description"),
            LOGIN,
        )
        self.statuses.append(made)
        return Answer(201, self._body(made))

    def _body(self, status: Status) -> dict[str, object]:
        return {
            "id": status.id,
            "status": status.state,
            "context": status.context,
            "target_url": status.target_url or "",
            "description": status.description or "",
            "url": f"{self.url}/repos/statuses/{status.sha}",
            "creator": {"id": 1, "login": status.creator},
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
        }

"""The fake itself: who may ask, in which version, and what is remembered of it."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

import jwt

from tests.fakeforge.description import Description, load
from tests.fakeforge.faults import Answer
from tests.fakeforge.server import Call, FakeForge
from tests.fakegithub.actions import Job, Repository, Run, moment, new_id, now
from tests.fakegithub.bodies import Bodies
from tests.fakegithub.operations import PERFORM, Refused

TOKEN: Final = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
LOGIN: Final = "slipway-operator"
_DESCRIPTIONS: Final = "github/rest.json.gz"
_LIMIT: Final = 5000  # requests an hour, as a personal token has
_APP_JWT_MAX: Final = timedelta(minutes=10)  # GitHub refuses longer ones

What = Literal["dispatch", "cancel", "force_cancel", "rerun", "rerun_failed", "status"]
Told = Callable[[Repository, Run, Job | None, str], None]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was really done, whether or not anybody heard of it."""

    what: What
    repository: str
    run_id: int | None
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App that is installed in every repository of the fake; `public_key` is PEM."""

    id: int
    public_key: str
    slug: str = "slipway"
    installation_id: int = field(default_factory=new_id)


class FakeGitHub(FakeForge):
    """GitHub for the length of a `with` block.

    `server` is the API that it speaks: of github.com (versions 2026-03-10 and 2022-11-28, by header) or of an
    Enterprise Server that knows no run details. `ledger` holds what was done, `seen` each request.
    """

    def __init__(self, *, server: Literal["github.com", "ghes-3.17"] = "github.com") -> None:
        super().__init__()
        self.is_enterprise = server != "github.com"
        self.prefix = "/api/v3" if self.is_enterprise else ""
        self.ledger: list[Act] = []
        self.repositories: list[Repository] = []
        self.tokens: dict[str, str] = {TOKEN: LOGIN}
        self.app: App | None = None
        self.obeys_cancel = True
        """False: a cancelled run goes on (steps with `always()`) until it is cancelled by force."""
        self.limit_remaining = _LIMIT
        self.web = "https://github.com"
        """Where runs have their pages: `html_url`."""
        self.told: list[Told] = []
        """Called with (repository, run, job or None, action) at each change, as webhooks are sent."""
        self._stored: dict[str, bytes] = {}

    # --- for tests --------------------------------------------------------------------------------------------------

    def add_repository(self, full_name: str = "acme/images", *, workflow: str | None = None) -> Repository:
        """A repository with branch `main` and, unless `workflow` is "", the workflow `build.yml` (None: the usual)."""
        made = Repository(full_name)
        if workflow is None:
            made.add_workflow()
        elif workflow:
            made.add_workflow(workflow)
        self.repositories.append(made)
        return made

    def forget(self) -> None:
        super().forget()
        with self.lock:
            self.ledger.clear()
            self.repositories.clear()
            self.told.clear()
            self.tokens = {TOKEN: LOGIN}
            self.app, self.obeys_cancel, self.limit_remaining = None, True, _LIMIT

    def done(self, what: What) -> list[Act]:
        """What was really done of one kind, oldest first."""
        with self.lock:
            return [act for act in self.ledger if act.what == what]

    def delete_run(self, run: Run) -> None:
        with self.lock:
            for repository in self.repositories:
                if run in repository.runs:
                    repository.runs.remove(run)

    # --- for operations ---------------------------------------------------------------------------------------------

    def note(self, what: What, repository: Repository, run: Run | None) -> None:
        self.ledger.append(Act(what, repository.full_name, None if run is None else run.id))

    def bodies(self, call: Call) -> Bodies:
        description = self.description(call)
        assert isinstance(description, Description)
        return self._bodies(description)

    def newest_bodies(self) -> Bodies:
        """Bodies of the newest API version that this server has, as its webhooks send them."""
        return self._bodies(load(_DESCRIPTIONS, "ghes-3.17" if self.is_enterprise else "2026-03-10"))

    def _bodies(self, description: Description) -> Bodies:
        return Bodies(description, self.url, self.origin if self.is_enterprise else self.web)

    def login_of(self, call: Call) -> str:
        return self.tokens[_token(call)]

    def store(self, content: bytes) -> str:
        """Put a log where it is downloaded without credentials: another origin. Answers its address, good for once."""
        name = secrets.token_urlsafe(16)
        self._stored[name] = content
        return f"{self.origin.replace('127.0.0.1', 'localhost')}/_logs/{name}?sig={secrets.token_hex(8)}"

    def run_changed(self, run: Run, job: Job | None, action: str) -> None:
        repository = next(one for one in self.repositories if one.id == run.repository_id)
        for told in self.told:
            told(repository, run, job, action)

    def version_of(self, call: Call) -> str:
        return call.headers.get("x-github-api-version", "2022-11-28")

    # --- serving ----------------------------------------------------------------------------------------------------

    def description(self, call: Call) -> Description | Answer:
        version = self.version_of(call)
        if self.is_enterprise and version == "2022-11-28":
            return load(_DESCRIPTIONS, "ghes-3.17")
        if not self.is_enterprise and version in {"2022-11-28", "2026-03-10"}:
            return load(_DESCRIPTIONS, version)
        return Answer(400, {"message": f'"{version}" is not a supported version.'})

    def canonical(self, path: str) -> str:
        """Redirects of renamed repositories lead to `/repositories/<id>/...`, which serves as the name does."""
        _, first, *rest = path.split("/") if path.count("/") > 1 else ("", "")
        for repository in self.repositories if first == "repositories" else ():
            if rest[0] == str(repository.id):
                return "/".join(["/repos", repository.full_name, *rest[1:]])
        return path

    def elsewhere(self, call: Call) -> Answer | None:
        if call.path.startswith("/_logs/"):
            if "authorization" in call.headers:
                self.violated(call, ["the token was sent to the store of logs"], "request")
            content = self._stored.pop(call.path.removeprefix("/_logs/"), None)
            return Answer(404) if content is None else Answer(200, content, {"Content-Type": "application/zip"})
        return self._redirect(call) or self._page(call)

    def perform(self, call: Call) -> Answer:
        assert call.operation is not None
        try:
            if call.operation.id.startswith("apps/"):
                return self._as_app(call)
            self._check_token(call)
            if "owner" not in call.parameters:
                return self._about_all(call)
            return PERFORM[call.operation.id](self, call, self._repository(call))
        except Refused as refused:
            return refused.answer

    def _check_token(self, call: Call) -> None:
        if _token(call) not in self.tokens:
            raise Refused(401, "Bad credentials")

    def finished(self, call: Call, answer: Answer) -> Answer:
        headers = {"X-GitHub-Request-Id": secrets.token_hex(8), **self._limit()}
        if answer.status == 200 and call.method == "GET" and not isinstance(answer.body, bytes):
            headers["ETag"] = f'W/"{hashlib.sha256(json.dumps(answer.body).encode()).hexdigest()}"'
            if call.headers.get("if-none-match") == headers["ETag"]:
                return Answer(304, None, headers)  # free of charge
        self.limit_remaining -= 1
        link = answer.headers.get("Link")
        if link is not None:
            headers["Link"] = link.replace("<", f"<{self.url}", 1)
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def _limit(self) -> Mapping[str, str]:
        reset = now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return {
            "X-RateLimit-Limit": str(_LIMIT),
            "X-RateLimit-Remaining": str(self.limit_remaining),
            "X-RateLimit-Used": str(_LIMIT - self.limit_remaining),
            "X-RateLimit-Reset": str(int(reset.timestamp())),
            "X-RateLimit-Resource": "core",
        }

    def _repository(self, call: Call) -> Repository:
        name = f"{call.parameters['owner']}/{call.parameters['repo']}".lower()
        found = next((one for one in self.repositories if one.full_name.lower() == name), None)
        if found is None:
            raise Refused(404, "Not Found")
        return found

    def _redirect(self, call: Call) -> Answer | None:
        """Former names lead to the address by id; other methods than GET get 307, so that they are repeated as such."""
        parts = call.path.split("/")
        if len(parts) < 4 or parts[1] != "repos":
            return None
        name = f"{parts[2]}/{parts[3]}"
        for repository in self.repositories:
            if name in repository.former_names:
                query = "&".join(f"{key}={value}" for key, value in call.query.items())
                place = f"{self.url}/" + "/".join(["repositories", str(repository.id), *parts[4:]])
                place += f"?{query}" if query else ""
                body = {"message": "Moved Permanently", "url": place}
                return self.finished(call, Answer(301 if call.method == "GET" else 307, body, {"Location": place}))
        return None

    def _page(self, call: Call) -> Answer | None:
        """The page of a run, where the fake is its own web site."""
        _, _, found = call.path.partition("/actions/runs/")
        if call.path.startswith("/repos/") or not found.isdigit():
            return None
        for run in (run for repository in self.repositories for run in repository.runs):
            if str(run.id) == found:
                steps = [f"  {step.status:12} {step.name}" for job in run.jobs for step in job.steps]
                text = "\n".join([f"{run.title}: {run.conclusion or run.status}", *steps, ""])
                return Answer(200, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        return Answer(404, b"Not Found", {"Content-Type": "text/plain"})

    # --- what is not about a repository -----------------------------------------------------------------------------

    def _about_all(self, call: Call) -> Answer:
        assert call.operation is not None
        bodies = self.bodies(call)
        match call.operation.id:
            case "users/get-authenticated":
                if self.login_of(call).endswith("[bot]"):
                    raise Refused(403, "Resource not accessible by integration")
                return Answer(200, bodies.user(self.login_of(call)))
            case "rate-limit/get":
                body = bodies.description.example("rate-limit/get")
                core = {"limit": _LIMIT, "remaining": self.limit_remaining, "used": _LIMIT - self.limit_remaining}
                body["resources"]["core"] |= core
                return Answer(200, body)
            case operation_id:
                return Answer(200, bodies.description.example(operation_id))

    def _as_app(self, call: Call) -> Answer:
        """Operations that are asked for with the app's own JWT (RS256, at most ten minutes long)."""
        assert call.operation is not None
        app = self.app
        if app is None:
            raise Refused(401, "A JSON web token could not be decoded")
        try:
            claims = jwt.decode(_token(call), app.public_key, algorithms=["RS256"], options={"require": ["exp", "iat"]})
        except jwt.PyJWTError as error:
            raise Refused(401, "A JSON web token could not be decoded") from error
        if str(claims.get("iss")) != str(app.id):
            raise Refused(401, "'Issuer' claim ('iss') must be an Integer")
        if claims["exp"] > now().timestamp() + _APP_JWT_MAX.total_seconds():
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        match call.operation.id:
            case "apps/create-installation-access-token":
                if int(call.parameters["installation_id"]) != app.installation_id:
                    raise Refused(404, "Not Found")
                token = f"ghs_{secrets.token_hex(18)}"
                self.tokens[token] = f"{app.slug}[bot]"
                return Answer(201, {"token": token, "expires_at": moment(now() + timedelta(hours=1))})
            case "apps/get-repo-installation":
                return PERFORM[call.operation.id](self, call, self._repository(call))
            case operation_id:
                body = self.bodies(call).description.example(operation_id)
                return Answer(200, body | {"id": app.id, "slug": app.slug})


def _token(call: Call) -> str:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() in {"bearer", "token"} else ""

"""The fake GitHub itself: what tests of builds rely on when they believe it."""

import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.builds.forges import FORGES, EventKind, Verified, decode
from tests.fakeforge.faults import EVERY, LOST_ANSWER, LOST_REQUEST, instead, trickling, truncated
from tests.fakeforge.server import Violation
from tests.fakegithub import LOGIN, SHA, TOKEN, App, FakeGitHub, Repository
from tests.fakegithub.webhooks import Webhooks

DISPATCH = "/repos/acme/images/actions/workflows/build.yml/dispatches"
RUNS = "/repos/acme/images/actions/runs"


@pytest.fixture(scope="module")
def served() -> Iterator[FakeGitHub]:
    with FakeGitHub() as github:
        yield github


@pytest.fixture
def github(served: FakeGitHub) -> Iterator[FakeGitHub]:
    served.forget()
    served.add_repository("acme/images")
    yield served
    served.check()


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    return github.repositories[0]


@pytest.fixture
def client(github: FakeGitHub) -> Iterator[httpx.Client]:
    with connected(github) as client:
        yield client


def connected(github: FakeGitHub, *, version: str | None = "2026-03-10", token: str = TOKEN) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    if version is not None:
        headers["X-GitHub-Api-Version"] = version
    return httpx.Client(base_url=github.url, headers=headers, timeout=10)


def dispatched(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post(DISPATCH, json={"ref": "main", **body})


@pytest.mark.parametrize(
    ("version", "flag", "status"),
    [("2026-03-10", False, 200), ("2022-11-28", False, 204), ("2022-11-28", True, 200), (None, False, 204)],
)
def test_a_dispatch_answers_as_its_version_does(github: FakeGitHub, version: str, flag: bool, status: int) -> None:
    """The newest version names the run by itself, the one before only when it is asked to; both make it."""
    with connected(github, version=version) as client:
        answer = dispatched(client, **({"return_run_details": True} if flag else {}))
    assert answer.status_code == status, answer.text
    [run] = github.repositories[0].runs
    assert [act.run_id for act in github.done("dispatch")] == [run.id]
    if status == 200:
        assert answer.json()["workflow_run_id"] == run.id


def test_an_old_enterprise_server_knows_neither() -> None:
    """It lives below /api/v3, refuses version and flag, and answers a dispatch without a body."""
    with FakeGitHub(server="ghes-3.17") as github, connected(github, version=None) as client:
        github.add_repository("acme/images")
        assert client.get("/repos/acme/images", headers={"X-GitHub-Api-Version": "2026-03-10"}).status_code == 400
        refused = dispatched(client, return_run_details=True)
        assert refused.status_code == 422
        assert "return_run_details" in refused.json()["message"]
        assert dispatched(client).status_code == 204
        assert len(github.ledger) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ref": "gone"}, "No ref found for: gone"),
        ({"inputs": {"unheard": "1"}}, "Unexpected inputs"),
        ({"inputs": {"image_type": "x" * 70_000}}, "inputs are too large"),
    ],
)
def test_what_github_refuses_makes_no_run(
    github: FakeGitHub, client: httpx.Client, body: dict[str, Any], said: str
) -> None:
    """A dispatch that cannot be is a 422 in GitHub's words."""
    answer = dispatched(client, **body)
    assert answer.status_code == 422
    assert said in answer.json()["message"]
    assert github.ledger == []


def test_a_run_moves_when_it_is_told(repository: Repository, client: httpx.Client) -> None:
    """From queued over each step to its end, as the run and its jobs are read."""
    dispatched(client, inputs={"slipway_build": "b-7"})
    [run] = repository.runs
    seen = []
    while not run.is_completed:
        run.advance()
        [job] = client.get(f"{RUNS}/{run.id}/jobs").json()["jobs"]
        seen.append(next((step["name"] for step in job["steps"] if step["status"] == "in_progress"), None))
    assert seen == ["Set up job", "Run actions/checkout@v4", "Build", "Push", "Complete job", None]
    found = client.get(f"{RUNS}/{run.id}").json()
    assert (found["status"], found["conclusion"], found["display_title"]) == ("completed", "success", "Build b-7")
    assert found["actor"]["login"] == LOGIN


def test_a_failed_run_is_run_again(repository: Repository, client: httpx.Client) -> None:
    """A new attempt has jobs of its own; the one before is still read by its number."""
    dispatched(client)
    [run] = repository.runs
    run.advance()
    assert client.post(f"{RUNS}/{run.id}/rerun").status_code == 403
    run.finish("failure")
    assert client.post(f"{RUNS}/{run.id}/rerun-failed-jobs").status_code == 201
    assert (run.attempt, run.status) == (2, "queued")
    first, second = (client.get(f"{RUNS}/{run.id}/attempts/{number}/jobs").json()["jobs"][0] for number in (1, 2))
    assert (first["conclusion"], second["conclusion"]) == ("failure", None)
    assert len(client.get(f"{RUNS}/{run.id}/jobs", params={"filter": "all"}).json()["jobs"]) == 2


def test_a_cancel_may_be_slow(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """A run that does not listen goes on until it is cancelled by force; an ended one is not cancelled."""
    dispatched(client)
    [run] = repository.runs
    run.advance()
    github.obeys_cancel = False
    assert client.post(f"{RUNS}/{run.id}/cancel").status_code == 202
    assert not run.is_completed
    assert client.post(f"{RUNS}/{run.id}/force-cancel").status_code == 202
    assert run.conclusion == "cancelled"
    assert client.post(f"{RUNS}/{run.id}/cancel").status_code == 409


def test_lists_are_cut_and_narrowed(repository: Repository, client: httpx.Client) -> None:
    """Newest first, in pages with a Link; filters by event, branch, actor, status and time."""
    for _ in range(3):
        dispatched(client)
    newest = [run.id for run in reversed(repository.runs)]
    page = client.get(RUNS, params={"per_page": 2})
    assert [run["id"] for run in page.json()["workflow_runs"]] == newest[:2]
    following = client.get(page.links["next"]["url"])
    assert [run["id"] for run in following.json()["workflow_runs"]] == newest[2:]
    assert "next" not in following.links
    counts = {
        "event=workflow_dispatch": 3,
        "event=push": 0,
        "branch=main": 3,
        f"actor={LOGIN}": 3,
        "actor=ada": 0,
        "status=queued": 3,
        "created=>=2020-01-01T00:00:00Z": 3,
        "created=<2020-01-01": 0,
        "created=2020-01-01..*": 3,
    }
    found = {}
    for query in counts:
        name, _, value = query.partition("=")
        found[query] = client.get(RUNS, params={name: value}).json()["total_count"]
    assert found == counts


def test_what_did_not_change_is_free(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """A 304 costs nothing of the rate limit; what has changed since has another ETag."""
    dispatched(client)
    etag = client.get(RUNS).headers["ETag"]
    left = github.limit_remaining
    assert client.get(RUNS, headers={"If-None-Match": etag}).status_code == 304
    assert github.limit_remaining == left
    repository.runs[0].advance()
    assert client.get(RUNS, headers={"If-None-Match": etag}).status_code == 200


def test_logs_are_elsewhere(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """A finished run's archive is reached by a redirect to an address that wants no token, and is good for once."""
    dispatched(client)
    [run] = repository.runs
    assert client.get(f"{RUNS}/{run.id}/logs").status_code == 404
    run.finish()
    place = client.get(f"{RUNS}/{run.id}/logs").headers["Location"]
    with zipfile.ZipFile(io.BytesIO(httpx.get(place).content)) as archive:
        assert archive.namelist()[:2] == ["0_build.txt", "build/1_Set up job.txt"]
        assert "output of Build" in archive.read("build/3_Build.txt").decode()
    assert httpx.get(place).status_code == 404
    run.logs_deleted = True
    assert client.get(f"{RUNS}/{run.id}/logs").status_code == 410
    assert github.violations == []


def test_a_renamed_repository_redirects(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """GET is redirected by 301, POST by 307, to an address by number that goes on working."""
    repository.rename("acme/pictures")
    assert client.get(RUNS).status_code == 301
    answer = dispatched(client)
    assert answer.status_code == 307
    assert client.post(answer.headers["Location"], json={"ref": "main"}).status_code == 200
    assert [act.repository for act in github.done("dispatch")] == ["acme/pictures"]


def test_answers_get_lost_after_the_act(github: FakeGitHub, client: httpx.Client) -> None:
    """A lost answer leaves a run behind, a lost request none; both end the connection."""
    for fault in (LOST_ANSWER, LOST_REQUEST):
        github.inject(fault, "actions/create-workflow-dispatch")
        with pytest.raises(httpx.RemoteProtocolError):
            dispatched(client)
    assert len(github.done("dispatch")) == 1
    assert dispatched(client).status_code == 200


def test_bodies_break_off_and_trickle(github: FakeGitHub, client: httpx.Client) -> None:
    """A body may end early, come slowly, or be another one."""
    github.inject(truncated(100), EVERY)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/repos/acme/images")
    github.inject(trickling(0.001))
    assert client.get("/repos/acme/images").json()["full_name"] == "acme/images"
    github.inject(instead(b"{"))
    assert client.get("/repos/acme/images").content == b"{"


def test_an_app_gets_tokens_by_its_key(github: FakeGitHub) -> None:
    """An installation's token is given for a JWT of the App, acts as its bot, and for nobody else's key."""
    key, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    github.app = App(id=7, public_key=public.decode())
    now = int(time.time())
    claims = {"iss": "7", "iat": now - 30, "exp": now + 300}
    with connected(github, token=jwt.encode(claims, other, algorithm="RS256")) as client:
        assert client.get("/repos/acme/images/installation").status_code == 401
    with connected(github, token=jwt.encode(claims, key, algorithm="RS256")) as client:
        installation = client.get("/repos/acme/images/installation").json()["id"]
        made = client.post(f"/app/installations/{installation}/access_tokens")
        assert made.status_code == 201, made.text
    with connected(github, token=made.json()["token"]) as client:
        assert dispatched(client).status_code == 200
    assert github.repositories[0].runs[0].actor == "slipway[bot]"
    with connected(github, token="ghp_of_nobody") as client:
        assert client.get("/repos/acme/images").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/repos/acme/images/secrets-of-github", None),
        ("GET", f"{RUNS}?pages=2", None),
        ("GET", f"{RUNS}/seven", None),
        ("POST", DISPATCH, {"inputs": {}}),
        ("POST", DISPATCH, {"ref": "main", "inputs": {str(number): "" for number in range(26)}}),
        ("POST", f"/repos/acme/images/statuses/{SHA}", {"state": "done"}),
        ("POST", DISPATCH, None),
    ],
)
def test_what_the_openapi_does_not_know_fails_the_test(
    github: FakeGitHub, client: httpx.Client, method: str, path: str, body: Any
) -> None:
    """A wrong request of ours is refused, and raised by the check that every block ends with."""
    assert client.request(method, path, json=body).status_code in {404, 422}
    assert github.ledger == []
    with pytest.raises(Violation):
        github.check()
    github.forget()


def test_each_answer_is_what_github_promises(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """Everything that can be read is, once, in both versions; the fixture asks whether any answer was wrong."""
    dispatched(client)
    [run] = repository.runs
    run.finish("failure")
    job = run.jobs[0]
    assert client.post(f"/repos/acme/images/statuses/{SHA}", json={"state": "success"}).status_code == 201
    paths = [
        "/user",
        "/rate_limit",
        "/",
        "/repos/acme/images",
        "/repos/acme/images/actions/workflows",
        f"/repos/acme/images/actions/workflows/{run.workflow.id}",
        "/repos/acme/images/actions/workflows/build.yml/runs",
        RUNS,
        f"{RUNS}/{run.id}",
        f"{RUNS}/{run.id}/attempts/1",
        f"{RUNS}/{run.id}/jobs",
        f"/repos/acme/images/actions/jobs/{job.id}",
        f"/repos/acme/images/contents/{run.workflow.path}",
        f"/repos/acme/images/commits/{SHA}/statuses",
    ]
    for version in ("2026-03-10", "2022-11-28"):
        with connected(github, version=version) as reader:
            assert {path: reader.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_webhooks_are_githubs(github: FakeGitHub, repository: Repository, client: httpx.Client) -> None:
    """Each change of a run is sent, signed as GitHub signs and in a form that Slipway reads."""
    got: list[tuple[dict[str, str], bytes]] = []
    answers = httpx.MockTransport(lambda request: _kept(got, request))
    with Webhooks(github, "http://slipway.test/webhook/github", "s3cret", transport=answers) as webhooks:
        dispatched(client)
        [run] = repository.runs
        run.finish()
    told = [(one.event, one.action) for one in webhooks.delivered]
    assert told == [
        ("workflow_run", "requested"),
        ("workflow_job", "queued"),
        ("workflow_run", "in_progress"),
        ("workflow_job", "in_progress"),
        ("workflow_job", "completed"),
        ("workflow_run", "completed"),
    ]
    for headers, raw in got:
        verdict = FORGES["github"].verify(headers, raw, headers["content-type"], ["s3cret"], now_s=0)
        assert isinstance(verdict, Verified)
        event = FORGES["github"].parse(headers["x-github-event"], decode(raw, headers["content-type"]))
        assert (event.kind, event.run_id, event.repository) == (EventKind.WORKFLOW, run.id, "acme/images")


def _kept(got: list[tuple[dict[str, str], bytes]], request: httpx.Request) -> httpx.Response:
    got.append((dict(request.headers), request.content))
    return httpx.Response(202)

"""What an accepted delivery answers, and what it leaves in the database: everything or nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.common.jobs.models import Job
from services.builds.models import Build, BuildState, Delivery, Repository
from tests.builds.forges.payloads import (
    BEFORE,
    FORGES,
    NO_COMMIT,
    SHA,
    Payload,
    create_payload,
    pull_request_payload,
    push_payload,
    push_request,
    release_payload,
    sign,
    tag_request,
)
from tests.webhooks.site import SECRETS, Site

NOTHING = {"deliveries": 0, "repositories": 0, "builds": 0, "build_states": 0, "jobs": 0}


@pytest.mark.parametrize("forge", FORGES)
async def test_a_push_becomes_a_build(site: Site, forge: str) -> None:
    """A push answers 202 with the job, its place and the build, and the rows tell what the forge said."""
    request = push_request(
        forge, secret=SECRETS[forge], branch="feature/bridge", delivery="d-1", files=["src/b.py", "a.md"]
    )
    answer = await site.post(forge, request)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    [job], [build], [state], [delivery], [repository] = [
        await site.rows(table) for table in (Job, Build, BuildState, Delivery, Repository)
    ]
    assert body == {
        "job_id": str(job.id),
        "build_id": build.id,
        "message": f"Job {job.id} queued successfully",
        "duplicate": False,
    }
    assert answer.headers["location"] == f"/jobs/{job.id}"

    assert (repository.forge, repository.full_name, repository.owner) == (forge, "acme/app", None)
    assert repository.clone_url == "https://git.example/acme/app.git"
    assert repository.html_url == "https://git.example/acme/app"
    assert repository.auto_registered
    assert (build.repository_id, build.event, build.status, build.state_code) == (repository.id, "push", "pending", 0)
    assert (build.branch, build.tag, build.commit_sha) == ("feature/bridge", None, SHA)
    assert (build.message, build.author) == ("Mend the bridge", "Ada Lovelace" if forge == "gitlab" else "ada")
    assert build.changed_files == ["a.md", "src/b.py"]
    assert build.job_id == job.id
    assert (state.build_id, state.status, state.actor) == (build.id, "pending", "ada")
    assert (job.status, job.subject_type, job.subject_id) == ("pending", "build", str(build.id))
    assert (job.repository, job.branch, job.commit_sha) == ("acme/app", "feature/bridge", SHA)
    assert job.lane == f"repo:{repository.id}:feature/bridge"
    assert (delivery.verdict, delivery.delivery_id, delivery.build_id) == ("accepted", "d-1", build.id)
    assert delivery.body_bytes == len(request.body)
    assert delivery.event["sha"] == SHA
    assert job.request_id == delivery.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize("forge", FORGES)
async def test_the_job_is_there_to_be_read(site: Site, forge: str) -> None:
    """Where the answer points, a pipeline's key reads the job; the list has it too."""
    answer = await site.post(forge, push_request(forge, secret=SECRETS[forge]))
    job = (await site.read(answer.headers["location"])).json()
    assert (job["id"], job["repo"], job["branch"], job["commit"]) == (answer.json()["job_id"], "acme/app", "main", SHA)
    assert job["build_id"] == answer.json()["build_id"]
    assert (await site.read("/jobs", repo="acme/app")).json()["total"] == 1


@pytest.mark.parametrize("forge", FORGES)
async def test_a_tag_becomes_a_build(site: Site, forge: str) -> None:
    """A new tag builds as such, without a branch."""
    answer = await site.post(forge, tag_request(forge, secret=SECRETS[forge], tag="release/v1"))
    assert answer.status_code == 202, answer.text
    [build] = await site.rows(Build)
    assert (build.event, build.branch, build.tag, build.commit_sha) == ("tag", None, "release/v1", SHA)


@pytest.mark.parametrize("forge", ["gitea", "forgejo"])
@pytest.mark.parametrize("first", ["create", "push"])
@pytest.mark.databases("sqlite")
async def test_a_tag_announced_twice_builds_once(site: Site, forge: str, first: str) -> None:
    """Gitea announces a tag as `create` and as `push`, in any order; only the push builds."""
    requests = {
        "create": sign(forge, "create", create_payload(), secret=SECRETS[forge]),
        "push": tag_request(forge, secret=SECRETS[forge]),
    }
    second = "push" if first == "create" else "create"
    answers = {name: await site.post(forge, requests[name]) for name in (first, second)}
    assert answers["push"].status_code == 202
    assert answers["create"].status_code == 200
    assert answers["create"].json()["reason"] == "ANNOUNCED_TWICE"
    assert len(await site.rows(Job)) == 1


@pytest.mark.parametrize("prefix", ["/webhook", "/webhooks"])
@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
@pytest.mark.databases("sqlite")
async def test_both_spellings_and_both_content_types(site: Site, prefix: str, form: bool) -> None:
    """raibid's plural address and form bodies work for each forge that sends them."""
    for forge in ("gitea", "forgejo", "github"):
        request = push_request(forge, secret=SECRETS[forge], form=form)
        answer = await site.client.post(f"{prefix}/{forge}", content=request.body, headers=request.headers)
        assert answer.status_code == 202, answer.text


def _opened(forge: str, source_id: int) -> Payload:
    return pull_request_payload(forge, "open" if forge == "gitlab" else "opened", source_id=source_id)


def _released(forge: str) -> Payload:
    return release_payload(forge, {"github": "released", "gitlab": "create"}.get(forge, "published"))


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.databases("sqlite")
async def test_what_starts_nothing_says_why(site: Site, forge: str) -> None:
    """Deletions, skips, forks' requests and unknown events answer 200 with a reason, which is kept; nothing builds."""
    expected = [
        ("push", "Push Hook", push_payload(forge, sha=NO_COMMIT), "REF_DELETED"),
        ("push", "Push Hook", push_payload(forge, message="Docs\n\n[Skip CI]"), "SKIP_REQUESTED"),
        ("pull_request", "Merge Request Hook", _opened(forge, source_id=77), "FORK"),
        ("pull_request", "Merge Request Hook", _opened(forge, source_id=15), "EVENT_FILTERED"),
        ("release", "Release Hook", _released(forge), "EVENT_FILTERED"),
        ("wiki_rain", "Wiki Rain Hook", push_payload(forge), "EVENT_IGNORED"),
    ]
    for name, gitlab_name, payload, reason in expected:
        event = gitlab_name if forge == "gitlab" else name
        answer = await site.post(forge, sign(forge, event, payload, secret=SECRETS[forge]))
        assert answer.status_code == 200, answer.text
        assert (answer.json()["status"], answer.json()["reason"]) == ("ignored", reason)
        delivery = (await site.rows(Delivery))[-1]
        assert (delivery.verdict, delivery.reason_code) == ("ignored", reason)
        assert delivery.reason == answer.json()["message"]
    counts = await site.counts()
    assert (counts["builds"], counts["build_states"], counts["jobs"]) == (0, 0, 0)


@pytest.mark.parametrize("table", ["repositories", "builds", "build_states", "jobs", "deliveries"])
async def test_a_failure_in_the_middle_leaves_nothing(site: Site, table: str) -> None:
    """When one of the inserts fails, no row of any table stays, and the same delivery is processed later."""
    request = push_request("gitea", secret=SECRETS["gitea"])
    async with _no_inserts(site, table):
        answer = await site.post("gitea", request)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
        assert "forced" not in answer.text
        assert await site.counts() == NOTHING
    answer = await site.post("gitea", request)
    assert (answer.status_code, answer.json()["duplicate"]) == (202, False)
    assert await site.counts() == dict.fromkeys(NOTHING, 1)


@asynccontextmanager
async def _no_inserts(site: Site, table: str) -> AsyncIterator[None]:
    """Let the database itself refuse rows of a table."""

    async def run(*statements: str) -> None:
        async with site.database.transaction() as tx:
            for statement in statements:
                await tx.exec_driver_sql(statement)

    if site.database.is_sqlite:
        await run(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'forced'); END")
        yield
        await run("DROP TRIGGER refuse")
    else:
        await run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'forced'; END $$",
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        yield
        await run(f"DROP TRIGGER refuse ON {table}", "DROP FUNCTION refuse()")


async def test_before_and_after_are_different_builds(site: Site) -> None:
    """Two pushes of one branch are two builds in one lane, in their order."""
    first = await site.post("github", push_request("github", secret=SECRETS["github"], sha=BEFORE, before=NO_COMMIT))
    second = await site.post("github", push_request("github", secret=SECRETS["github"]))
    jobs = await site.rows(Job)
    assert [str(job.id) for job in jobs] == [first.json()["job_id"], second.json()["job_id"]]
    assert len({job.lane for job in jobs}) == 1
    assert len(await site.rows(Repository)) == 1

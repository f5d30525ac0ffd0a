"""Repositories as people keep them: whose they are, what may be written into them, and their secrets."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from libs.common.audit.models import AuditEntry
from services.builds.forges import supported
from services.builds.models import Build, Repository
from services.builds.schemas.repositories import clone_url_problem
from tests.builds.forges.payloads import push_request
from tests.webhooks.people import NEW, REPOSITORIES, admin, person, pipeline
from tests.webhooks.site import SECRETS, Site

SECRET = "s3cret-of-this-address"


async def test_a_repository_is_registered_read_changed_and_deleted(site: Site) -> None:
    """The whole life of a repository, as its owner sees it, with an entry in the audit log for each change."""
    grace = await person(site, "grace")
    made = await grace.post(REPOSITORIES, NEW | {"html_url": "https://git.example/acme/app", "env": {"A": "1"}})
    assert made.status_code == 201, made.text
    view = made.json()
    uid = view["uid"]
    assert made.headers["Location"] == f"{REPOSITORIES}/{uid}"
    assert view | NEW == view
    assert (view["owner"], view["executor"], view["active"], view["env"]) == (grace.id, "local", True, {"A": "1"})
    assert view["filters"] == {"events": ["push", "tag"], "branches": []}
    assert view["concurrency"] == {"limit": 1, "newest_wins": False}
    assert view["webhook"] == {"url": f"{str(site.client.base_url).rstrip('/')}/webhook/gitea/{uid}", "secrets": []}
    assert (view["secrets"], view["credentials"], view["problem"]) == ([], None, None)
    assert (await grace.get(f"{REPOSITORIES}/{uid}")).json() == view

    change = {"filters": {"events": ["push"], "branches": ["main"]}, "concurrency": {"limit": 3, "newest_wins": True}}
    changed = await grace.patch(f"{REPOSITORIES}/{uid}", change | {"active": False, "html_url": None})
    assert changed.status_code == 200, changed.text
    assert changed.json() | change == changed.json()
    assert (changed.json()["active"], changed.json()["html_url"], changed.json()["env"]) == (False, None, {"A": "1"})
    listed = (await grace.get(REPOSITORIES)).json()
    assert (listed["total"], listed["items"]) == (1, [changed.json()])

    assert (await grace.delete(f"{REPOSITORIES}/{uid}")).status_code == 204
    assert (await grace.get(f"{REPOSITORIES}/{uid}")).status_code == 404
    entries = [entry for entry in await site.rows(AuditEntry) if entry.subject_id == uid]
    assert [entry.action for entry in entries] == ["repository.created", "repository.updated", "repository.deleted"]
    assert {entry.actor for entry in entries} == {"grace"}
    assert entries[1].details["changed"] == ["active", "filters", "html_url", "lane_limit", "newest_wins"]


async def test_other_peoples_repositories_do_not_exist(site: Site) -> None:
    """Whatever somebody else tries, the answer is 404; a superuser sees and changes it."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    uid = await grace.with_secret()
    path = f"{REPOSITORIES}/{uid}"
    refused = [
        await eve.get(path),
        await eve.patch(path, {"active": False}),
        await eve.delete(path),
        await eve.post(f"{path}/webhook-secrets", {}),
        await eve.put(f"{path}/secrets/TOKEN", {"value": "x"}),
        await eve.delete(f"{path}/secrets/TOKEN"),
        await eve.put(f"{path}/credentials", {"password": "x"}),
        await eve.delete(f"{path}/credentials"),
    ]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} == {
        (404, "REPOSITORY_NOT_FOUND")
    }
    assert (await eve.get(REPOSITORIES)).json()["total"] == 0
    assert (await admin(site).get(path)).status_code == 200
    assert (await admin(site).patch(path, {"env": {"B": "2"}})).json()["env"] == {"B": "2"}


async def test_shared_repositories_are_read_by_all_and_changed_by_superusers(site: Site) -> None:
    """A repository that registered itself is everybody's to see and nobody's to change, until it is given an owner."""
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    grace = await person(site, "grace")
    [shared] = (await grace.get(REPOSITORIES)).json()["items"]
    path = f"{REPOSITORIES}/{shared['uid']}"
    assert (shared["owner"], shared["auto_registered"]) == (None, True)
    answer = await grace.patch(path, {"active": False})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SUPERUSER_NEEDED")
    assert (await pipeline(site).delete(path)).status_code == 403

    claimed = await admin(site).patch(path, {"owner": grace.id})
    assert (claimed.status_code, claimed.json()["owner"]) == (200, grace.id)
    assert (await grace.patch(path, {"env": {"A": "1"}})).status_code == 200
    assert (await pipeline(site).get(path)).status_code == 404
    handed_on = await grace.patch(path, {"owner": None})
    assert (handed_on.status_code, handed_on.json()["error"]["code"]) == (403, "SUPERUSER_NEEDED")


async def test_a_claimed_repository_keeps_its_deliveries(site: Site) -> None:
    """Deliveries to the forge's global address go on building it, for its owner; none is registered beside it."""
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    grace = await person(site, "grace")
    [shared] = (await grace.get(REPOSITORIES)).json()["items"]
    await admin(site).patch(f"{REPOSITORIES}/{shared['uid']}", {"owner": grace.id})
    again = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"], message="again"))
    assert again.status_code == 202
    assert [row.uid for row in await site.rows(Repository)] == [shared["uid"]]
    assert [build.owner for build in await site.rows(Build)] == [None, grace.id]


async def test_a_repository_somebody_registered_gets_nothing_from_the_global_address(site: Site) -> None:
    """Who takes another's name for a repository of their own does not get that one's deliveries."""
    eve = await person(site, "eve")
    own = await eve.registered()
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    [mine, shared] = await site.rows(Repository)
    assert (mine.uid, shared.owner, shared.auto_registered) == (own, None, True)
    assert [build.repository_id for build in await site.rows(Build)] == [shared.id]


async def test_names_are_unique_per_owner_and_forge(site: Site) -> None:
    """The same name twice is a 409, also by a change and when two try at once; others may have it too."""
    grace, bob = await person(site, "grace"), await person(site, "bob")
    answers = await asyncio.gather(*(grace.post(REPOSITORIES, NEW) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"REPOSITORY_EXISTS"}
    assert (await grace.post(REPOSITORIES, NEW | {"forge": "github"})).status_code == 201
    assert (await bob.post(REPOSITORIES, NEW)).status_code == 201
    other = await grace.registered(full_name="acme/other")
    assert (await grace.patch(f"{REPOSITORIES}/{other}", {"full_name": "acme/app"})).status_code == 409
    assert (await grace.patch(f"{REPOSITORIES}/{other}", {"full_name": "acme/third"})).status_code == 200
    shared = await asyncio.gather(*(admin(site).post(REPOSITORIES, NEW) for _ in range(3)))
    assert sorted(answer.status_code for answer in shared) == [201, 409, 409]
    taken = await admin(site).patch(f"{REPOSITORIES}/{shared[0].json().get('uid')}", {"owner": grace.id})
    assert taken.status_code in (404, 409)


@pytest.mark.databases("sqlite")
async def test_local_builds_need_leave(site: Site) -> None:
    """Who may not run code as the worker is told who can allow it, and nothing is made."""
    eve = await person(site, "eve", may_run_local=False)
    for caller in (eve, pipeline(site)):
        answer = await caller.post(REPOSITORIES, NEW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LOCAL_NOT_ALLOWED")
        assert "superuser" in answer.json()["error"]["message"]
    assert await site.rows(Repository) == []


@pytest.mark.databases("sqlite")
async def test_who_lost_the_leave_changes_no_code(site: Site) -> None:
    """Where it is cloned from stays then; everything else, and switching it off, is still the owner's."""
    grace = await person(site, "grace")
    path = f"{REPOSITORIES}/{await grace.registered()}"
    assert (await admin(site).patch(f"/api/users/{grace.id}", {"may_run_local": False})).status_code == 200
    refused = await grace.patch(path, {"clone_url": "https://git.example/evil.git"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "LOCAL_NOT_ALLOWED")
    assert (await grace.patch(path, {"clone_url": NEW["clone_url"], "active": False})).status_code == 200


WRONG: list[tuple[dict[str, Any], list[str | int]]] = [
    ({"forge": "bitbucket"}, ["body", "forge"]),
    ({"full_name": "app"}, ["body", "full_name"]),
    ({"full_name": "acme/a b"}, ["body", "full_name"]),
    ({"clone_url": "ftp://git.example/a.git"}, ["body", "clone_url"]),
    ({"clone_url": "https://user:pw@git.example/a.git"}, ["body", "clone_url"]),
    ({"clone_url": "file:///etc"}, ["body", "clone_url"]),
    ({"clone_url": "--upload-pack=touch /tmp/x"}, ["body", "clone_url"]),
    ({"html_url": "javascript:alert(1)"}, ["body", "html_url"]),
    ({"executor": "moon"}, ["body", "executor"]),
    ({"pipeline_path": "/etc/passwd"}, ["body", "pipeline_path"]),
    ({"pipeline_path": "../x"}, ["body", "pipeline_path"]),
    ({"filters": {"events": ["psuh"]}}, ["body", "filters", "events", 0]),
    ({"filters": {"events": []}}, ["body", "filters", "events"]),
    ({"filters": {"branches": ["main", ""]}}, ["body", "filters", "branches", 1]),
    ({"filters": {"tags": ["v*"]}}, ["body", "filters", "tags"]),
    ({"env": {"1A": "x"}}, ["body", "env"]),
    ({"concurrency": {"limit": 0}}, ["body", "concurrency", "limit"]),
    ({"owner": 1}, ["body", "owner"]),
    ({"sealed_secrets": "x"}, ["body", "sealed_secrets"]),
]


@pytest.mark.databases("sqlite")
async def test_wrong_fields_are_named(site: Site) -> None:
    """Each wrong value is a 422 that says which field it is; nothing is made."""
    for wrong, where in WRONG:
        answer = await admin(site).post(REPOSITORIES, NEW | wrong)
        assert answer.status_code == 422, (wrong, answer.text)
        assert [detail["loc"] for detail in answer.json()["error"]["details"]] == [where], wrong
    assert await site.rows(Repository) == []


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://git.example/a.git", True),
        ("http://git.example:3000/a/b", True),
        ("ssh://git@git.example:22/a.git", True),
        ("git@git.example:a/b.git", True),
        ("git://git.example/a.git", True),
        ("https://token@git.example/a.git", False),
        ("ssh://git:pw@git.example/a.git", False),
        ("https://git.example/", False),
        ("https:///a.git", False),
        ("https://[::1/a.git", False),
        ("https://git.example:99999/a.git", False),
        ("/srv/git/a.git", False),
        ("ext::sh -c touch% /tmp/x", False),
        ("https://git.example/a b", False),
        ("", False),
    ],
)
def test_addresses_to_clone_from(url: str, fits: bool) -> None:
    """http(s), ssh and git addresses without credentials are taken, nothing else."""
    assert (clone_url_problem(url, allow_file=False) is None) is fits


def test_folders_are_cloned_only_where_that_is_allowed() -> None:
    """file:// addresses need the setting that lets the worker follow them."""
    assert clone_url_problem("file:///srv/git/a.git", allow_file=True) is None
    assert clone_url_problem("file:///srv/git/a.git", allow_file=False) is not None


def test_every_forge_can_be_registered() -> None:
    """The schema's list of forges is the one of the webhook addresses."""
    from services.builds.schemas.repositories import Forge

    assert sorted(Forge.__args__) == supported()  # type: ignore[attr-defined]


async def test_lists_are_cut_and_narrowed(site: Site) -> None:
    """limit and offset page through, newest first; forge and name narrow; a foreign forge's name is a 422."""
    grace = await person(site, "grace")
    for number in range(5):
        await grace.registered(full_name=f"acme/n{number}", forge="github" if number == 4 else "gitea")
    page = (await grace.get(REPOSITORIES, limit=2, offset=2)).json()
    assert [item["full_name"] for item in page["items"]] == ["acme/n2", "acme/n1"]
    assert (page["total"], page["limit"], page["offset"], page["next_offset"]) == (5, 2, 2, 4)
    assert [item["forge"] for item in (await grace.get(REPOSITORIES, forge="github")).json()["items"]] == ["github"]
    assert (await grace.get(REPOSITORIES, full_name="acme/n1")).json()["total"] == 1
    assert (await grace.get(REPOSITORIES, forge="bitbucket")).status_code == 422


@pytest.mark.databases("sqlite")
async def test_repeated_requests_make_one_repository(site: Site) -> None:
    """An Idempotency-Key gives the first answer again; of a secret only where it belongs to."""
    grace = await person(site, "grace")
    first, second = [await grace.post(REPOSITORIES, NEW, **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    secrets = f"{REPOSITORIES}/{first.json()['uid']}/webhook-secrets"
    first, second = [await grace.post(secrets, {}, **{"Idempotency-Key": "two"}) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["Location"] == first.headers["Location"]
    assert first.json()["secret"] not in second.text


@pytest.mark.databases("sqlite")
async def test_addresses_are_shown_as_the_client_reached_us(site: Site) -> None:
    """Without PUBLIC_URL the Host header is repeated, unless it is none that could be an address."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    shown = {}
    for host in ("slipway.example", "[::1]:8000", 'x"<script>', "[::1"):
        answer = await site.client.get(f"{REPOSITORIES}/{uid}", headers=grace.headers | {"Host": host})
        shown[host] = answer.json()["webhook"]["url"] if answer.status_code == 200 else answer.status_code
    assert shown["slipway.example"] == f"http://slipway.example/webhook/gitea/{uid}"
    assert shown["[::1]:8000"] == f"http://[::1]:8000/webhook/gitea/{uid}"
    assert "script" not in str(shown['x"<script>'])


async def test_the_repository_of_a_running_accept_is_deleted(site: Site) -> None:
    """Deliveries that arrive while their repository is deleted either build or are told that it is gone; none fails."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    pushes = [push_request("gitea", secret=SECRET, message=f"{number}") for number in range(10)]
    answers = await asyncio.gather(
        *(site.post("gitea", push, address=uid) for push in pushes), grace.delete(f"{REPOSITORIES}/{uid}")
    )
    assert {answer.status_code for answer in answers} <= {200, 202, 204, 404}
    assert answers[-1].status_code == 204
    assert await site.rows(Repository) == []
    assert {build.repository_id for build in await site.rows(Build)} <= {None}


async def test_deleting_ends_builds_and_keeps_history(site: Site) -> None:
    """Builds that wait are cancelled; jobs and builds stay readable for the owner, and cannot be retried."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    job_id = (await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)).json()["job_id"]
    assert (await grace.delete(f"{REPOSITORIES}/{uid}")).status_code == 204
    job = (await grace.get(f"/jobs/{job_id}")).json()
    assert (job["status"], job["repo"], job["error"]["code"]) == ("cancelled", "acme/app", "REPOSITORY_GONE")
    [build] = await site.rows(Build)
    assert (build.status, build.repository_id) == ("cancelled", None)
    retried = await grace.post(f"/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json()["error"]["code"]) == (409, "REPOSITORY_GONE")
    assert (await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)).status_code == 404


@pytest.mark.databases("sqlite")
async def test_an_inactive_repository_ignores_its_deliveries(site: Site) -> None:
    """They are answered 200 with the reason, and start nothing."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET, active=False)
    answer = await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    assert (answer.status_code, answer.json()["reason"]) == (200, "REPOSITORY_INACTIVE")
    assert await site.rows(Build) == []


@pytest.mark.databases("sqlite")
async def test_secrets_that_do_not_open_are_a_problem_and_not_an_error(site: Site) -> None:
    """After a lost SECRET_KEY a repository can still be read and switched off; its secrets answer 503."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    async with site.database.transaction() as tx:
        await tx.execute(update(Repository).values(sealed_webhook_secrets=b"\x01" + bytes(40)))
    view = await grace.get(f"{REPOSITORIES}/{uid}")
    assert (view.status_code, view.json()["webhook"]["secrets"]) == (200, [])
    assert "SECRET_KEY" in view.json()["problem"]
    assert (await grace.patch(f"{REPOSITORIES}/{uid}", {"active": False})).status_code == 200
    for answer in (
        await grace.post(f"{REPOSITORIES}/{uid}/webhook-secrets", {}),
        await site.post("gitea", push_request("gitea", secret=SECRET), address=uid),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SECRETS_UNREADABLE")

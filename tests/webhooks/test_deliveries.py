"""Deliveries looked at later: who sees which, what is shown of them, replay, explanations, retention."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from libs.common.audit.models import AuditEntry
from libs.common.database import utcnow
from libs.common.jobs.models import Job
from services.builds.models import Build, Delivery
from services.builds.service import delivery_log
from tests.builds.forges.payloads import FORGES, SignedRequest, push_payload, push_request, sign
from tests.webhooks.people import REPOSITORIES, Caller, admin, person, pipeline
from tests.webhooks.site import SECRETS, Site

DELIVERIES = "/api/v1/deliveries"
SECRET = "s3cret-of-this-address"


async def shown(caller: Caller, **filters: Any) -> list[dict[str, Any]]:
    answer = await caller.get(DELIVERIES, **filters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_deliveries_go_with_their_repository(site: Site) -> None:
    """Owners see what came to theirs, all see what shared ones got, superusers see everything."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    uid = await grace.with_secret(SECRET)
    accepted = await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    await site.post("gitea", push_request("gitea", secret="wrong"), address=uid)
    await site.post("github", push_request("github", secret=SECRETS["github"]))
    await site.post("github", push_request("github", secret="wrong"))

    own = await shown(grace)
    verdicts = [(item["forge"], item["verdict"], item["reason_code"]) for item in own]
    assert verdicts == [
        ("github", "accepted", None),
        ("gitea", "refused", "SIGNATURE_WRONG"),
        ("gitea", "accepted", None),
    ]
    assert own[2]["job_id"] == accepted.json()["job_id"]
    assert own[2]["repository"] == {"uid": uid, "full_name": "acme/app"}
    assert [(item["forge"], item["verdict"]) for item in await shown(eve)] == [("github", "accepted")]
    assert len(await shown(pipeline(site))) == 1
    assert len(await shown(admin(site))) == 4
    for item in own[1:]:
        assert (await grace.get(f"{DELIVERIES}/{item['id']}")).status_code == 200
        for path in ("", "/signature"):
            assert (await eve.get(f"{DELIVERIES}/{item['id']}{path}")).status_code == 404
        assert (await eve.post(f"{DELIVERIES}/{item['id']}/replay")).status_code == 404


async def test_lists_are_narrowed(site: Site) -> None:
    """By repository (uid or name), verdict, forge, event, job and time, in any combination, page by page."""
    boss = admin(site)
    uid = await site.register("gitea", SECRET, full_name="acme/app")
    jobs = [
        (await site.post("gitea", push_request("gitea", secret=SECRET, message=f"{number}"), address=uid)).json()[
            "job_id"
        ]
        for number in range(3)
    ]
    await site.post("gitea", push_request("gitea", secret=SECRET, message="[skip ci]"), address=uid)
    await site.post("github", push_request("github", secret="wrong"))
    for filters, count in (
        ({"repository": uid}, 4),
        ({"repository": "acme/app", "verdict": "ignored"}, 1),
        ({"verdict": "refused"}, 1),
        ({"forge": "github"}, 1),
        ({"event": "push"}, 5),
        ({"event": "tag"}, 0),
        ({"job": jobs[1]}, 1),
        ({"job": jobs[1], "forge": "github"}, 0),
        ({"since": "2020-01-01"}, 5),
        ({"until": "2020-01-01"}, 0),
        ({"since": (utcnow() + timedelta(hours=1)).isoformat()}, 0),
    ):
        assert len(await shown(boss, **filters)) == count, filters
    page = (await boss.get(DELIVERIES, limit=2, offset=2)).json()
    assert (page["total"], page["next_offset"], len(page["items"])) == (5, 4, 2)
    for wrong in ({"verdict": "maybe"}, {"forge": "bitbucket"}, {"since": "yesterday"}, {"limit": 0}, {"job": "x"}):
        assert (await boss.get(DELIVERIES, **wrong)).status_code == 422, wrong


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("forge", FORGES)
async def test_what_is_shown_of_a_delivery(site: Site, forge: str) -> None:
    """Headers without credentials and signatures, the normalised event, the body with masked secrets."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET, forge=forge)
    event = "Push Hook" if forge == "gitlab" else "push"
    request = sign(forge, event, push_payload(forge) | {"secret": SECRET}, secret=SECRET)
    assert (await site.post(forge, request, address=uid)).status_code == 202
    [item] = await shown(grace)
    whole = (await grace.get(f"{DELIVERIES}/{item['id']}")).json()
    assert item | whole == whole
    assert SECRET not in json.dumps(whole)
    assert not [name for name in whole["headers"] if "signature" in name or "token" in name]
    assert whole["headers"]["content-type"] == "application/json"
    assert (whole["event"]["kind"], whole["event"]["branch"]) == ("push", "main")
    assert json.loads(whole["body"])["secret"] == "***"
    assert (whole["body_truncated"], whole["body_bytes"]) == (False, len(request.body))


@pytest.mark.databases("sqlite")
async def test_a_refused_body_is_cut(site: Site) -> None:
    """Of a refused delivery 4 KB are shown, and it says so."""
    await site.post("gitea", push_request("gitea", secret="wrong", message="x" * 9000))
    [item] = await shown(admin(site))
    whole = (await admin(site).get(f"{DELIVERIES}/{item['id']}")).json()
    assert (len(whole["body"]), whole["body_truncated"], whole["event"]) == (4096, True, None)


async def test_replay_makes_a_new_build(site: Site) -> None:
    """A replay is a delivery of its own that points back, with a new build of the same commit, and is audited."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    request = push_request("gitea", secret=SECRET)
    first = (await site.post("gitea", request, address=uid)).json()
    [item] = await shown(grace)
    answers = [await grace.post(f"{DELIVERIES}/{item['id']}/replay") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    again = answers[0].json()
    assert len({first["job_id"], *(answer.json()["job_id"] for answer in answers)}) == 3
    assert (again["verdict"], again["status"]) == ("accepted", "pending")
    assert answers[0].headers["Location"] == f"{DELIVERIES}/{again['id']}"
    new = (await grace.get(f"{DELIVERIES}/{again['id']}")).json()
    assert (new["replay_of"], new["job_id"], new["delivery_id"]) == (item["id"], again["job_id"], item["delivery_id"])
    assert len({build.commit_sha for build in await site.rows(Build)}) == 1
    assert len({job.lane for job in await site.rows(Job)}) == 1
    entries = [entry for entry in await site.rows(AuditEntry) if entry.action == "delivery.replayed"]
    assert [(entry.actor, entry.subject_id) for entry in entries] == [("grace", str(item["id"]))] * 2
    repeated = (await site.post("gitea", request, address=uid)).json()
    assert (repeated["duplicate"], repeated["job_id"]) == (True, first["job_id"])


@pytest.mark.databases("sqlite")
async def test_replay_is_judged_by_todays_filters(site: Site) -> None:
    """What was ignored may build now, and what was built may be ignored, with the reason."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET, filters={"branches": ["release/*"]})
    assert (await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)).json()["status"] == "ignored"
    [item] = await shown(grace)
    path = f"{DELIVERIES}/{item['id']}/replay"
    answer = await grace.post(path)
    assert (answer.status_code, answer.json()["verdict"], answer.json()["job_id"]) == (200, "ignored", None)
    assert "release" not in answer.json()["message"]
    await grace.patch(f"{REPOSITORIES}/{uid}", {"filters": {"branches": []}})
    assert (await grace.post(path)).status_code == 202
    await grace.patch(f"{REPOSITORIES}/{uid}", {"active": False})
    assert (await grace.post(path)).json()["message"] == "The repository is switched off in Slipway"
    assert [row.reason_code for row in await site.rows(Delivery)] == [
        "BRANCH_FILTERED",
        "BRANCH_FILTERED",
        None,
        "REPOSITORY_INACTIVE",
    ]


@pytest.mark.databases("sqlite")
async def test_what_is_not_replayed(site: Site) -> None:
    """Refused deliveries, those whose sender may not run local builds, and those that are not there."""
    grace, eve = await person(site, "grace"), await person(site, "eve", may_run_local=False)
    uid = await grace.with_secret(SECRET)
    await site.post("gitea", push_request("gitea", secret="wrong"), address=uid)
    [refused] = await shown(grace)
    answer = await grace.post(f"{DELIVERIES}/{refused['id']}/replay")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOT_REPLAYABLE")
    await site.post("github", push_request("github", secret=SECRETS["github"]))
    [shared] = await shown(eve)
    answer = await eve.post(f"{DELIVERIES}/{shared['id']}/replay")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LOCAL_NOT_ALLOWED")
    for unknown in (0, 999, 2**63 - 1, 2**80):
        assert (await grace.post(f"{DELIVERIES}/{unknown}/replay")).status_code == 404
    assert len(await site.rows(Build)) == 1


@pytest.mark.databases("sqlite")
async def test_a_stored_delivery_is_explained(site: Site) -> None:
    """The owner reads which check failed, without the secret; what was believed says so."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    await site.post("gitea", push_request("gitea", secret=f"{SECRET}\n"), address=uid)
    await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    await site.post("gitea", push_request("gitea", secret="wrong", message="x" * 9000), address=uid)
    cut, believed, mistaken = await shown(grace)
    found = (await grace.get(f"{DELIVERIES}/{mistaken['id']}/signature")).json()
    assert found["verdict"] == "SIGNATURE_WRONG"
    assert [check["name"] for check in found["checks"] if not check["ok"]] == [
        "received",
        "signature",
        "secret_whitespace",
    ]
    assert SECRET not in json.dumps(found)
    assert (await grace.get(f"{DELIVERIES}/{believed['id']}/signature")).json()["verdict"] == "VERIFIED"
    found = (await grace.get(f"{DELIVERIES}/{cut['id']}/signature")).json()
    assert [check["name"] for check in found["checks"]] == ["received", "body"]


@pytest.mark.databases("sqlite")
async def test_a_stored_delivery_of_gitlab(site: Site) -> None:
    """A plain token is never kept, so it cannot be compared again; a signature can."""
    await site.post("gitlab", push_request("gitlab", secret="wrong"))
    [token] = await shown(admin(site))
    found = (await admin(site).get(f"{DELIVERIES}/{token['id']}/signature")).json()
    assert "never kept" in found["checks"][-1]["message"]


@pytest.mark.databases("sqlite")
async def test_a_pasted_delivery_is_explained(site: Site) -> None:
    """For the owner of the address it came to; for the global address only to superusers; nothing is stored."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    uid = await grace.with_secret(SECRET, forge="github")
    path = f"{DELIVERIES}/explain-signature"

    def pasted(request: SignedRequest, **more: str) -> dict[str, Any]:
        return {"forge": "github", "headers": request.headers, "body": request.body.decode(), **more}

    good = pasted(push_request("github", secret=SECRET), repository=uid)
    assert (await grace.post(path, good)).json()["verdict"] == "VERIFIED"
    assert (await eve.post(path, good)).status_code == 404
    assert (await grace.post(path, good | {"forge": "gitea"})).status_code == 404
    of_global = pasted(push_request("github", secret=SECRETS["github"]))
    assert (await grace.post(path, of_global)).status_code == 403
    assert (await admin(site).post(path, of_global)).json()["verdict"] == "VERIFIED"

    stray = pasted(push_request("github", secret=SECRETS["github"]), repository=uid)
    for caller, knows in ((grace, False), (admin(site), True)):
        checks = {check["name"]: check for check in (await caller.post(path, stray)).json()["checks"]}
        assert checks["other_secret"]["ok"] is not knows
        assert ("/webhook/github" in checks["other_secret"]["message"]) is knows
    assert await site.rows(Delivery) == []


@pytest.mark.databases("sqlite")
async def test_a_secret_that_has_ended_is_recognised(site: Site) -> None:
    """After a rotation the forge may still sign with the old one: the explanation says which."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    secrets = f"{REPOSITORIES}/{uid}/webhook-secrets"
    [old] = (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"]
    assert (await grace.post(secrets, {"overlap_s": 0})).status_code == 201
    answer = await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    assert answer.status_code == 401
    [item] = await shown(grace)
    last = (await grace.get(f"{DELIVERIES}/{item['id']}/signature")).json()["checks"][-1]
    assert (last["name"], last["ok"]) == ("other_secret", False)
    assert f"secret {old['id']} of acme/app, which has ended" in last["message"]


async def test_old_deliveries_are_forgotten(site: Site) -> None:
    """Verified ones older than the limit go, some at a time; younger and refused ones stay."""
    uid = await site.register("gitea", SECRET)
    for number in range(5):
        await site.post("gitea", push_request("gitea", secret=SECRET, message=f"{number}"), address=uid)
    await site.post("gitea", push_request("gitea", secret="wrong"), address=uid)
    rows = await site.rows(Delivery)
    now = utcnow()
    async with site.database.transaction() as tx:
        old = [row.id for row in (*rows[:3], rows[-1])]
        await tx.execute(update(Delivery).where(Delivery.id.in_(old)).values(received_at=now - timedelta(days=31)))

    async def forget() -> int:
        async with site.database.transaction() as tx:
            return await delivery_log.forget(tx, now - timedelta(days=30), most=2)

    assert [await forget() for _ in range(3)] == [2, 1, 0]
    assert [row.id for row in await site.rows(Delivery)] == [row.id for row in rows[3:]]
    assert len(await site.rows(Build)) == 5


async def test_two_gateways_forget_at_the_same_time(site: Site) -> None:
    """They pass over each other's rows, and none fails."""
    uid = await site.register("gitea", SECRET)
    for number in range(6):
        await site.post("gitea", push_request("gitea", secret=SECRET, message=f"{number}"), address=uid)
    later = utcnow() + timedelta(days=1)

    async def forget() -> int:
        async with site.database.transaction() as tx:
            return await delivery_log.forget(tx, later, most=3)

    assert sum(await asyncio.gather(forget(), forget(), forget())) <= 6
    while await forget():
        pass
    assert await site.rows(Delivery) == []

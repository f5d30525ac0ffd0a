"""What is sealed with a repository: goes in, proves or serves, rotates, and never comes out."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from libs.common.audit.models import AuditEntry
from libs.common.crypto import Sealer
from libs.common.database import utcnow
from libs.common.settings import ListenSettings
from services.builds.models import Repository
from services.builds.service.repositories import WEBHOOK_SECRETS_MAX
from services.builds.service.sealed import Vault, WebhookSecret
from tests.builds.forges.payloads import FORGES, push_request
from tests.gateway.serving import SECRET_KEY
from tests.webhooks.people import REPOSITORIES, person
from tests.webhooks.site import Site, open_site

SECRET = "s3cret-of-this-address"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("forge", FORGES)
async def test_a_secret_that_was_made_proves_deliveries(site: Site, forge: str) -> None:
    """The answer shows it once, with its id and where to read on; then it works, and only its id is shown."""
    grace = await person(site, "grace")
    uid = await grace.registered(forge=forge)
    path = f"{REPOSITORIES}/{uid}"
    answer = await grace.post(f"{path}/webhook-secrets", {})
    assert (answer.status_code, answer.headers["Location"]) == (201, path)
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert (len(made["secret"]), made["expires_at"]) == (64, None)
    assert (await site.post(forge, push_request(forge, secret=made["secret"]), address=uid)).status_code == 202
    view = await grace.get(path)
    assert [secret["id"] for secret in view.json()["webhook"]["secrets"]] == [made["id"]]
    assert made["secret"] not in view.text


async def test_rotation_overlaps(site: Site) -> None:
    """While both are valid both prove deliveries; the old one has an end then, a deleted one proves nothing at once."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    secrets = f"{REPOSITORIES}/{uid}/webhook-secrets"
    new = (await grace.post(secrets, {"overlap_s": 3600})).json()

    async def pushed(secret: str, message: str) -> int:
        request = push_request("gitea", secret=secret, message=message)
        return (await site.post("gitea", request, address=uid)).status_code

    assert [await pushed(SECRET, "old"), await pushed(new["secret"], "new")] == [202, 202]
    shown = (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"]
    assert [secret["expires_at"] is None for secret in shown] == [True, False]
    assert (await grace.delete(f"{secrets}/{shown[1]['id']}")).status_code == 204
    assert await pushed(SECRET, "deleted") == 401
    assert (await grace.delete(f"{secrets}/{shown[1]['id']}")).status_code == 404
    assert await pushed(new["secret"], "still") == 202


@pytest.mark.databases("sqlite")
async def test_a_secret_ends_at_its_time(site: Site) -> None:
    """Past its end a secret proves nothing and is no longer shown."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    now = utcnow()
    ended = WebhookSecret(id="0a", secret=SECRET, created_at=now, expires_at=now - timedelta(seconds=1))
    sealed = Vault(Sealer([SECRET_KEY])).seal(uid, "sealed_webhook_secrets", [ended])
    async with site.database.transaction() as tx:
        await tx.execute(update(Repository).values(sealed_webhook_secrets=sealed))
    answer = await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (401, "NO_SECRET")
    assert (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"] == []


async def test_secrets_have_a_limit_and_none_is_lost(site: Site) -> None:
    """Added at the same time, all that fit are there; one more is a 409; a rotation makes room."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    secrets = f"{REPOSITORIES}/{uid}/webhook-secrets"
    answers = await asyncio.gather(*(grace.post(secrets, {}) for _ in range(WEBHOOK_SECRETS_MAX + 2)))
    assert sorted(answer.status_code for answer in answers) == [201] * WEBHOOK_SECRETS_MAX + [409] * 2
    shown = (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"]
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert {secret["id"] for secret in shown} == made
    assert (await grace.post(secrets, {"overlap_s": 0})).status_code == 201
    assert len((await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"]) == 1


NO_SECRETS: list[dict[str, object]] = [
    {"secret": "short"},
    {"secret": " padded-secret"},
    {"secret": "pässword-1234"},
    {"secret": "two\nlines-1234"},
    {"secret": "x" * 256},
    {"overlap_s": -1},
    {"overlap_s": 10**9},
    {"overlap_s": "1"},
    {"id": "0a"},
]


@pytest.mark.databases("sqlite")
async def test_secrets_that_no_forge_could_send(site: Site) -> None:
    """Too short, not printable ASCII, with blanks at an end, or an overlap out of range: 422, and nothing changes."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    for body in NO_SECRETS:
        assert (await grace.post(f"{REPOSITORIES}/{uid}/webhook-secrets", body)).status_code == 422, body
        assert (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["secrets"] == []


async def test_pipeline_secrets_and_credentials(site: Site) -> None:
    """Names and kinds are shown, values never: not in answers, not in the database's bytes, not in the audit log."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    path = f"{REPOSITORIES}/{uid}"
    await asyncio.gather(*(grace.put(f"{path}/secrets/{name}", {"value": f"v4lue-{name}"}) for name in "CAB"))
    assert (await grace.put(f"{path}/secrets/A", {"value": "v4lue-2"})).status_code == 204
    assert (await grace.put(f"{path}/credentials", {"ssh_key": "v4lue-key"})).status_code == 204
    view = await grace.get(path)
    assert (view.json()["secrets"], view.json()["credentials"]) == (["A", "B", "C"], "ssh_key")
    [row] = await site.rows(Repository)
    told = view.text + repr(tuple(row)) + repr([tuple(entry) for entry in await site.rows(AuditEntry)])
    assert "v4lue" not in told
    assert (await grace.put(f"{path}/credentials", {"username": "ci", "password": "v4lue"})).status_code == 204
    assert (await grace.get(path)).json()["credentials"] == "password"
    for left in (f"{path}/secrets/A", f"{path}/credentials"):
        assert (await grace.delete(left)).status_code == 204
    view = await grace.get(path)
    assert (view.json()["secrets"], view.json()["credentials"]) == (["B", "C"], None)
    assert (await grace.delete(f"{path}/secrets/A")).status_code == 404


@pytest.mark.databases("sqlite")
async def test_wrong_secrets_and_credentials(site: Site) -> None:
    """Names that no variable can have, empty values, both or neither kind of credentials: 422."""
    grace = await person(site, "grace")
    path = f"{REPOSITORIES}/{await grace.registered()}"
    for where, body in (
        ("secrets/1A", {"value": "x"}),
        ("secrets/A-B", {"value": "x"}),
        ("secrets/A", {"value": ""}),
        ("secrets/A", {}),
        ("secrets/A", {"value": "x" * 70_000}),
        ("secrets/A", {"value": "a\0b"}),
        ("credentials", {}),
        ("credentials", {"username": "ci"}),
        ("credentials", {"password": "p", "ssh_key": "k"}),
    ):
        assert (await grace.put(f"{path}/{where}", body)).status_code == 422, (where, body)
    assert (await grace.get(path)).json()["secrets"] == []


@pytest.mark.databases("sqlite")
async def test_a_repository_has_a_hundred_secrets_at_most(site: Site) -> None:
    """One more is a 409; a new value of one that is there is not one more."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    full = {f"S{number}": "x" for number in range(100)}
    sealed = Vault(Sealer([SECRET_KEY])).seal(uid, "sealed_secrets", full)
    async with site.database.transaction() as tx:
        await tx.execute(update(Repository).values(sealed_secrets=sealed))
    answer = await grace.put(f"{REPOSITORIES}/{uid}/secrets/MORE", {"value": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "TOO_MANY_SECRETS")
    assert (await grace.put(f"{REPOSITORIES}/{uid}/secrets/S7", {"value": "y"})).status_code == 204


@pytest.mark.databases("sqlite")
async def test_public_url_begins_the_address(database: str, redis: str) -> None:
    """PUBLIC_URL is what forges are told, whatever the request came to."""
    listening = ListenSettings(public_url="https://slipway.example/ci")
    async with open_site(database, redis, listening=listening) as site:
        grace = await person(site, "grace")
        uid = await grace.registered()
        shown = (await grace.get(f"{REPOSITORIES}/{uid}")).json()["webhook"]["url"]
        assert shown == f"https://slipway.example/ci/webhook/gitea/{uid}"

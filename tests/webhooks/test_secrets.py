"""Which secret proves a delivery: global ones, rotating ones, a repository's own, and none."""

import pytest

from libs.common.jobs.models import Job
from libs.common.settings import Secret
from services.builds.models import Delivery, Repository
from services.builds.settings import WebhookSettings
from tests.builds.forges.payloads import FORGES, push_request
from tests.webhooks.site import SECRETS, Site, open_site, webhook_settings

pytestmark = pytest.mark.databases("sqlite")

ROTATED = [("one", "two"), ("whsec_" + "b25l" * 8, "whsec_" + "dHdv" * 8), ("token", "whsec_" + "dHdv" * 8)]


@pytest.mark.parametrize("forge", FORGES)
async def test_two_secrets_while_rotating(database: str, redis: str, forge: str) -> None:
    """The new secret and the one before are both accepted, a third is not."""
    changed = {forge: Secret("new"), f"{forge}_old": Secret("old")}
    async with open_site(database, redis, webhooks=webhook_settings(**changed)) as site:
        for number, (secret, expected) in enumerate({"new": 202, "old": 202, "older": 401}.items()):
            answer = await site.post(forge, push_request(forge, secret=secret, message=f"{number}"))
            assert answer.status_code == expected, answer.text


@pytest.mark.parametrize(("old", "new"), ROTATED)
async def test_gitlab_moves_between_token_and_signature(database: str, redis: str, old: str, new: str) -> None:
    """GitLab's plain token, its signing secret, and the way from one to the other."""
    changed = {"gitlab": Secret(new), "gitlab_old": Secret(old)}
    async with open_site(database, redis, webhooks=webhook_settings(**changed)) as site:
        for secret in (old, new):
            answer = await site.post("gitlab", push_request("gitlab", secret=secret, message=secret))
            assert answer.status_code == 202, answer.text


async def test_one_secret_for_all_forges(database: str, redis: str) -> None:
    """WEBHOOK_SECRET serves each forge that has none of its own, and only those."""
    webhooks = WebhookSettings(webhook_secret=Secret("common"), gitea=Secret("own"))
    async with open_site(database, redis, webhooks=webhooks) as site:
        expected = {"gitea": 401, "forgejo": 202, "github": 202, "gitlab": 202}
        for forge, status in expected.items():
            assert (await site.post(forge, push_request(forge, secret="common"))).status_code == status


@pytest.mark.parametrize("forge", FORGES)
async def test_no_secret_is_refused_with_a_hint(database: str, redis: str, forge: str) -> None:
    """Without a secret every delivery is refused, and the answer names the setting that is missing."""
    async with open_site(database, redis, webhooks=WebhookSettings()) as site:
        for secret in ("", "guess"):
            answer = await site.post(forge, push_request(forge, secret=secret))
            assert answer.status_code == 401
            error = answer.json()["error"]
            assert (error["code"], error["details"]) == ("INVALID_SIGNATURE", {"reason": "NO_SECRET"})
            assert f"{forge.upper()}_WEBHOOK_SECRET" in error["message"]
        assert await site.rows(Job) == []


async def test_development_takes_unsigned_deliveries_where_no_secret_is_set(database: str, redis: str) -> None:
    """ENV=development accepts what nobody could sign; a secret that is set is still asked for."""
    webhooks = WebhookSettings(github=Secret("s"))
    async with open_site(database, redis, webhooks=webhooks, env="development") as site:
        assert (await site.post("gitea", push_request("gitea", secret=""))).status_code == 202
        assert (await site.post("github", push_request("github", secret=""))).status_code == 401


@pytest.mark.parametrize("forge", FORGES)
async def test_a_repository_has_its_own_address_and_secret(site: Site, forge: str) -> None:
    """At a repository's address its own secrets count, all of them, and the forge's global one does not."""
    uid = await site.register(forge, "new", "old")
    [row] = await site.rows(Repository)
    assert b"new" not in row.sealed_webhook_secrets
    refused = await site.post(forge, push_request(forge, secret=SECRETS[forge]), address=uid)
    assert refused.status_code == 401
    for secret in ("new", "old"):
        answer = await site.post(forge, push_request(forge, secret=secret, message=secret), address=uid)
        assert answer.status_code == 202, answer.text
    assert len(await site.rows(Repository)) == 1
    assert [row.address for row in await site.rows(Delivery)] == [uid] * 3


async def test_a_repository_without_secret(site: Site) -> None:
    """An address without a secret refuses, and the hint does not name the global setting."""
    uid = await site.register("gitea")
    answer = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]), address=uid)
    assert answer.status_code == 401
    assert answer.json()["error"]["details"] == {"reason": "NO_SECRET"}
    assert "give this repository a webhook secret" in answer.json()["error"]["message"]


async def test_an_address_is_for_its_repository_only(site: Site) -> None:
    """A delivery about another repository starts nothing at this address, and says so; case does not matter."""
    uid = await site.register("gitea", "s", full_name="Acme/App")
    other = push_request("gitea", secret="s", repository="acme/other")
    answer = await site.post("gitea", other, address=uid)
    assert (answer.status_code, answer.json()["reason"]) == (200, "REPOSITORY_DIFFERS")
    assert (await site.post("gitea", push_request("gitea", secret="s"), address=uid)).status_code == 202


NOBODYS = ["nobody", "x" * 22, "x" * 300, "%00", "é", "..%2F", "%FF"]


async def test_unknown_addresses(site: Site) -> None:
    """An address that nobody was given is a 404 in the envelope, and so is one of another forge's repository."""
    for address in NOBODYS:
        answer = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]), address=address)
        assert answer.status_code == 404, answer.text
        assert answer.json()["error"]["code"] in {"REPOSITORY_NOT_FOUND", "NOT_FOUND"}


async def test_an_address_of_another_forge(site: Site) -> None:
    """A Gitea repository's address is not there for GitHub."""
    uid = await site.register("gitea", "s")
    assert (await site.post("github", push_request("github", secret="s"), address=uid)).status_code == 404


@pytest.mark.parametrize("path", ["/webhook/bitbucket", "/webhooks/GITEA", "/webhook/bitbucket/uid", "/webhook/%00"])
async def test_unknown_forges(site: Site, path: str) -> None:
    """A forge that is not known answers 404 with the names of those that are."""
    answer = await site.client.post(path, json={})
    assert answer.status_code == 404
    error = answer.json()["error"]
    if "%00" not in path:
        assert error["code"] == "UNKNOWN_FORGE"
        assert error["details"] == {"known": ["forgejo", "gitea", "github", "gitlab"]}
        assert "forgejo, gitea, github, gitlab" in error["message"]

"""Users of a site: signed up as people are, some of them allowed to run local builds."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.gateway.serving import ADMIN_KEY, KEY
from tests.webhooks.site import Site

PASSWORD = "correct horse battery"
NEW = {"forge": "gitea", "full_name": "acme/app", "clone_url": "https://git.example/acme/app.git"}
REPOSITORIES = "/api/v1/repositories"


@dataclass(frozen=True)
class Caller:
    """Somebody who calls a site's API with credentials of their own."""

    site: Site
    headers: dict[str, str]
    id: int | None = None

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.site.client.get(path, params=parameters, headers=self.headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.site.client.post(path, json=body, headers=self.headers | headers)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.site.client.patch(path, json=body, headers=self.headers)

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.site.client.put(path, json=body, headers=self.headers | headers)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        return await self.site.client.delete(path, headers=self.headers | headers)

    async def registered(self, **other: Any) -> str:
        """Register a repository, with what differs from NEW; answers its uid."""
        answer = await self.post(REPOSITORIES, NEW | other)
        assert answer.status_code == 201, answer.text
        uid: str = answer.json()["uid"]
        return uid

    async def with_secret(self, secret: str = "s3cret-of-this-address", **other: Any) -> str:
        """Register a repository whose address has this secret; answers its uid."""
        uid = await self.registered(**other)
        answer = await self.post(f"{REPOSITORIES}/{uid}/webhook-secrets", {"secret": secret})
        assert answer.status_code == 201, answer.text
        return uid


def admin(site: Site) -> Caller:
    """The operator's key, which may do everything."""
    return Caller(site, {"X-API-Key": ADMIN_KEY})


def pipeline(site: Site) -> Caller:
    """A pipeline's static key: what it makes is shared."""
    return Caller(site, {"X-API-Key": KEY})


async def person(site: Site, name: str, *, may_run_local: bool = True) -> Caller:
    """Sign somebody up and in."""
    body = {"username": name, "password": PASSWORD}
    made = await site.client.post("/api/auth/register", json=body)
    assert made.status_code == 201, made.text
    if may_run_local:
        changed = await admin(site).patch(f"/api/users/{made.json()['id']}", {"may_run_local": True})
        assert changed.status_code == 200, changed.text
    token = (await site.client.post("/token", json=body)).json()["access_token"]
    return Caller(site, {"Authorization": f"Bearer {token}"}, made.json()["id"])

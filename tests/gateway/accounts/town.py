"""People, their logins and their keys, as the tests of the accounts need them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import select

from libs.common.audit.models import AuditEntry
from libs.common.auth.sessions import COOKIE
from libs.common.database import Base, Database
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD

PASSWORD = "a horse of one's own"


@dataclass
class Person:
    """Somebody with an account: `token` is of their login by JSON, `session` of their browser."""

    id: int
    name: str
    token: str
    session: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.session}"}


@dataclass
class Town:
    """A running gateway: `client` keeps no cookies, so that each request shows what the test gives it."""

    client: httpx.AsyncClient
    database: Database

    async def settled(self) -> None:
        """Wait until the first administrator is there, who is made beside the start."""
        async with asyncio.timeout(10):
            while (await self.login(ADMIN_EMAIL, ADMIN_PASSWORD)).status_code != 200:
                pass

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        self.client.cookies.clear()
        answer = await self.client.request(method, path, headers=headers, **more)
        self.client.cookies.clear()
        return answer

    async def login(self, name: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return await self.ask("POST", "/api/auth/login", headers, json={"username": name, "password": password})

    async def signed_in(self, name: str, password: str = PASSWORD) -> Person:
        """Log in somebody who has an account."""
        answer = await self.login(name, password)
        token = answer.json()["access_token"]
        me = (await self.ask("GET", "/api/users/me", {"Authorization": f"Bearer {token}"})).json()
        return Person(me["id"], me["username"], token, answer.cookies[COOKIE])

    async def admin(self) -> Person:
        return await self.signed_in(ADMIN_EMAIL, ADMIN_PASSWORD)

    async def newcomer(self, name: str) -> Person:
        """Sign somebody up and in."""
        made = await self.ask("POST", "/api/auth/register", json={"username": name, "password": PASSWORD})
        assert made.status_code == 201, made.text
        return await self.signed_in(name)

    async def key(self, person: Person, *scopes: str, **more: Any) -> dict[str, Any]:
        """Make an API key; answers its view with the key itself."""
        body = {"name": "a key", "scopes": list(scopes), **more}
        made = await self.ask("POST", "/api/v1/api-keys", person.bearer, json=body)
        assert made.status_code == 201, made.text
        return dict(made.json())

    async def csrf(self, person: Person) -> dict[str, str]:
        """The headers with which a browser changes something."""
        session = await self.ask("GET", "/api/auth/session", person.cookie)
        return {**person.cookie, "X-CSRF-Token": session.json()["csrf_token"]}

    async def code(self, headers: dict[str, str], path: str = "/api/users/me") -> str:
        """What a read with these credentials comes to: "ok", or the code of its refusal."""
        answer = await self.ask("GET", path, headers)
        return "ok" if answer.status_code == 200 else str(answer.json()["error"]["code"])

    async def rows(self, table: type[Base]) -> Sequence[Any]:
        async with self.database.reading() as tx:
            return (await tx.execute(select(table.__table__))).all()

    async def audited(self, action: str) -> Sequence[Any]:
        """The audit log's entries of one action, oldest first."""
        return [row for row in await self.rows(AuditEntry) if row.action == action]


def by_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]

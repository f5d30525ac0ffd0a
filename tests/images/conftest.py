"""A database to store builds in, and callers who may see some of them."""

from collections.abc import AsyncIterator

import pytest

from libs.common.audit import Actor
from libs.common.database import Database
from libs.common.http.principal import Principal
from tests.gateway.serving import with_driver
from tests.webhooks.conftest import plain_log, site

__all__ = ["plain_log", "site"]

ADA = Principal(1, "ada", frozenset({"builds:read", "builds:write"}))
BOB = Principal(2, "bob", ADA.scopes)
PIPELINE = Principal(None, "pipeline", ADA.scopes, key_id="static")
ROOT = Principal(3, "root", frozenset(), is_superuser=True)


def acting(principal: Principal) -> Actor:
    """The caller as the audit log wants it."""
    return Actor(principal.user_id, principal.name, principal.key_id, "127.0.0.1", None)


@pytest.fixture
async def stored(database: str) -> AsyncIterator[Database]:
    """An empty database with the newest schema."""
    opened = Database(with_driver(database))
    try:
        yield opened
    finally:
        await opened.close()

"""Accounts as bodies, and what the routes share."""

from typing import Final

from libs.common.errors import Forbidden
from libs.common.http.guards import Connection
from libs.common.http.principal import ADMIN, Principal
from services.gateway.accounts.account import Account
from services.gateway.accounts.schemas import UserView

# What shows a secret, or says who is signed in, is nobody's to keep (RFC 9111, 5.2.2.5).
NO_STORE: Final = {"Cache-Control": "no-store"}
USER_EXAMPLE: Final = {
    "id": 1,
    "username": "ada",
    "email": "ada@example.org",
    "is_active": True,
    "is_superuser": False,
    "is_verified": True,
    "may_run_local": False,
    "created_at": "2026-11-20T18:00:00Z",
    "scopes": ["builds:read", "builds:write", "jobs:read", "jobs:write"],
}


def view_of(account: Account) -> UserView:
    """A user as their row says."""
    return UserView(
        id=account.id,
        username=account.username,
        email=account.email,
        is_active=account.is_active,
        is_superuser=account.is_superuser,
        is_verified=account.is_verified,
        may_run_local=account.may_run_local,
        created_at=account.created_at,
        scopes=sorted(account.scopes),
    )


def view_of_caller(principal: Principal, account: Account | None) -> UserView:
    """The caller, with the rights of the credential that they use; without an account the built-in user of keys."""
    return UserView(
        id=principal.user_id,
        username=principal.name,
        email=account.email if account else None,
        is_active=True,
        is_superuser=principal.is_superuser,
        is_verified=account.is_verified if account else True,
        may_run_local=principal.may_run_local,
        created_at=account.created_at if account else None,
        scopes=sorted(principal.scopes),
    )


async def person_only(connection: Connection, _: object) -> None:
    """The guard of what people do with their own account: no key may do that, whatever its scopes."""
    principal: Principal = connection.scope["user"]
    if principal.user_id is None or principal.key_id is not None:
        raise Forbidden("An API key cannot change an account; log in", code="LOGIN_REQUIRED")


async def person_or_admin_key(connection: Connection, _: object) -> None:
    """The guard of what people do with their keys: a key makes, shows and ends keys only with the scope `admin`."""
    principal: Principal = connection.scope["user"]
    if principal.key_id is not None and not principal.may(ADMIN):
        raise Forbidden(f"An API key needs the scope {ADMIN} for this", code="MISSING_SCOPE", details={"scope": ADMIN})

"""HTTP in: logging in and out, users, API keys."""

from litestar import Router

from services.gateway.accounts.cookies import Cookies
from services.gateway.accounts.routes import api_keys, logins, people, users
from services.gateway.accounts.service.api_keys import ApiKeys
from services.gateway.accounts.service.logins import Logins
from services.gateway.accounts.service.users import Users

__all__ = ["router"]


def router(accounts: Users, opened: Logins, keys: ApiKeys, cookies: Cookies, *, signups: bool) -> Router:
    """The routes of the accounts; `signups` tells whether strangers may make themselves a user."""
    handlers = [*logins.handlers(opened, accounts, cookies, signups=signups)]
    handlers += [*users.handlers(accounts, cookies, signups=signups), *api_keys.handlers(keys)]
    handlers += people.handlers(accounts, keys)
    return Router("/", route_handlers=handlers, tags=["Accounts"])

"""Who asks: the caller of a request, as routes and services see it."""

from typing import Final

import msgspec

ADMIN: Final = "admin"
# One pair per domain and one for jobs; `admin` stands for all of them and for other people's things.
ORDINARY_SCOPES: Final = frozenset(
    f"{resource}:{right}" for resource in ("builds", "vms", "apps", "jobs") for right in ("read", "write")
)
SCOPES: Final = ORDINARY_SCOPES | {ADMIN}


class Principal(msgspec.Struct, frozen=True):
    """A caller whose credentials were checked.

    `user_id` is None for a static API key: what it makes is shared. `name` is for logs and audit. `key_id` names the
    API key that was used (never the key itself), None for a person's token or session. `session` tells that the
    credential is a browser's cookie. `may_run_local` tells that a superuser trusts this caller's code to run as the
    worker does (local providers).
    """

    user_id: int | None
    name: str
    scopes: frozenset[str]
    is_superuser: bool = False
    key_id: str | None = None
    session: bool = False
    may_run_local: bool = False

    def may(self, scope: str) -> bool:
        """Tell whether the caller has a scope; a superuser has all."""
        return self.is_superuser or scope in self.scopes

    def may_see(self, owner: int | None) -> bool:
        """Tell whether a thing of this owner (None: shared) exists for the caller; if not, the answer is 404."""
        return owner is None or self.is_superuser or owner == self.user_id

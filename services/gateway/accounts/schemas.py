"""HTTP bodies of the accounts."""

from datetime import datetime
from typing import Annotated

import msgspec

# Longer than any password we accept (128), so that a wrong one is "wrong" and not "too long"; bounds the hashing.
_Text = Annotated[str, msgspec.Meta(max_length=1024)]


class Credentials(msgspec.Struct, frozen=True):
    """A login: `username` is an e-mail address or a user name. Further fields (grant_type, scope) are ignored."""

    username: _Text
    password: _Text


class AccessToken(msgspec.Struct, frozen=True):
    """A token for `Authorization: Bearer`."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the type's name, not a token


class UserView(msgspec.Struct, frozen=True):
    """A user as clients see them. `id` is null for an API key that belongs to no person."""

    id: int | None
    username: str
    email: str | None
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: datetime | None
    scopes: list[str]

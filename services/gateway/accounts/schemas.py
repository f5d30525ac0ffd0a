"""HTTP bodies of the accounts."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

PASSWORD_MIN: Final = 8  # NIST SP 800-63B, 5.1.1: the least for a password that a person chooses
PASSWORD_MAX: Final = 128  # long enough for any sentence; hashing must have an end
_NAME_MAX: Final = 64
_EMAIL_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, with the brackets taken off

# Longer than any password we accept, so that a wrong one is "wrong" and not "too long"; bounds the hashing.
_Text = Annotated[str, msgspec.Meta(max_length=1024)]
Password = Annotated[str, msgspec.Meta(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]
# Something, one @, something: whether an address is one, only a letter to it can tell.
Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$", max_length=_EMAIL_MAX)]
# No @, so that no user name is another one's e-mail address; no colon, which deleted users' names have.
Username = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=_NAME_MAX)]

Scope = Literal[
    "builds:read",
    "builds:write",
    "vms:read",
    "vms:write",
    "apps:read",
    "apps:write",
    "jobs:read",
    "jobs:write",
    "admin",
]
# A month; who needs both keys for longer makes a second key instead of rotating.
_OVERLAP_MAX_S: Final = 30 * 24 * 3600
_OVERLAP_S: Final = 24 * 3600  # a day: every pipeline that runs nightly has met the new key


class Credentials(msgspec.Struct, frozen=True):
    """A login: `username` is an e-mail address or a user name. Further fields (grant_type, scope) are ignored."""

    username: _Text
    password: _Text


class LoggedIn(msgspec.Struct, frozen=True):
    """Whom a login let in, as documented clients of `/auth/password` read it."""

    id: int
    username: str
    email: str | None
    is_superuser: bool


class AccessToken(msgspec.Struct, frozen=True):
    """A token for `Authorization: Bearer`. `user` is answered by `/auth/password` only."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the type's name, not a token
    user: LoggedIn | UnsetType = UNSET


class LoginOptions(msgspec.Struct, frozen=True):
    """What a sign-in page has to know before anybody is signed in."""

    signups: bool
    password_min: int


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-up: an e-mail address, a user name or both. Without a user name it is made of the address."""

    password: Password
    email: Email | None = None
    username: Username | None = None

    def __post_init__(self) -> None:
        if self.email is None and self.username is None:
            raise ValueError("Give an e-mail address, a user name or both")


class OwnChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people may change of themselves; what is absent stays. A new password needs the one before."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    current_password: _Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.password is not UNSET and self.current_password is UNSET:
            raise ValueError("A new password needs current_password")


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a superuser may change of anybody; what is absent stays."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    is_superuser: bool | UnsetType = UNSET
    is_verified: bool | UnsetType = UNSET
    may_run_local: bool | UnsetType = UNSET


_PersonName = Annotated[str, msgspec.Meta(max_length=100)]  # the longest in registers of births are some 80
_EmployeeId = Annotated[str, msgspec.Meta(max_length=64)]


class NewPerson(NewUser, frozen=True, forbid_unknown_fields=True):
    """A user as Build State's clients make one."""

    first_name: _PersonName | None = None
    last_name: _PersonName | None = None
    employee_id: _EmployeeId | None = None
    is_superuser: bool = False

    @property
    def further(self) -> dict[str, str | bool | None]:
        """What a sign-up has not got."""
        names = ("first_name", "last_name", "employee_id", "is_superuser")
        return {name: getattr(self, name) for name in names}


class PersonChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes of a user as Build State's clients know one; what is absent stays. The last two need `admin`."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    first_name: _PersonName | UnsetType | None = UNSET
    last_name: _PersonName | UnsetType | None = UNSET
    employee_id: _EmployeeId | UnsetType | None = UNSET
    password: Password | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    is_superuser: bool | UnsetType = UNSET


class PersonUpdate(PersonChange, frozen=True, forbid_unknown_fields=True):
    """The body of such a change. One's own new password needs `current_password`."""

    current_password: _Text | UnsetType = UNSET

    @property
    def change(self) -> PersonChange:
        return PersonChange(**{name: getattr(self, name) for name in PersonChange.__struct_fields__})


class PersonView(msgspec.Struct, frozen=True):
    """A user as Build State's clients read one."""

    id: int
    username: str
    email: str | None
    first_name: str | None
    last_name: str | None
    employee_id: str | None
    is_active: bool
    is_superuser: bool
    created_at: datetime


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token of one's own. Without scopes it may do what a pipeline needs: builds:read, builds:write, jobs:read."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], msgspec.Meta(max_length=20)] = []
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class MadeToken(msgspec.Struct, frozen=True):
    """A token just made: `token` is shown this once; `id` names it from then on."""

    token: str
    name: str
    status: Literal["created"]
    id: str


class TokenView(msgspec.Struct, frozen=True):
    """A token without its secret."""

    id: str
    user_id: int
    name: str
    scopes: list[str]
    expires_at: datetime | None
    is_active: bool
    created_at: datetime


class TokenPage(msgspec.Struct, frozen=True):
    """A user's tokens, newest first."""

    tokens: list[TokenView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class EndedToken(msgspec.Struct, frozen=True):
    """A token that was ended, at once and for good."""

    status: Literal["deactivated"]
    token_id: str


class UserView(msgspec.Struct, frozen=True):
    """A user as clients see them. `id` is null for an API key that belongs to no person."""

    id: int | None
    username: str
    email: str | None
    is_active: bool
    is_superuser: bool
    is_verified: bool
    may_run_local: bool
    created_at: datetime | None
    scopes: list[str]


class UserPage(msgspec.Struct, frozen=True):
    """Users, newest first."""

    items: list[UserView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class SessionView(msgspec.Struct, frozen=True):
    """Who is signed in in this browser, and what its changes have to send as X-CSRF-Token."""

    user: UserView
    csrf_token: str
    expires_at: datetime


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made. `expires_at` is absent or null for a key without an end."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=20)]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key works beside the new one, in seconds; 0 ends it at once."""

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=_OVERLAP_MAX_S)] = _OVERLAP_S


class KeyView(msgspec.Struct, frozen=True):
    """An API key without its secret. `owner` is a user's id; null: made by a static key."""

    id: str
    name: str
    scopes: list[str]
    owner: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None


class MadeKey(KeyView, frozen=True, kw_only=True):
    """A key just made: `key` is shown this once."""

    key: str


class KeyPage(msgspec.Struct, frozen=True):
    """API keys, newest first."""

    items: list[KeyView]
    total: int
    limit: int
    offset: int
    next_offset: int | None

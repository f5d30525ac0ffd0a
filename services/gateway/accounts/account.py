"""A user as the rest of the accounts sees one, and what a user may do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from libs.common.http.principal import ORDINARY_SCOPES, SCOPES, Principal
from services.gateway.accounts.models import User


class Account(msgspec.Struct, frozen=True):
    """A user's row without the password."""

    id: int
    username: str
    email: str | None
    is_active: bool
    is_superuser: bool
    is_verified: bool
    may_run_local: bool
    token_generation: int
    created_at: datetime
    first_name: str | None
    last_name: str | None
    employee_id: str | None

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Account":
        """Make one of the values of COLUMNS."""
        return cls(*values)

    @property
    def scopes(self) -> frozenset[str]:
        """A person has all ordinary scopes over what is theirs; a superuser has every right over everything."""
        return SCOPES if self.is_superuser else ORDINARY_SCOPES

    def principal(self, *, session: bool = False) -> Principal:
        """The caller that this user is when they are logged in."""
        return Principal(
            user_id=self.id,
            name=self.username,
            scopes=self.scopes,
            is_superuser=self.is_superuser,
            session=session,
            may_run_local=self.may_run_local,
        )


COLUMNS: Final = tuple(User.__table__.c[name] for name in Account.__struct_fields__)

"""Which rows of this slice exist for whom."""

from sqlalchemy import ColumnElement, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from libs.common.http.principal import Principal


def visible_to(principal: Principal, owner: InstrumentedAttribute[int | None]) -> ColumnElement[bool]:
    """The condition for rows that the caller may see by their column `owner`: one's own and shared ones (null).

    Superusers see all; a static key, which belongs to nobody, sees shared ones.
    """
    if principal.is_superuser:
        return true()
    shared = owner.is_(None)
    return shared if principal.user_id is None else or_(shared, owner == principal.user_id)

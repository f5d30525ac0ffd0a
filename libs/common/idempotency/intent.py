"""What a request with an Idempotency-Key is about to do."""

import asyncio
import uuid
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import now_sql
from libs.common.errors import Conflict
from libs.common.idempotency.models import IdempotentAnswer

_RETRY_AFTER_S: Final = 5


class KeyInUse(Conflict):
    """Another request has this key: its work is done, or still under way."""

    default_code = "IDEMPOTENCY_KEY_IN_USE"

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is still under way; send it again later",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        )


class Intent:
    """One request's key: whose it is (`owner`), and a `fingerprint` of the route and body it was sent with.

    `patience_s` is how long it waits for another transaction that has the key, `answer_within_s` how long after its
    own commit the answer may take.
    """

    def __init__(
        self,
        owner: str,
        key: str,
        fingerprint: bytes,
        *,
        request_id: str | None,
        patience_s: float,
        answer_within_s: int,
    ) -> None:
        self.owner = owner
        self.key = key
        self.fingerprint = fingerprint
        self.attempt = uuid.uuid4()
        self._request_id = request_id
        self._patience_s = patience_s
        self._answer_within_s = answer_within_s
        self._bound_to: AsyncConnection | None = None

    @property
    def is_fulfilled(self) -> bool:
        """Whether a transaction was bound; not whether it was committed."""
        return self._bound_to is not None

    async def fulfil(self, tx: AsyncConnection, action: str, subject: tuple[str, str]) -> None:
        """Bind the key to a transaction: it is committed with it or not at all.

        Waits while another transaction has the key. Further calls of the same request change nothing. Raises KeyInUse
        when the key belongs to another request; then nothing of this transaction may be committed.
        """
        if self._bound_to is tx:
            return
        values: dict[str, Any] = {"owner": self.owner, "key": self.key, "attempt": self.attempt}
        values |= {"fingerprint": self.fingerprint, "request_id": self._request_id, "action": action}
        values |= {"subject_type": subject[0], "subject_id": subject[1]}
        try:
            async with asyncio.timeout(self._patience_s):
                inserted = await tx.execute(_insertion(tx.dialect.name, self._answer_within_s), values)
        except TimeoutError:
            raise KeyInUse from None
        if inserted.first() is None:
            holder = (await tx.execute(_HOLDER, {"owner": self.owner, "key": self.key})).scalar_one_or_none()
            if holder != self.attempt:  # it is its own when the request works in several transactions
                raise KeyInUse
        self._bound_to = tx


_HOLDER = select(IdempotentAnswer.attempt).where(
    IdempotentAnswer.owner == bindparam("owner"), IdempotentAnswer.key == bindparam("key")
)


@lru_cache(maxsize=64)  # two databases, and as many lengths as `Prefer: wait` has seconds
def _insertion(dialect_name: str, answer_within_s: int) -> Any:
    insert = sqlite.insert if dialect_name == "sqlite" else postgresql.insert
    statement = insert(IdempotentAnswer).values(
        done_at=now_sql(dialect_name), answer_by=now_sql(dialect_name, answer_within_s)
    )
    return statement.on_conflict_do_nothing().returning(IdempotentAnswer.attempt)

"""Explaining why a signature does or does not prove a delivery, with the secrets that the asker may hear of."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from services.builds.errors import SecretsUnreadable, SharedIsReadOnly, UnknownRepository
from services.builds.forges import FORGES, Check, Explanation, KnownSecret, explain, supported
from services.builds.models import Repository
from services.builds.service.delivery_log import body_of, visible_delivery
from services.builds.service.sealed import Vault
from services.builds.settings import WebhookSettings

# Repositories of the same owner whose secrets are tried; with five secrets each, half a second for a body of 1 MB.
_NEIGHBOURS: Final = 100
_NO_ACCESS: Final = "Signatures are explained to the owner of the repository, and to superusers"


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What is compared with: those that count at the address, and others that the asker may hear of."""

    valid: Sequence[KnownSecret]
    others: Sequence[KnownSecret]


class Signatures:
    """Explains signatures to owners (of their repositories' addresses) and to superusers (of all).

    An owner hears of the secrets of their own repositories, a superuser also of the global ones. Values are never told.
    """

    def __init__(self, database: Database, vault: Vault, settings: WebhookSettings) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings

    async def of_delivery(self, principal: Principal, delivery_id: int) -> Explanation:
        """Explain a stored delivery, checked as of when it came. Raises UnknownDelivery and SharedIsReadOnly."""
        async with self._database.reading() as tx:
            row = await visible_delivery(tx, principal, delivery_id)
            secrets = await self._secrets(tx, principal, row.forge, row.address)
        if row.verdict != "refused":
            said = "It was verified when it came (or taken unsigned, where ENV=development and no secret is set)"
            return Explanation("VERIFIED", [Check("received", ok=True, message=said)])
        received = Check("received", ok=False, message=f"It was refused when it came: {row.reason}")
        body, is_cut = body_of(row)
        lost = _what_was_not_kept(row, body or b"", is_cut=is_cut)
        if lost is not None:
            return Explanation(row.reason_code, [received, lost])
        now_s = row.received_at.timestamp()
        found = await self._explain(row.forge, row.headers, body or b"", secrets, now_s=now_s)
        return Explanation(found.verdict, [received, *found.checks])

    async def of_pasted(
        self, principal: Principal, forge: str, headers: Mapping[str, str], body: bytes, uid: str | None
    ) -> Explanation:
        """Explain a delivery that somebody pasted; `uid` None: it was sent to the forge's global address.

        Raises UnknownRepository and SharedIsReadOnly.
        """
        async with self._database.reading() as tx:
            secrets = await self._secrets(tx, principal, forge, uid or "")
        return await self._explain(forge, headers, body, secrets, now_s=utcnow().timestamp())

    async def _explain(
        self, forge: str, headers: Mapping[str, str], body: bytes, secrets: _Secrets, *, now_s: float
    ) -> Explanation:
        lowered = {name.lower(): value for name, value in headers.items()}
        kind = lowered.get("content-type", "application/json")
        # Dozens of HMACs over up to 1 MB: too long for everybody else's event loop.
        return await asyncio.to_thread(
            explain, FORGES[forge], lowered, body, kind, secrets.valid, others=secrets.others, now_s=now_s
        )

    async def _secrets(self, tx: AsyncConnection, principal: Principal, forge: str, uid: str) -> _Secrets:
        """Gather the secrets of an address ("": the forge's global one)."""
        global_ones = {
            name: [KnownSecret(f"the global secret of /webhook/{name}", one) for one in self._settings.secrets_of(name)]
            for name in supported()
        }
        if not uid:
            if not principal.is_superuser:
                raise SharedIsReadOnly(_NO_ACCESS)
            others = [one for name, found in global_ones.items() if name != forge for one in found]
            return _Secrets(global_ones[forge], others + await self._of_owner(tx, None, besides=uid))
        row = (await tx.execute(select(Repository.__table__).where(Repository.uid == uid))).one_or_none()
        if row is None or row.forge != forge or not principal.may_see(row.owner):
            raise UnknownRepository(f"Repository not found on {forge}: {uid}")
        if row.owner is None and not principal.is_superuser:
            raise SharedIsReadOnly(_NO_ACCESS)
        others = await self._of_owner(tx, row.owner, besides=uid)
        if principal.is_superuser:
            others += [one for found in global_ones.values() for one in found]
        now, valid = utcnow(), self._known(row)
        ended = [
            KnownSecret(f"{one.title}, which has ended", one.secret) for one, ends in valid if ends and ends <= now
        ]
        return _Secrets([one for one, ends in valid if not ends or ends > now], ended + others)

    async def _of_owner(self, tx: AsyncConnection, owner: int | None, *, besides: str) -> list[KnownSecret]:
        same_owner = Repository.owner.is_not_distinct_from(owner)
        query = select(Repository.__table__).where(same_owner, Repository.uid != besides)
        rows = await tx.execute(query.order_by(Repository.id.desc()).limit(_NEIGHBOURS))
        found: list[KnownSecret] = []
        for row in rows:
            try:
                found += [one for one, _ in self._known(row)]
            except SecretsUnreadable:
                continue
        return found

    def _known(self, row: Any) -> list[tuple[KnownSecret, Any]]:
        """The secrets of a repository's address, each with its end (None: it has none)."""
        return [
            (KnownSecret(f"secret {one.id} of {row.full_name}", one.secret), one.expires_at)
            for one in self._vault.webhook_secrets(row)
        ]


def _what_was_not_kept(row: Any, body: bytes, *, is_cut: bool) -> Check | None:
    """Say why a stored delivery cannot be checked again, None when it can."""
    if row.forge == "gitlab" and "webhook-signature" not in row.headers:
        said = "X-Gitlab-Token is the secret itself and is never kept: compare it with yours in GitLab, or rotate it"
        return Check("header", ok=False, message=said)
    if is_cut or len(body) != row.body_bytes:
        said = (
            f"Of its {row.body_bytes} bytes only the beginning was kept, or a secret in it was masked; "
            "paste the delivery as the forge shows it to have it explained"
        )
        return Check("body", ok=False, message=said)
    return None

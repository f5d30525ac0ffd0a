"""Repositories as their owners keep them: registered, changed, given secrets, removed."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.errors import Detail, invalid
from libs.common.http.principal import Principal
from libs.common.jobs import cancelling, store
from libs.common.jobs.kinds import JobFailure
from libs.common.jobs.models import ACTIVE_WORDS, Job
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.builds.errors import (
    LocalNotAllowed,
    RepositoryExists,
    SecretsUnreadable,
    SharedIsReadOnly,
    TooManySecrets,
    UnknownRepository,
    UnknownSecret,
)
from services.builds.forges import gitea_api
from services.builds.models import Build, Repository
from services.builds.schemas.repositories import VARIABLES_MAX, NewRepository, RepositoryChange
from services.builds.service.history import end_build
from services.builds.service.lookup import new_repository, one_at_a_time
from services.builds.service.sealed import Credentials, Vault, WebhookSecret
from services.builds.service.visible import visible_to
from services.builds.states import Executor

WEBHOOK_SECRETS_MAX: Final = 5
"""Valid at once: each is tried on each delivery, and a rotation needs two."""

# So that a forge that still signs with one of them can be told so.
_ENDED_KEPT: Final = 5
# Cancelled in the transaction that deletes the repository, some two seconds of it; what is behind them ends as
# cancelled by itself when its turn comes (Builds.begin).
_CANCELLED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """A repository's row with what its sealed columns may tell: never a value.

    `credentials` names their kind, None when there are none. `problem` says why a column does not open.
    """

    row: Any
    webhook_secrets: Sequence[WebhookSecret] = ()
    secret_names: Sequence[str] = ()
    credentials: Literal["password", "ssh_key"] | None = None
    problem: str | None = None


class Repositories:
    """What people do with repositories.

    Everybody sees their own and shared ones (owner None); all others raise UnknownRepository, as if there were none.
    Only superusers change shared ones: SharedIsReadOnly. Each change is one transaction with its audit entry.
    """

    def __init__(self, database: Database, vault: Vault, jobs: Jobs) -> None:
        self._database = database
        self._vault = vault
        self._jobs = jobs

    # --- reading ----------------------------------------------------------------------------------------------------

    async def find(
        self, principal: Principal, *, forge: str | None, full_name: str | None, limit: int, offset: int
    ) -> tuple[list[Kept], int]:
        """List the repositories that the caller sees, newest first, with the total of the filter."""
        wanted = [visible_to(principal, Repository.owner)]
        wanted += [Repository.forge == forge] if forge is not None else []
        wanted += [Repository.full_name == full_name] if full_name is not None else []
        query = select(Repository.__table__).where(*wanted).order_by(Repository.id.desc())
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(Repository).where(*wanted))).scalar_one()
            rows = (await tx.execute(query.limit(limit).offset(offset))).all()
        return [self._kept(row) for row in rows], total

    async def get(self, principal: Principal, uid: str) -> Kept:
        async with self._database.reading() as tx:
            return self._kept(await _visible(tx, principal, uid))

    # --- changing ---------------------------------------------------------------------------------------------------

    async def register(self, principal: Principal, actor: Actor, new: NewRepository) -> Kept:
        """Make a repository of the caller's own. Raises RepositoryExists, LocalNotAllowed and Invalid."""
        may_run_on(new.executor, principal)
        _check_executor(new.executor, new.forge)
        values = new_repository(new.forge, new.full_name, new.clone_url, executor=new.executor)
        values |= self._columns(new, values["uid"]) | {"owner": principal.user_id}
        async with self._database.transaction() as tx:
            await _claim_name(tx, new.forge, new.full_name, principal.user_id)
            row = (await tx.execute(insert(Repository).values(values).returning(Repository.__table__))).one()
            await _record(tx, actor, "repository.created", row, clone_url=new.clone_url)
        return self._kept(row)

    async def change(self, principal: Principal, actor: Actor, uid: str, change: RepositoryChange) -> Kept:
        """Change what is given.

        Raises RepositoryExists when the new name or owner is taken, LocalNotAllowed, SharedIsReadOnly and Invalid.
        """
        values = self._columns(change, uid)
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            changed = {name: value for name, value in values.items() if value != getattr(row, name)}
            if "owner" in changed and not principal.is_superuser:
                raise SharedIsReadOnly("Only a superuser gives a repository another owner")
            if "uses_operator_token" in changed and not principal.is_superuser:
                raise SharedIsReadOnly(
                    "Only a superuser lets the operator's token act for a repository, or not any more"
                )
            if "full_name" in changed and row.uses_operator_token and not principal.is_superuser:
                changed["uses_operator_token"] = False  # it was allowed for that name, not for any that its owner likes
            if row.sealed_api_token is not None and _api(row, changed) != _api(row, {}):
                changed.setdefault("sealed_api_token", None)  # it was given for that host, perhaps by another owner
            _check_executor(changed.get("executor"), row.forge)
            if {"executor", "clone_url"} & changed.keys():  # other code is going to be run
                may_run_on(changed.get("executor", row.executor), principal)
            if {"full_name", "owner"} & changed.keys():
                name, owner = values.get("full_name", row.full_name), values.get("owner", row.owner)
                await _claim_name(tx, row.forge, name, owner, besides=row.id)
            row = await _update(tx, row.id, changed)
            await _record(tx, actor, "repository.updated", row, changed=sorted(changed))
        return self._kept(row)

    async def remove(self, principal: Principal, actor: Actor, uid: str) -> None:
        """Forget a repository, its address and its secrets.

        Its builds, jobs and logs stay readable; builds that have not ended are cancelled.
        """
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            cancelled = await _cancel_builds(tx, row)
            await tx.execute(update(Build).where(Build.repository_id == row.id).values(repository_id=None))
            await tx.execute(delete(Repository).where(Repository.id == row.id))
            await _record(tx, actor, "repository.deleted", row, cancelled=len(cancelled))
        await self._jobs.tell_cancelled(cancelled)

    # --- webhook secrets --------------------------------------------------------------------------------------------

    async def add_webhook_secret(
        self, principal: Principal, actor: Actor, uid: str, secret: str | None, overlap_s: int | None
    ) -> WebhookSecret:
        """Add a secret (None: make one); the ones before end after `overlap_s`, None: they stay as they are.

        Raises TooManySecrets.
        """
        now = utcnow()
        made = WebhookSecret(id=secrets.token_hex(4), secret=secret or secrets.token_hex(32), created_at=now)
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            before = [_ending(one, now, overlap_s) for one in self._vault.webhook_secrets(row)]
            valid = [one for one in before if one.is_valid(now)]
            ended = [one for one in before if not one.is_valid(now)]
            if len(valid) >= WEBHOOK_SECRETS_MAX:
                raise TooManySecrets(f"An address has {WEBHOOK_SECRETS_MAX} secrets at most; delete one of them first")
            await self._store(tx, row, "sealed_webhook_secrets", [made, *valid, *ended[:_ENDED_KEPT]])
            await _record(tx, actor, "repository.webhook_secret_added", row, id=made.id, overlap_s=overlap_s)
        return made

    async def remove_webhook_secret(self, principal: Principal, actor: Actor, uid: str, secret_id: str) -> None:
        """End a secret at once. Raises UnknownSecret."""
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            before = self._vault.webhook_secrets(row)
            left = [one for one in before if one.id != secret_id]
            if len(left) == len(before):
                raise UnknownSecret("This webhook address has no secret of this id")
            await self._store(tx, row, "sealed_webhook_secrets", left)
            await _record(tx, actor, "repository.webhook_secret_removed", row, id=secret_id)

    # --- what builds get --------------------------------------------------------------------------------------------

    async def set_secret(self, principal: Principal, actor: Actor, uid: str, name: str, value: str) -> None:
        """Give pipelines a secret, or a new value of it. Raises TooManySecrets."""

        def with_it(known: Mapping[str, str]) -> dict[str, str]:
            if name not in known and len(known) >= VARIABLES_MAX:
                raise TooManySecrets(f"A repository has {VARIABLES_MAX} secrets at most")
            return {**known, name: value}

        await self._change_secrets(principal, actor, uid, "repository.secret_set", name, with_it)

    async def remove_secret(self, principal: Principal, actor: Actor, uid: str, name: str) -> None:
        """Take a secret from pipelines. Raises UnknownSecret."""

        def without_it(known: Mapping[str, str]) -> dict[str, str]:
            if name not in known:
                raise UnknownSecret("This repository has no secret of this name")
            return {other: value for other, value in known.items() if other != name}

        await self._change_secrets(principal, actor, uid, "repository.secret_removed", name, without_it)

    async def _change_secrets(
        self,
        principal: Principal,
        actor: Actor,
        uid: str,
        action: str,
        name: str,
        changed: Callable[[Mapping[str, str]], dict[str, str]],
    ) -> None:
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            await self._store(tx, row, "sealed_secrets", changed(self._vault.secrets(row)))
            await _record(tx, actor, action, row, name=name)

    async def set_credentials(
        self, principal: Principal, actor: Actor, uid: str, credentials: Credentials | None
    ) -> None:
        """Store how the repository is cloned, None: without any credentials."""
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, uid)
            await self._store(tx, row, "sealed_credentials", credentials)
            action = "repository.credentials_removed" if credentials is None else "repository.credentials_set"
            await _record(tx, actor, action, row)

    def _columns(self, body: NewRepository | RepositoryChange, uid: str) -> dict[str, Any]:
        """Turn a body's fields that are given into columns."""
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        concurrency = given.pop("concurrency", None)
        if concurrency is not None:
            given |= {"lane_limit": concurrency.limit, "newest_wins": concurrency.newest_wins}
        if "filters" in given:
            given["filters"] = msgspec.to_builtins(given["filters"])
        if "api_token" in given:
            given["sealed_api_token"] = self._vault.seal(uid, "sealed_api_token", given.pop("api_token"))
        return given

    async def _store(self, tx: AsyncConnection, row: Any, column: str, value: Any) -> None:
        await _update(tx, row.id, {column: self._vault.seal(row.uid, column, value)})

    def _kept(self, row: Any) -> Kept:
        now = utcnow()
        try:
            return Kept(
                row,
                [one for one in self._vault.webhook_secrets(row) if one.is_valid(now)],
                sorted(self._vault.secrets(row)),
                _kind(self._vault.credentials(row)),
            )
        except SecretsUnreadable as error:
            return Kept(row, problem=error.message)


def may_run_on(executor: str, principal: Principal) -> None:
    """Raise LocalNotAllowed when builds of this executor run as the worker, and the caller's code may not."""
    if executor == Executor.LOCAL and not (principal.may_run_local or principal.is_superuser):
        raise LocalNotAllowed(
            "Local builds run as Slipway's worker does. A superuser can allow it on the page Users, or by "
            'PATCH /api/users/{id} with {"may_run_local": true}'
        )


def _check_executor(executor: str | None, forge: str) -> None:
    if executor == Executor.GITHUB and forge != "github":
        raise invalid(
            [Detail(["body", "executor"], "GitHub runs workflows of its own repositories only", "value_error")]
        )


async def _visible(tx: AsyncConnection, principal: Principal, uid: str, *, lock: bool = False) -> Any:
    query = select(Repository.__table__).where(Repository.uid == uid, visible_to(principal, Repository.owner))
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise UnknownRepository(f"Repository not found: {uid}")
    return row


async def _changeable(tx: AsyncConnection, principal: Principal, uid: str) -> Any:
    """Read a repository for a change by the caller; nobody else changes it before the commit."""
    row = await _visible(tx, principal, uid, lock=True)
    if row.owner is None and not principal.is_superuser:
        raise SharedIsReadOnly("This repository is shared: superusers change it, or give it an owner")
    return row


async def _claim_name(tx: AsyncConnection, forge: str, full_name: str, owner: int | None, *, besides: int = 0) -> None:
    """See that no other repository of the owner has this name, now and until the commit; raises RepositoryExists.

    The names of shared ones are one space with those that a superuser gave to somebody after they had registered by
    themselves: deliveries to a forge's global address find both by name.
    """
    await one_at_a_time(tx, [f"{forge}:{full_name}"])
    same = and_(Repository.forge == forge, Repository.full_name == full_name, Repository.id != besides)
    of_owner = (
        or_(Repository.owner.is_(None), Repository.auto_registered) if owner is None else Repository.owner == owner
    )
    if (await tx.execute(select(Repository.id).where(same, of_owner).limit(1))).first() is not None:
        raise RepositoryExists(f"{full_name} on {forge} is registered already")


async def _cancel_builds(tx: AsyncConnection, repository: Any) -> list[LiveJob]:
    """Cancel what a repository builds and is about to build; answers the jobs for `Jobs.tell_cancelled`.

    Jobs are locked before builds and in the order of their ids, as everywhere.
    """
    active = select(Job.id).join(Build, Build.id == Job.build_id)
    active = active.where(Build.repository_id == repository.id, Job.status.in_(ACTIVE_WORDS))
    active = active.order_by(Job.id).limit(_CANCELLED_AT_ONCE).with_for_update(of=Job)
    job_ids = list(await tx.scalars(active))
    reason = JobFailure("REPOSITORY_GONE", f"The repository {repository.full_name} was deleted")
    return [
        await cancelling.cancel(tx, job, on_end=end_build, reason=reason)
        for job in await store.get_many(tx, job_ids)
        if not job.view.cancel_requested
    ]


async def _update(tx: AsyncConnection, repository_id: int, values: Mapping[str, Any]) -> Any:
    statement = update(Repository).where(Repository.id == repository_id).values(updated_at=utcnow(), **values)
    return (await tx.execute(statement.returning(Repository.__table__))).one()


async def _record(tx: AsyncConnection, actor: Actor, action: str, row: Any, **details: Any) -> None:
    await audit.record(tx, actor, action, ("repository", row.uid), full_name=row.full_name, **details)


def _api(row: Any, changed: Mapping[str, Any]) -> str | None:
    """Where the forge's API is once these columns are changed; GitHub's is a setting and always the same."""
    now = {name: changed.get(name, getattr(row, name)) for name in ("full_name", "html_url", "clone_url")}
    return None if row.forge == "github" else gitea_api(**now)


def _ending(one: WebhookSecret, now: datetime, overlap_s: int | None) -> WebhookSecret:
    if overlap_s is None:
        return one
    end = now + timedelta(seconds=overlap_s)
    ends_before = one.expires_at is not None and one.expires_at < end
    return one if ends_before else msgspec.structs.replace(one, expires_at=end)


def _kind(credentials: Credentials) -> Literal["password", "ssh_key"] | None:
    if credentials.ssh_key:
        return "ssh_key"
    return "password" if credentials.password else None

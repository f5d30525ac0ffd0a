"""The audit log: written with the change, read by superusers only, exported as it is, forgotten after its time."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from libs.common import audit
from libs.common.audit import Actor, AuditFilter
from libs.common.audit.models import AuditEntry
from libs.common.database import Database, utcnow
from libs.common.errors import Conflict
from services.gateway.retention import Retention
from tests.gateway.serving import ADMIN_KEY, KEY, with_driver

ADA = Actor(user_id=1, name="ada", key_id=None, address="192.0.2.7", request_id="r1")
PIPELINE = Actor(user_id=None, name="pipeline", key_id="static:12345678", address=None, request_id=None)
ADMIN = {"X-API-Key": ADMIN_KEY}


@pytest.fixture
async def log(database: str) -> AsyncIterator[Database]:
    """The gateway's database, for writing and looking."""
    opened = Database(with_driver(database))
    yield opened
    await opened.close()


async def write(log: Database, actor: Actor, action: str, subject: tuple[str, str], **details: Any) -> None:
    async with log.transaction() as tx:
        await audit.record(tx, actor, action, subject, **details)


async def read(gateway: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await gateway.get("/api/v1/audit", params=query, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def test_who_did_what_to_what(gateway: httpx.AsyncClient, log: Database) -> None:
    """An entry says who, from where, in which request, what, to what, and what there is to know about it."""
    await write(log, ADA, "repository.updated", ("repository", "u1"), changed=["filters"], active=False)
    [entry] = (await read(gateway))["items"]
    assert datetime.fromisoformat(entry.pop("at")) <= datetime.now(UTC)
    assert entry == {
        "id": entry["id"],
        "actor": {"name": "ada", "user_id": 1, "key_id": None, "address": "192.0.2.7"},
        "action": "repository.updated",
        "subject": {"type": "repository", "id": "u1"},
        "request_id": "r1",
        "details": {"changed": ["filters"], "active": False},
    }


async def test_the_entry_goes_with_the_change(log: Database) -> None:
    """A change that is rolled back leaves no entry."""

    async def change() -> None:
        async with log.transaction() as tx:
            await audit.record(tx, ADA, "job.cancelled", ("job", "1"))
            raise Conflict("after all not")

    with pytest.raises(Conflict):
        await change()
    async with log.reading() as tx:
        assert (await tx.execute(select(func.count()).select_from(AuditEntry))).scalar_one() == 0


async def test_no_secret_gets_in(gateway: httpx.AsyncClient, log: Database) -> None:
    """A secret that is given as a detail by mistake is masked, by its field's name or by its shape."""
    key = "slp_abcdefgh_0123456789abcdef0123456789abcdef"
    await write(
        log, ADA, "thing.made", ("thing", "1"), password="hunter22", note=f"with {key}", deep={"token": "t0ken"}
    )
    [entry] = (await read(gateway))["items"]
    assert not any(secret in json.dumps(entry) for secret in ("hunter22", key, "t0ken"))


async def test_values_of_any_length(log: Database) -> None:
    """What a stranger calls himself is cut, not refused: a refused login must leave its trace."""
    stranger = Actor(user_id=None, name="x" * 1024, key_id=None, address="y" * 200, request_id=None)
    await write(log, stranger, "session.refused", ("user", "x"))
    async with log.reading() as tx:
        [entry], _ = await audit.find(tx, AuditFilter(), limit=10)
    assert (len(entry.actor), len(entry.address or "")) == (255, 64)


async def test_filters(gateway: httpx.AsyncClient, log: Database) -> None:
    """The log can be narrowed by person or key, action or kind of action, subject or kind of subject, and time."""
    await write(log, ADA, "job.cancelled", ("job", "1"))
    await write(log, ADA, "job.retried", ("job", "2"))
    await write(log, PIPELINE, "job.retried", ("job", "3"))
    await write(log, ADA, "jobless.person", ("person", "1:2"))
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    async with log.transaction() as tx:
        await tx.execute(update(AuditEntry).where(AuditEntry.subject_id == "1").values(at=moment))

    async def found(**query: str) -> list[str]:
        return [item["subject"]["id"] for item in (await read(gateway, **query))["items"]]

    assert await found() == ["1:2", "3", "2", "1"]
    assert await found(actor="ada") == ["1:2", "2", "1"]
    assert await found(actor="static:12345678") == ["3"]
    assert await found(action="job.retried") == ["3", "2"]
    assert await found(action="job.") == ["3", "2", "1"]
    assert await found(action="job") == await found(action="%.") == await found(action="_ob.") == []
    assert await found(subject="job") == await found(subject="job:") == ["3", "2", "1"]
    assert await found(subject="job:2") == ["2"]
    assert await found(subject="person:1:2") == ["1:2"]
    assert await found(until="2026-05-01T12:00:00.000001Z") == ["1"]
    assert await found(until="2026-05-01T12:00:00Z") == []
    assert await found(since="2026-05-01T12:00:00Z", until="2026-05-02") == ["1"]
    assert await found(since="2026-05-01T14:00:00+02:00", actor="ada", subject="job:1") == ["1"]
    assert await found(since="2026-05-02") == ["1:2", "3", "2"]


async def test_pages(gateway: httpx.AsyncClient, log: Database) -> None:
    """The log is answered in parts, newest first, with where the next part begins."""
    for number in range(5):
        await write(log, ADA, "job.retried", ("job", str(number)))
    page = await read(gateway, limit=2, offset=2)
    assert [item["subject"]["id"] for item in page.pop("items")] == ["2", "1"]
    assert page == {"total": 5, "limit": 2, "offset": 2, "next_offset": 4}
    assert (await read(gateway, limit=2, offset=4))["next_offset"] is None


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("query", [{"since": "x"}, {"until": "2026-13-01"}, {"since": ""}, {"limit": "0"}])
async def test_what_cannot_be_asked(gateway: httpx.AsyncClient, query: dict[str, str]) -> None:
    """A time that is none is a 422 that names the parameter, in both routes."""
    answer = await gateway.get("/api/v1/audit", params=query, headers=ADMIN)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["loc"][:2] in (["query", *query], ["query"])


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/audit/export"])
async def test_superusers_only(gateway: httpx.AsyncClient, path: str) -> None:
    """Nobody but a superuser reads the log."""
    assert (await gateway.get(path)).status_code == 401
    refused = await gateway.get(path, headers={"X-API-Key": KEY})
    assert (refused.status_code, refused.json()["error"]["details"]) == (403, {"scope": "admin"})


async def test_export(gateway: httpx.AsyncClient, log: Database) -> None:
    """The export is the whole filtered log as JSON lines, oldest first, read and sent in portions."""
    entry = {"at": utcnow(), "actor": "ada", "action": "job.retried", "subject_type": "job"}
    async with log.transaction() as tx:
        await tx.execute(insert(AuditEntry), [entry | {"subject_id": str(number)} for number in range(2500)])
    await write(log, PIPELINE, "job.cancelled", ("job", "x"))
    answer = await gateway.get("/api/v1/audit/export", params={"actor": "ada"}, headers=ADMIN)
    assert answer.headers["content-type"] == "application/jsonl"
    assert "audit.jsonl" in answer.headers["content-disposition"]
    assert answer.text.endswith("}\n")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["subject"]["id"] for line in lines] == [str(number) for number in range(2500)]
    assert lines[0].keys() == (await read(gateway))["items"][0].keys()
    empty = await gateway.get("/api/v1/audit/export", params={"actor": "eve"}, headers=ADMIN)
    assert (empty.status_code, empty.text) == (200, "")


async def test_retention(log: Database) -> None:
    """Entries older than the setting's days are forgotten, however many; 0 days keep them for ever."""
    entry = {"actor": "ada", "action": "job.retried", "subject_type": "job"}
    old, young = utcnow() - timedelta(days=31), utcnow() - timedelta(days=29)
    async with log.transaction() as tx:
        rows = [entry | {"subject_id": str(number), "at": old} for number in range(2001)]
        await tx.execute(insert(AuditEntry), [*rows, entry | {"subject_id": "young", "at": young}])
    await Retention(log, audit_days=0).sweep()
    async with log.reading() as tx:
        assert (await audit.find(tx, AuditFilter(), limit=1))[1] == 2002
    await Retention(log, audit_days=30).sweep()
    async with log.reading() as tx:
        left, total = await audit.find(tx, AuditFilter(), limit=10)
    assert ([entry.subject_id for entry in left], total) == (["young"], 1)

"""The gateway's webhook route with another service behind it: `python -m benchmarks.references.webhooks nothing|naive`.

Frame, verification, parsing and answer are the product's own. `nothing` answers at once, without any storage. `naive`
is the least that a durable queue must do, done the obvious way: a build and a job in one transaction, then the job's
hash and its stream entry.
"""

import asyncio
import os
import sys
import time
import uuid

import uvloop
from litestar import get
from redis.asyncio import Redis
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Uuid, insert

from libs.common import logging
from libs.common.collector import collect_seldom
from libs.common.crypto import Sealer
from libs.common.database import Database, UTCDateTime, utcnow, uuid7
from libs.common.errors import Unauthenticated
from libs.common.http.guards import OPEN
from libs.common.http.principal import Principal
from libs.common.jobs.live import Live
from libs.common.jobs.service import Jobs
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import JobView, LiveJob, Subject
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings, load
from services.builds.forges import ForgeEvent
from services.builds.routes import webhooks
from services.builds.service import Accepted, Builds, Incoming
from services.builds.settings import WebhookSettings
from services.gateway.frame import make_gateway
from services.gateway.server import Server, listen

_TABLES = MetaData()
_BUILDS = Table(
    "naive_builds",
    _TABLES,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("branch", String(255)),
    Column("commit_sha", String(64)),
    Column("job_id", Uuid, nullable=False, index=True),
    Column("created_at", UTCDateTime, nullable=False),
)
_JOBS = Table(
    "naive_jobs",
    _TABLES,
    Column("id", Uuid, primary_key=True),
    Column("build_id", BigInteger, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
_SECRETS = ["benchmark-" + "0123456789abcdef" * 4]


class Storing(Builds):
    """Accepts whatever was verified; where it goes is what differs."""

    async def accept(self, incoming: Incoming, event: ForgeEvent, fingerprint: str) -> Accepted:  # noqa: ARG002
        job_id = uuid7()
        build_id = await self.store(job_id, event)
        return Accepted(build_id=build_id, job_id=job_id, job=_job(job_id, build_id, event))

    async def store(self, job_id: uuid.UUID, event: ForgeEvent) -> int:  # noqa: ARG002
        """Keep build and job; answers the build's id."""
        return 1


class Naive(Storing):
    """Two INSERTs in one transaction; the statements are made once, as everywhere."""

    _BUILD = insert(_BUILDS).returning(_BUILDS.c.id)
    _JOB = insert(_JOBS)

    async def store(self, job_id: uuid.UUID, event: ForgeEvent) -> int:
        now = utcnow()
        build = {"branch": event.branch, "commit_sha": event.sha, "job_id": job_id, "created_at": now}
        async with self._database.transaction() as tx:
            build_id: int = (await tx.execute(self._BUILD, {**build, "status": "pending"})).scalar_one()
            job = {"id": job_id, "build_id": build_id, "payload": b'{"build_id":%d}' % build_id, "created_at": now}
            await tx.execute(self._JOB, {**job, "status": "pending"})
        return build_id


class Silent(Jobs):
    """Tells nobody."""

    async def announce(self, jobs: object) -> None:
        pass


class Telling(Jobs):
    """Writes each job's hash and its stream entry, in one round trip."""

    async def announce(self, jobs: object) -> None:
        assert isinstance(jobs, list)
        redis: Redis = self.live.redis
        for job in jobs:
            pipe = redis.pipeline(transaction=False)
            pipe.hset(f"job:{job.view.id}", mapping={"status": "pending", "created_at": time.time()})
            pipe.xadd("jobs:naive", {"id": str(job.view.id), "kind": job.view.kind})
            await pipe.execute()


def _job(job_id: uuid.UUID, build_id: int, event: ForgeEvent) -> LiveJob:
    view = JobView(
        id=job_id,
        repo=str(event.repository),
        branch=event.branch,
        commit=event.sha,
        status=JobStatus.PENDING,
        started_at=None,
        finished_at=None,
        duration=None,
        agent_id=None,
        exit_code=None,
        domain="builds",
        kind="builds.run_build",
        subject=Subject(type="build", id=str(build_id)),
        stage=None,
        progress=0,
        waiting_for=None,
        error=None,
        build_id=build_id,
        retry_of=None,
        cancel_requested=False,
        tries=0,
        created_at=utcnow(),
        version=1,
    )
    return LiveJob(view=view, owner=None, lease_no=0, request_id=None, job_class="heavy")


@get("/livez", opt=OPEN)
async def livez() -> dict[str, str]:
    return {"status": "alive"}


async def _nobody(credential: str) -> Principal:
    raise Unauthenticated(f"no credentials are known here ({len(credential)} characters)")


async def main(kind: str) -> None:
    """Serve with the storage of this kind: nothing or naive."""
    builds_type, jobs_type = {"nothing": (Storing, Silent), "naive": (Naive, Telling)}[kind]
    database = Database(os.environ["DATABASE_URL"])
    async with database.transaction() as tx:
        await tx.run_sync(_TABLES.create_all)
    jobs = jobs_type(database, Live(connect(os.environ["REDIS_URL"])), [], RuntimeSettings())
    builds = builds_type(database, Sealer(_SECRETS), load(WebhookSettings)[WebhookSettings])
    app = make_gateway([livez, webhooks.router(builds, jobs, accept_unsigned=False)], authenticate=_nobody)
    with listen("127.0.0.1", int(os.environ["API_PORT"])) as listening:
        await Server(app, asyncio.Event()).serve(sockets=[listening])


if __name__ == "__main__":
    logging.configure("warning", service="reference")
    collect_seldom()
    uvloop.run(main(sys.argv[1]))

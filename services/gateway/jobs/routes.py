"""HTTP in: jobs, their logs in three forms, and event streams."""

from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal, cast
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT
from sqlalchemy.exc import SQLAlchemyError

from libs.common.errors import BadRequest, Invalid, NotFound, Unauthenticated
from libs.common.http.documentation import documented
from libs.common.http.errors import Detail, invalid
from libs.common.http.etags import POLLED, weak_tag
from libs.common.http.guards import Acting, Caller, authenticate, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.moments import Since, read_moment
from libs.common.http.paging import DEFAULT_SIZE, Cursor, Limit, Offset, next_cursor, read_cursor
from libs.common.http.principal import Principal
from libs.common.http.requests import BIGINT_MAX, AnyRequest
from libs.common.http.streaming import ByteStream
from libs.common.http.waiting import WAITS, waited
from libs.common.jobs.joblog.entries import EntryId
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.service import Jobs
from libs.common.jobs.states import JobStatus
from libs.common.jobs.store import JobFilter
from libs.common.jobs.view import JobView, LiveJob
from services.gateway.jobs import sse
from services.gateway.jobs.feed import Feed
from services.gateway.jobs.hub import Event, Hub, Wanted
from services.gateway.jobs.logstream import LogStream
from services.gateway.jobs.pace import Allowed, Pace
from services.gateway.jobs.schemas import JOB_EXAMPLE, LOG_EXAMPLE, PAGE_EXAMPLE, JobPage, LogPage, shown, timeless

# A page of 1,000 lines is 100 KB of ordinary log and 16 MB at the very worst.
_LINES_MAX: Final = 1000
# What a dashboard shows at once; each costs the hub an entry in its index.
_NAMED_JOBS_MAX: Final = 100
_NO_SUCH_JOB: Final = "There is no such job, or it is somebody else's (JOB_NOT_FOUND)"
_LAST_EVENT_ID: Final = "The last event id that was seen; a reconnecting EventSource sends it as a header by itself"


def router(jobs: Jobs, hub: Hub, reader: LogReader, *, pace: Pace | None = None) -> Router:
    """The routes of jobs and events; `pace` (default: its defaults) is how streams keep time."""
    views = _Views(jobs, hub, reader, pace or Pace())

    @get(
        "/jobs",
        guards=[requires("jobs:read")],
        **documented(
            "List jobs, newest first",
            example=PAGE_EXAMPLE,
            errors={400: "The status is not one of pending, running, success, failed, cancelled"},
            opt=POLLED,
        ),
    )
    async def list_jobs(
        principal: Caller,
        status: Annotated[
            str | None, QueryParameter(description="pending, running, success, failed or cancelled")
        ] = None,
        repo: Annotated[str | None, QueryParameter(description="Full name of a repository")] = None,
        branch: Annotated[str | None, QueryParameter(description="A branch's name")] = None,
        kind: Annotated[str | None, QueryParameter(description="As in builds.run_build")] = None,
        domain: Annotated[str | None, QueryParameter(description="builds, vms or deployer")] = None,
        owner: Annotated[int | None, QueryParameter(ge=1, le=BIGINT_MAX, description="A user's id")] = None,
        since: Since = None,
        subject: Annotated[str | None, QueryParameter(description="What the job is about, as build:12")] = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
        cursor: Cursor = None,
    ) -> Response[JobPage]:
        wanted = JobFilter(
            see_all=principal.is_superuser,
            user_id=principal.user_id,
            status=_status(status),
            repo=repo,
            branch=branch,
            kind=kind,
            domain=domain,
            owner=owner,
            since=read_moment(since, "since"),
            subject=None if subject is None else _subject(subject),
        )
        found, total = await jobs.find(wanted, limit=limit + 1, offset=offset, before=read_cursor(cursor))
        page = [shown(job) for job in await jobs.queue.placed(found[:limit])]
        following = next_cursor([view.id for view in page], more=len(found) > limit)
        body = JobPage(jobs=page, total=total, offset=offset, limit=limit, next_cursor=following)
        return Response(body, headers={"ETag": weak_tag([total, offset, limit, following, *map(timeless, page)])})

    @get(
        "/jobs/{job_id:str}",
        guards=[requires("jobs:read")],
        **documented("Read a job", example=JOB_EXAMPLE, errors={404: _NO_SUCH_JOB}, opt=POLLED),
    )
    async def read_job(principal: Caller, job_id: FromPath[str]) -> Response[JobView]:
        [job] = await jobs.queue.placed([await views.visible(principal, job_id)])
        view = shown(job)
        return Response(view, headers={"ETag": weak_tag(timeless(view))})

    @post(
        "/jobs/{job_id:str}/cancel",
        status_code=HTTP_202_ACCEPTED,
        guards=[requires("jobs:write")],
        **documented(
            "Cancel a job: at once when it has not started, else when its work is undone",
            example={**JOB_EXAMPLE, "cancel_requested": True},
            errors={404: _NO_SUCH_JOB, 409: "The job has ended (JOB_ENDED)"},
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def cancel_job(
        request: AnyRequest, principal: Caller, actor: Acting, job_id: FromPath[str]
    ) -> Response[JobView]:
        job = await views.visible(principal, job_id)
        cancelled, applied = await waited(request, await jobs.cancel(job.view.id, actor))
        [cancelled] = await jobs.queue.placed([cancelled])
        return Response(shown(cancelled), status_code=HTTP_202_ACCEPTED, headers=applied)

    @post(
        "/jobs/{job_id:str}/retry",
        status_code=HTTP_202_ACCEPTED,
        guards=[requires("jobs:write")],
        **documented(
            "Do an ended job again, as a new job that points back to it",
            example={**JOB_EXAMPLE, "status": "pending", "retry_of": "0199f3a1-0000-7000-8000-000000000001"},
            errors={
                404: _NO_SUCH_JOB,
                409: "The job has not ended (JOB_NOT_ENDED), or its kind is never retried (NOT_RETRYABLE)",
            },
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def retry_job(
        request: AnyRequest, principal: Caller, actor: Acting, job_id: FromPath[str]
    ) -> Response[JobView]:
        job = await views.visible(principal, job_id)
        new, applied = await waited(request, await jobs.retry(job.view.id, actor))
        [new] = await jobs.queue.placed([new])
        headers = {"Location": f"/jobs/{new.view.id}", **applied}
        return Response(shown(new), status_code=HTTP_202_ACCEPTED, headers=headers)

    @get(
        "/jobs/{job_id:str}/logs",
        guards=[requires("jobs:read")],
        **documented(
            "Read or follow a job's log",
            example=LOG_EXAMPLE,
            errors={404: _NO_SUCH_JOB},
            answers={204: (None, "The client of an event stream has seen the end: it need not come back")},
            further_media=[sse.MEDIA_TYPE, "text/plain"],
        ),
    )
    async def read_log(
        request: AnyRequest,
        principal: Caller,
        job_id: FromPath[str],
        form: Annotated[
            Literal["events", "json", "text"] | None,
            QueryParameter(name="format", description="For links, which cannot say what they accept"),
        ] = None,
        after: Annotated[
            int, QueryParameter(ge=0, le=BIGINT_MAX, description="JSON: lines with a higher number only")
        ] = 0,
        limit: Annotated[
            int, QueryParameter(ge=1, le=_LINES_MAX, description="JSON: how many lines at most")
        ] = _LINES_MAX,
        tail: Annotated[bool, QueryParameter(description="JSON: the last lines of all, whatever `after` says")] = False,  # noqa: FBT002 - a query parameter
        timestamps: Annotated[bool, QueryParameter(description="Plain text: a time in front of each line")] = False,  # noqa: FBT002 - a query parameter
        last_event_id: Annotated[str | None, QueryParameter(description=_LAST_EVENT_ID)] = None,
        last_event_id_header: Annotated[
            str | None, HeaderParameter(name="Last-Event-ID", description=_LAST_EVENT_ID)
        ] = None,
    ) -> Response[LogPage]:
        """By `Accept`: `text/event-stream` (also for `*/*`, as documented clients ask) shows what is stored and then
        what comes, up to `event: end`; `application/json` pages by line number; `text/plain` downloads the whole log.
        """
        job = await views.visible(principal, job_id)
        match form or request.accept.best_match(["text/event-stream", "application/json", "text/plain"]):
            case "events" | "text/event-stream":
                last = sse.last_event_id(last_event_id_header, last_event_id)
                return await views.follow(request, job, last)
            case "text" | "text/plain":
                return views.download(job, timestamps=timestamps)
            case _:
                page = (
                    await reader.tail(job.view.id, limit=limit)
                    if tail
                    else await reader.page(job.view.id, after=after, limit=limit)
                )
                return Response(LogPage.of(job.view.id, page))

    @get(
        "/events",
        guards=[requires("jobs:read")],
        media_type=sse.MEDIA_TYPE,
        **documented("Follow all jobs that the caller may see, or some of them"),
    )
    async def follow_events(
        request: AnyRequest,
        principal: Caller,
        job_ids: Annotated[
            str | None, QueryParameter(name="jobs", description="Only these jobs: ids, by commas")
        ] = None,
        subject: Annotated[str | None, QueryParameter(description="Only jobs about this, as build:12")] = None,
        types: Annotated[
            str | None, QueryParameter(description="Only these of log, status, end, build, by commas")
        ] = None,
        last_event_id: Annotated[str | None, QueryParameter(description=_LAST_EVENT_ID)] = None,
        last_event_id_header: Annotated[
            str | None, HeaderParameter(name="Last-Event-ID", description=_LAST_EVENT_ID)
        ] = None,
    ) -> Response[bytes]:
        """`event: log` carries `{job, subject, lines}`, `status` and `end` a job, `build` what a pipeline reported:
        `{id, uid, status, state_code, stage, updated_at}`. A client that comes back with the last event id gets what it
        missed; `event: reset` says that this is not possible and that it should read anew.
        """
        named = None if job_ids is None else await views.named(principal, job_ids)
        wanted = _wanted(principal, subject, _types(types))
        last = sse.last_event_id(last_event_id_header, last_event_id)
        return views.feed(request, wanted, named, last)

    handlers = [list_jobs, read_job, cancel_job, retry_job, read_log, follow_events]
    return Router("/", route_handlers=handlers, tags=["Jobs"])


class _Views:
    """What the routes share: who may see what, and streams."""

    def __init__(self, jobs: Jobs, hub: Hub, reader: LogReader, pace: Pace) -> None:
        self._jobs = jobs
        self._hub = hub
        self._reader = reader
        self._pace = pace

    async def visible(self, principal: Principal, job_id: str) -> LiveJob:
        """Read a job that the caller may see; raises NotFound for any other, also for what is no id at all."""
        known = _uuid(job_id)
        job = None if known is None else await self._jobs.get(known)
        if job is None or not principal.may_see(job.owner):
            raise NotFound(f"Job not found: {job_id}", code="JOB_NOT_FOUND")
        return job

    async def named(self, principal: Principal, job_ids: str) -> list[LiveJob]:
        """Read the jobs of a comma-separated list; raises NotFound for the first that the caller may not see."""
        names = list(dict.fromkeys(name.strip() for name in job_ids.split(",") if name.strip()))
        if not 0 < len(names) <= _NAMED_JOBS_MAX:
            raise _invalid("jobs", f"Name 1 to {_NAMED_JOBS_MAX} jobs")
        return [await self.visible(principal, name) for name in names]

    async def follow(self, request: AnyRequest, job: LiveJob, last: EntryId | None) -> Response[LogPage]:
        """Answer the event stream of a job's log, or 204 to a client that has seen its end."""
        if job.is_terminal and last is not None and last >= await self._reader.end_position(job):
            return Response(cast("LogPage", None), status_code=HTTP_204_NO_CONTENT)
        stream = LogStream(
            job,
            jobs=self._jobs,
            hub=self._hub,
            reader=self._reader,
            allowed=_still_allowed(request, job.owner),
            pace=self._pace,
        )
        return cast("Response[LogPage]", _events(stream.play(last)))

    def download(self, job: LiveJob, *, timestamps: bool) -> Response[LogPage]:
        """Answer the whole log as a file of plain text."""
        stream = ByteStream(
            self._reader.text(job.view.id, timestamps=timestamps),
            media_type="text/plain; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{job.view.id}.log"'},
        )
        return cast("Response[LogPage]", stream)

    def feed(
        self, request: AnyRequest, wanted: Wanted, named: list[LiveJob] | None, last: EntryId | None
    ) -> Response[bytes]:
        """Answer an event stream over several jobs."""
        stream = Feed(
            wanted,
            named,
            jobs=self._jobs,
            hub=self._hub,
            reader=self._reader,
            allowed=_still_allowed(request, None),
            pace=self._pace,
        )
        return cast("Response[bytes]", _events(stream.play(last)))


def _events(chunks: AsyncIterator[bytes]) -> ByteStream:
    return ByteStream(chunks, media_type=sse.MEDIA_TYPE, headers=sse.HEADERS)


def _still_allowed(request: AnyRequest, owner: int | None) -> Allowed:
    """Make the check that a stream repeats; an outage of the database revokes nobody."""

    async def allowed() -> bool:
        try:
            principal = await authenticate(request)
        except Unauthenticated:
            return False
        except (SQLAlchemyError, OSError, TimeoutError):
            return True
        return principal.may("jobs:read") and principal.may_see(owner)

    return allowed


def _wanted(principal: Principal, subject: str | None, types: frozenset[str]) -> Wanted:
    """Say which events a feed shows: what the caller may see, narrowed by what they asked for."""
    if subject is not None:
        _subject(subject)

    def wanted(event: Event) -> bool:
        return event.type in types and principal.may_see(event.owner) and (subject is None or event.subject == subject)

    return wanted


def _types(text: str | None) -> frozenset[str]:
    known = frozenset({"log", "status", "end", "build"})
    asked = known if text is None else frozenset(word.strip() for word in text.split(","))
    if not asked <= known:
        raise _invalid("types", "Each must be one of log, status, end, build")
    return asked


def _status(text: str | None) -> JobStatus | None:
    try:
        return None if text is None else JobStatus(text.lower())
    except ValueError:
        raise BadRequest(f"Invalid status: {text}", code="INVALID_STATUS") from None


def _subject(text: str) -> tuple[str, str]:
    kind, colon, identity = text.partition(":")
    if not (kind and colon and identity):
        raise _invalid("subject", "Must be type:id, as in build:12")
    return kind, identity


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _invalid(parameter: str, message: str) -> Invalid:
    return invalid([Detail(["query", parameter], message, "value_error")])

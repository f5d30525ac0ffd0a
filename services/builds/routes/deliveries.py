"""HTTP in: what forges sent, why it did or did not build, and doing it again."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.moments import Since, Until, read_moment
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.requests import AnyRequest
from libs.common.http.waiting import WAITS, waited
from services.builds.forges import Explanation, kept
from services.builds.schemas.deliveries import (
    DELIVERY_PAGE_EXAMPLE,
    EXPLANATION_EXAMPLE,
    PASTED_EXAMPLE,
    REPLAYED_EXAMPLE,
    WHOLE_DELIVERY_EXAMPLE,
    DeliveryPage,
    DeliveryRepository,
    DeliverySummary,
    DeliveryView,
    PastedDelivery,
    Replayed,
    VerdictName,
)
from services.builds.schemas.repositories import Forge
from services.builds.service.delivery_log import DeliveryFilter, DeliveryLog, body_of
from services.builds.service.runs import Runs
from services.builds.service.signatures import Signatures

PATH: Final = "/api/v1/deliveries"
_NO_SUCH: Final = "There is no such delivery, or it is about somebody else's repository (DELIVERY_NOT_FOUND)"
_LOCAL: Final = "The scope is missing, or a superuser has to allow local builds first (LOCAL_NOT_ALLOWED)"
_NOT_YOURS: Final = "The scope is missing, or only superusers may ask (SUPERUSER_NEEDED)"


def router(log: DeliveryLog, runs: Runs, signatures: Signatures) -> Router:
    """The routes of deliveries."""

    @get(
        PATH,
        guards=[requires("builds:read")],
        **documented("List what forges sent, newest first", example=DELIVERY_PAGE_EXAMPLE, opt=POLLED),
    )
    async def list_deliveries(
        principal: Caller,
        repository: Annotated[str | None, QueryParameter(description="A uid or a full name, as ada/engine")] = None,
        verdict: Annotated[VerdictName | None, QueryParameter(description="What became of it")] = None,
        forge: Annotated[Forge | None, QueryParameter(description="Which forge sent it")] = None,
        event: Annotated[str | None, QueryParameter(description="The event in the forge's own word")] = None,
        job: Annotated[UUID | None, QueryParameter(description="The job that it made")] = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
    ) -> DeliveryPage:
        """Those of one's own and of shared repositories. What was refused at a global address only superusers see."""
        wanted = DeliveryFilter(
            repository=repository,
            verdict=verdict,
            forge=forge,
            event=event,
            job_id=job,
            since=read_moment(since, "since"),
            until=read_moment(until, "until"),
        )
        rows, total = await log.find(principal, wanted, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return DeliveryPage([DeliverySummary(**_summary(row)) for row in rows], total, limit, offset, following)

    @get(
        f"{PATH}/{{delivery_id:int}}",
        guards=[requires("builds:read")],
        **documented("Read a delivery as it was kept", example=WHOLE_DELIVERY_EXAMPLE, errors={404: _NO_SUCH}),
    )
    async def read_delivery(principal: Caller, delivery_id: FromPath[int]) -> DeliveryView:
        row = await log.get(principal, delivery_id)
        body, is_cut = body_of(row)
        return DeliveryView(
            **_summary(row),
            headers=kept.shown(row.headers),
            event=row.event,
            body=None if body is None else body.decode("utf-8", "replace"),
            body_truncated=is_cut,
        )

    @post(
        f"{PATH}/{{delivery_id:int}}/replay",
        status_code=HTTP_202_ACCEPTED,
        guards=[requires("builds:write")],
        **documented(
            "Do again what a delivery asked for",
            example=REPLAYED_EXAMPLE,
            errors={403: _LOCAL, 404: _NO_SUCH, 409: "It was refused when it came (NOT_REPLAYABLE)"},
            answers={200: (Replayed, "By today's filters it starts nothing; `message` says why")},
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def replay_delivery(
        request: AnyRequest, principal: Caller, actor: Acting, delivery_id: FromPath[int]
    ) -> Response[Replayed]:
        """It becomes a delivery of its own, judged by the repository and the filters as they are now."""
        done = await runs.replay(principal, actor, delivery_id)
        if done.job is None:
            message = "" if done.ignored is None else done.ignored.message
            return Response(Replayed(done.delivery_id, "ignored", None, None, None, message), status_code=HTTP_200_OK)
        job, applied = await waited(request, done.job)
        message = f"Job {job.view.id} queued successfully"
        body = Replayed(done.delivery_id, "accepted", job.view.id, job.view.build_id, job.view.status, message)
        headers = {"Location": f"{PATH}/{done.delivery_id}", **applied}
        return Response(body, status_code=HTTP_202_ACCEPTED, headers=headers)

    @get(
        f"{PATH}/{{delivery_id:int}}/signature",
        guards=[requires("builds:read")],
        **documented(
            "Explain why a delivery was (not) believed",
            example=EXPLANATION_EXAMPLE,
            errors={403: _NOT_YOURS, 404: _NO_SUCH},
        ),
    )
    async def explain_delivery(principal: Caller, delivery_id: FromPath[int]) -> Explanation:
        """For superusers and the repository's owner. It names the check that failed, and never a secret."""
        return await signatures.of_delivery(principal, delivery_id)

    @post(
        f"{PATH}/explain-signature",
        status_code=HTTP_200_OK,
        guards=[requires("builds:read")],
        **documented(
            "Explain why a delivery that the forge shows would (not) be believed",
            example=EXPLANATION_EXAMPLE,
            body_example=PASTED_EXAMPLE,
            errors={403: _NOT_YOURS, 404: "There is no such repository, or it is somebody else's"},
        ),
    )
    async def explain_pasted(principal: Caller, data: JSONBody[PastedDelivery]) -> Explanation:
        """For superusers and, with `repository`, its owner. Nothing is stored and nothing is started."""
        body = data.body.encode("utf-8", "surrogatepass")
        return await signatures.of_pasted(principal, data.forge, data.headers, body, data.repository)

    handlers = [list_deliveries, read_delivery, replay_delivery, explain_delivery, explain_pasted]
    return Router("/", route_handlers=handlers, tags=["Deliveries"])


def _summary(row: Any) -> dict[str, Any]:
    """The fields of a DeliverySummary from a row with the repository's uid and name beside it."""
    given = {name: getattr(row, name) for name in DeliverySummary.__struct_fields__ if name != "repository"}
    known = None if row.uid is None else DeliveryRepository(row.uid, row.full_name)
    return {**given, "repository": known}

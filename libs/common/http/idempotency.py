"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on the routes that create.

    @post("/things", **documented("Make a thing", ..., opt=IDEMPOTENT))
    async def make(actor: Acting, ...) -> ...: ...      the service calls audit.record(tx, actor, ...)

A route with the option does what a key asks for once; every later request with the key is given the first answer. What
binds the key to the work is `audit.record` with the request's actor (see libs.common.idempotency), so a route of this
kind must make its changes in the transaction in which it records them.

| a later request with the same key and | gets |
|---|---|
| the same route, query and body | the first answer with `Idempotent-Replayed: true`; waits for it while it is made |
| anything else | 422 IDEMPOTENCY_KEY_REUSED |
| an answer that showed a secret | 409 IDEMPOTENCY_SECRET_SHOWN, `Location` is the thing |
| an answer that was lost | 409 IDEMPOTENCY_ANSWER_LOST, the details say what was done |
| a first request that takes too long | 409 IDEMPOTENCY_KEY_IN_USE with `Retry-After` |

Only answers of requests that did something are kept. What was refused (4xx) or failed (5xx) did nothing, and a client
that sends it again wants it judged by what is true now, for example when the job that could not be retried has ended.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import structlog
from litestar import Request
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from sqlalchemy.exc import SQLAlchemyError

from libs.common.auth.secret_key import derive
from libs.common.database import Database
from libs.common.errors import Conflict, Invalid, RequestError
from libs.common.http.errors import Detail, envelope, invalid
from libs.common.http.principal import Principal
from libs.common.http.waiting import preferred_wait_s
from libs.common.idempotency import Answer, Answers, Deed, Intent

log = structlog.get_logger()

IDEMPOTENT: Final[Mapping[str, Any]] = {"idempotent": "answer"}
"""Option of a route whose answer is kept and given again."""
IDEMPOTENT_SECRET: Final[Mapping[str, Any]] = {"idempotent": "address"}
"""Option of a route whose answer shows a secret once: only its `Location`, which it must have, is kept."""

HEADER: Final = "Idempotency-Key"
# Visible ASCII, as the draft's structured string without its blanks; 255 fit a column and hold every UUID or hash.
KEY_FORM: Final = "[!-~]{1,255}"
REPLAYED: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(KEY_FORM)
# The others are of the moment (rate limits, request ids, cookies) and come with each answer anew.
_REPEATED: Final = frozenset({"content-type", "location", "etag", "preference-applied"})
# Transactions take milliseconds. One that takes this long waits for something itself, and its twin need not hold a
# connection for it.
PATIENCE_S: Final = 10.0
# From the commit to the answer: milliseconds, and 100 more for a Redis that does not take what is published.
ANSWER_WITHIN_S: Final = 5


class Idempotency:
    """Gives keyed requests their intent before the handler runs, and keeps or repeats the answer after it.

    Nobody looks first whether a key was used: the handler of a repeated request runs until `audit.record` finds that
    out and its transaction is rolled back, as it must for twins that arrive together. So a first request, and nearly
    all are, costs one INSERT more.
    """

    def __init__(
        self,
        database: Database,
        secret_keys: Sequence[str],
        *,
        patience_s: float = PATIENCE_S,
        answer_within_s: int = ANSWER_WITHIN_S,
    ) -> None:
        """`secret_keys` are SECRET_KEY and, during a rotation, SECRET_KEY_OLD.

        `patience_s` is how long a request waits for its twin's transaction, `answer_within_s` how long after the commit
        an answer may come; a request that prefers to wait has as much longer.
        """
        self._answers = Answers(database)
        self._patience_s = patience_s
        self._answer_within_s = answer_within_s
        self._fingerprint_keys = [derive(secret, "idempotency") for secret in secret_keys]

    async def before(self, request: Request[Any, Any, State]) -> None:
        """Give a keyed request its intent; the caller is known by now. Raises Invalid for a key that is none."""
        if not _is_keyed(request.scope):
            return
        state = request.scope["state"]
        state["fingerprints"] = known_as = await self._fingerprints(request)
        state["intent"] = Intent(
            _owner(request),
            _key(request),
            known_as[0],
            request_id=state.get("request_id"),
            patience_s=self._patience_s,
            answer_within_s=self._answer_within_s + (preferred_wait_s(request.headers.getall("prefer", [])) or 0),
        )

    async def close(self) -> None:
        """Keep the last answers, before the database is closed."""
        await self._answers.close()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The middleware: hold a keyed request's answer back until it is known to be the one to give."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or not _is_keyed(scope):
                await app(scope, receive, send)
                return
            held = _Held()
            await app(scope, receive, held.take)
            intent = cast("Intent | None", scope["state"].get("intent"))
            if intent is not None:
                await self._settle(scope, intent, held)
            await held.send(send)

        return handle

    async def _settle(self, scope: Scope, intent: Intent, held: "_Held") -> None:
        """Keep the answer of what was done; or, when nothing was, look whether that is because it was done before."""
        try:
            if intent.is_fulfilled and held.is_success:
                shows_secret = scope["route_handler"].opt["idempotent"] == "address"
                self._answers.keep(intent, held.answer(with_body=not shows_secret))
            elif not intent.is_fulfilled and (deed := await self._answers.find(intent.owner, intent.key)) is not None:
                held.replace(_repeated(deed, scope["state"]["fingerprints"]))
        except RequestError as refusal:
            held.refuse(refusal)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            # Nothing was done, or the database would be there: the handler's own answer says so.
            log.warning("idempotent_answer_not_found", reason=repr(error))

    async def _fingerprints(self, request: Request[Any, Any, State]) -> list[bytes]:
        """Digest what is asked for with each secret key, the newest first.

        Keyed, because a body may hold a password that a plain digest would let one guess.
        """
        head = (
            f"{request.method} {request.scope['raw_path'].decode('latin-1')}?".encode() + request.scope["query_string"]
        )
        asked = head + b"\n" + await request.body()
        return [hmac.digest(key, asked, "sha256") for key in self._fingerprint_keys]


class _Held:
    """An answer that was made and not sent yet; those of creating routes are small."""

    def __init__(self) -> None:
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        if self._status:  # 0: the client left before there was an answer
            start: HTTPResponseStartEvent = {
                "type": "http.response.start",
                "status": self._status,
                "headers": self._headers,
            }
            await send(start)
            await send({"type": "http.response.body", "body": self._body, "more_body": False})

    @property
    def is_success(self) -> bool:
        return 200 <= self._status < 300

    def answer(self, *, with_body: bool) -> Answer:
        headers = {
            name: value.decode("latin-1")
            for name, value in ((raw.decode("latin-1").lower(), value) for raw, value in self._headers)
            if name in _REPEATED
        }
        return Answer(self._status, headers, self._body if with_body else None)

    def replace(self, answer: Answer) -> None:
        self._set(answer.status, {**answer.headers, REPLAYED: "true"}, answer.body or b"")

    def refuse(self, error: RequestError) -> None:
        headers = {**error.headers, "content-type": "application/json"}
        self._set(error.status, headers, msgspec.json.encode(envelope(error)))

    def _set(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._status, self._body = status, body
        self._headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        self._headers.append((b"content-length", str(len(body)).encode()))


def _repeated(deed: Deed, known_as: Sequence[bytes]) -> Answer:
    """The answer to give again. Raises Invalid and Conflict when it is not to be given."""
    if not any(hmac.compare_digest(deed.fingerprint, digest) for digest in known_as):
        raise Invalid(
            "This Idempotency-Key was used for another request; take a new one", code="IDEMPOTENCY_KEY_REUSED"
        )
    done = {
        "action": deed.action,
        "subject": {"type": deed.subject_type, "id": deed.subject_id},
        "request_id": deed.request_id,
        "done_at": msgspec.to_builtins(deed.done_at),
    }
    if deed.answer is None:
        raise Conflict(
            "The first request with this Idempotency-Key was carried out, but its answer was lost; look at what it did",
            code="IDEMPOTENCY_ANSWER_LOST",
            details=done,
        )
    if deed.answer.body is None:
        location = deed.answer.headers.get("location")
        raise Conflict(
            "This was made by the first request with this Idempotency-Key; its secret was shown once and is not kept",
            code="IDEMPOTENCY_SECRET_SHOWN",
            details=done,
            headers={} if location is None else {"Location": location},
        )
    return deed.answer


def _is_keyed(scope: Scope) -> bool:
    if not scope["route_handler"].opt.get("idempotent"):
        return False
    return any(name == b"idempotency-key" for name, _ in scope["headers"])


def _key(request: Request[Any, Any, State]) -> str:
    given = request.headers.getall(HEADER)
    if len(given) != 1 or not _KEY.fullmatch(given[0]):
        detail = Detail(["header", HEADER], "Must be one value of 1 to 255 visible ASCII characters", "value_error")
        raise invalid([detail])
    return given[0]


def _owner(request: Request[Any, Any, State]) -> str:
    """Whose the key is: a user's, an API key's that belongs to nobody, or (sign-up) a client address's."""
    principal = cast("Principal | None", request.scope.get("user"))
    if principal is None:
        return f"address:{request.scope['state'].get('client_address', '')}"[:80]
    return f"key:{principal.key_id}" if principal.user_id is None else f"user:{principal.user_id}"

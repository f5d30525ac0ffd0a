"""A small slice to try the frame on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Router, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody, URLEncodedBody

from libs.common.errors import Conflict, Unauthenticated
from libs.common.http.documentation import documented
from libs.common.http.guards import OPEN, Caller, requires
from libs.common.http.paging import Limit, Offset
from libs.common.http.principal import ORDINARY_SCOPES, Principal
from libs.common.http.requests import ANY_CONTENT_TYPE
from libs.common.http.streaming import ByteStream
from services.gateway.frame import Gateway, make_gateway


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)]
    name: str = ""


class Car(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=50)]
    wheels: list[Wheel] = []


class Form(msgspec.Struct, frozen=True):
    name: str


class Garage:
    """What the sample's handlers have seen."""

    def __init__(self) -> None:
        self.stream_closed = asyncio.Event()
        self.stream_open = asyncio.Event()


async def authenticate(credential: str) -> Principal:
    match credential:
        case "reader":
            return Principal(user_id=7, name="ada", scopes=frozenset({"builds:read"}))
        case "writer":
            return Principal(user_id=8, name="bob", scopes=ORDINARY_SCOPES)
        case "root":
            return Principal(user_id=1, name="root", scopes=frozenset(), is_superuser=True)
    raise Unauthenticated("Invalid token", code="INVALID_TOKEN", headers={"WWW-Authenticate": "Bearer"})


def sample(  # noqa: C901 - a list of small handlers, one after the other
    garage: Garage | None = None, *, proxy_hops: int = 0, cors_origins: tuple[str, ...] = ()
) -> Gateway:
    seen = garage or Garage()

    @post("/cars", opt=OPEN)
    async def make_car(data: JSONBody[Car]) -> Car:
        return data

    @post("/cars/lenient", opt=OPEN | ANY_CONTENT_TYPE)
    async def make_car_from_anything(data: JSONBody[Car]) -> Car:
        return data

    @post("/form", opt=OPEN)
    async def send_form(data: URLEncodedBody[Form]) -> Form:
        return data

    @get(
        "/cars",
        guards=[requires("builds:read")],
        **documented("List cars", example=["mini"], errors={409: "The garage is closed"}),
    )
    async def list_cars(principal: Caller, limit: Limit = 20, offset: Offset = 0) -> list[str]:
        return [principal.name, f"{limit}+{offset}"]

    @post("/cars/wash", guards=[requires("builds:read", "builds:write")], status_code=200)
    async def wash(principal: Caller) -> str:
        return principal.name

    @get("/anybody")
    async def anybody(principal: Caller) -> str:
        return principal.name

    @get("/cars/{number:int}", opt=OPEN)
    async def read_car(number: FromPath[int]) -> int:
        return number

    @get("/names/{name:str}", opt=OPEN)
    async def read_name(name: FromPath[str], request: Request[Any, Any, State]) -> dict[str, str]:
        return {"name": name, "client": request.state.client_address}

    @get("/by-id/{key:uuid}", opt=OPEN)
    async def read_by_id(key: FromPath[UUID]) -> str:
        return str(key)

    @get("/closed", opt=OPEN)
    async def closed() -> str:
        raise Conflict("The garage is closed", code="CLOSED", details={"until": "8:00"}, headers={"Retry-After": "5"})

    @get("/boom", opt=OPEN)
    async def boom() -> str:
        raise RuntimeError("hunter2 of /etc/shadow")

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"first\n"
            seen.stream_open.set()
            await asyncio.Event().wait()
        finally:
            seen.stream_closed.set()

    @get("/stream", opt=OPEN)
    async def stream() -> ByteStream:
        return ByteStream(chunks(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def three() -> AsyncIterator[bytes]:
        for chunk in (b"a", b"b", b"c"):
            yield chunk

    @get("/download", opt=OPEN)
    async def download() -> ByteStream:
        return ByteStream(three(), media_type="text/plain")

    async def breaking() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("half way")

    @get("/breaks", opt=OPEN)
    async def breaks() -> ByteStream:
        return ByteStream(breaking(), media_type="text/plain")

    handlers = [make_car, make_car_from_anything, send_form, list_cars, wash, anybody, read_car, read_name]
    handlers += [read_by_id, closed, boom, stream, download, breaks]
    router = Router("/", route_handlers=handlers)
    return make_gateway([router], authenticate=authenticate, proxy_hops=proxy_hops, cors_origins=cors_origins)

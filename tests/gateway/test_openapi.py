"""The API document is complete, and its page needs nobody else's server."""

import re
from typing import Any

import httpx
import pytest

from services.gateway.openapi import document
from tests.gateway.sample import sample

pytestmark = pytest.mark.databases("sqlite")


def _operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]


async def test_every_operation_is_described(gateway: httpx.AsyncClient) -> None:
    """Each operation has a summary, an example of its answer, the frame's statuses, and says who may call it."""
    answer = await gateway.get("/api/openapi.json")
    described = answer.json()
    assert described["openapi"].startswith("3.1")
    assert set(described["components"]["securitySchemes"]) == {"apiKey", "bearer", "session"}
    for path, method, operation in _operations(described):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert "security" in operation, where
        assert "422" in operation["responses"], where
        if operation["security"]:
            assert "401" in operation["responses"], where
        successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        media = [media for answer in successes for kind, media in answer.get("content", {}).items() if "json" in kind]
        assert not media or any("example" in one for one in media), where
        for one in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in one, where


async def test_references_resolve(gateway: httpx.AsyncClient) -> None:
    """Every $ref of the document points to a schema that is in it."""
    text = (await gateway.get("/api/openapi.json")).text
    described = (await gateway.get("/api/openapi.json")).json()
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in described["components"]["schemas"]


async def test_operation_ids_are_unique(gateway: httpx.AsyncClient) -> None:
    """Generated clients name their functions after operation ids."""
    ids = [operation["operationId"] for _, _, operation in _operations((await gateway.get("/api/openapi.json")).json())]
    assert len(ids) == len(set(ids))


def test_what_the_frame_adds() -> None:
    """Scopes, refusals and the limits of bodies are documented from the handlers, ours for the framework's own."""
    paths = document(sample())["paths"]
    listing = paths["/cars"]["get"]
    assert listing["x-scopes"] == ["builds:read"]
    assert set(listing["responses"]) == {"200", "401", "403", "409", "422", "429", "503"}
    assert listing["responses"]["200"]["content"]["application/json"]["example"] == ["mini"]
    making = paths["/cars"]["post"]
    assert making["security"] == []
    assert set(making["responses"]) == {"201", "400", "413", "415", "422", "429", "503"}
    assert "INVALID_JSON" in making["responses"]["400"]["description"]
    assert "404" in paths["/cars/{number}"]["get"]["responses"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/api/docs", "/docs", "/api/redoc"])
async def test_page_loads_only_from_here(client: httpx.AsyncClient, path: str) -> None:
    """The documentation page names only our own paths, and its policy forbids all others."""
    answer = await client.get(path)
    assert answer.status_code == 200
    sources = re.findall(r'(?:src|href|spec-url)="([^"]+)"', answer.text)
    assert sources
    assert all(source.startswith("/") for source in sources)
    assert "default-src 'none'; script-src 'self';" in answer.headers["content-security-policy"]
    for source in sources:
        found = await client.get(source)
        assert found.status_code == 200
        assert int(found.headers["content-length"]) > 1000

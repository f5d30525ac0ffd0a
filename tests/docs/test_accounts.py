"""The tour of docs/accounts.md, run as it stands there, against the real gateway."""

import asyncio
import json
import re
from typing import Any

import pytest

from libs.common.errors import Unauthenticated
from services.gateway.app import create_app
from tests.docs.test_pages import page
from tests.gateway.serving import served, settings
from tests.servers import ROOT

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
_DOCUMENTED_ADDRESS = "127.0.0.1:8000"


@pytest.mark.databases("sqlite")
async def test_every_line_of_the_tour_works(database: str, redis: str) -> None:
    """Signing up, keys, sessions and a new password do what the page says, with the lines that it shows."""
    tour = _TOUR.search(page("docs/accounts.md"))
    assert tour is not None
    async with served(create_app(settings(database, redis))) as client:
        script = "\n".join(_BASH.findall(tour[1]))
        assert script.count(_DOCUMENTED_ADDRESS) == 1
        script = script.replace(_DOCUMENTED_ADDRESS, f"127.0.0.1:{client.base_url.port}")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, complained) == (0, b""), said + complained
    answers: list[Any] = [json.loads(line) for line in said.decode().splitlines()]
    signed_up, me, jobs, old_key, new_key, changed, signed_out, password, old_token, by_key = answers
    assert signed_up["username"] == me["username"] == password["username"] == by_key["username"] == "grace"
    assert jobs["total"] == new_key["total"] == 0
    assert old_key["error"]["code"] == "API_KEY_REVOKED"
    assert changed["email"] == "grace@navy.example"
    assert signed_out["error"]["code"] == "SESSION_ENDED"
    assert old_token["error"]["code"] == "TOKEN_REVOKED"


def test_every_refusal_is_real() -> None:
    """A code that the page explains is given by the accounts or by what guards the routes."""
    rows = re.findall(r"^\| (`[A-Z][A-Z_`, ]+`) \| \d", page("docs/accounts.md"), re.MULTILINE)
    documented = {code for row in rows for code in re.findall(r"[A-Z_]+", row)} - {Unauthenticated.default_code}
    assert len(documented) > len(rows)
    folders = ("services/gateway/accounts", "libs/common/http", "libs/common/auth")
    source = "".join(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py"))
    assert [code for code in sorted(documented) if f'"{code}"' not in source] == []

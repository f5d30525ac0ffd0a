"""The tour of docs/repositories.md, run as it stands there, against the real gateway."""

import asyncio
import json
import re
from typing import Any

import pytest

from services.gateway.app import create_app
from tests.docs.test_pages import page
from tests.gateway.serving import ADMIN_KEY, served, settings
from tests.servers import ROOT

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
_DOCUMENTED_ADDRESS = "127.0.0.1:8000"
_DOCUMENTED_KEY = "slp_..."


@pytest.mark.databases("sqlite")
async def test_every_line_of_the_tour_works(database: str, redis: str) -> None:
    """Registering, pushing, replaying, running, rotating, explaining and deleting do what the page says."""
    tour = _TOUR.search(page("docs/repositories.md"))
    assert tour is not None
    async with served(create_app(settings(database, redis))) as client:
        script = "\n".join(_BASH.findall(tour[1]))
        for documented, real in (
            (_DOCUMENTED_ADDRESS, f"127.0.0.1:{client.base_url.port}"),
            (_DOCUMENTED_KEY, ADMIN_KEY),
        ):
            assert script.count(documented) == 1
            script = script.replace(documented, real)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
        jobs = (await client.get("/jobs", headers={"X-API-Key": ADMIN_KEY})).json()["jobs"]
    assert (process.returncode, complained) == (0, b""), said + complained
    hook, *rest = said.decode().splitlines()
    pushed, replayed, branch, tag, explained = (_json(line) for line in rest)
    assert hook.startswith("http://127.0.0.1:")
    assert "/webhook/gitea/" in hook
    assert pushed["message"].endswith("queued successfully")
    assert replayed["job_id"] != pushed["job_id"]
    assert (branch["branch"], tag["branch"]) == ("main", "v1")
    assert [check["name"] for check in explained["checks"] if not check["ok"]][-1] == "secret_whitespace"
    assert [(job["status"], job["error"]["code"]) for job in jobs] == [("cancelled", "REPOSITORY_GONE")] * 4


def test_every_refusal_is_real() -> None:
    """A code that the page explains is given by the slice, with the status that the page says."""
    rows = re.findall(r"^\| (`[A-Z][A-Z_`, ]+`) \| (\d+)", page("docs/repositories.md"), re.MULTILINE)
    source = (ROOT / "services/builds/errors.py").read_text()
    for codes, status in rows:
        for code in re.findall(r"[A-Z_]+", codes):
            found = re.search(rf'class (\w+)\(\w+\):\n    default_code = "{code}"', source)
            assert found, code
            assert re.search(rf"── {found[1]} +{status} ", source), (code, status)


def _json(line: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    return value

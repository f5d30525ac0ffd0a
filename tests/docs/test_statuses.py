"""docs/statuses.md: its lines, run as they stand there, and what it says of states and codes."""

import asyncio
import json
import re

import pytest

from services.builds.commitstatus import State
from services.gateway.app import create_app
from tests.docs.test_pages import page
from tests.gateway.serving import ADMIN_KEY, served, settings
from tests.servers import ROOT
from tests.webhooks.people import NEW, REPOSITORIES

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.mark.databases("sqlite")
async def test_every_line_works(database: str, redis: str) -> None:
    """A token is given, reports are switched off, and the token is taken away, as the page shows it."""
    tour = _TOUR.search(page("docs/statuses.md"))
    assert tour is not None
    async with served(create_app(settings(database, redis))) as client:
        made = (await client.post(REPOSITORIES, json=NEW, headers={"X-API-Key": ADMIN_KEY})).json()
        script = "\n".join(_BASH.findall(tour[1]))
        for documented, real in (
            ("http://127.0.0.1:8000", str(client.base_url).rstrip("/")),
            ("slp_...", ADMIN_KEY),
            ("uid=...", f"uid={made['uid']}"),
        ):
            assert script.count(documented) == 1
            script = script.replace(documented, real)
        script = script.replace("\ncurl", "\necho\ncurl")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, complained) == (0, b""), said + complained
    answers = [json.loads(line) for line in said.decode().splitlines() if line]
    told = [(answer["has_api_token"], answer["report_status"]) for answer in answers]
    assert told == [(True, True), (True, False), (False, False)]


def test_states_and_codes_are_the_codes() -> None:
    """Each state that we can tell has its row, and each code that the page names is given."""
    text = page("docs/statuses.md")
    assert set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", text, re.MULTILINE)) == {state.value for state in State}
    source = (ROOT / "services/builds/providers/statuses.py").read_text()
    for code in ("STATUS_REFUSED", "FORGE_UNAVAILABLE"):
        assert f"`{code}`" in text
        assert f'"{code}"' in source

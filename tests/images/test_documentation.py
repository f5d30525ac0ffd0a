"""The tour of docs/images.md, run as it stands there, against the real gateway; and what else the page promises."""

import asyncio
import json
import re
import shutil
from typing import Any

import pytest

from services.builds.service.statistics import MEASURED_MAX
from tests.docs.test_pages import page
from tests.gateway.serving import KEY
from tests.servers import ROOT
from tests.webhooks.site import Site

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
async def test_every_line_of_the_tour_works(site: Site) -> None:
    """Triggering, cancelling, promoting, reading and revoking do what the page says, with the lines that it shows."""
    tour = _TOUR.search(page("docs/images.md"))
    assert tour is not None
    script = "\n".join(_BASH.findall(tour[1]))
    for documented, real in (("127.0.0.1:8000", f"127.0.0.1:{site.client.base_url.port}"), ("slp_...", KEY)):
        assert script.count(documented) == 1
        script = script.replace(documented, real)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, complained) == (0, b""), said + complained
    *lines, badge = said.decode().splitlines()
    status, cancelled, made, _, promoted, matrix, found, states, statistics, revoked = map(_json, lines)
    assert (status["build"]["status"], status["workflow_status"]) == ("pending", None)
    assert cancelled["status"] == "cancelled"
    assert promoted["channels"] == ["testing"]
    assert [cell["channels"]["testing"] for cell in matrix["cells"]] == [made["id"]]
    assert [one["uid"] for one in found["items"]] == [made["id"]]
    assert [one["state_code"] for one in states["items"]] == [0, 100]
    assert (statistics["builds"], statistics["succeeded"]) == (2, 1)
    assert revoked["channels"] == []
    assert badge == 'aria-label="aws rhel-9.2 base: passing"'


def test_every_refusal_is_real() -> None:
    """A code that the page explains is given by the slice, with the status that the page says."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", page("docs/images.md"), re.MULTILINE)
    assert len(rows) > 10
    source = (ROOT / "services/builds/errors.py").read_text()
    for code, status in rows:
        found = re.search(rf'class (\w+)\(\w+\):\n    default_code = "{code}"', source)
        assert found, code
        assert re.search(rf"── {found[1]} +{status} ", source), (code, status)


def test_the_bound_of_statistics_is_the_code_s() -> None:
    """The page says how many builds are measured."""
    assert f"newest {MEASURED_MAX:,} " in page("docs/images.md")


def _json(line: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    return value

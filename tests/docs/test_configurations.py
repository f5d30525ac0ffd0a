"""The tour of docs/configurations.md, run as it stands there, against the real gateway."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from services.builds.service.configurations import VERSIONS_KEPT
from services.gateway.app import create_app
from tests.docs.test_pages import page
from tests.gateway.serving import KEY, served, settings
from tests.servers import ROOT

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
_DOCUMENTED_ADDRESS = "127.0.0.1:8000"
_DOCUMENTED_KEY = "slp_..."


@pytest.mark.databases("sqlite")
@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq on this machine")
async def test_every_line_of_the_tour_works(database: str, redis: str, tmp_path: Path) -> None:
    """Validating, transpiling, saving, comparing, rolling back and saving what one has seen do what the page says."""
    tour = _TOUR.search(page("docs/configurations.md"))
    assert tour is not None
    async with served(create_app(settings(database, redis))) as client:
        script = "\n".join(_BASH.findall(tour[1]))
        for documented, real in (
            (_DOCUMENTED_ADDRESS, f"127.0.0.1:{client.base_url.port}"),
            (_DOCUMENTED_KEY, KEY),
        ):
            assert script.count(documented) == 1
            script = script.replace(documented, real)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
        left = (await client.get("/api/config", headers={"X-API-Key": KEY})).json()
    assert (process.returncode, complained) == (0, b""), said + complained
    validated, base, second, *diff, third, _, _, _, refused, fourth, module = _up_to_the_examples(said.decode())
    assert json.loads(validated)["errors"] == ["Missing required field: description"]
    assert base == "FROM quay.io/fedora/fedora-bootc:43"
    assert [json.loads(line)["version"] for line in (second, third, fourth)] == [2, 3, 4]
    assert '-    scripts: ["echo hello > /etc/motd"]' in diff
    assert '+    scripts: ["echo good morning > /etc/motd"]' in diff
    assert json.loads(refused) == {"version": 3}
    assert json.loads(module) == {"number": 1, "type": "script", "kept": True}
    assert left["total"] == 0


def _up_to_the_examples(said: str) -> list[str]:
    lines = [line for line in said.splitlines() if line]
    return [line for line in lines if not line.endswith((".yml", ".yaml"))]


def test_every_refusal_is_real() -> None:
    """A code that the page explains is given by somebody, with the status that the page says."""
    rows = re.findall(r"^\| (`[A-Z][A-Z_`, ]+`) \| (\d+)", page("docs/configurations.md"), re.MULTILINE)
    source = "".join((ROOT / file).read_text() for file in ("libs/common/errors.py", "services/builds/errors.py"))
    assert rows
    for codes, status in rows:
        for code in re.findall(r"[A-Z_]+", codes):
            found = re.search(rf'class (\w+)\(\w+\):\n(?:    status = \d+\n)?    default_code = "{code}"', source)
            assert found, code
            assert re.search(rf"── {found[1]} +{status} ", source), (code, status)


def test_the_bound_on_versions_is_documented() -> None:
    """Whoever relies on old versions knows how many there are."""
    assert f"The newest {VERSIONS_KEPT} versions" in page("docs/configurations.md")

"""docs/build-states.md, run as it stands there against the real gateway, with real curl and jq."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.errors import RequestError
from services.builds.stages import STAGES
from tests.docs.test_pages import page
from tests.gateway.serving import KEY
from tests.webhooks.people import pipeline
from tests.webhooks.site import Site

PAGE = "docs/build-states.md"
needs_jq = pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="needs curl and jq on PATH")
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)


async def run(script: str, *, folder: Path | None = None, **environ: str) -> tuple[int, str]:
    """Run a shell script; answers its exit code and what it said."""
    argv = ("bash", "-euo", "pipefail", "-c", script) if folder is None else ("sh", "-euc", script)
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode()


@needs_jq
@pytest.mark.databases("sqlite")
async def test_every_line_of_the_tour_works(site: Site) -> None:
    """Reporting, failing, resetting, resuming and counting do what the page says."""
    tour = re.search(r"<!-- tour: .*?-->(.*)<!-- /tour -->", page(PAGE), re.DOTALL)
    assert tour is not None
    script = "\n".join(_BASH.findall(tour[1]))
    for documented, real in (("http://127.0.0.1:8000", str(site.client.base_url).rstrip("/")), ("slp_...", KEY)):
        assert script.count(documented) == 1
        script = script.replace(documented, real)
    code, said = await run(script)
    lines = [line for line in said.splitlines() if line]
    assert code == 0, said
    assert [json.loads(line)["new_state"] for line in lines[:2]] == [10, 25]
    assert lines[-5] == "BUILD_FAILED"
    assert json.loads(lines[-4])["status"] == "reset"
    assert json.loads(lines[-3]) == [25, 10, {"AMI_ID": "ami-0abc", "TOKEN": "********"}]
    assert json.loads(lines[-1]) == {"completed": 1, "failed": 0, "in_progress": 0}


class Concourse:
    """Runs the tasks of the documented pipeline as Concourse does: in order, in folders that they hand on, and what
    `on_failure` says when one fails."""

    def __init__(self, folder: Path, site: Site) -> None:
        documented = re.search(r"<!-- pipeline: .*?-->\s*```yaml\n(.*?)```", page(PAGE), re.DOTALL)
        assert documented is not None
        [self._job] = yaml.safe_load(documented[1])["jobs"]
        self._folder = folder
        self._variables = {"slipway.url": str(site.client.base_url).rstrip("/"), "slipway.key": KEY}
        for name in ("source/ci", "build"):
            (folder / name).mkdir(parents=True)

    def script(self, name: str, does: str) -> None:
        """Put a script of a stage into the source."""
        file = self._folder / "source/ci" / name
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)

    async def run(self, build: str) -> bool:
        self._variables["build"] = build
        for step in self._job["plan"]:
            if "task" in step and not await self._task(step):
                assert await self._task(self._job["on_failure"])
                return False
        return True

    async def _task(self, step: dict[str, Any]) -> bool:
        config = step["config"]
        environ = {name: self._filled(str(value)) for name, value in config["params"].items()}
        assert config["run"]["path"] == "sh"
        flags, script = config["run"]["args"]
        assert flags == "-euc"
        code, _ = await run(script, folder=self._folder, **environ)
        return code == 0

    def _filled(self, text: str) -> str:
        return re.sub(r"\(\((.*?)\)\)", lambda name: self._variables[name[1]], text)


@needs_jq
@pytest.mark.databases("sqlite", "postgresql")
async def test_the_documented_pipeline(site: Site, tmp_path: Path) -> None:
    """It makes its build and reports 10, 25, 50, 75 and 100; when a stage fails it reports where and how."""
    concourse = Concourse(tmp_path, site)
    for name in ("green-image", "harden", "users", "measure", "deliver"):
        concourse.script(name, "true")
    assert await concourse.run("good")
    caller = pipeline(site)
    good = (await caller.get("/builds/good")).json()
    assert (good["status"], good["current_state"], good["platform"]) == ("success", 100, "aws")
    assert good["id"] == (tmp_path / "build/id").read_text().strip()
    states = (await caller.get("/api/v1/builds/good/states", limit=100)).json()["items"]
    assert [one["state_code"] for one in states] == [0, 10, 25, 50, 75, 100]
    assert states[2]["message"] == "harden is done"

    concourse.script("users", "exit 3")
    assert not await concourse.run("bad")
    bad = (await caller.get("/builds/bad")).json()
    assert (bad["status"], bad["current_state"]) == ("failure", 25)
    [failure] = (await caller.get("/builds/bad/failures")).json()["items"]
    assert (failure["error_code"], failure["component"]) == ("PIPELINE_FAILURE", "concourse")
    assert failure["details"] == {"stage": "25", "exit_code": 3}


def test_the_table_of_states_is_the_code_s() -> None:
    """The page names each state code as the product does."""
    rows = re.findall(r"\| (\d+) \| ([^|]+?) (?=\|)", page(PAGE))
    documented = {int(code): name for code, name in rows}
    assert documented == dict(STAGES)


def test_every_refusal_is_real() -> None:
    """A code that the page names is one that the product answers."""
    from services.builds import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RequestError)]
    codes = {kind.default_code for kind in kinds}
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", page(PAGE))) - {"API_KEYS", "RATE_LIMIT_PER_KEY"}
    assert named <= codes, named - codes

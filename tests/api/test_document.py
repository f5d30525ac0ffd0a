"""The API document, driven by schemathesis against the running gateway: no 5xx and nothing that it does not say."""

import asyncio
import sys
from pathlib import Path

import pytest

from libs.common.jobs.models import Job
from tests.builds.forges.payloads import push_request
from tests.gateway.serving import ADMIN_KEY
from tests.webhooks.site import Site

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# A stream has no end that a client could wait for; tests/gateway/jobs/test_feed.py reads this one.
STREAM = "/events"
# Answers 501 on purpose, which a fuzzer takes for a fault (tests/gateway/accounts).
NOT_OFFERED = "/auth/idm"
# For the same reason a job's log is asked for as JSON; as a stream and as text it is read in tests/gateway/jobs.
ACCEPT = "Accept: application/json"
# The parsers go by the event's name, which comes in a header that differs from forge to forge.
EVENTS = ("X-GitHub-Event: push", "X-Gitea-Event: push", "X-Gitlab-Event: Push Hook")
# Every check but one: that a body which fits the schema is accepted is not promised (a password may be wrong).
CHECKS = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")
ADMIN = f"X-API-Key: {ADMIN_KEY}"


@pytest.fixture
async def repository(site: Site) -> str:
    """The uid of a repository with an address of its own, on a gateway where a build waits."""
    assert (await site.post("github", push_request("github", secret=""))).status_code == 202
    return await site.register("github", full_name="ada/engine")


async def fuzz(site: Site, folder: Path, repository: str, *headers: str, phases: str, max_examples: int) -> None:
    """Run these phases of schemathesis in a process of its own, the same way each time; fails with its report."""
    config = folder / "schemathesis.toml"
    # It would sign itself up and log in, and nobody would be nobody any more.
    uid = await site.register("gitea", full_name="ada/other")
    fixed = (
        f'"path.repository" = "{repository}"\n"query.format" = "json"\n"path.uid" = "{uid}"\n"path.delivery_id" = 1\n'
    )
    config.write_text(f"[auth]\nauto-signup = false\n[parameters]\n{fixed}")
    argv = [str(SCHEMATHESIS), "--config-file", str(config), "run", f"{site.client.base_url}/api/openapi.json"]
    argv += ["--exclude-path", STREAM, "--exclude-path", NOT_OFFERED]
    argv += ["--phases", phases, "--max-examples", str(max_examples)]
    argv += [*CHECKS, "--continue-on-failure", "--generation-deterministic", "--suppress-health-check", "all"]
    argv += ["--request-timeout", "20", "--no-color"]
    argv += [part for header in (ACCEPT, *EVENTS, *headers) for part in ("--header", header)]
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        report, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, report.decode()


@pytest.mark.databases("sqlite")
@pytest.mark.timeout(300)
async def test_nothing_undocumented(site: Site, repository: str, tmp_path: Path) -> None:
    """With all rights the examples get the status, content type and body that the document says, on every route."""
    await fuzz(site, tmp_path, repository, ADMIN, phases="examples", max_examples=1)
    assert len(await site.rows(Job)) > 1  # it got as far as builds


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("headers", [[ADMIN], []], ids=["administrator", "nobody"])
async def test_nothing_undocumented_at_length(site: Site, repository: str, tmp_path: Path, headers: list[str]) -> None:
    """The same, also without rights, with thirty cases a route and every corner of its schema, on both databases."""
    await fuzz(site, tmp_path, repository, *headers, phases="examples,coverage,fuzzing", max_examples=30)

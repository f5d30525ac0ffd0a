"""Artifacts and variables of builds: kept for a later run, bounded, and secret where they say so."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from libs.common.crypto import Sealer
from libs.common.database import utcnow
from services.builds.models import Build, BuildArtifact, BuildVariable
from services.builds.schemas.reports import ARTIFACTS_MAX, VARIABLES_MAX
from services.builds.service.variables import purpose
from tests.gateway.serving import SECRET_KEY
from tests.states.builds import made, reached, refusal
from tests.webhooks.people import person
from tests.webhooks.site import Site
from tests.webhooks.test_reseal import NEW_KEY, OTHER_KEY, reseal

DISK = {"artifact_name": "disk", "type": "image", "path": "s3://images/disk", "storage_backend": "s3"}
SHA = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"


async def test_artifacts_are_noted_listed_and_taken_back(site: Site) -> None:
    """They are kept with the state in which they were made; a resumed build is offered those that still serve it."""
    grace = await person(site, "grace")
    uid = await made(grace)
    await reached(grace, uid, 25)
    artifacts = f"/builds/{uid}/artifacts"
    answer = await grace.post(artifacts, DISK | {"checksum": SHA, "size_bytes": 12})
    assert (answer.status_code, answer.headers["Location"]) == (201, artifacts)
    disk = answer.json()
    assert disk | DISK | {"state_code": 25, "checksum": SHA.lower(), "size_bytes": 12, "is_resumable": True} == disk
    yesterday, tomorrow = [(utcnow() + timedelta(days=days)).isoformat() for days in (-1, 1)]
    for other in ({"is_resumable": False}, {"expires_at": yesterday}, {"expires_at": tomorrow, "state_code": 10}):
        assert (await grace.post(artifacts, DISK | other)).status_code == 201
    listed = (await grace.get(artifacts)).json()
    assert (listed["total"], [one["id"] for one in listed["artifacts"]]) == (4, [4, 3, 2, 1])
    offered = (await grace.get(f"/builds/{uid}/resume-context")).json()["artifacts"]
    assert [(one["id"], one["state_code"]) for one in offered] == [(4, 10), (1, 25)]
    assert (await grace.delete(f"{artifacts}/1")).status_code == 204
    assert refusal(await grace.delete(f"{artifacts}/1")) == (404, "ARTIFACT_NOT_FOUND")
    assert (await grace.get(artifacts)).json()["total"] == 3
    assert len(await site.rows(BuildArtifact)) == 4

    other_build = await made(grace, "other")
    assert refusal(await grace.delete(f"/builds/{other_build}/artifacts/2")) == (404, "ARTIFACT_NOT_FOUND")


async def test_variables_are_set_masked_and_forgotten(site: Site) -> None:
    """Setting one again replaces it, sensitive or not; a sensitive value stands nowhere in clear and is never shown."""
    grace = await person(site, "grace")
    uid = await made(grace)
    variables = f"/builds/{uid}/variables"
    for value, sensitive in (("ami-1", False), ("ami-2", True), ("ami-3", False)):
        answer = await grace.put(variables, {"key": "AMI", "value": value, "is_sensitive": sensitive})
        assert (answer.status_code, answer.json()["value"]) == (200, "********" if sensitive else value)
    await reached(grace, uid, 25)
    token = await grace.put(variables, {"key": "TOKEN", "value": "hunter22", "is_sensitive": True})
    assert token.json() | {"value": "********", "is_sensitive": True, "state_code": 25} == token.json()
    listed = (await grace.get(variables)).json()
    assert [(one["key"], one["value"]) for one in listed["variables"]] == [("AMI", "ami-3"), ("TOKEN", "********")]
    masked = {"AMI": "ami-3", "TOKEN": "********"}
    assert (await grace.get(f"{variables}/dict")).json() == masked
    assert (await grace.get(f"/builds/{uid}/resume-context")).json()["variables"] == masked
    row = (await site.rows(BuildVariable))[-1]
    assert "hunter22" not in repr(tuple(row))
    assert Sealer([SECRET_KEY]).open(row.sealed_value, purpose(uid, "TOKEN")) == b"hunter22"
    assert (await grace.delete(f"{variables}/TOKEN")).status_code == 204
    assert refusal(await grace.delete(f"{variables}/TOKEN")) == (404, "VARIABLE_NOT_FOUND")
    assert (await grace.get(f"{variables}/dict")).json() == {"AMI": "ami-3"}


@pytest.mark.databases("sqlite")
async def test_a_build_keeps_so_much(site: Site) -> None:
    """What goes beyond the limits is a 409; what is there can still be replaced, and room can be made."""
    grace = await person(site, "grace")
    uid = await made(grace)
    [build] = await site.rows(Build)
    same: dict[str, Any] = {"build_id": build.id, "state_code": 0}
    artifact = same | {"name": "a", "type": "t", "path": "p", "storage_backend": "s", "created_at": utcnow()}
    variable = same | {"value": "1", "updated_at": utcnow()}
    async with site.database.transaction() as tx:
        await tx.execute(insert(BuildArtifact), [artifact] * ARTIFACTS_MAX)
        await tx.execute(insert(BuildVariable), [variable | {"key": f"K{number}"} for number in range(VARIABLES_MAX)])
    assert refusal(await grace.post(f"/builds/{uid}/artifacts", DISK)) == (409, "TOO_MANY_ARTIFACTS")
    new = await grace.put(f"/builds/{uid}/variables", {"key": "NEW", "value": "1"})
    assert refusal(new) == (409, "TOO_MANY_VARIABLES")
    assert (await grace.put(f"/builds/{uid}/variables", {"key": "K1", "value": "2"})).status_code == 200
    assert (await grace.delete(f"/builds/{uid}/artifacts/1")).status_code == 204
    assert (await grace.post(f"/builds/{uid}/artifacts", DISK)).status_code == 201


@pytest.mark.databases("sqlite")
async def test_wrong_artifacts_and_variables(site: Site) -> None:
    """Each wrong value is a 422 that names it."""
    grace = await person(site, "grace")
    uid = await made(grace)
    for wrong in (
        {"checksum": "x"},
        {"state_code": 12},
        {"size_bytes": -1},
        {"path": "a\nb"},
        {"path": "p" * 4097},
        {"type": ""},
        {"expires_at": "2026-11-20T18:00:00"},
        {"is_resumable": "yes"},
    ):
        answer = await grace.post(f"/builds/{uid}/artifacts", DISK | wrong)
        assert answer.status_code == 422, (wrong, answer.text)
        assert [one["loc"] for one in answer.json()["error"]["details"]] == [["body", *wrong]], answer.text
    for wrong in ({"key": "1A"}, {"key": "dict"}, {"key": "k" * 256}, {"value": "v" * 8193}, {"value": 1}):
        answer = await grace.put(f"/builds/{uid}/variables", {"key": "A", "value": "1"} | wrong)
        assert answer.status_code == 422, (wrong, answer.text)


async def test_sealed_variables_move_to_a_new_key(site: Site, database: str) -> None:
    """The command that seals repositories' secrets anew does so with variables, and names what does not open."""
    grace = await person(site, "grace")
    uid = await made(grace)
    variable = {"key": "TOKEN", "value": "hunter22", "is_sensitive": True}
    assert (await grace.put(f"/builds/{uid}/variables", variable)).status_code == 200
    lost = reseal(database, NEW_KEY, OTHER_KEY)
    assert (lost.returncode, lost.stdout) == (1, "0 sealed anew, 0 already were, 1 do not open\n")
    assert lost.stderr == f"nightly ({uid}): variable TOKEN does not open with these keys\n"
    for said in ("1 sealed anew, 0 already were, 0 do not open\n", "0 sealed anew, 1 already were, 0 do not open\n"):
        done = reseal(database, NEW_KEY, SECRET_KEY)
        assert (done.returncode, done.stdout) == (0, said), done.stderr
    [row] = await site.rows(BuildVariable)
    assert Sealer([NEW_KEY]).open(row.sealed_value, purpose(uid, "TOKEN")) == b"hunter22"

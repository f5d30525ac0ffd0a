"""GitHub in its versions, and who speaks for us: tokens, Apps, Enterprise Servers."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from libs.common.settings import Secret
from tests.fakegithub.faults import Fault, refused
from tests.fakegithub.forge import App, FakeGitHub
from tests.workflows.site import Site, open_site
from tests.workflows.test_lost_answers import DISPATCH, LISTING, PLAIN

pytestmark = pytest.mark.databases("sqlite")


def versions(github: FakeGitHub) -> list[str | None]:
    """The REST versions of all requests to the API, in their order."""
    return [seen.call.headers.get("x-github-api-version") for seen in github.seen if "/_logs/" not in seen.call.path]


@pytest.mark.parametrize("workflow", [None, PLAIN], ids=["marked", "unmarked"])
async def test_an_enterprise_server_without_run_details(database: str, redis: str, workflow: str | None) -> None:
    """It refuses the newest version and the flag and answers 204: the run is found, and it is one."""
    with FakeGitHub(server="ghes-3.17") as github:
        async with open_site(database, redis, github, workflow=workflow) as site, site.worker():
            job = await site.trigger(inputs={})
            run = await site.followed(job)
            run.finish()
            assert (await site.world.ended(job)).view.status == "success"
            assert "::group::build / Build" in await site.log(job)
        assert len(github.done("dispatch")) == 1
        assert versions(github)[0] == "2026-03-10"
        assert set(versions(github)[1:]) == {"2022-11-28"}


async def test_the_version_before_tells_the_run_when_it_is_asked_to(site: Site, github: FakeGitHub) -> None:
    """A server that does not know the newest version gets the flag `return_run_details`."""
    unknown = refused(400, {"message": '"2026-03-10" is not a supported version.'})
    github.inject(unknown, LISTING)
    async with site.worker():
        await site.followed(await site.trigger())
    [dispatch] = [seen.call for seen in github.seen if seen.operation_id == DISPATCH]
    assert dispatch.body["return_run_details"] is True
    assert dispatch.headers["x-github-api-version"] == "2022-11-28"


def app_of(github: FakeGitHub) -> dict[str, Any]:
    """Install an App in the fake; answers the settings with which we are it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    github.app = App(id=4711, public_key=public.decode())
    one_line = private.decode().replace("\n", "\\n")  # as it is written into an environment
    return {"token": Secret(""), "app_id": 4711, "app_private_key": Secret(one_line)}


async def test_a_github_app_acts_with_its_installations_token(database: str, redis: str, github: FakeGitHub) -> None:
    """The installation is found by the repository, its token asked for once, and it is who runs name as their actor."""
    async with open_site(database, redis, github, **app_of(github)) as site, site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.finish()
        assert (await site.world.ended(job)).view.status == "success"
    assert run.actor == "slipway[bot]"
    assert github.count("apps/create-installation-access-token") == 1
    assert github.count("apps/get-repo-installation") == 1


async def test_a_github_app_finds_a_lost_run_too(database: str, redis: str, github: FakeGitHub) -> None:
    """By its bot's name, where the workflow shows no mark."""
    settings = app_of(github)
    async with open_site(database, redis, github, workflow=PLAIN, **settings) as site, site.worker():
        github.inject(Fault(), DISPATCH)
        github.inject(Fault(cut=True), DISPATCH)
        run = await site.followed(await site.trigger(inputs={}))
    assert run.actor == "slipway[bot]"
    assert len(github.done("dispatch")) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"app_private_key": Secret("-----BEGIN PRIVATE KEY-----\nnot one\n")}, "GITHUB_APP_KEY"),
        ({"app_id": 4712}, "GITHUB_UNAUTHORIZED"),
        ({}, "GITHUB_APP_NOT_INSTALLED"),
    ],
)
async def test_an_app_that_cannot_act_says_why(
    database: str, redis: str, github: FakeGitHub, changed: dict[str, Any], code: str
) -> None:
    """A key that is none, the id of another App, a repository that it is not installed for."""
    settings = app_of(github) | changed
    async with open_site(database, redis, github, **settings) as site, site.worker():
        ended = await site.world.ended(await site.trigger(run_repository="acme/images" if changed else "acme/gone"))
    assert ended.view.error is not None
    assert ended.view.error.code == code

"""Commit statuses as forges get them, over real connections to fakes that hold us to the forges' own descriptions."""

from collections.abc import AsyncIterator, Iterator

import pytest

from libs.common.errors import JobError, PermanentJobError, RetryableJobError
from libs.common.settings import Secret
from services.builds.commitstatus import CommitStatus, State
from services.builds.providers.github.client import Server
from services.builds.providers.statuses import StatusPoster, posters
from services.builds.settings import GitHubSettings
from tests.fakeforge.faults import LOST_ANSWER, LOST_REQUEST, Fault, failed, refused, unavailable
from tests.fakeforge.server import FakeForge
from tests.fakegitea import TOKEN as GITEA_TOKEN
from tests.fakegitea import FakeGitea
from tests.fakegithub import LOGIN, SHA, FakeGitHub
from tests.fakegithub import TOKEN as GITHUB_TOKEN
from tests.fakegithub.faults import primary_limit, secondary_limit

POSTED = {"github": "repos/create-commit-status", "gitea": "repoCreateStatus", "forgejo": "repoCreateStatus"}


class Town:
    """One forge with the repository acme/app, and our way to it."""

    def __init__(self, name: str, forge: FakeForge, poster: StatusPoster) -> None:
        self.name = name
        self.forge = forge
        self._poster = poster

    async def post(self, **other: object) -> None:
        fields: dict[str, object] = {
            "forge": self.name,
            "repository": "acme/app",
            "sha": SHA,
            "api": None if self.name == "github" else self.forge.url,
            "token": GITHUB_TOKEN if self.name == "github" else GITEA_TOKEN,
            "state": State.SUCCESS,
            "context": "slipway/acme/app",
            "description": "Built in 2 min 5 s",
            "target_url": "https://slipway.example/ui/builds/kV3mXq0cTt2d9yqB7aXnUw",
        }
        await self._poster.post(CommitStatus(**fields | other))  # type: ignore[arg-type]

    async def refusal(self, **other: object) -> JobError:
        with pytest.raises(JobError) as caught:
            await self.post(**other)
        assert GITHUB_TOKEN not in caught.value.message
        assert GITEA_TOKEN not in caught.value.message
        return caught.value

    def inject(self, fault: Fault) -> None:
        self.forge.inject(fault, POSTED[self.name])

    @property
    def statuses(self) -> list[tuple[str, str, str | None, str | None]]:
        match self.forge:
            case FakeGitHub(repositories=[repository]):
                found = repository.statuses
            case FakeGitea():
                found = self.forge.statuses
            case _:
                raise AssertionError(self.forge)
        return [(status.state, status.context, status.description, status.target_url) for status in found]


@pytest.fixture(scope="module", params=["github", "gitea", "forgejo"])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def served(name: str) -> Iterator[FakeForge]:
    """One server for all tests of a forge: starting and stopping one takes longer than a test."""
    with FakeGitHub() if name == "github" else FakeGitea() as forge:
        yield forge


@pytest.fixture
async def town(name: str, served: FakeForge) -> AsyncIterator[Town]:
    served.forget()
    if isinstance(served, FakeGitHub):
        served.add_repository("acme/app", workflow="")
    server = Server(GitHubSettings(api_url=served.url))
    yield Town(name, served, posters(server, allow_insecure=True)[name])
    await server.close()
    served.check()


async def test_a_status_arrives_as_it_was_meant(town: Town) -> None:
    """State, context, description and link stand on the commit; a later one of the context takes its place."""
    await town.post(state=State.PENDING, description="Being built", target_url=None)
    await town.post()
    page = "https://slipway.example/ui/builds/kV3mXq0cTt2d9yqB7aXnUw"
    assert town.statuses == [
        ("pending", "slipway/acme/app", "Being built", None),
        ("success", "slipway/acme/app", "Built in 2 min 5 s", page),
    ]


@pytest.mark.parametrize("state", list(State))
async def test_forges_know_all_our_states(town: Town, state: State) -> None:
    """Each state is one that the forge's description allows."""
    await town.post(state=state)
    assert [status[0] for status in town.statuses] == [state.value]


@pytest.mark.parametrize(
    "fault",
    [LOST_REQUEST, LOST_ANSWER, unavailable(), failed(), refused(429, {"message": "slow down"}, {"Retry-After": "7"})],
    ids=["lost request", "lost answer", "503", "502 after acting", "429"],
)
async def test_an_outage_is_worth_another_try(town: Town, fault: Fault) -> None:
    """What may pass is told from what stays; the next try is taken, also where the first one was."""
    town.inject(fault)
    error = await town.refusal()
    assert isinstance(error, RetryableJobError)
    assert error.code == "FORGE_UNAVAILABLE"
    if town.name != "github" or not isinstance(error.after_s, float):
        await town.post()
        assert town.statuses[-1][0] == "success"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_a_refusal_stays_one(town: Town, status: int) -> None:
    """What the forge refuses is not asked again; its words reach the person who has to mend it."""
    town.inject(refused(status, {"message": "because it is Saturday"}))
    error = await town.refusal()
    assert isinstance(error, PermanentJobError)
    assert error.code == "STATUS_REFUSED"
    assert "because it is Saturday" in error.message
    assert "acme/app" in error.message


async def test_a_wrong_token_is_refused(town: Town) -> None:
    """The forge does not know the token."""
    assert isinstance(await town.refusal(token="guessed-0123456789"), PermanentJobError)
    assert town.statuses == []


async def test_a_renamed_repository_gets_its_status(town: Town) -> None:
    """A redirect to the repository's new name is followed, with the method and the body that were sent."""
    match town.forge:
        case FakeGitHub(repositories=[repository]):
            repository.rename("acme/application")
        case FakeGitea():
            town.forge.renamed["acme/app"] = "acme/application"
    await town.post()
    assert [status[0] for status in town.statuses] == ["success"]


@pytest.mark.parametrize("name", ["gitea"], indirect=True, scope="module")
async def test_a_token_goes_to_its_own_host_only(town: Town) -> None:
    """A redirect to another host is not followed, because the token would go there."""
    with FakeGitea() as other:
        town.inject(refused(307, None, {"Location": f"{other.url}/repos/acme/app/statuses/{SHA}"}))
        assert "redirects to another host" in (await town.refusal()).message
        assert other.seen == []
    town.inject(refused(307, None, {"Location": "http://[/"}))
    assert "redirects to another host" in (await town.refusal()).message


@pytest.mark.parametrize("name", ["gitea"], indirect=True, scope="module")
async def test_an_endless_redirect_ends(town: Town) -> None:
    """A forge that redirects for ever is left alone after three times."""
    place = f"{town.forge.url}/repos/acme/app/statuses/{SHA}"
    for _ in range(4):
        town.inject(refused(307, None, {"Location": place}))
    assert "in circles" in (await town.refusal()).message
    assert len(town.forge.seen) == 3


@pytest.mark.parametrize("name", ["gitea"], indirect=True, scope="module")
async def test_an_answer_without_end_is_not_read(town: Town) -> None:
    """Of a refusal only the beginning is read, however much the server sends."""
    town.inject(refused(404, b"x" * 50_000_000))
    assert (await town.refusal()).message.endswith("HTTP 404")


async def test_tokens_are_not_sent_in_the_clear() -> None:
    """An http:// address gets none, unless the operator allows what is insecure."""
    with FakeGitea() as gitea:
        careful = posters(Server(GitHubSettings()), allow_insecure=False)["gitea"]
        assert "ALLOW_INSECURE_CLONE" in (await Town("gitea", gitea, careful).refusal()).message
        assert gitea.seen == []


async def test_githubs_rate_limits_are_waited_out() -> None:
    """A primary limit is waited for until the moment that GitHub names, a secondary one for as long as it says."""
    with FakeGitHub() as github:
        github.add_repository("acme/app", workflow="")
        for fault, least_s, most_s in ((primary_limit(900), 880, 901), (secondary_limit(30), 30, 30)):
            server = Server(GitHubSettings(api_url=github.url))
            town = Town("github", github, posters(server, allow_insecure=False)["github"])
            town.inject(fault)
            error = await town.refusal()
            assert isinstance(error, RetryableJobError)
            assert error.after_s is not None
            assert least_s <= error.after_s <= most_s
            await server.close()


async def test_the_operators_token_acts_where_there_is_no_other() -> None:
    """Without a token of its own a repository's status is posted as the operator, who may have none at all."""
    with FakeGitHub() as github:
        github.add_repository("acme/app", workflow="")
        server = Server(GitHubSettings(api_url=github.url, token=Secret(GITHUB_TOKEN)))
        town = Town("github", github, posters(server, allow_insecure=False)["github"])
        await town.post(token=None)
        assert [status.creator for status in github.repositories[0].statuses] == [LOGIN]
        await server.close()

        server = Server(GitHubSettings(api_url=github.url))
        none = Town("github", github, posters(server, allow_insecure=False)["github"])
        assert isinstance(await none.refusal(token=None), PermanentJobError)
        await server.close()

"""Who may use which operation of the API: one case for each, with a maker of a real thing to try it on.

A new operation needs an entry in CASES, under "METHOD /path" as the API document has it:

    anybody()                       open: no credentials are looked at
    own()                           about the caller alone, with whatever credentials
    item(maker, body=...)           about one thing of somebody, which for other people does not exist (404)
    listing(maker)                  shows the caller's things and nobody else's
    creation(body)                  makes a thing of the caller's own
    common(maker)                   about one thing that is the same for everybody who is signed in
    administration(maker, body=...) for superusers only; `maker` when it is about one thing

A maker makes a new thing of `world.owner`'s, on the running gateway, and answers where it is: the values of the path's
parameters, and a text by which a list shows it.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from tests.builds.forges.payloads import push_request
from tests.webhooks.people import NEW, PASSWORD, REPOSITORIES, Caller
from tests.webhooks.site import Site

SECRET: Final = "s3cret-of-this-address"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class World:
    """A gateway with two people who have nothing in common, and the operator."""

    site: Site
    owner: Caller
    other: Caller
    admin: Caller


@dataclass(frozen=True)
class Made:
    """A thing: the values of its path's parameters, its mark in a list; other credentials or a body, where it needs
    some of its own.
    """

    ids: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""
    headers: Mapping[str, str] | None = None
    body: Any = None


Maker: TypeAlias = Callable[[World], Awaitable[Made]]
Kind: TypeAlias = Literal["anybody", "own", "item", "listing", "creation", "common", "administration"]


@dataclass(frozen=True)
class Case:
    """How an operation is tried. `accepts` are the forms that it answers in, by media type."""

    kind: Kind
    maker: Maker | None = None
    body: Any = None
    accepts: tuple[str, ...] = ("application/json",)


def anybody(body: Any = None) -> Case:
    return Case("anybody", body=body)


def own(maker: Maker | None = None, *, body: Any = None) -> Case:
    return Case("own", maker, body)


def item(maker: Maker, *, body: Any = None, accepts: tuple[str, ...] = ("application/json",)) -> Case:
    return Case("item", maker, body, accepts)


def listing(maker: Maker) -> Case:
    return Case("listing", maker)


def creation(maker: Maker) -> Case:
    """Here the maker answers the body, so that each try makes a thing of another name."""
    return Case("creation", maker)


def common(maker: Maker) -> Case:
    return Case("common", maker)


def administration(maker: Maker | None = None, *, body: Any = None) -> Case:
    return Case("administration", maker, body)


# --- makers ---------------------------------------------------------------------------------------------------------


def fresh(word: str) -> str:
    """A name that nothing has yet."""
    return f"{word}-{next(_numbers)}"


async def waiting_job(world: World, whose: Caller | None = None) -> Made:
    """A job that waits: a push to a repository of the owner's, or of `whose`; no worker runs here."""
    name = fresh("acme/app")
    uid = await (whose or world.owner).with_secret(SECRET, full_name=name)
    pushed = await world.site.post("gitea", push_request("gitea", secret=SECRET, repository=name), address=uid)
    assert pushed.status_code == 202, pushed.text
    job_id = pushed.json()["job_id"]
    return Made({"job_id": job_id}, mark=job_id)


async def ended_job(world: World) -> Made:
    made = await waiting_job(world)
    cancelled = await world.owner.post(f"/jobs/{made.mark}/cancel")
    assert cancelled.status_code == 202, cancelled.text
    return made


async def delivery(world: World) -> Made:
    """A delivery that was accepted for a repository of the owner's."""
    job = await waiting_job(world)
    listed = await world.owner.get("/api/v1/deliveries", limit=100)
    [mine] = [one for one in listed.json()["items"] if one["job_id"] == job.mark]
    return Made({"delivery_id": mine["id"]}, mark=job.mark)


async def pasted_delivery(world: World) -> Made:
    """A delivery that is pasted in, as one to a repository of the owner's."""
    made = await repository(world)
    return Made(body={"forge": "gitea", "headers": {}, "body": "{}", "repository": made.mark})


async def run(world: World) -> Made:
    made = await repository(world)
    return Made(body={"repository": made.mark, "ref": "main"})


async def domain(_: World) -> Made:
    return Made({"domain": "vms"})


async def paused_domain(world: World) -> Made:
    paused = await world.admin.post("/queue/vms/pause", {})
    assert paused.status_code == 200, paused.text
    return Made({"domain": "vms"})


async def new_address(_: World) -> Made:
    return Made(body={"email": f"{fresh('owner')}@example.org"})


async def job_of_a_domain(world: World) -> Made:
    return Made({"domain": "builds"}, mark=(await waiting_job(world)).mark)


async def repository(world: World) -> Made:
    uid = await world.owner.registered(full_name=fresh("acme/app"))
    return Made({"uid": uid}, mark=uid)


async def repository_secret(world: World) -> Made:
    made = await repository(world)
    await _put(world, f"{REPOSITORIES}/{made.mark}/secrets/TOKEN", {"value": "hunter22"})
    return Made({**made.ids, "name": "TOKEN"}, mark=made.mark)


async def repository_credentials(world: World) -> Made:
    made = await repository(world)
    await _put(world, f"{REPOSITORIES}/{made.mark}/credentials", CREDENTIALS)
    return made


async def webhook_secret(world: World) -> Made:
    made = await repository(world)
    added = await world.owner.post(f"{REPOSITORIES}/{made.mark}/webhook-secrets", {})
    assert added.status_code == 201, added.text
    return Made({**made.ids, "secret_id": added.json()["id"]}, mark=made.mark)


async def new_build(_: World) -> Made:
    return Made(body=NEW_BUILD | {"build_id": fresh("build")})


async def reported_build(world: World) -> Made:
    """A build of the owner's that a pipeline reports on."""
    made = await world.owner.post("/builds", NEW_BUILD | {"build_id": fresh("build")})
    assert made.status_code == 201, made.text
    uid = made.json()["id"]
    return Made({"ref": uid, "platform": NEW_BUILD["platform"]}, mark=uid)


async def failed_build(world: World) -> Made:
    made = await reported_build(world)
    failed = await world.owner.post(f"/builds/{made.mark}/failure", {"error_message": "no"})
    assert failed.status_code == 200, failed.text
    return made


async def good_build(world: World) -> Made:
    made = await reported_build(world)
    delivered = await world.owner.post(f"/builds/{made.mark}/state", {"state_code": 100})
    assert delivered.status_code == 200, delivered.text
    return made


async def promoted_build(world: World) -> Made:
    made = await good_build(world)
    promoted = await world.owner.post(f"/api/v1/builds/{made.mark}/promote", CHANNEL)
    assert promoted.status_code == 200, promoted.text
    return made


async def new_image_build(_: World) -> Made:
    return Made(body=IMAGE)


async def image_build(world: World) -> Made:
    """A build of the owner's that waits to be dispatched."""
    made = await world.owner.post("/api/build/trigger", IMAGE)
    assert made.status_code == 202, made.text
    return Made({"number": made.json()["id"]}, mark=made.json()["uid"])


async def ended_image_build(world: World) -> Made:
    made = await image_build(world)
    cancelled = await world.owner.post(f"/api/build/{made.ids['number']}/cancel")
    assert cancelled.json()["status"] == "cancelled", cancelled.text
    return made


async def artifact(world: World) -> Made:
    made = await reported_build(world)
    added = await world.owner.post(f"/builds/{made.mark}/artifacts", ARTIFACT)
    assert added.status_code == 201, added.text
    return Made({**made.ids, "artifact_id": added.json()["id"]}, mark=made.mark)


async def variable(world: World) -> Made:
    made = await reported_build(world)
    put = await world.owner.put(f"/builds/{made.mark}/variables", VARIABLE)
    assert put.status_code == 200, put.text
    return Made({**made.ids, "key": VARIABLE["key"]}, mark=made.mark)


async def api_key(world: World) -> Made:
    made = await world.owner.post("/api/v1/api-keys", {"name": fresh("key"), "scopes": ["jobs:read"]})
    assert made.status_code == 201, made.text
    return Made({"key_id": made.json()["id"]}, mark=made.json()["id"])


async def user(world: World) -> Made:
    name = fresh("user")
    made = await world.admin.post("/api/users", {"username": name, "password": PASSWORD})
    assert made.status_code == 201, made.text
    return Made({"user_id": made.json()["id"]}, mark=name)


async def oneself(world: World) -> Made:
    return Made({"user_id": world.owner.id})


async def token_of_ones_own(world: World) -> Made:
    path = f"/users/{world.owner.id}/tokens"
    made = await world.owner.post(path, {"name": fresh("token")})
    assert made.status_code == 201, made.text
    return Made({"user_id": world.owner.id, "token_id": made.json()["id"]})


async def token(world: World) -> Made:
    """Credentials that may end: a token of the owner's that nobody else uses."""
    login = await world.site.client.post("/token", json={"username": "owner", "password": PASSWORD})
    world.site.client.cookies.clear()
    return Made(headers={"Authorization": f"Bearer {login.json()['access_token']}"})


async def session(world: World) -> Made:
    """A browser session of the owner's."""
    login = await world.site.client.post("/api/auth/login", json={"username": "owner", "password": PASSWORD})
    cookies = "; ".join(f"{name}={value}" for name, value in login.cookies.items())
    world.site.client.cookies.clear()
    return Made(headers={"Cookie": cookies})


async def configuration(world: World) -> Made:
    """A configuration that was saved twice; `body` is what it may be saved with next."""
    name = fresh("demo")
    made = await world.owner.post("/api/config", {"name": name, "yaml_content": RECIPE})
    assert made.status_code == 201, made.text
    config_id = made.json()["id"]
    again = await world.owner.put(f"/api/config/{config_id}", {"name": name, "yaml_content": f"{RECIPE}# two\n"})
    assert again.status_code == 200, again.text
    return Made({"config_id": config_id, "version": 1}, mark=name, body={"name": name, "yaml_content": RECIPE})


async def new_configuration(_: World) -> Made:
    return Made(body={"name": fresh("demo"), "yaml_content": RECIPE})


async def definition(world: World) -> Made:
    """An example recipe that Slipway brings along."""
    listed = await world.owner.get("/api/config/definitions/list")
    return Made({"filename": listed.json()["definitions"][0]["filename"]})


async def new_repository(_: World) -> Made:
    return Made(body=NEW | {"full_name": fresh("acme/app")})


async def new_key(_: World) -> Made:
    return Made(body={"name": fresh("key"), "scopes": ["jobs:read"]})


async def new_user(_: World) -> Made:
    return Made(body={"username": fresh("user"), "password": PASSWORD})


async def _put(world: World, path: str, body: Any) -> None:
    put = await world.owner.put(path, body)
    assert put.status_code == 204, put.text


# --- cases ----------------------------------------------------------------------------------------------------------

RECIPE: Final = "name: demo\ndescription: A small image\nmodules:\n  - type: script\n    scripts: [ls]\n"
CREDENTIALS: Final = {"username": "ada", "password": "hunter22"}
NEW_BUILD: Final = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base"}
ARTIFACT: Final = {"artifact_name": "disk", "type": "image", "path": "s3://images/disk", "storage_backend": "s3"}
VARIABLE: Final = {"key": "AMI", "value": "ami-1"}
CHANNEL: Final = {"channel": "testing"}
IMAGE: Final = {"yaml_content": "name: demo\ndescription: demo\nmodules: []\n"}
LOGIN: Final = {"username": "owner", "password": PASSWORD}
# Recipes that are sent to be read, and not kept.
READING: Final = ("/api/config/validate", "/api/config/transpile", "/api/v1/recipes/resolve")
_LOG_FORMS: Final = ("application/json", "text/plain", "text/event-stream")

CASES: Final[Mapping[str, Case]] = {
    # What anybody may ask
    **{
        f"GET {path}": anybody()
        for path in (
            *("/", "/health", "/api/health", "/ready", "/health/ready", "/health/live", "/livez", "/api/ping"),
            *("/status", "/api/auth/options"),
        )
    },
    **{f"POST {path}": anybody(LOGIN) for path in ("/api/auth/jwt/login", "/api/auth/login", "/token")},
    **{f"POST {path}": anybody(LOGIN) for path in ("/auth/password", "/auth/idm")},
    **{f"POST {path}": Case("anybody", new_user) for path in ("/api/auth/register", "/api/auth/signup")},
    **{f"POST {path}/{{forge}}": anybody() for path in ("/webhook", "/webhooks")},  # signed: tests/webhooks
    **{f"POST {path}/{{forge}}/{{repository}}": anybody() for path in ("/webhook", "/webhooks")},
    # Oneself
    **{f"POST {path}": own(token) for path in ("/api/auth/logout", "/api/auth/jwt/logout")},
    "GET /api/auth/session": own(session),
    **{f"GET {path}": own() for path in ("/api/auth/me", "/api/users/me")},
    **{f"PATCH {path}": own(new_address) for path in ("/api/auth/me", "/api/users/me")},
    # Users
    "GET /api/users": administration(),
    "POST /api/users": administration(new_user),
    "GET /api/users/{user_id}": administration(user),
    "PATCH /api/users/{user_id}": administration(user, body={"is_active": False}),
    "DELETE /api/users/{user_id}": administration(user),
    # Users and their tokens, by Build State's paths
    "POST /users": administration(new_user),
    **{f"GET /users/{{user_id}}{what}": item(oneself) for what in ("", "/profile", "/tokens")},
    "PUT /users/{user_id}": item(oneself, body={"first_name": "Ada"}),
    "POST /users/{user_id}/tokens": item(oneself, body={"name": "ci"}),
    "DELETE /users/{user_id}/tokens/{token_id}": item(token_of_ones_own),
    # API keys
    "GET /api/v1/api-keys": listing(api_key),
    "POST /api/v1/api-keys": creation(new_key),
    "GET /api/v1/api-keys/{key_id}": item(api_key),
    "DELETE /api/v1/api-keys/{key_id}": item(api_key),
    "POST /api/v1/api-keys/{key_id}/rotate": item(api_key, body={"overlap_s": 60}),
    # Jobs
    "GET /jobs": listing(waiting_job),
    "GET /jobs/{job_id}": item(waiting_job),
    "POST /jobs/{job_id}/cancel": item(waiting_job),
    "POST /jobs/{job_id}/retry": item(ended_job),
    "GET /jobs/{job_id}/logs": item(ended_job, accepts=_LOG_FORMS),
    "GET /events": Case("own", accepts=("text/event-stream",)),  # whose events: test_streams_show_ones_own_jobs
    "POST /jobs": item(run),
    # Queues
    "GET /queue": listing(waiting_job),
    "GET /metrics/queue": listing(waiting_job),
    "GET /queue/{domain}": listing(job_of_a_domain),
    "GET /agents": own(),  # whose jobs: tests/gateway/test_queue.py, with workers
    "POST /queue/{domain}/pause": administration(domain, body={"reason": "moving house"}),
    "POST /queue/{domain}/resume": administration(paused_domain),
    # Deliveries
    "GET /api/v1/deliveries": listing(delivery),
    "GET /api/v1/deliveries/{delivery_id}": item(delivery),
    "GET /api/v1/deliveries/{delivery_id}/signature": item(delivery),
    "POST /api/v1/deliveries/{delivery_id}/replay": item(delivery),
    "POST /api/v1/deliveries/explain-signature": item(pasted_delivery),
    # Repositories
    "GET /api/v1/repositories": listing(repository),
    "POST /api/v1/repositories": creation(new_repository),
    "GET /api/v1/repositories/{uid}": item(repository),
    "PATCH /api/v1/repositories/{uid}": item(repository, body={"active": False}),
    "DELETE /api/v1/repositories/{uid}": item(repository),
    "POST /api/v1/repositories/{uid}/webhook-secrets": item(repository, body={}),
    "DELETE /api/v1/repositories/{uid}/webhook-secrets/{secret_id}": item(webhook_secret),
    "PUT /api/v1/repositories/{uid}/secrets/{name}": item(repository_secret, body={"value": "hunter23"}),
    "DELETE /api/v1/repositories/{uid}/secrets/{name}": item(repository_secret),
    "PUT /api/v1/repositories/{uid}/credentials": item(repository, body=CREDENTIALS),
    "DELETE /api/v1/repositories/{uid}/credentials": item(repository_credentials),
    # Builds that pipelines report
    "POST /builds": creation(new_build),
    "GET /builds/{ref}": item(reported_build),
    "GET /builds/{ref}/state": item(reported_build),
    "POST /builds/{ref}/state": item(reported_build, body={"state_code": 5}),
    "POST /builds/{ref}/failure": item(reported_build, body={"error_message": "no"}),
    "POST /builds/{ref}/reset": item(failed_build),
    "GET /builds/{ref}/failures": item(failed_build),
    "GET /builds/{ref}/resume-context": item(failed_build),
    "GET /builds/{ref}/artifacts": item(artifact),
    "POST /builds/{ref}/artifacts": item(reported_build, body=ARTIFACT),
    "DELETE /builds/{ref}/artifacts/{artifact_id}": item(artifact),
    "GET /builds/{ref}/variables": item(variable),
    "PUT /builds/{ref}/variables": item(variable, body=VARIABLE),
    "GET /builds/{ref}/variables/dict": item(variable),
    "DELETE /builds/{ref}/variables/{key}": item(variable),
    "GET /dashboard/summary": listing(reported_build),
    "GET /dashboard/recent": listing(reported_build),
    "GET /dashboard/platform/{platform}": listing(reported_build),
    # Image builds
    "POST /api/build/trigger": creation(new_image_build),
    "GET /api/build": listing(image_build),
    "GET /api/build/{number}/status": item(image_build),
    "POST /api/build/{number}/cancel": item(image_build),
    "POST /api/build/{number}/rerun": item(ended_image_build, body={}),
    # Builds of all executors
    "GET /api/v1/builds": listing(reported_build),
    "GET /api/v1/builds/{ref}": item(reported_build),
    "GET /api/v1/builds/{ref}/states": item(reported_build),
    "POST /api/v1/builds/{ref}/promote": item(good_build, body=CHANNEL),
    "POST /api/v1/builds/{ref}/revoke": item(promoted_build, body=CHANNEL),
    "GET /api/v1/builds/matrix": listing(reported_build),
    "GET /api/v1/builds/statistics": own(),  # whose builds: tests/images/test_statistics.py
    **{f"GET /api/v1/{axis}": own() for axis in ("platforms", "os-versions", "image-types")},  # shown to everybody
    "GET /api/v1/badges/repositories/{file}": anybody(),
    "GET /api/v1/badges/images/{platform}/{os_version}/{file}": anybody(),
    # Recipes and configurations
    **{f"POST {path}": own(body={"yaml_content": RECIPE}) for path in READING},
    **{f"GET /api/v1/recipes/schema/{dialect}.json": anybody() for dialect in ("exousia", "bluebuild")},
    "GET /api/config/definitions/list": own(),
    "GET /api/config/definitions/{filename}": common(definition),
    "GET /api/config": listing(configuration),
    "POST /api/config": creation(new_configuration),
    "POST /api/config/upsert": creation(new_configuration),
    "GET /api/config/{config_id}": item(configuration),
    "PUT /api/config/{config_id}": item(configuration),
    "DELETE /api/config/{config_id}": item(configuration),
    "GET /api/config/{config_id}/versions": item(configuration),
    "GET /api/config/{config_id}/versions/{version}": item(configuration),
    "GET /api/config/{config_id}/diff": item(configuration),
    "POST /api/config/{config_id}/rollback/{version}": item(configuration),
    # The audit log
    "GET /api/v1/audit": administration(),
    "GET /api/v1/audit/export": administration(),
}

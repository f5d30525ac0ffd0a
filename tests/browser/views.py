"""Every view of the page, filled with something to show, for tests that look at all of them."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.builds.forges.payloads import push_request
from tests.e2e.site import Site, pipeline


@dataclass(frozen=True)
class View:
    """One view: its name (of its picture), its address, and the heading by which it is known to be there."""

    name: str
    path: str
    heading: str


OPEN_VIEWS = (View("signin", "/ui/signin", "Sign in"), View("signup", "/ui/signup", "Make an account"))


async def furnish(site: Site) -> list[View]:
    """Make one of everything; answers the views of somebody who is signed in."""
    broken, head = site.repository(pipeline("true", "echo no; exit 3"))
    failed = await site.push(broken, head, branch="feature/a-branch-with-a-name-that-does-not-end-soon")
    await site.ended(failed)
    repository = await register(site, f"acme/{broken.name}-registered", f"{site.installed.clone_url}/{broken.name}")
    await post(site, f"/api/v1/repositories/{repository['uid']}/webhook-secrets", {})
    await site.client.put(f"/api/v1/repositories/{repository['uid']}/secrets/DEPLOY_TOKEN", json={"value": "secret"})
    refused = push_request("gitea", secret="not the secret", repository=f"acme/{broken.name}")
    await site.client.post("/webhook/gitea", content=refused.body, headers=refused.headers)
    await post(site, "/api/v1/api-keys", {"name": "nightly", "scopes": ["builds:read", "jobs:read"]})
    build = await reported(site)
    recipe = 'name: demo\ndescription: A small image\nmodules:\n  - type: script\n    scripts: ["true"]\n'
    configuration = (await post(site, "/api/config/", {"name": "demo", "yaml_content": recipe})).json()
    deliveries = (await site.client.get("/api/v1/deliveries")).json()["items"]
    return [
        View("builds", "/ui/builds", "Builds"),
        View("build", f"/ui/builds/{build}", "base-of-every-view"),
        View("matrix", "/ui/matrix", "Image matrix"),
        View("configurations", "/ui/configurations", "Configurations"),
        View("configuration-new", "/ui/configurations/new", "New configuration"),
        View("configuration", f"/ui/configurations/{configuration['id']}", "demo"),
        View("jobs", "/ui/jobs", "Jobs"),
        View("job", f"/ui/jobs/{failed}", f"acme/{broken.name}"),
        View("deliveries", "/ui/deliveries", "Deliveries"),
        View("explain", "/ui/deliveries/explain", "Explain a signature"),
        View("delivery", f"/ui/deliveries/{deliveries[0]['id']}", f"Delivery {deliveries[0]['id']}"),
        View("repositories", "/ui/repositories", "Repositories"),
        View("repository-new", "/ui/repositories/new", "Connect a repository"),
        View("repository", f"/ui/repositories/{repository['uid']}", repository["full_name"]),
        View("queue", "/ui/queue", "Queue"),
        View("keys", "/ui/keys", "API keys"),
        View("account", "/ui/account", "Account"),
        View("users", "/ui/users", "Users"),
        View("audit", "/ui/audit", "Audit log"),
        View("nowhere", "/ui/nowhere", "Not found"),
    ]


async def reported(site: Site) -> str:
    """Report a build that failed, was reset, left things and goes on; answers its uid."""
    cell = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base"}
    good = (await post(site, "/builds", {**cell, "build_id": "good-of-every-view"})).json()["id"]
    await post(site, f"/builds/{good}/state", {"state_code": 100})
    await post(site, f"/api/v1/builds/{good}/promote", {"channel": "stable"})
    uid = (await post(site, "/builds", {**cell, "build_id": "base-of-every-view"})).json()["id"]
    await post(site, f"/builds/{uid}/state", {"state_code": 25, "message": "Hardening"})
    await post(site, f"/builds/{uid}/failure", {"error_message": "Ansible play failed", "details": {"exit_code": 2}})
    await post(site, f"/builds/{uid}/reset", {})
    artifact = {"artifact_name": "hardened.qcow2", "type": "disk-image", "path": "s3://x", "storage_backend": "s3"}
    await post(site, f"/builds/{uid}/artifacts", artifact)
    await site.client.put(f"/builds/{uid}/variables", json={"key": "AMI_ID", "value": "ami-0abc"})
    await post(site, f"/builds/{uid}/failure", {"error_message": "Ansible play failed again"})
    return str(uid)


async def register(site: Site, name: str, clone_url: str, **more: Any) -> dict[str, Any]:
    """Register a repository of a Gitea; answers it."""
    body = {"forge": "gitea", "full_name": name, "clone_url": clone_url, **more}
    return dict((await post(site, "/api/v1/repositories", body)).json())


async def post(site: Site, path: str, body: dict[str, Any]) -> httpx.Response:
    answer = await site.client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer

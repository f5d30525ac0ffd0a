"""Repositories and deliveries on the page: connect, push, see what came, replay."""

import re

from playwright.async_api import Page, expect

from tests.browser.views import register
from tests.builds.forges.payloads import push_request
from tests.e2e.site import Site, pipeline


async def test_connect_a_repository_and_push(page: Page, site: Site) -> None:
    """A person connects a repository, copies its webhook's address and secret, and a push to it builds."""
    repository, head = site.repository(pipeline("echo built"))
    name, clone_url = f"ada/{repository.name}", f"{site.installed.clone_url}/{repository.name}"
    await page.goto("/ui/repositories")
    await page.get_by_role("link", name="Connect a repository").first.click()
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Clone address").fill("no address")
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_label("Clone address")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Clone address").fill(clone_url)
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)

    await page.get_by_role("button", name="Copy the address").click()
    address = await page.evaluate("navigator.clipboard.readText()")
    await page.get_by_role("button", name="Make a secret").click()
    await page.get_by_role("button", name="Copy the secret").click()
    secret = await page.evaluate("navigator.clipboard.readText()")

    push = push_request("gitea", secret=secret, repository=name, sha=head, clone_url=clone_url)
    answer = await site.client.post(str(address), content=push.body, headers=push.headers)
    assert answer.status_code == 202, answer.text
    await page.get_by_role("main").get_by_role("link", name="Jobs").click()
    row = page.get_by_role("listitem").filter(has_text=name)
    await expect(row).to_contain_text("Success")

    await page.go_back()
    await page.reload()  # a secret is shown once
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert str(secret) not in await page.content()


async def test_change_a_repository(page: Page, site: Site) -> None:
    """Settings are saved and read back, secrets are set and deleted by name, and a switched-off repository says so."""
    made = await register(site, "acme/changing", "https://git.example/acme/changing.git")
    await page.goto(f"/ui/repositories/{made['uid']}")
    await page.get_by_label("Branches").fill("main\nrelease/*")
    await page.get_by_label("A newer push cancels").check()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Branches")).to_have_value("main\nrelease/*")
    await expect(page.get_by_label("A newer push cancels")).to_be_checked()

    secret = page.get_by_role("form", name="Set a secret")
    await secret.get_by_label("Name").fill("DEPLOY_TOKEN")
    await page.get_by_label("Value").fill("t0ken of the deployment")
    await page.get_by_role("button", name="Set the secret").click()
    row = page.get_by_role("list", name="Pipeline secrets").get_by_role("listitem")
    await expect(row).to_contain_text("DEPLOY_TOKEN")
    await expect(page.get_by_label("Value")).to_have_value("")
    await row.get_by_role("button", name="Delete").click()
    await row.get_by_role("button", name="Yes, delete").click()
    await expect(page.get_by_text("No secrets yet.")).to_be_visible()

    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.get_by_role("button", name="Activate", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Remove the repository").click()
    await page.get_by_role("button", name="Yes, remove").click()
    await expect(page).to_have_url(re.compile(r"/ui/repositories$"))
    await expect(page.get_by_role("link", name="acme/changing")).to_have_count(0)


async def test_run_by_hand(page: Page, site: Site) -> None:
    """A pipeline is started from the repository's page, which leads to its job."""
    repository, _ = site.repository(pipeline("echo by hand"))
    made = await register(site, f"acme/{repository.name}", f"{site.installed.clone_url}/{repository.name}")
    await page.goto(f"/ui/repositories/{made['uid']}")
    await page.get_by_role("button", name="Run the pipeline").click()
    await expect(page).to_have_url(re.compile(r"/ui/jobs/[0-9a-f-]{36}$"))


async def test_replay_a_delivery(page: Page, site: Site) -> None:
    """An accepted delivery is found by its repository, shows what came, and is done again as a new job."""
    repository, head = site.repository(pipeline("true"))
    name = f"acme/{repository.name}"
    first = await site.push(repository, head, message="Mend the bridge")
    await site.ended(first)
    await page.goto("/ui/deliveries")
    await page.get_by_label("Repository").fill(name)
    await expect(page).to_have_url(re.compile("repository="))
    row = page.get_by_role("listitem").filter(has_text=name)
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("Accepted")
    await row.get_by_role("link", name=name).click()
    await expect(page.get_by_label("Body")).to_contain_text("Mend the bridge")
    await expect(page.get_by_label("Headers")).to_contain_text("x-gitea-event")
    await page.get_by_role("button", name="Replay").click()
    await expect(page).to_have_url(re.compile(r"/ui/jobs/[0-9a-f-]{36}$"))
    assert str(first) not in page.url


async def test_explain_a_refusal(page: Page, site: Site) -> None:
    """A delivery with a wrong signature is listed as refused, and says which check failed but not the secret."""
    push = push_request("gitea", secret="not the forge's", repository="acme/forged", message="forged")
    assert (await site.client.post("/webhook/gitea", content=push.body, headers=push.headers)).status_code == 401
    await page.goto("/ui/deliveries?verdict=refused")
    await page.locator(".row-link").first.click()
    await page.get_by_role("button", name="Explain the signature").click()
    await expect(page.locator(".checks li").filter(has_text="Failed").first).to_be_visible()
    assert "the forge's secret" not in await page.content()


async def test_what_builds_get_besides_their_code(page: Page, site: Site) -> None:
    """Variables are saved as written; credentials for cloning are stored, said to be there, never shown, forgotten."""
    made = await register(site, "acme/private", "https://git.example/acme/private.git")
    await page.goto(f"/ui/repositories/{made['uid']}")
    await page.get_by_role("textbox", name="Variables").fill("LOG_LEVEL=debug\nEQUATION=a=b \n")
    await page.get_by_role("button", name="Save the variables").click()
    await expect(page.get_by_text("The variables were saved.")).to_be_visible()
    await page.get_by_label("User name").fill("ci")
    await page.get_by_label("Password or token").fill("t0ken for cloning")
    await page.get_by_role("button", name="Store the credentials").click()
    await expect(page.get_by_text("A password or token is stored.")).to_be_visible()
    stored = (await site.client.get(f"/api/v1/repositories/{made['uid']}")).json()
    assert (stored["env"], stored["credentials"]) == ({"LOG_LEVEL": "debug", "EQUATION": "a=b "}, "password")
    assert "t0ken for cloning" not in await page.content()
    await page.get_by_role("button", name="Forget them").click()
    await page.get_by_role("button", name="Yes, forget").click()
    await expect(page.get_by_text("Nothing is stored")).to_be_visible()


async def test_explain_a_pasted_delivery(page: Page, site: Site) -> None:
    """What a forge shows of a delivery is pasted, and each check of its signature is told."""
    push = push_request("gitea", secret="another secret")
    await page.goto("/ui/deliveries")
    await page.get_by_role("link", name="Explain a signature").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Explain a signature")
    await page.get_by_label("Headers").fill("\n".join(f"{name}: {value}" for name, value in push.headers.items()))
    await page.get_by_label("Body").fill(push.body.decode())
    await page.get_by_role("button", name="Explain").click()
    await expect(page.get_by_role("listitem").filter(has_text="signature: Failed.")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="header: Passed.")).to_be_visible()


async def test_a_job_leads_to_its_delivery(page: Page, site: Site) -> None:
    """The page of a job links to the delivery that made it, and to no other."""
    repository, head = site.repository(pipeline("true"))
    jobs = [await site.push(repository, head, branch=branch) for branch in ("main", "other")]
    await page.goto(f"/ui/jobs/{jobs[0]}")
    await page.get_by_role("link", name="its delivery").click()
    await expect(page.get_by_role("list", name="Deliveries").get_by_role("listitem")).to_have_count(1)
    assert f"job={jobs[0]}" in page.url


async def test_a_repository_on_github_actions(page: Page, site: Site) -> None:
    """Who runs the builds is chosen, the token for the forge's API is stored and never shown, and can be forgotten."""
    address = "https://github.com/acme/engine.git"
    answer = await site.client.post(
        "/api/v1/repositories", json={"forge": "github", "full_name": "acme/engine", "clone_url": address}
    )
    path = f"/api/v1/repositories/{answer.json()['uid']}"
    await page.goto(f"/ui/repositories/{answer.json()['uid']}")
    await page.get_by_label("Who runs the builds").select_option("github")
    await page.get_by_label("Workflow file").fill("image.yml")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved.").first).to_be_visible()
    await page.reload()  # the page does so by itself, and what was typed meanwhile would be gone
    await page.get_by_label("Token", exact=True).fill("ghp_a-token-of-github")
    await page.get_by_label("Tell the forge").uncheck()
    await page.get_by_role("button", name="Save the access").click()
    await expect(page.get_by_text("A token is stored.")).to_be_visible()
    stored = (await site.client.get(path)).json()
    assert (stored["executor"], stored["workflow_file"]) == ("github", "image.yml")
    assert (stored["has_api_token"], stored["report_status"]) == (True, False)
    assert "ghp_a-token-of-github" not in await page.content()
    await page.get_by_role("button", name=re.compile("token act for it")).click()
    await expect(page.get_by_role("button", name=re.compile("token away"))).to_be_visible()
    await page.get_by_role("button", name="Forget the token").click()
    await page.get_by_role("button", name="Yes, forget").click()
    await expect(page.get_by_text("No token is stored")).to_be_visible()

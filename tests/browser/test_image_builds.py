"""From a configuration to an image on GitHub Actions, as a person sees it."""

import re
from typing import Final

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import PEOPLE
from tests.browser.jobs import step, text
from tests.browser.reported import steps
from tests.browser.tabs import open_tab, take_picture
from tests.browser.views import post
from tests.e2e.site import BUILDS, Site
from tests.fakegithub import BUILD_WORKFLOW, TOKEN, FakeGitHub, Repository, Run

_RECIPE: Final = "name: demo\ndescription: A small image\nmodules:\n  - type: script\n    scripts: [echo hello]\n"
_INPUTS: Final = ("distro_version", "enable_plymouth", "yaml_content")
_MORE: Final = "".join(f"      {name}:\n        required: false\n" for name in _INPUTS)
_WORKFLOW: Final = BUILD_WORKFLOW.replace("      image_type:\n", _MORE + "      image_type:\n")


@pytest.mark.slow
async def test_build_watch_run_again_and_cancel(chromium: Browser, own_site: Site) -> None:
    """A build is triggered, watched to its failure, its failed jobs run again to success, and another one cancelled."""
    with FakeGitHub() as github:
        repository = github.add_repository("acme/images", workflow=_WORKFLOW)
        configured = {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPO": "acme/images",
            "GITHUB_API_URL": github.url,
            "BUILD_STATUS_POLL_INTERVAL": "1",
        }
        await own_site.gateway(None, **PEOPLE, **configured)
        await own_site.worker(BUILDS, **configured)
        made = (await post(own_site, "/api/config/", {"name": "demo", "yaml_content": _RECIPE})).json()
        async with open_tab(chromium, own_site) as page:
            await _trigger(page, made["id"])
            run = await _run(own_site, repository, 1)
            await expect(page.locator(".build-state")).to_have_text(re.compile("Queued|Running"))
            for _ in range(3):
                run.advance()
            await expect(page.locator(".build-bar")).to_contain_text("Build")
            await expect(page.get_by_role("link", name=str(run.id))).to_have_attribute("href", re.compile("github.com"))
            run.finish("failure")
            await expect(page.locator(".build-state")).to_have_text("Failed")
            await expect(page.locator(".build-notice")).to_contain_text("WORKFLOW_FAILED")
            await take_picture(page, "build-github-failed-light")

            await page.get_by_role("button", name="Run failed jobs again").click()
            await own_site.until(lambda: run.attempt == 2, "the second attempt")
            run.finish()
            await expect(page.locator(".build-state")).to_have_text("Success")
            await expect(page.get_by_role("button", name="Promote to stable")).to_be_visible()
            await take_picture(page, "build-github-light")
            await page.get_by_role("link", name="Job and log").click()
            await step(page, "build / Push").click()
            await expect(text(page, "output of Push")).to_be_visible()
            await page.get_by_role("link", name=re.compile(r"^Build \d+$")).click()
            await expect(page).to_have_url(re.compile(r"/ui/builds/[\w-]{22}$"))

            await _trigger(page, made["id"])
            run = await _run(own_site, repository, 2)
            await expect(page.get_by_role("link", name=str(run.id))).to_be_visible()
            await page.get_by_role("button", name="Cancel").click()
            await page.get_by_role("button", name="Cancel it").click()
            await expect(page.locator(".build-state")).to_have_text("Cancelled")
            assert run.conclusion == "cancelled"
            assert len(repository.runs) == 2


@pytest.mark.slow
async def test_no_token_is_said(page: Page, site: Site) -> None:
    """Where nobody set a token, the form says so, and what the operator has to do."""
    made = (await post(site, "/api/config/", {"name": "nowhere", "yaml_content": _RECIPE})).json()
    await page.goto(f"/ui/configurations/{made['id']}")
    await page.get_by_role("button", name="Build the image").click()
    alert = page.get_by_role("form", name="Build", exact=True).get_by_role("alert")
    await expect(alert).to_contain_text("GITHUB_TOKEN")


async def _trigger(page: Page, config_id: int) -> None:
    """Build a configuration from its page, which leads to the build's."""
    await page.goto(f"/ui/configurations/{config_id}")
    await page.get_by_role("button", name="Build the image").click()
    await expect(page).to_have_url(re.compile(r"/ui/builds/[\w-]{22}$"))
    await expect(steps(page).first).to_be_visible()


async def _run(site: Site, repository: Repository, count: int) -> Run:
    """Wait until GitHub has so many runs; answers the last."""
    await site.until(lambda: len(repository.runs) == count, "a run on GitHub")
    return repository.runs[-1]

"""Builds on the page: the list, and one of them from its beginning to its end."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.injection import CORPUS, shown
from tests.browser.reported import Reported, steps
from tests.browser.tabs import open_tab, take_picture
from tests.browser.views import post
from tests.e2e.site import Site, pipeline


async def test_a_reported_build_from_beginning_to_end(page: Page, site: Site) -> None:
    """What a pipeline posts shows at once: stages, a failure with its way out, and at last a build for a channel."""
    build = await Reported.begin(site, image_type="promoted")
    await page.goto("/ui/builds?image_type=promoted")
    row = page.get_by_role("listitem").filter(has_text=build.build_id)
    await expect(row).to_contain_text("Pending")
    await build.state(25, "Hardening")
    await expect(row).to_contain_text("25 % · security")
    await row.get_by_role("link", name=build.build_id).click()
    await expect(page.locator(".build-bar")).to_contain_text("security")
    await build.state(45)
    await expect(page.locator(".build-code")).to_have_text("45 %")
    await build.fail("Ansible play failed", error_code="PIPELINE_FAILURE", details={"exit_code": 2})
    await expect(page.locator(".build-state")).to_have_text("Failed")
    await expect(page.locator(".build-notice")).to_contain_text("PIPELINE_FAILURE")
    await expect(page.get_by_role("list", name="Failures")).to_contain_text("Ansible play failed")
    await expect(steps(page).filter(has_text="Hardening").locator(".step-took")).to_contain_text(" s")

    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Yes, reset").click()
    await expect(page.locator(".build-state")).to_have_text("Running")
    await expect(page.locator(".build-notice")).to_be_empty()
    await build.state(100)
    await expect(page.locator(".build-state")).to_have_text("Success")
    await page.get_by_role("button", name="Promote to testing").click()
    await page.get_by_role("button", name="Revoke from testing").click()
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="Builds").first.click()
    await expect(page.locator(".chip")).to_have_text("testing")


@pytest.mark.slow
async def test_a_build_of_a_push(page: Page, site: Site) -> None:
    """A build that we run looks the same, leads to its job and its log, and is run again from there."""
    repository, head = site.repository(pipeline("exit 3"))
    job_id = await site.push(repository, head, message="Mend the bridge")
    await site.ended(job_id)
    await page.goto(f"/ui/builds?repository=acme/{repository.name}&status=failure")
    await page.get_by_role("link", name=f"acme/{repository.name}").click()
    await expect(page.locator(".build-notice")).to_contain_text("STEP_FAILED")
    await expect(page.get_by_role("link", name="Job and log")).to_have_attribute("href", f"/ui/jobs/{job_id}")
    await expect(page.locator(".build-facts")).to_contain_text("Mend the bridge")
    await page.get_by_role("button", name="Run again").click()
    await expect(steps(page).filter(has_text="Build retried")).to_be_visible()
    await expect(page.get_by_role("link", name="Job and log")).not_to_have_attribute("href", f"/ui/jobs/{job_id}")
    await expect(page.locator(".build-state")).to_have_text("Failed")


@pytest.mark.slow
async def test_filters_stand_in_the_address(page: Page, site: Site) -> None:
    """What is chosen can be shared, reloaded and taken back; what fits nothing says so."""
    aws = await Reported.begin(site, platform="filtered-aws", image_type="filtered")
    azure = await Reported.begin(site, platform="filtered-azure", image_type="filtered")
    await azure.fail("no quota")
    await page.goto("/ui/builds?image_type=filtered")
    rows = page.locator(".rows .row")
    await expect(rows).to_have_count(2)
    await page.get_by_label("Platform").fill("filtered-aws")
    await expect(page).to_have_url(re.compile("platform=filtered-aws"))
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(aws.build_id)
    await page.get_by_label("Platform").fill("")
    await expect(rows).to_have_count(2)
    await page.get_by_role("radio", name="Failed").check()
    await expect(rows).to_have_count(1)
    await page.reload()
    await expect(rows).to_contain_text("no quota")
    await page.get_by_label("Run by").select_option("github")
    await expect(page.get_by_text("No build fits this filter.")).to_be_visible()
    await page.get_by_role("link", name="Show all builds").click()
    await expect(page).to_have_url(re.compile(r"/ui/builds$"))


@pytest.mark.slow
async def test_what_a_pipeline_left(page: Page, site: Site) -> None:
    """Artifacts and variables stand with the build, secrets only as asterisks; its pipeline is a link."""
    build = await Reported.begin(site, pipeline_url="https://ci.example/builds/117")
    await build.state(25)
    artifact = {
        "artifact_name": "hardened.qcow2",
        "type": "disk-image",
        "path": "s3://images/x",
        "storage_backend": "s3",
    }
    await post(site, f"/builds/{build.uid}/artifacts", artifact)
    for key, value, is_sensitive in (("AMI_ID", "ami-0abc", False), ("TOKEN", "hunter2hunter2", True)):
        body = {"key": key, "value": value, "is_sensitive": is_sensitive}
        answer = await site.client.put(f"/builds/{build.uid}/variables", json=body)
        assert answer.is_success, answer.text
    await page.goto(f"/ui/builds/{build.build_id}")  # its pipeline's name for it will do
    await expect(page.get_by_role("list", name="Artifacts")).to_contain_text("s3://images/x")
    await expect(page.get_by_role("list", name="Variables")).to_contain_text("ami-0abc")
    assert "hunter2" not in await page.content()
    await expect(page.get_by_role("link", name="https://ci.example/builds/117")).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Cancel it").click()
    await expect(page.locator(".build-state")).to_have_text("Cancelled")


@pytest.mark.slow
async def test_reported_text_stays_text(page: Page, site: Site) -> None:
    """Hostile names and messages of pipelines are shown letter by letter, and do nothing."""
    for text in CORPUS:
        build = await Reported.begin(site, platform=text[:64], image_type="hostile", pipeline_url=text)
        await build.state(10, text)
        await build.fail(text, component=text)
        await page.goto(f"/ui/builds/{build.uid}")
        await expect(steps(page).locator(".step-message").get_by_text(shown(text), exact=True)).to_have_count(1)
        await expect(page.get_by_role("list", name="Failures")).to_contain_text(shown(text))
        await expect(page.locator('main a[href^="javascript"]')).to_have_count(0)
    await page.goto("/ui/matrix")
    await expect(page.get_by_role("table").first).to_be_visible()
    assert await page.locator("main script, main img, main [onerror], main [onload], main iframe").count() == 0


@pytest.mark.slow
async def test_a_long_history_on_a_phone(chromium: Browser, site: Site) -> None:
    """A history of more than a page of the API shows in order on 360 pixels; of a very long one the newest steps."""
    build = await Reported.begin(site)
    await _report(build, 0, 110)
    async with open_tab(chromium, site, width=360, height=740, theme="dark") as page:
        await page.goto(f"/ui/builds/{build.uid}")
        await expect(steps(page)).to_have_count(111)
        await expect(steps(page).last).to_contain_text("step 109 ")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await take_picture(page, "build-360-dark")
        await _report(build, 110, 305)
        await expect(page.get_by_text("6 earlier steps are not shown.")).to_be_visible()
        await expect(steps(page)).to_have_count(300)
        await page.reload()
        await expect(page.get_by_text("6 earlier steps are not shown.")).to_be_visible()
        await build.state(50, "the last one")
        await expect(steps(page).last).to_contain_text("the last one")
        await expect(steps(page).last).to_have_attribute("aria-current", "step")
        await expect(steps(page)).to_have_count(300)


async def _report(build: Reported, first: int, end: int) -> None:
    for number in range(first, end):
        await build.state(5 + 5 * (number % 2), f"step {number} " + "x" * 120)

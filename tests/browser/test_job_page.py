"""The page of one job: what it says about it, and what can be done there."""

from playwright.async_api import Browser, Page, expect

from tests.browser.jobs import FAILING, open_job, step, text
from tests.browser.tabs import open_tab, take_picture
from tests.e2e.site import Site, pipeline


async def test_a_failed_build_shows_why(site: Site, page: Page) -> None:
    """The step that failed is open and the others folded, each with how long it took; the error says what to do."""
    job_id = await site.build(FAILING)
    await site.ended(job_id)
    await open_job(page, job_id)
    await expect(page.locator(".job-state")).to_have_text("Failed")
    await expect(page.locator(".job-error")).to_contain_text("STEP_FAILED")
    await expect(page.locator(".job-error")).to_contain_text("step test failed with exit code 3")
    await expect(step(page, "test")).to_have_attribute("aria-expanded", "true")
    await expect(step(page, "test")).to_have_attribute("data-state", "failed")
    await expect(step(page, "build")).to_have_attribute("aria-expanded", "false")
    await expect(step(page, "lint")).to_have_attribute("data-state", "allowed")
    await expect(step(page, "build").locator(".log-took")).to_contain_text(" s")
    await expect(text(page, "boom")).to_be_visible()
    await expect(text(page, "compiling 3")).to_have_count(0)
    await expect(text(page, "inside")).to_have_count(0)
    await step(page, "build").click()
    await expect(text(page, "compiling 3")).to_be_visible()
    await step(page, "details").click()
    await expect(text(page, "inside")).to_be_visible()
    await expect(page.locator(".step-list li")).to_have_count(4)
    await expect(page.locator(".log-foot")).to_contain_text("The log is complete")


async def test_cancel_asks_first_and_says_how_it_goes(site: Site, page: Page) -> None:
    """Cancel asks in its place, then the page shows that it is being undone, and at last that it is."""
    marks = site.marks()
    job_id = await site.build(pipeline({"name": "wait", "run": f"echo began; {marks.alone()}"}))
    await open_job(page, job_id)
    await expect(text(page, "began").first).to_be_visible()
    await expect(step(page, "wait")).to_have_attribute("data-state", "running")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_text("Cancel this job?")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Cancel this job?")).to_have_count(0)
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Cancel it").click()
    await expect(page.locator(".job-state")).to_have_text("Cancelled")
    await expect(page.locator(".log-foot")).to_contain_text("The log is complete")
    await expect(page.locator(".job-error")).to_contain_text("CANCELLED")
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()


async def test_retry_goes_to_the_new_job(site: Site, page: Page) -> None:
    """Retry opens the new job, which links to the old one; the old one links to it."""
    job_id = await site.build(pipeline("exit 1"))
    await site.ended(job_id)
    await open_job(page, job_id)
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_text("A retry of")).to_be_visible()
    assert str(job_id) not in page.url
    new = page.url.rpartition("/")[2]
    await page.locator(".job-kin a").click()
    await expect(page.get_by_text("Retried as")).to_be_visible()
    await expect(page.locator(".job-kin a")).to_have_attribute("href", f"/ui/jobs/{new}")


async def test_a_waiting_job_says_why(site: Site, page: Page) -> None:
    """A job behind another of its branch says for what it waits, without a log, and goes on by itself."""
    marks = site.marks()
    repository, head = site.repository(pipeline(marks.alone()))
    first = await site.push(repository, head, delivery="one")
    await site.until(marks.runs, "the first build to begin")
    second = await site.push(repository, repository.commit({"more": "1"}), delivery="two")
    await page.goto(f"/ui/jobs/{second}")
    await expect(page.locator(".job-state")).to_have_text("Pending")
    await expect(page.locator(".job-notice")).to_contain_text("Waits for")
    await take_picture(page, "job-waiting-light")
    marks.open_gate()
    await expect(page.locator(".job-state")).to_have_text("Success")
    await expect(page.locator(".job-notice")).to_be_empty()
    await expect(text(page, "went on").first).to_be_visible()
    await site.ended(first)


async def test_a_phone_will_do(chromium: Browser, site: Site) -> None:
    """At 360 pixels nothing but the log itself and the list of steps scrolls sideways."""
    job_id = await site.build(FAILING)
    await site.ended(job_id)
    async with open_tab(chromium, site, width=360, height=740, theme="dark") as page:
        await open_job(page, job_id)
        await expect(text(page, "boom")).to_be_attached()
        for wraps in (True, False):
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, f"wraps: {wraps}"
            await page.keyboard.press("w")
        await take_picture(page, "job-360-dark")

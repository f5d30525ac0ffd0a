"""The queue on the page."""

import re

from playwright.async_api import Page, expect

from tests.e2e.site import Site, pipeline


async def test_pause_and_resume(page: Page, site: Site) -> None:
    """A paused domain starts nothing and says why and by whom; resumed, it goes on with what waited."""
    await page.goto("/ui/queue")
    builds = page.get_by_role("region", name="builds")
    await expect(builds.locator(".worker")).to_have_count(1)
    await builds.get_by_text("Pause", exact=True).first.click()
    await builds.get_by_label("Reason").fill("a new disk")
    await builds.get_by_role("button", name="Pause").click()
    await expect(builds).to_contain_text("Paused by ada")
    await expect(builds).to_contain_text("a new disk")
    try:
        repository, head = site.repository(pipeline("true"))
        job_id = await site.push(repository, head)
        waiting = builds.get_by_role("listitem").filter(has_text=repository.name)
        await expect(waiting).to_contain_text("No. 1")
        assert (await site.job(job_id))["status"] == "pending"
    finally:
        await builds.get_by_role("button", name="Resume").click()
    await expect(waiting).to_have_count(0)
    assert (await site.ended(job_id))["status"] == "success"


async def test_the_form_stays_while_the_numbers_move(page: Page, site: Site) -> None:
    """What somebody types is not lost when the queue is read again."""
    await page.goto("/ui/queue")
    builds = page.get_by_role("region", name="builds")
    await builds.get_by_text("Pause", exact=True).first.click()
    reason = builds.get_by_label("Reason")
    async with page.expect_response("**/queue"):
        await reason.fill("half a sent")
        await site.build(pipeline("true"))
    await expect(reason).to_have_value("half a sent")
    await expect(reason).to_be_focused()


async def test_workers_show_their_jobs(page: Page, site: Site) -> None:
    """A worker shows its host, its version, its slots and what it runs, with a link to the job."""
    marks = site.marks()
    job_id = await site.build(pipeline(f"until [ -e {marks.folder}/gate ]; do sleep 0.05; done"))
    await page.goto("/ui/queue")
    worker = page.get_by_role("region", name="builds").locator(".worker")
    await expect(worker.locator(f'a[href="/ui/jobs/{job_id}"]')).to_contain_text("builds.run_build")
    await expect(worker).to_contain_text(re.compile(r"heavy [12]/"))
    marks.open_gate()
    await site.ended(job_id)

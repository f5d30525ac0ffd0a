"""The list of jobs."""

import re
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import PEOPLE
from tests.browser.tabs import open_tab
from tests.e2e.site import Site, pipeline
from tests.servers import free_port

WAITS = "until [ -e {folder}/gate ]; do sleep 0.05; done"


async def test_jobs_appear_live(page: Page, site: Site) -> None:
    """A push appears at the top by itself, runs, and ends, while the reader's focus and place stay."""
    marks = site.marks()
    await site.ended(await site.build(pipeline("true")))
    await page.goto("/ui/jobs")
    rows = page.get_by_role("list", name="Jobs").get_by_role("listitem")
    await _is_live(page)
    await page.keyboard.press("j")
    first = page.locator(".row-link").first
    await expect(first).to_be_focused()
    title = await first.text_content()

    repository, head = site.repository(pipeline(WAITS.format(folder=marks.folder)))
    job_id = await site.push(repository, head)
    newest = rows.first
    await expect(newest).to_contain_text(f"acme/{repository.name}")
    await expect(newest).to_contain_text("Running")
    await expect(page.locator(".row-link:focus")).to_have_text(title or "")
    marks.open_gate()
    await expect(newest).to_contain_text("Success")
    await expect(newest.get_by_role("link")).to_have_attribute("href", f"/ui/jobs/{job_id}")


async def test_elapsed_time_ticks(page: Page, site: Site) -> None:
    """The time of a running job moves on without anything being read again."""
    marks = site.marks()
    job_id = await site.build(pipeline(WAITS.format(folder=marks.folder)))
    await page.goto("/ui/jobs")
    span = page.locator(f'[data-key="{job_id}"] [data-since]')
    before = await span.text_content()
    await expect(span).not_to_have_text(before or "")
    marks.open_gate()
    await site.ended(job_id)


async def test_filters_stand_in_the_address(page: Page, site: Site) -> None:
    """Filters narrow the list, stand in the address, survive a reload and are undone by going back."""
    good, head = site.repository(pipeline("true"))
    await site.ended(await site.push(good, head))
    bad, head = site.repository(pipeline("exit 3"))
    await site.ended(await site.push(bad, head))
    await page.goto("/ui/jobs")
    rows = page.get_by_role("list", name="Jobs").get_by_role("listitem")
    await page.get_by_role("radio", name="Failed").check()
    await expect(page).to_have_url(re.compile(r"\?status=failed$"))
    await expect(rows.filter(has_text=f"acme/{bad.name}")).to_have_count(1)
    await expect(rows.filter(has_text="Success")).to_have_count(0)

    await page.get_by_label("Repository").fill(f"acme/{good.name}")
    await expect(page.get_by_text("No job fits this filter.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("No job fits this filter.")).to_be_visible()
    await expect(page.get_by_label("Repository")).to_have_value(f"acme/{good.name}")
    await page.go_back()
    await expect(rows.filter(has_text=f"acme/{good.name}")).to_have_count(1)


async def test_a_filtered_list_is_live_too(page: Page, site: Site) -> None:
    """A job that fits the filter appears; one that does not, or does no longer, is not shown."""
    repository, head = site.repository(pipeline("true"))
    name = f"acme/{repository.name}"
    await page.goto(f"/ui/jobs?status=success&repo={quote(name)}")
    await _is_live(page)
    await site.ended(await site.build(pipeline("true")))
    await site.ended(await site.push(repository, head))
    rows = page.get_by_role("list", name="Jobs").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(name)


async def test_older_jobs_are_a_button_away(page: Page, site: Site) -> None:
    """A long list shows its newest part, and more of it on demand, each job once."""
    repository, head = site.repository(None)
    pushed = [str(await site.push(repository, head, branch=f"branch-{n}")) for n in range(5)]
    await page.goto(f"/ui/jobs?limit=3&repo=acme/{repository.name}")
    await _is_live(page)
    rows = page.locator(".rows > .row")
    await expect(rows).to_have_count(3)
    await expect(page.get_by_text("5 jobs")).to_be_visible()
    newest = await site.push(repository, head, branch="branch-5")
    await expect(rows.first.get_by_role("link")).to_have_attribute("href", f"/ui/jobs/{newest}")
    await expect(page.get_by_text("6 jobs")).to_be_visible()
    await page.get_by_role("button", name="Show older").click()
    await expect(rows).to_have_count(6)
    await expect(page.get_by_role("button", name="Show older")).to_have_count(0)
    keys = await rows.evaluate_all("rows => rows.map((row) => row.dataset.key)")
    assert sorted(keys) == sorted([*pushed, str(newest)])


@pytest.mark.slow
async def test_the_list_comes_back_after_an_outage(chromium: Browser, own_site: Site) -> None:
    """When the gateway is replaced, the list says that it reconnects, and shows what happened meanwhile."""
    port = free_port()
    gateway = await own_site.gateway(port, **PEOPLE)
    async with open_tab(chromium, own_site) as page:
        await page.goto("/ui/jobs")
        await _is_live(page)
        gateway.kill()
        await expect(page.get_by_text("Reconnecting…")).to_be_visible()
        await own_site.gateway(port, **PEOPLE)
        repository, head = own_site.repository(pipeline("true"))
        await own_site.push(repository, head)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)
        await expect(page.get_by_role("listitem").filter(has_text=repository.name)).to_be_visible()


async def _is_live(page: Page) -> None:
    """Wait until the list is shown and what happens reaches it."""
    await expect(page).to_have_title("Jobs · Slipway")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()

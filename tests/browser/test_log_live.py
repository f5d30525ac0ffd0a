"""A log that is watched while it is written: it follows, pauses, and misses nothing whatever happens to the gateway."""

import re

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.conftest import PEOPLE
from tests.browser.jobs import open_job, step, text
from tests.browser.tabs import open_tab, take_picture
from tests.e2e.site import Marks, Site, pipeline
from tests.servers import free_port

BACK_MS = 30_000  # the page looks every 5 s, on a machine that does much else


def ticking(marks: Marks) -> str:
    """A pipeline with a step that prints a numbered line every 20 ms until the gate is open."""
    script = f"n=0; until [ -e {marks.folder}/gate ]; do n=$((n+1)); echo tick $n.; sleep 0.02; done; echo over"
    return pipeline({"name": "before", "run": "echo prepared"}, {"name": "watch", "run": script})


def foot(page: Page) -> Locator:
    return page.locator(".log-foot")


async def shown_lines(page: Page) -> list[str]:
    """The log as the page has it: all of its lines chosen, as a reader does it, and copied."""
    await page.keyboard.press("o")
    pane, number = page.locator(".log-pane"), page.locator(".log-n")
    await pane.evaluate("pane => { pane.scrollTop = 0 }")
    await number.filter(has_text=re.compile("^1$")).click()
    await pane.evaluate("pane => { pane.scrollTop = pane.scrollHeight }")
    await expect(number.filter(has_text=re.compile("^1$"))).to_have_count(0)
    await number.last.click(modifiers=["Shift"])
    await page.get_by_role("group", name="Chosen lines").get_by_role("button", name="Text").click()
    await expect(page.get_by_text("The lines were copied.")).to_be_visible()
    return str(await page.evaluate("navigator.clipboard.readText()")).splitlines()


async def ticks(page: Page) -> int:
    """The number of the last tick on the screen."""
    found = await page.locator(".log-text", has_text="tick ").last.inner_text()
    return int(found.split()[1].rstrip("."))


async def past(site: Site, page: Page, n: int) -> None:
    """Wait until a later tick than this one is on the screen."""

    async def is_past() -> bool:
        return await ticks(page) > n

    await site.until(is_past, f"tick {n} to be passed")


@pytest.mark.slow
async def test_a_log_survives_restarts_of_the_gateway(chromium: Browser, own_site: Site) -> None:
    """While gateways are stopped and killed behind one address, the page says so and comes back by itself, and at the
    end it shows each line of the log exactly once.
    """
    port = free_port()
    gateway = await own_site.gateway(port, **PEOPLE)
    await own_site.worker()
    marks = own_site.marks()
    job_id = await own_site.build(ticking(marks))
    async with open_tab(chromium, own_site) as page:
        await open_job(page, job_id)
        await expect(foot(page)).to_contain_text("Live")
        for round_ in range(3):
            before = await ticks(page)
            if round_ % 2:
                gateway.kill()
            else:
                gateway.ask_to_stop()
                gateway.wait()
            await expect(foot(page)).to_contain_text("The connection is lost")
            if not round_:
                await take_picture(page, "job-reconnecting-light")
            gateway = await own_site.gateway(port, **PEOPLE)
            await expect(foot(page)).to_contain_text("Live", timeout=BACK_MS)
            await past(own_site, page, before + 50)
        marks.open_gate()
        await expect(page.locator(".job-state")).to_have_text("Success")
        await expect(foot(page)).to_contain_text("The log is complete")
        shown = await shown_lines(page)
    stored = [line["message"] for line in await own_site.lines(job_id)]
    assert [*shown, "::endgroup::"] == stored  # which ends a step and is no row
    numbers = [int(one.split()[1].rstrip(".")) for one in shown if one.startswith("tick ")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 150


@pytest.mark.slow
async def test_a_log_is_read_again_when_redis_lost_it(chromium: Browser, own_site: Site) -> None:
    """Redis loses everything while a log is watched: the page begins anew and shows each stored line exactly once."""
    await own_site.gateway(None, **PEOPLE)
    await own_site.worker()
    marks = own_site.marks()
    job_id = await own_site.build(ticking(marks))
    async with open_tab(chromium, own_site) as page:
        await open_job(page, job_id)
        for _ in range(2):
            before = await ticks(page)
            await past(own_site, page, before + 30)
            await own_site.redis.flushall()
            await past(own_site, page, before + 60)
        marks.open_gate()
        await expect(page.locator(".job-state")).to_have_text("Success")
        await expect(foot(page)).to_contain_text("The log is complete")
        shown = await shown_lines(page)
    stored = [line["message"] for line in await own_site.lines(job_id)]
    assert [*shown, "::endgroup::"] == stored


async def test_following_pauses_and_comes_back(site: Site, page: Page) -> None:
    """The newest line stays in view until the reader scrolls up; then the page counts what comes, and leads back."""
    marks = site.marks()
    job_id = await site.build(ticking(marks))
    await open_job(page, job_id)
    await past(site, page, 60)
    jump = page.locator(".log-jump")
    await expect(jump).to_be_hidden()
    await expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
    pane = page.locator(".log-pane")
    await pane.hover()
    await page.mouse.wheel(0, -600)
    await expect(jump).to_be_visible()
    await expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    top = await pane.evaluate("pane => pane.scrollTop")
    await expect(jump).to_have_text(re.compile(r"Jump to live · \d\d new lines"))
    assert await pane.evaluate("pane => pane.scrollTop") == top
    await take_picture(page, "job-paused-light")
    await jump.click()
    await expect(jump).to_be_hidden()
    await past(site, page, await ticks(page) + 20)
    await expect(page.locator(".log-row").last).to_be_in_viewport()
    await page.keyboard.press("f")
    await expect(jump).to_be_visible()
    marks.open_gate()
    await expect(page.locator(".job-state")).to_have_text("Success")
    await expect(jump).to_be_hidden()
    await page.keyboard.press("[")
    await expect(step(page, "watch")).to_have_attribute("aria-expanded", "true")
    await expect(step(page, "watch").locator(".log-took")).to_contain_text(" s")


async def test_lines_come_one_by_one(site: Site, page: Page) -> None:
    """A job that was opened before it began shows its first lines, its steps and its end as they happen."""
    marks = site.marks()
    repository, head = site.repository(ticking(marks))
    job_id = await site.push(repository, head)
    await page.goto(f"/ui/jobs/{job_id}")
    await past(site, page, 3)
    await expect(page.locator(".job-state")).to_have_text("Running")
    await expect(page.locator(".step-list li")).to_have_count(3)
    await expect(page.locator(".job-facts")).to_contain_text("Stage")
    marks.open_gate()
    await expect(text(page, "over")).to_be_visible()
    await expect(page.locator(".job-facts")).not_to_contain_text("Stage")


@pytest.mark.slow
async def test_a_stream_that_fell_behind_goes_on_where_it_was(site: Site, page: Page) -> None:
    """A client that the gateway cut off for reading too slowly comes back by itself and has every line."""
    marks = site.marks()
    job_id = await site.build(ticking(marks))
    cut_off: list[str] = []

    async def cut(route: Route) -> None:
        if cut_off:
            await route.continue_()
            return
        cut_off.append(route.request.url)
        body = "retry: 100\n\nevent: lagged\ndata: {}\n\n"
        await route.fulfill(headers={"Content-Type": "text/event-stream"}, body=body)

    await page.route(re.compile(r"/jobs/[^/]+/logs$"), cut)
    await open_job(page, job_id)
    await past(site, page, 100)  # more than a screen, so that `shown_lines` can choose them all
    marks.open_gate()
    await expect(foot(page)).to_contain_text("The log is complete")
    assert cut_off
    stored = [line["message"] for line in await site.lines(job_id)]
    assert [*(await shown_lines(page)), "::endgroup::"] == stored


async def test_a_stream_whose_rights_ended_leads_to_signing_in(site: Site, page: Page) -> None:
    """When the gateway says that the credentials are not valid any more, the page asks to sign in and comes back."""
    job_id = await site.build(ticking(marks := site.marks()))

    async def deny(route: Route) -> None:
        body = "event: denied\ndata: {}\n\n"
        await route.fulfill(headers={"Content-Type": "text/event-stream"}, body=body)

    await page.route(re.compile(r"/jobs/[^/]+/logs$"), deny)
    await page.goto(f"/ui/jobs/{job_id}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert f"next=%2Fui%2Fjobs%2F{job_id}" in page.url
    marks.open_gate()

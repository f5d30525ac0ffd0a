"""The main things that people do, without a mouse."""

import re

from playwright.async_api import Page, expect

from tests.browser.tabs import ADMIN
from tests.e2e.site import Site, pipeline


async def test_without_a_mouse(visitor: Page, site: Site) -> None:
    """Sign in, find a job, open it, come back, make a key, and sign out, by keys alone."""
    repository, head = site.repository(pipeline("true"))
    await site.ended(await site.push(repository, head))
    keys = visitor.keyboard
    await visitor.goto("/ui/")
    await expect(visitor.get_by_label("User name or e-mail")).to_be_focused()
    await keys.type(ADMIN["username"])
    await keys.press("Tab")
    await keys.type(ADMIN["password"])
    await keys.press("Enter")
    await expect(visitor).to_have_title("Jobs · Slipway")

    await keys.press("/")
    await keys.type(f"acme/{repository.name}")
    await expect(visitor.locator(".rows .row")).to_have_count(1)
    await keys.press("Escape")
    await keys.press("j")
    await expect(visitor.locator(".row-link")).to_be_focused()
    await keys.press("Enter")
    await expect(visitor).to_have_url(re.compile(r"/ui/jobs/[0-9a-f-]{36}$"))
    await expect(visitor.get_by_role("heading", level=1)).to_contain_text(repository.name)

    await keys.press("g")
    await keys.press("k")
    await expect(visitor).to_have_title("API keys · Slipway")
    await _tab_to(visitor, "Name")
    await keys.type("by keys alone")
    await keys.press("Enter")
    await expect(visitor.locator(".reveal")).to_contain_text("by keys alone")

    await keys.press("Escape")
    await keys.press("g")
    await keys.press("a")
    await expect(visitor).to_have_title("Account · Slipway")
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(visitor.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_skip_to_the_content(page: Page) -> None:
    """The first link of the document leads past the navigation."""
    await page.goto("/ui/jobs")
    await expect(page).to_have_title("Jobs · Slipway")
    skip = page.get_by_role("link", name="Skip to the content")
    assert await page.locator("a").first.text_content() == "Skip to the content"
    await skip.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()


async def _tab_to(page: Page, label: str) -> None:
    target = page.get_by_label(label, exact=True)
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"Tab never reaches {label}")

"""What holds for every view: people who see, hear or move otherwise can use it, in both themes, on any screen."""

from collections.abc import Sequence

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.tabs import Theme, open_tab, take_picture
from tests.browser.views import OPEN_VIEWS, View, furnish
from tests.e2e.site import Site

_GRAVE = {"serious", "critical"}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_nothing_keeps_people_out(chromium: Browser, site: Site, theme: Theme) -> None:
    """axe-core finds nothing serious on any view (WCAG 2.2 A and AA and its best practices), in either theme."""
    views = await furnish(site)
    async with open_tab(chromium, site, signed_in=False, theme=theme) as page:
        await _look_at(page, OPEN_VIEWS, theme)
    async with open_tab(chromium, site, theme=theme) as page:
        await _look_at(page, views, theme)


async def _look_at(page: Page, views: Sequence[View], theme: Theme) -> None:
    for view in views:
        await _open(page, view)
        await take_picture(page, f"{view.name}-{theme}")
        found = (await Axe().run(page)).response["violations"]
        grave = [
            (view.path, one["id"], node["target"], node["failureSummary"])
            for one in found
            if one["impact"] in _GRAVE
            for node in one["nodes"]
        ]
        assert not grave, grave


@pytest.mark.parametrize("width", [360, 3840])
async def test_every_width_will_do(chromium: Browser, site: Site, width: int) -> None:
    """From a phone to a 4k screen nothing reaches beyond the window's side."""
    views = await furnish(site)
    async with open_tab(chromium, site, signed_in=False, width=width) as page:
        await _measure(page, OPEN_VIEWS, width)
    async with open_tab(chromium, site, width=width) as page:
        await _measure(page, views, width)


async def _measure(page: Page, views: Sequence[View], width: int) -> None:
    for view in views:
        await _open(page, view)
        await take_picture(page, f"{view.name}-{width}")
        reaches = await page.evaluate("document.documentElement.scrollWidth")
        assert reaches <= width, f"{view.path} is {reaches} pixels wide"


async def _open(page: Page, view: View) -> None:
    await page.goto(view.path)
    await expect(page.get_by_role("heading", level=1)).to_contain_text(view.heading)

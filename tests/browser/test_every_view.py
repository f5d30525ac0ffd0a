"""What holds for every view: people who see, hear or move otherwise can use it, in both themes, on any screen."""

from collections.abc import Sequence

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.tabs import Theme, open_tab, take_picture
from tests.browser.views import OPEN_VIEWS, View, furnish
from tests.e2e.site import Installation, Site, visit

_GRAVE = {"serious", "critical"}
# What differs between the themes; everything else is looked at in one of them.
_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
_NARROW, _WIDE = 360, 3840


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def views(_shared: Installation) -> list[View]:
    """Every view that needs somebody to be signed in, with something to show."""
    async with visit(_shared) as site:
        await site.start(*_shared.processes.started)
        return await furnish(site)


@pytest.mark.slow
async def test_nothing_keeps_people_out(chromium: Browser, site: Site, views: list[View]) -> None:
    """axe-core finds nothing serious on any view (WCAG 2.2 A and AA, and its best practices)."""
    await _walk(chromium, site, views, "light", {})


@pytest.mark.slow
async def test_dark_is_as_readable(chromium: Browser, site: Site, views: list[View]) -> None:
    """In the dark theme text and links stand out as well."""
    await _walk(chromium, site, views, "dark", _COLOURS)


@pytest.mark.slow
async def test_every_width_will_do(chromium: Browser, site: Site, views: list[View]) -> None:
    """From a phone to a 4k screen nothing reaches beyond the window's side."""
    async with open_tab(chromium, site, signed_in=False) as page:
        await _measure(page, OPEN_VIEWS)
    async with open_tab(chromium, site) as page:
        await _measure(page, views)


async def _walk(
    chromium: Browser, site: Site, views: Sequence[View], theme: Theme, options: dict[str, list[str]]
) -> None:
    async with open_tab(chromium, site, signed_in=False, theme=theme) as page:
        await _look_at(page, OPEN_VIEWS, theme, options)
    async with open_tab(chromium, site, theme=theme) as page:
        await _look_at(page, views, theme, options)


async def _look_at(page: Page, views: Sequence[View], theme: Theme, options: dict[str, list[str]]) -> None:
    for view in views:
        await _open(page, view)
        await take_picture(page, f"{view.name}-{theme}")
        found = (await Axe().run(page, options=options)).response["violations"]
        grave = [
            (view.path, one["id"], node["target"], node["failureSummary"])
            for one in found
            if one["impact"] in _GRAVE
            for node in one["nodes"]
        ]
        assert not grave, grave


async def _measure(page: Page, views: Sequence[View]) -> None:
    for view in views:
        await page.set_viewport_size({"width": _NARROW, "height": 800})
        await _open(page, view)
        for width in (_NARROW, _WIDE):
            await page.set_viewport_size({"width": width, "height": 800})
            await take_picture(page, f"{view.name}-{width}")
            reaches = await page.evaluate("document.documentElement.scrollWidth")
            assert reaches <= width, f"{view.path} is {reaches} pixels wide"


async def _open(page: Page, view: View) -> None:
    await page.goto(view.path)
    await expect(page.get_by_role("heading", level=1)).to_contain_text(view.heading)

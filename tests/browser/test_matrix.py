"""The matrix of images on the page."""

from playwright.async_api import Browser, Page, expect

from tests.browser.reported import Reported
from tests.browser.tabs import open_tab, take_picture
from tests.browser.views import post
from tests.e2e.site import Site


async def test_what_can_be_used(page: Page, site: Site) -> None:
    """A cell shows the good build and its age, what is newer and how it stands, and what channels offer; it is live."""
    first = await Reported.begin(site, platform="matrix", os_version="43", image_type="kept")
    await first.state(100)
    await post(site, f"/api/v1/builds/{first.uid}/promote", {"channel": "stable"})
    second = await Reported.begin(site, platform="matrix", os_version="43", image_type="kept")
    await second.state(45)
    alone = await Reported.begin(site, platform="matrix", os_version="44", image_type="kept")
    await alone.fail("no luck")
    await page.goto("/ui/matrix")
    table = page.get_by_role("table", name="Images for matrix", exact=True)
    cells = table.get_by_role("cell")
    await expect(cells.nth(0)).to_contain_text("Good")
    await expect(cells.nth(0).get_by_role("link", name="Good")).to_have_attribute("href", f"/ui/builds/{first.uid}")
    await expect(cells.nth(0)).to_contain_text("Running45 %")
    await expect(cells.nth(0).locator(".chip")).to_have_text("stable")
    await expect(cells.nth(1)).to_contain_text("None good yet")
    await expect(cells.nth(1)).to_contain_text("Failed")
    await second.state(100)
    await expect(cells.nth(0).get_by_role("link", name="Good")).to_have_attribute("href", f"/ui/builds/{second.uid}")
    await expect(cells.nth(0).get_by_role("link", name="stable: older")).to_be_visible()


async def test_a_phone_will_do(chromium: Browser, site: Site) -> None:
    """At 360 pixels each image type is a list of its versions, and nothing scrolls sideways."""
    for version in ("42", "43", "44", "45", "rawhide"):
        await (await Reported.begin(site, platform="phone", os_version=version, image_type="on-a-phone")).state(100)
    async with open_tab(chromium, site, width=360, height=740) as page:
        await page.goto("/ui/matrix")
        table = page.get_by_role("table", name="Images for phone", exact=True)
        await expect(table.locator(".matrix-version").get_by_text("rawhide")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await table.evaluate("(table) => table.parentElement.scrollWidth <= table.parentElement.clientWidth")
        await take_picture(page, "matrix-360-light")

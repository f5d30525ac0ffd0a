"""The frame of the page: what every view has."""

import re

import httpx
from playwright.async_api import Browser, Page, expect

from tests.browser.tabs import open_tab
from tests.e2e.site import Site


async def test_a_browser_is_sent_to_the_page(visitor: Page) -> None:
    """Somebody who types the host's name alone gets the sign-in form."""
    await visitor.goto("/")
    await expect(visitor).to_have_url(re.compile(r"/ui/signin$"))
    await expect(visitor.get_by_label("User name or e-mail")).to_be_focused()


async def test_the_first_page_is_the_jobs(page: Page) -> None:
    """Somebody who is signed in gets the jobs, under their own address."""
    await page.goto("/")
    await expect(page).to_have_url(re.compile(r"/ui/jobs$"))
    await expect(page.get_by_role("link", name="Jobs")).to_have_attribute("aria-current", "page")


async def test_an_address_leads_to_its_view(page: Page) -> None:
    """Any address below /ui/ can be opened, reloaded, left by a link and come back to."""
    await page.goto("/ui/keys")
    await expect(page).to_have_title("API keys · Slipway")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    await page.get_by_role("link", name="Account").click()
    await expect(page).to_have_url(re.compile(r"/ui/account$"))
    await expect(page.get_by_role("link", name="Account")).to_have_attribute("aria-current", "page")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await page.go_back()
    await expect(page).to_have_title("API keys · Slipway")


async def test_an_address_that_is_nothing(page: Page) -> None:
    """An address that leads nowhere says so and offers a way on."""
    await page.goto("/ui/nowhere")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    await page.get_by_role("link", name="All jobs").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


async def test_keys_go_everywhere(page: Page) -> None:
    """g and a letter go to a view, ? shows the keys, Escape closes them, / goes to the filter."""
    await page.goto("/ui/account")
    await page.get_by_role("heading", level=1).wait_for()
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await expect(page).to_have_title("Jobs · Slipway")
    await page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    await expect(sheet).to_contain_text("Next row")
    await page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    await page.keyboard.press("/")
    await expect(page.get_by_label("Repository")).to_be_focused()
    await page.keyboard.type("g j")  # in a field, letters are letters
    await expect(page.get_by_label("Repository")).to_have_value("g j")


async def test_a_chosen_theme_stays(page: Page) -> None:
    """The theme that a person chose survives a reload; it is all that the page stores, and no token is among it."""
    await page.goto("/ui/account")
    theme = page.get_by_role("button", name=re.compile("^Theme"))
    await expect(theme).to_have_text("Theme: system")
    await theme.click()
    await theme.click()
    await expect(theme).to_have_text("Theme: dark")
    await page.reload()
    await expect(theme).to_have_text("Theme: dark")
    ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(14, 17, 22)"
    assert await page.evaluate("Object.entries({...localStorage, ...sessionStorage})") == [["slipway.theme", "dark"]]


async def test_on_a_phone_the_navigation_is_a_menu(chromium: Browser, site: Site) -> None:
    """At 360 pixels the navigation folds into a button, and leads on from there."""
    async with open_tab(chromium, site, width=360) as page:
        await page.goto("/ui/jobs")
        menu = page.get_by_role("button", name="Menu")
        await expect(page.get_by_role("link", name="API keys")).to_be_hidden()
        await menu.click()
        await expect(menu).to_have_attribute("aria-expanded", "true")
        await page.get_by_role("link", name="API keys").click()
        await expect(page).to_have_title("API keys · Slipway")
        await expect(menu).to_have_attribute("aria-expanded", "false")


async def test_files_are_kept_and_the_document_is_asked_for(site: Site) -> None:
    """Browsers keep the files for ever, under an address that changes with them, and ask for the document anew."""
    document = await site.client.get("/ui/jobs/1")
    assert document.headers["cache-control"] == "no-cache"
    again = await site.client.get("/ui/jobs/1", headers={"If-None-Match": document.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    main = re.findall(r'src="(/ui/assets/[^"]+/main\.js)"', document.text)[0]
    asset = await site.client.get(main)
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]


async def test_a_document_of_another_version_is_served(site: Site) -> None:
    """While a new version is rolled out, a document may ask another gateway: it gets its file, but may not keep it."""
    answer = await site.client.get("/ui/assets/0123456789abcdef/js/main.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    for path in ("../routes.py", "..%2froutes.py", "js/none.js", "", "js"):
        assert (await _get(site, f"/ui/assets/0123456789abcdef/{path}")).status_code in {200, 404}
        assert b"def router" not in (await _get(site, f"/ui/assets/0123456789abcdef/{path}")).content


async def _get(site: Site, path: str) -> httpx.Response:
    return await site.client.get(path)


async def test_the_policy_allows_only_our_own_files(site: Site) -> None:
    """The page may run no inline script or style, load nothing from elsewhere, stand in no frame, and write no HTML."""
    policy = (await site.client.get("/ui/")).headers["content-security-policy"]
    allowed = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'")
    for word in (*allowed, "require-trusted-types-for 'script'", "trusted-types 'none'"):
        assert word in policy
    for word in ("unsafe", "http:", "https:", "*", "data: ;"):
        assert word not in policy

"""Administration on the page: users and the audit log."""

from playwright.async_api import Browser, Page, expect

from tests.browser.tabs import open_tab
from tests.e2e.site import Site


async def test_administer_a_user(page: Page, site: Site) -> None:
    """An administrator finds a user, gives and takes rights, and deletes; the audit log tells who did."""
    person = {"username": "katherine", "password": "a trajectory by hand"}
    assert (await site.client.post("/api/auth/register", json=person)).status_code == 201
    await page.goto("/ui/users")
    await page.get_by_label("Name or e-mail").fill("katherine")
    row = page.get_by_role("listitem").filter(has_text="katherine")
    await expect(page.locator(".row")).to_have_count(1)
    await row.get_by_role("button", name="Allow local builds").click()
    await expect(row.get_by_role("button", name="Forbid local builds")).to_be_focused()
    await row.get_by_role("button", name="Deactivate").click()
    await expect(row).to_contain_text("Inactive")
    await row.get_by_role("button", name="Delete").click()
    await row.get_by_role("button", name="Yes, delete").click()
    await expect(page.get_by_text("Nobody is called so.")).to_be_visible()

    await page.goto("/ui/audit?action=user.")
    await expect(page.locator(".row").filter(has_text="user.deleted").first).to_contain_text("ada")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as JSON lines").click()
    text = (await (await download.value).path()).read_text()
    assert '"user.deleted"' in text


async def test_others_do_not_administer(chromium: Browser, site: Site) -> None:
    """Somebody without rights is told so, and sees no way there."""
    person = {"username": "mary", "password": "only a computer"}
    assert (await site.client.post("/api/auth/register", json=person)).status_code == 201
    async with open_tab(chromium, site, person={"username": "mary", "password": "only a computer"}) as page:
        await page.goto("/ui/users")
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.get_by_role("link", name="Users")).to_have_count(0)
        await page.goto("/ui/queue")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Queue")
        await expect(page.get_by_text("Pause", exact=True)).to_have_count(0)

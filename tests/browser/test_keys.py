"""API keys on the page."""

import httpx
from playwright.async_api import Page, expect

from tests.e2e.site import Site


async def test_a_key_is_made_used_rotated_and_revoked(page: Page, site: Site) -> None:
    """A key is shown once and works; its successor works beside it; a revoked one is refused."""
    await page.goto("/ui/keys")
    await page.get_by_label("Name").fill("nightly")
    await page.get_by_label("Cancel, retry jobs").check()
    await page.get_by_role("button", name="Make the key").click()
    shown = page.locator(".reveal code").first
    await expect(shown).to_contain_text("slp_")
    key = await shown.text_content() or ""
    await page.get_by_role("button", name="Copy the key").click()
    assert await page.evaluate("navigator.clipboard.readText()") == key
    assert (await _read_jobs(site, key)).status_code == 200

    row = page.get_by_role("listitem").filter(has_text=key.split("_")[1])
    await expect(row).to_contain_text("builds:read")
    await row.get_by_role("button", name="Rotate").click()
    await row.get_by_role("button", name="Yes, rotate").click()
    await expect(row).to_contain_text("replaced by")
    successor = await shown.text_content() or ""
    assert successor != key
    assert (await _read_jobs(site, key)).status_code == 200
    assert (await _read_jobs(site, successor)).status_code == 200

    await row.get_by_role("button", name="Revoke").click()
    await page.keyboard.press("Escape")
    await expect(row.get_by_role("button", name="Revoke")).to_be_focused()
    await page.keyboard.press("Enter")
    await row.get_by_role("button", name="Yes, revoke").click()
    await expect(row).to_contain_text("Revoked")
    assert (await _read_jobs(site, key)).status_code == 401

    await page.reload()
    await expect(row).to_contain_text("Revoked")
    await expect(page.locator(".reveal")).to_have_count(0)


async def test_a_button_that_works_cannot_be_pressed_again(page: Page) -> None:
    """Two quick presses make one key, and the button says that it works meanwhile."""
    await page.goto("/ui/keys")
    await page.get_by_label("Name").fill("only once")
    send = page.get_by_role("button", name="Make the key")
    await send.evaluate("(button) => { button.click(); button.click(); button.form.requestSubmit(); }")
    await expect(page.locator(".reveal")).to_contain_text("only once")
    await expect(page.locator(".row").filter(has_text="only once")).to_have_count(1)


async def _read_jobs(site: Site, key: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=site.client.base_url) as client:
        return await client.get("/jobs", headers={"X-API-Key": key})

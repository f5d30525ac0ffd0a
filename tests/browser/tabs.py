"""Browser tabs that notice what a person would not: script errors, violations of the content policy, dialogs.

async with open_tab(chromium, site, signed_in=True) as page:
    await page.goto("/ui/jobs")
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, TypedDict

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, WebError, expect

from tests.e2e.site import Site
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # nothing here may ask a foreign host
    "--disable-component-update",
    "--disable-sync",
)
_SCREENSHOTS: Final = os.environ.get("SCREENSHOTS")
_PATIENCE_MS: Final = 15_000.0  # a browser beside eight busy processes; an honest wait is a fraction of a second

expect.set_options(timeout=_PATIENCE_MS)

Theme = Literal["light", "dark"]


class Person(TypedDict):
    """Who signs in."""

    username: str
    password: str


ADMIN: Final = Person(username=ADMIN_EMAIL, password=ADMIN_PASSWORD)


@asynccontextmanager
async def open_tab(
    chromium: Browser,
    site: Site,
    *,
    signed_in: bool = True,
    person: Person = ADMIN,
    theme: Theme = "light",
    width: int = 1280,
    height: int = 800,
) -> AsyncIterator[Page]:
    """Open a tab in a browser profile of its own, on the site's gateway; fails at its end when the page had faults."""
    faults: list[str] = []
    context = await chromium.new_context(
        base_url=str(site.client.base_url),
        color_scheme=theme,
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
    )
    try:
        context.set_default_timeout(_PATIENCE_MS)
        await context.grant_permissions(["clipboard-read", "clipboard-write"])
        _watch(context, faults)
        if signed_in:
            await sign_in(context, person)
        yield await context.new_page()
    finally:
        await context.close()
    assert not faults, "\n".join(faults)


async def sign_in(context: BrowserContext, person: Person = ADMIN) -> None:
    """Give a profile the session cookie, as the sign-in form would."""
    answer = await context.request.post("/api/auth/login", data=dict(person))
    assert answer.status == 200, await answer.text()


async def take_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page in the folder SCREENSHOTS, when that is set: `<name>.png`."""
    if _SCREENSHOTS:
        await page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png", full_page=True)


def _watch(context: BrowserContext, faults: list[str]) -> None:
    def note_console(message: ConsoleMessage) -> None:
        # Answers like 401 and streams that a restart cut are said here too, and are no faults of the page.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            faults.append(f"{message.type}: {message.text}")

    def note_error(error: WebError) -> None:
        faults.append(f"uncaught: {error.error}")

    async def note_dialog(dialog: Dialog) -> None:
        faults.append(f"dialog: {dialog.message}")  # only an injected script would open one
        await dialog.dismiss()

    context.on("console", note_console)
    context.on("weberror", note_error)
    context.on("dialog", note_dialog)

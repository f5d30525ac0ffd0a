"""Jobs to look at in the browser, and where things stand on their page."""

from typing import Final
from uuid import UUID

from playwright.async_api import Locator, Page, expect

from tests.e2e.site import pipeline

COLOURS: Final = r"""
printf '\033[1mbold\033[0m \033[31mred\033[0m \033[1;32mgreen\033[0m \033[33myellow\033[0m '
printf '\033[38;5;208morange\033[0m\n\033[38;2;90;90;255mtrue colour\033[0m '
printf '\033[30;43m on yellow \033[0m \033[7m inverse \033[0m \033[4munder\033[0m\n'
"""
FAILING: Final = pipeline(
    {"name": "build", "run": "for n in 1 2 3 4 5; do echo compiling $n; done"},
    {"name": "lint", "run": "echo warning >&2; exit 1", "allow_failure": True},
    {"name": "test", "run": COLOURS + "echo ::group::details\necho inside\necho ::endgroup::\necho boom >&2\nexit 3"},
    {"name": "deploy", "run": "echo never"},
)


def step(page: Page, name: str) -> Locator:
    """The head of a step in the log."""
    return page.locator(".log-pane .log-head", has_text=name).first


def text(page: Page, words: str) -> Locator:
    """The text of a log line."""
    return page.locator(".log-pane .log-text", has_text=words)


async def open_job(page: Page, job_id: UUID, hash_: str = "") -> None:
    """Open a job's page, with `hash_` at a line, and wait for its log."""
    await page.goto(f"/ui/jobs/{job_id}{hash_}")
    await expect(page.locator(".log-row").first).to_be_visible()

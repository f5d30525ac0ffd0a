"""Builds that a pipeline reports, to be looked at in the browser."""

import itertools
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Locator, Page

from tests.browser.views import post
from tests.e2e.site import Site

_NUMBERS: Final = itertools.count(1)


@dataclass(frozen=True)
class Reported:
    """A build that only its pipeline knows: the test says how it goes."""

    site: Site
    uid: str
    build_id: str

    @classmethod
    async def begin(cls, site: Site, **more: str) -> "Reported":
        """Make a build with a name of its own; `more` are fields of the request."""
        body = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base", "build_id": f"base-{next(_NUMBERS)}"}
        made = (await post(site, "/builds", body | more)).json()
        return cls(site, made["id"], made["build_id"])

    async def state(self, code: int, message: str | None = None) -> None:
        await post(self.site, f"/builds/{self.uid}/state", {"state_code": code, "message": message})

    async def fail(self, message: str, **more: Any) -> None:
        await post(self.site, f"/builds/{self.uid}/failure", {"error_message": message, **more})


def steps(page: Page) -> Locator:
    """The steps of a build's history."""
    return page.locator(".timeline .step")

"""The frame of the page: what every view has."""

from playwright.async_api import Page


async def test_a_browser_reaches_the_gateway(visitor: Page) -> None:
    """A real browser is answered by the installation under test."""
    answer = await visitor.goto("/livez")
    assert answer is not None
    assert await answer.json() == {"status": "alive"}

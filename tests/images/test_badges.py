"""Badges: what they say to strangers, and that they are pictures whatever they are asked about."""

from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx
from hypothesis import given
from hypothesis import strategies as st

from services.builds.models import Repository
from services.builds.service.badges import Badge, drawn
from tests.images.stored import CELL, store_build
from tests.webhooks.people import person
from tests.webhooks.site import Site

SVG = "{http://www.w3.org/2000/svg}"


def said(picture: str) -> str:
    """The title of a badge."""
    title = ET.fromstring(picture).find(f"{SVG}title")
    assert title is not None
    assert title.text is not None
    return title.text


@given(st.text(max_size=80))
def test_any_label_makes_a_picture(label: str) -> None:
    """Whatever a branch is called, the picture is well-formed XML without anything of it but text."""
    picture = ET.fromstring(drawn(Badge(label, "passing", "#2b7a0b")))
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == {
        *("svg", "title", "clipPath", "rect", "g", "text")
    }
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    assert texts[-1] == "passing"
    assert len(texts[0] or "") <= 60


def test_markup_in_a_label_is_text() -> None:
    """A branch cannot bring markup of its own."""
    assert said(drawn(Badge("<script>&\"'", "failing", "#b3261e"))) == "<script>&\"': failing"


def test_the_words_can_be_read() -> None:
    """White on each colour has a contrast of at least 4.5 (WCAG 2.2, 1.4.3)."""
    for status in ("passing", "failing", "unknown"):
        colours = {"passing": "#2b7a0b", "failing": "#b3261e", "unknown": "#5f6368"}
        assert colours[status] in drawn(Badge("build", status, colours[status]))
        assert 1.05 / (_luminance(colours[status]) + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def badge(site: Site, path: str, **headers: str) -> httpx.Response:
    """Ask for a badge as a stranger."""
    return await site.client.get(f"/api/v1/badges/{path}", headers=headers)


async def test_badges_of_a_repository(site: Site) -> None:
    """The newest result counts, of a branch or of all; pull requests and what runs or was stopped are passed over."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    [repository] = await site.rows(Repository)
    path = f"repositories/{uid}.svg"
    assert said((await badge(site, path)).text) == "build: unknown"
    results: list[tuple[dict[str, Any], str]] = [
        ({"branch": "main"}, "passing"),
        ({"branch": "topic", "status": "failure"}, "failing"),
        ({"branch": "main", "event": "pull_request"}, "failing"),
        ({"branch": "main", "status": "in_progress"}, "failing"),
        ({"branch": "main", "status": "cancelled"}, "failing"),
    ]
    for columns, expected in results:
        await store_build(site.database, owner=grace.id, repository_id=repository.id, **columns)
        assert said((await badge(site, path)).text) == f"build: {expected}"
    assert said((await badge(site, f"{path}?branch=main")).text) == "main: passing"
    assert said((await badge(site, f"{path}?branch={quote('<b>')}")).text) == "<b>: unknown"


async def test_badges_of_images(site: Site) -> None:
    """Strangers learn of shared builds only, and of no image whether it exists."""
    path = "images/aws/rhel-9.2/base.svg"
    for columns, expected in (
        ({"owner": 1}, "unknown"),
        ({"owner": None}, "passing"),
        ({"owner": None, "status": "failure"}, "failing"),
    ):
        await store_build(site.database, **CELL, **columns)
        assert said((await badge(site, path)).text) == f"aws rhel-9.2 base: {expected}"


async def test_badges_are_asked_for_each_time_and_cost_nothing_then(site: Site) -> None:
    """A cache asks again, and gets a 304 while nothing has changed; without .svg there is nothing."""
    first = await badge(site, "images/aws/rhel-9.2/base.svg")
    assert first.headers["content-type"].startswith("image/svg+xml")
    assert first.headers["cache-control"] == "no-cache"
    again = await badge(site, "images/aws/rhel-9.2/base.svg", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await store_build(site.database, owner=None, **CELL)
    changed = await badge(site, "images/aws/rhel-9.2/base.svg", **{"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert (await badge(site, "images/aws/rhel-9.2/base.png")).status_code == 404

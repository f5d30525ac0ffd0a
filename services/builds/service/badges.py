"""Badges: a small picture that says how the builds of a repository or of an image stand, for READMEs.

Anybody may ask. A badge tells one word about things that have been shown to strangers on purpose: a repository by its
uid, which is part of no address that can be guessed, and shared images by their names.
"""

from html import escape
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, or_, select

from libs.common.database import Database
from services.builds.models import Build, Repository
from services.builds.service.channels import CELL
from services.builds.states import BuildStatus

# Verdana at 11 px, as everybody's badges: digits and capitals are wider, i and l narrower; `textLength` makes it fit.
_CHARACTER_PX: Final = 6.6
_PADDING_PX: Final = 10
_HEIGHT_PX: Final = 20
# A badge is one line of a README.
_LABEL_MAX: Final = 60


class Badge(NamedTuple):
    """What a badge says: what it is about, one word, and the word's colour."""

    label: str
    word: str
    colour: str


# White text on these has a contrast of 4.5 or more (WCAG 2.2, 1.4.3).
_WORDS: Final = {
    BuildStatus.SUCCESS.value: ("passing", "#2b7a0b"),
    BuildStatus.FAILURE.value: ("failing", "#b3261e"),
}
_UNKNOWN: Final = ("unknown", "#5f6368")


class Badges:
    """Says how builds stand by their newest result: one that runs or was cancelled says nothing and is passed over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_repository(self, uid: str, branch: str | None) -> Badge:
        """The newest result of a repository, of one branch or (None) of all; pull requests do not count.

        A uid that nobody has says `unknown`, as a repository that never built.
        """
        pushed = or_(Build.event.is_(None), Build.event != "pull_request")
        conditions = [Repository.uid == uid, pushed, *([Build.branch == branch] if branch is not None else [])]
        joined = Build.repository_id == Repository.id
        query = select(Build.status).join(Repository, joined).where(*conditions, _DECIDED).order_by(Build.id.desc())
        return await self._badge("build" if branch is None else branch, query)

    async def of_image(self, platform: str, os_version: str, image_type: str) -> Badge:
        """The newest result of a cell of the matrix, among shared builds."""
        cell = [column == value for column, value in zip(CELL, (platform, os_version, image_type), strict=True)]
        query = select(Build.status).where(*cell, Build.owner.is_(None), _DECIDED).order_by(Build.id.desc())
        return await self._badge(f"{platform} {os_version} {image_type}", query)

    async def _badge(self, label: str, query: Any) -> Badge:
        async with self._database.reading() as tx:
            status = await tx.scalar(query.limit(1))
        return Badge(label, *_WORDS.get(status, _UNKNOWN))


_DECIDED: Final[ColumnElement[bool]] = Build.status.in_(tuple(_WORDS))


def drawn(badge: Badge) -> str:
    """Draw a badge as SVG: the label on grey, the word on its colour, both readable to screen readers."""
    label = _printable(badge.label)
    left, right = _width(label), _width(badge.word)
    name = escape(f"{label}: {badge.word}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT_PX}" role="img" '
        f'aria-label="{name}"><title>{name}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT_PX}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT_PX}" fill="#3c4043"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT_PX}" fill="{badge.colour}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f"{_text(label, left / 2, left)}{_text(badge.word, left + right / 2, right)}</g></svg>\n"
    )


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - _PADDING_PX}">{escape(text)}</text>'


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER_PX) + _PADDING_PX


def _printable(label: str) -> str:
    """Without what XML cannot hold, and not longer than a line."""
    shown = "".join(character if character.isprintable() else "?" for character in label)
    return shown if len(shown) <= _LABEL_MAX else f"{shown[: _LABEL_MAX - 1]}…"

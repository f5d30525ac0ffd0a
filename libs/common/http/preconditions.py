"""`If-Match`: change a thing only while it is what the client has seen (RFC 9110, 13.1.1).

    async def replace(..., if_match: IfMatch = None) -> ...:
        await things.replace(..., seen=read_if_match(if_match))

The tag of a thing is its version, which its answers carry as ETag. The service compares in the transaction of the
change; anywhere else somebody could come between.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from litestar.params import HeaderParameter

from libs.common.errors import PreconditionFailed
from libs.common.http.errors import Detail, invalid

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='The ETag of what you have seen, as `"3"`, several of them, or `*`: 412 when it has changed since. '
        "Without it the last one wins",
    ),
]

# Weak tags are taken too, against RFC 9110: a proxy that compresses our answers makes ours weak, and a version is as
# exact as a tag can be.
_TAG: Final = r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the client has seen: one of these tags; None: that the thing is there."""

    tags: frozenset[str] | None

    def check(self, version: int) -> None:
        """Raise PreconditionFailed, which tells the thing's version of now, when it is not what the client has seen."""
        if self.tags is not None and str(version) not in self.tags:
            raise PreconditionFailed(
                f"It has changed since you read it and is at version {version}; read it again",
                details={"version": version},
                headers={"ETag": version_tag(version)},
            )


def version_tag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def read_if_match(text: str | None) -> Seen | None:
    """Read the header's value, None stays None. Raises Invalid for what is neither `*` nor a list of tags."""
    if text is None:
        return None
    if text.strip() == "*":
        return Seen(None)
    if not _TAGS.fullmatch(text):
        raise invalid([Detail(["header", "If-Match"], 'Must be `*` or ETags in double quotes, as "3"', "value_error")])
    return Seen(frozenset(re.findall(_TAG, text)))

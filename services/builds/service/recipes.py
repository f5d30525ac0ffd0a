"""Recipes for those who serve others meanwhile: short texts are read at once, longer ones in a thread.

The slowest text of a megabyte takes 0.4 s. Meanwhile the event loop waits some milliseconds for its turn, because the
thread holds the interpreter: reads beside such texts have a p99 of 23 ms, beside the longest example 2.7
(docs/benchmarks.md). A process of its own would save that, and cost a process.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, ParamSpec, TypeVar

import msgspec

from services.builds.errors import NotTranspilable, RecipesBusy
from services.builds.recipes import (
    Dialect,
    Options,
    Resolved,
    TranspilationFailed,
    Validation,
    customise,
    detect,
    resolve,
    transpile,
    validate,
)
from services.builds.recipes.difference import difference
from services.builds.recipes.document import parse

P = ParamSpec("P")
T = TypeVar("T")

# Up to here the slowest text without aliases takes 7 ms and a real one less than 1, as long as a thread may take to
# begin. With aliases it takes 80 ms, because what they repeat is looked at as often as it is repeated.
_INLINE_CHARS: Final = 2048
# So nobody waits for more than seven seconds, and the texts that wait take 16 MB.
_WAITING_MAX: Final = 16
_RETRY_AFTER_S: Final = 2


class Recipes:
    """What services/builds/recipes does, without anybody else having to wait for it. Raises RecipesBusy."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked = 0

    async def validate(self, text: str, dialect: Dialect | None = None) -> Validation:
        """Say what is wrong with a recipe; `dialect` None: tell it by what the recipe holds."""
        return await self._read([text], validate, text, dialect=dialect)

    async def transpile(self, text: str, options: Options, dialect: Dialect | None = None) -> tuple[str, Dialect]:
        """Make a Containerfile, and say of which dialect the recipe is. Raises NotTranspilable."""
        try:
            return await self._read([text], _transpiled, text, options, dialect)
        except TranspilationFailed as error:
            raise _refusal(error) from error

    async def resolve(self, text: str, options: Options, dialect: Dialect | None = None) -> Resolved:
        """Expand includes and decide conditions. Raises NotTranspilable."""
        try:
            return await self._read([text], resolve, text, options, dialect=dialect)
        except TranspilationFailed as error:
            raise _refusal(error) from error

    async def customise(
        self,
        text: str,
        *,
        image_version: str | None = None,
        enable_plymouth: bool | None = None,
        window_manager: str | None = None,
        desktop_environment: str | None = None,
    ) -> str:
        """Write values into a valid recipe, None leaves what it says; see services/builds/recipes/customising.py."""
        return await self._read(
            [text],
            customise,
            text,
            image_version=image_version,
            enable_plymouth=enable_plymouth,
            window_manager=window_manager,
            desktop_environment=desktop_environment,
        )

    async def difference(self, before: str, after: str, before_name: str, after_name: str) -> str:
        """Compare two recipes; see services/builds/recipes/difference.py."""
        return await self._read([before, after], difference, before, after, before_name, after_name)

    async def _read(self, texts: Sequence[str], work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run pure work on these texts: here while they are short, else in a thread.

        One at a time: threads do not make it faster, and each takes the interpreter from the event loop in turn.
        """
        if sum(map(len, texts)) <= _INLINE_CHARS and not any("*" in text for text in texts):
            return work(*arguments, **named)
        if self._asked > _WAITING_MAX:
            raise RecipesBusy(
                "Too many long recipes are being read; try again", headers={"Retry-After": str(_RETRY_AFTER_S)}
            )
        self._asked += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments, **named)
        finally:
            self._asked -= 1


def _transpiled(text: str, options: Options, dialect: Dialect | None) -> tuple[str, Dialect]:
    made = transpile(text, options, dialect=dialect)
    return made, dialect or detect(parse(text))


def _refusal(error: TranspilationFailed) -> NotTranspilable:
    return NotTranspilable(f"Transpilation failed: {error}", details=msgspec.to_builtins(error.problems))

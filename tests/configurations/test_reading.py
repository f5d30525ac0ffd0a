"""Recipes that are read while others are served."""

import asyncio
from typing import get_args

import pytest

from services.builds import recipes
from services.builds.errors import NotTranspilable, RecipesBusy
from services.builds.recipes import Dialect, Options
from services.builds.schemas.recipes import DEFAULT_FEDORA_VERSION, DEFAULT_IMAGE_TYPE, DialectName, ImageType
from services.builds.service.recipes import Recipes
from tests.configurations.recipes import recipe

LONG = recipe() + "# long\n" * 1000


ALIASED = recipe() + "    x: &x [" + "a," * 400 + "]\n    y: [" + "*x," * 40 + "]\n"


@pytest.mark.parametrize("text", [LONG, ALIASED], ids=["long", "short, and long with its aliases"])
async def test_the_loop_goes_on_while_a_long_recipe_is_read(text: str) -> None:
    """Reading it is no single step of the event loop."""
    reading = asyncio.create_task(Recipes().validate(text))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await reading).valid
    assert turns > 2


async def test_long_and_short_are_read_alike() -> None:
    """A recipe means the same wherever it is read."""
    read = Recipes()
    options = Options(DEFAULT_IMAGE_TYPE, DEFAULT_FEDORA_VERSION, enable_plymouth=True)
    assert await read.validate(recipe()) == await read.validate(LONG)
    assert await read.transpile(recipe(), options) == await read.transpile(LONG, options)
    assert await read.resolve(recipe(), options) == await read.resolve(LONG, options)
    for text in ("[", "[" + "# long\n" * 1000):
        for call in (read.transpile, read.resolve):
            with pytest.raises(NotTranspilable, match="Transpilation failed: "):
                await call(text, options)


async def test_too_many_long_recipes_at_once_are_refused() -> None:
    """What is over the queue's bound is told to come again; short ones are read all the same, and then all is well."""
    read = Recipes()
    asked = [asyncio.create_task(read.validate(LONG)) for _ in range(20)]
    short = await read.validate(recipe())
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert short.valid
    assert [type(one) for one in refused] == [RecipesBusy] * 3
    assert (await read.validate(LONG)).valid


def test_the_words_of_bodies_are_those_of_recipes() -> None:
    """Image types and dialects in the API document are those that can be transpiled."""
    assert sorted(get_args(ImageType)) == sorted(recipes.IMAGE_TYPES)
    assert get_args(DialectName) == tuple(dialect.value for dialect in Dialect)

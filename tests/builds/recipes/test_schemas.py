"""JSON Schemas of the dialects: they say the same as validation."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from services.builds.recipes import Dialect, Options, definition, definitions, schema, transpile, validate
from services.builds.recipes.bluebuild.shape import RECIPE
from services.builds.recipes.document import Map, data_of, parse
from services.builds.recipes.shapes import check
from tests.builds.recipes.corpus import MODULES, large, recipe, text
from tests.builds.recipes.places import mutants

# What a `u` pattern of ECMAScript lets a backslash stand before: ECMA-262, 22.2.1, IdentityEscape and its neighbours.
_PORTABLE_ESCAPE = re.compile(r"\\(?:[dDsSwWbBtnrvf0^$\\.*+?()\[\]{}|/]|x[0-9a-f]{2}|u[0-9a-f]{4})")

BLUE = [large(), *(recipe({"type": kind, **module}) for kind, several in MODULES.items() for module in several)]
EXOUSIA: list[Any] = [data_of(parse(definition(one.filename) or "").root) for one in definitions()]
VALIDATORS = {dialect: Draft202012Validator(schema(dialect)) for dialect in Dialect}


def fits(source: str, dialect: Dialect) -> bool:
    """Say what an editor would, which reads YAML and then compares it with the schema."""
    return bool(VALIDATORS[dialect].is_valid(data_of(parse(source).root)))


def patterns(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            yield from patterns(value)
    elif isinstance(part, list):
        for value in part:
            yield from patterns(value)


@pytest.mark.parametrize("dialect", Dialect)
def test_it_is_a_schema(dialect: Dialect) -> None:
    """The schema follows JSON Schema 2020-12, names itself, and describes what it holds."""
    found = schema(dialect)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"]
    assert all("description" in part for part in found["properties"].values())


@pytest.mark.parametrize("dialect", Dialect)
def test_patterns_are_read_alike_by_editors(dialect: Dialect) -> None:
    """No pattern has an escape that Python knows and the regular expressions of an editor do not."""
    found = sorted(set(patterns(schema(dialect))))
    assert found
    assert [pattern for pattern in found if "\\" in _PORTABLE_ESCAPE.sub("", pattern)] == []


@pytest.mark.parametrize("one", BLUE, ids=lambda one: str(one["modules"][0].get("type")))
def test_valid_recipes_of_bluebuild_fit(one: dict[str, Any]) -> None:
    """What validation accepts, an editor accepts."""
    assert list(VALIDATORS[Dialect.BLUEBUILD].iter_errors(one)) == []


@pytest.mark.parametrize("one", definitions(), ids=lambda one: one.filename)
def test_every_definition_fits(one: Any) -> None:
    """The examples are without a mark in an editor."""
    assert list(VALIDATORS[Dialect.EXOUSIA].iter_errors(data_of(parse(definition(one.filename) or "").root))) == []


@settings(max_examples=80, deadline=None)
@given(mutants(BLUE))
def test_an_editor_and_validation_agree_on_bluebuild(value: Any) -> None:
    """A recipe has the shape that validation asks for exactly when it fits the schema; nothing is ever raised."""
    source = text(value)
    validate(source, dialect=Dialect.BLUEBUILD)
    root = parse(source).root
    if root is not None:
        found = list(check(RECIPE, root))
        assert (found == []) == fits(source, Dialect.BLUEBUILD), found


@settings(max_examples=80, deadline=None)
@given(mutants(EXOUSIA))
def test_what_validation_accepts_an_editor_accepts(value: Any) -> None:
    """A recipe in Exousia's dialect that is valid fits the schema; nothing is ever raised."""
    source = text(value)
    # An empty description passes validation, since only a missing one is specified; an editor marks it.
    if isinstance(value, dict) and value.get("description", "") is None:
        return
    if validate(source, dialect=Dialect.EXOUSIA).valid:
        assert fits(source, Dialect.EXOUSIA)


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"modules": {}},
        {"modules": ["x"]},
        {"modules": [{"files": []}]},
        {"modules": [{"type": 5}]},
        {"modules": [{"type": "script", "scripts": "x"}]},
        {"modules": [{"from-file": "../x"}]},
        {"modules": [{"from-file": 5}]},
        {"modules": [{"from-file": None}]},
        {"desktop": []},
        {"build": {"enable_plymouth": "yes"}},
    ],
    ids=str,
)
def test_what_an_editor_marks_is_invalid(change: dict[str, Any]) -> None:
    """Mistakes in the structure of a recipe in Exousia's dialect are found by both."""
    value = {"name": "a", "description": "b", "modules": []} | change
    source = text({key: part for key, part in value.items() if part is not None})
    assert not validate(source, dialect=Dialect.EXOUSIA).valid
    assert not fits(source, Dialect.EXOUSIA)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=200), st.sampled_from(list(Dialect)))
def test_any_text_is_answered(source: str, dialect: Dialect) -> None:
    """Validation never raises, whatever it is given."""
    assert not validate(source, dialect=dialect).valid


def test_numbers_may_be_versions() -> None:
    """`image-version: 43` is as good as "43", and true is neither."""
    for version, good in ((43, True), ("43", True), (True, False), (43.5, False), (None, False)):
        value = recipe(**{"image-version": version})
        assert fits(text(value), Dialect.BLUEBUILD) is good
        assert validate(text(value), dialect=Dialect.BLUEBUILD).valid is good


def test_keys_may_be_empty_in_exousia() -> None:
    """`window_manager:` without a value is the same as none to Exousia, and an editor lets it pass."""
    source = "name: a\ndescription: b\ndesktop: {window_manager: }\nmodules: []\n"
    assert fits(source, Dialect.EXOUSIA)
    assert validate(source).valid
    assert transpile(source, Options())
    assert isinstance(parse(source).root, Map)

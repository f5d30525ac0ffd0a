"""Recipes with parts exchanged for anything, for fuzzing."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]

DROP = object()
SURPRISES = st.one_of(
    st.just(DROP),
    st.none(),
    st.booleans(),
    st.integers(0, 99),
    st.sampled_from(
        [1.5, -1.5, "", " ", "-x", "a\nb", "../x", "${x}", "$(x)", '"', "'", "\\", "dnf", "latest", "\u0085"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),  # NUL is no YAML
    st.lists(st.sampled_from(["a", 5, None]), max_size=2),
    st.dictionaries(
        st.sampled_from(["type", "source", "from-file", "name", "modules", "packages", "x"]),
        st.sampled_from(["a", "script", 5, None, []]),
        max_size=2,
    ),
)


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Walk over the paths of all parts of a recipe, itself left out."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def exchanged(value: Any, path: Path, part: object) -> Any:
    """Return a copy with another part at a place, or (DROP) none."""
    made = copy.deepcopy(value)
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    if part is DROP:
        del holder[path[-1]]
    else:
        holder[path[-1]] = part
    return made


@st.composite
def mutants(draw: st.DrawFn, samples: Sequence[Any]) -> Any:
    """Draw one of the samples with one or two of its parts exchanged."""
    value = draw(st.sampled_from(list(samples)))
    for _ in range(draw(st.integers(1, 2))):
        known = list(places(value))
        if known:
            value = exchanged(value, draw(st.sampled_from(known)), draw(SURPRISES))
    return value

"""Fuzzing: real payloads with parts exchanged for anything; nothing but BadPayload is ever raised."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.forges import FORGES, BadPayload, Build, EventKind, Filters, ForgeEvent, fingerprint, judge
from tests.builds.forges.payloads import (
    Payload,
    create_payload,
    octokit_examples,
    old_gitea_push_payload,
    pull_request_payload,
    push_payload,
    release_payload,
)

EVERYTHING = Filters(events=tuple(EventKind))
SURPRISES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(), max_size=20),
    st.sampled_from(["refs/heads/", "refs/tags/", "0" * 40, "f" * 40, "f" * 64, "x" * 3000, "\x00", "\ud800"]),
    st.lists(st.one_of(st.none(), st.text(max_size=5), st.integers()), max_size=3),
    st.dictionaries(st.sampled_from(["id", "name", "login", "full_name", "ref", "repo"]), st.integers(), max_size=3),
)


def samples() -> list[tuple[str, str, Payload]]:
    """Return one payload of each kind and forge as (forge, event name, payload)."""
    found: list[tuple[str, str, Payload]] = [
        (forge, event, payload)
        for forge in ("gitea", "forgejo", "github")
        for event, payload in [
            ("push", push_payload(forge)),
            ("push", push_payload(forge, ref="refs/tags/v1")),
            ("pull_request", pull_request_payload(forge, "opened")),
            ("release", release_payload(forge, "released")),
            ("create", create_payload()),
        ]
    ]
    found += [
        ("gitea", "push", old_gitea_push_payload()),
        ("gitlab", "Push Hook", push_payload("gitlab")),
        ("gitlab", "Tag Push Hook", push_payload("gitlab", ref="refs/tags/v1")),
        ("gitlab", "System Hook", push_payload("gitlab")),
        ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "open")),
        ("gitlab", "Release Hook", release_payload("gitlab", "create")),
        ("gitlab", "Pipeline Hook", {"object_attributes": {"action": 5}, "project": []}),
    ]
    seen = {}
    for name, event, payload in octokit_examples():
        if name == "api.github.com" and event in {"push", "pull_request", "release", "ping", "workflow_run"}:
            seen[event, payload.get("action"), payload.get("deleted")] = payload
    return found + [("github", event, payload) for (event, _, _), payload in seen.items()]


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk over the paths of all parts of a payload, itself included."""
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


SAMPLES = samples()
PLACES = [[path for path in places(payload) if path] for _, _, payload in SAMPLES]
DROP = object()


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str, Payload]:
    """Draw a sample in which up to three parts are missing or exchanged."""
    number = draw(st.integers(min_value=0, max_value=len(SAMPLES) - 1))
    forge, event, original = SAMPLES[number]
    payload = copy.deepcopy(original)
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        *path, last = draw(st.sampled_from(PLACES[number]))
        surprise = draw(st.one_of(st.just(DROP), SURPRISES))
        holder: Any = payload
        with suppress(KeyError, IndexError, TypeError):  # an earlier exchange may have taken the place away
            for key in path:
                holder = holder[key]
            if surprise is DROP:
                del holder[last]
            else:
                holder[last] = surprise
    return forge, event, payload


def check_invariants(event: ForgeEvent) -> None:
    """Hold an event against what its docstrings promise to the code that builds it."""
    judged = judge(event, EVERYTHING)
    assert len(fingerprint(event, b"{}")) == 64
    if isinstance(judged, Build):
        assert event.repository is not None
        assert event.sha is not None or event.tag is not None
        assert not event.is_fork
        assert not event.deleted
    for text in (event.message, event.author, event.title, event.branch, event.tag, event.repository, event.clone_url):
        if text is not None:
            assert "\x00" not in text
            text.encode()  # a lone surrogate would raise


def run(forge: str, event_name: str, payload: Payload) -> None:
    with suppress(BadPayload):
        check_invariants(FORGES[forge].parse(event_name, payload))


@given(mutated())
def test_a_damaged_payload_is_read_or_refused(sample: tuple[str, str, Payload]) -> None:
    """A payload with missing and exchanged parts gives an event that keeps its promises, or BadPayload."""
    run(*sample)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(mutated())
def test_a_damaged_payload_is_read_or_refused_at_length(sample: tuple[str, str, Payload]) -> None:
    """The same over many more damages."""
    run(*sample)


@pytest.mark.parametrize("surprise", [None, True, 5, 1.5, "", "text", [], [None], {}, {"id": {}}], ids=repr)
def test_each_part_may_be_anything(surprise: object) -> None:
    """Each single part of each sample is exchanged for each type: no place was forgotten."""
    for (forge, event, original), paths in zip(SAMPLES, PLACES, strict=True):
        for *path, last in (path for path in paths if len(path) <= 4):
            holder: Any = original
            for key in path:
                holder = holder[key]
            before, holder[last] = holder[last], surprise
            run(forge, event, original)
            holder[last] = before

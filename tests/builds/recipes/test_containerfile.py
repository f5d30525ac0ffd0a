"""Quoting in Containerfiles, base images, and lines that are too long."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.recipes.containerfile import MAX_LINE_BYTES, Overlong, arg, comment, copy, env, label, render
from services.builds.recipes.images import (
    FEDORA_VERSIONS,
    IMAGE_TYPES,
    base_image_of,
    is_latest,
    is_reference,
    is_tag,
    with_version,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def unquoted(written: str) -> str:
    """Read a word as builders do: in double quotes a backslash takes the next character as it is, `$` expands."""
    if not written.startswith('"'):
        assert not re.search(r"[\s\"'\\$]", written)
        return written
    assert written.endswith('"')
    read, characters = [], iter(written[1:-1])
    for character in characters:
        assert character not in '"$', "an end of the quotes, or a variable"
        read.append(next(characters) if character == "\\" else character)
    return "".join(read)


@given(_TEXT)
def test_a_label_is_read_back_as_it_was_given(value: str) -> None:
    """Quotes, backslashes and dollars survive; line breaks become spaces, for there is no way to write one."""
    written = label("org.example.key", value)
    assert "\n" not in written
    keyword, key, quoted = re.fullmatch(r"(LABEL) ([^=]+)=(.*)", written, re.DOTALL).groups()  # type: ignore[union-attr]
    assert (keyword, key) == ("LABEL", "org.example.key")
    assert unquoted(quoted) == re.sub(r"[\r\n]+", " ", value.strip("\r\n"))


@given(_TEXT)
def test_variables_are_read_back_as_they_were_given(value: str) -> None:
    """ARG and ENV quote what is not plain."""
    for written, keyword in ((env("NAME", value), "ENV NAME="), (arg("NAME", value), "ARG NAME=")):
        assert unquoted(written.removeprefix(keyword)) == re.sub(r"[\r\n]+", " ", value.strip("\r\n"))


@given(_TEXT, _TEXT)
def test_paths_are_two_words(source: str, destination: str) -> None:
    """Plain paths stand as they are, others as JSON; neither can be an option, a heredoc or a line of its own."""
    written = copy(source, destination, mode="0644")
    assert written.startswith("COPY --chmod=0644 ")
    assert "\n" not in written
    words = written.removeprefix("COPY --chmod=0644 ")
    assert (json.loads(words) if words.startswith("[") else words.split(" ")) == [source, destination]


@given(_TEXT)
def test_a_comment_is_one_line(text: str) -> None:
    """No text leaves its comment."""
    assert "\n" not in comment(text)
    assert comment(text).startswith("# ")


def test_a_line_that_no_builder_takes_is_refused() -> None:
    """BuildKit's limit is in bytes."""
    longest = "RUN " + "x" * (MAX_LINE_BYTES - 4)
    assert render([[longest]]) == longest + "\n"
    with pytest.raises(Overlong):
        render([["a"], ["b", longest + "x"]])
    with pytest.raises(Overlong):
        render([["RUN " + "ä" * (MAX_LINE_BYTES // 2)]])


@pytest.mark.parametrize("image_type", IMAGE_TYPES)
def test_base_images_can_be_named(image_type: str) -> None:
    """Each one is a reference with the release as its tag."""
    for version in FEDORA_VERSIONS:
        assert is_reference(base_image_of(image_type, version))
        assert is_tag(version)


@pytest.mark.parametrize(
    "text",
    [
        "fedora", "quay.io/a/b", "quay.io/a/b:43", "localhost:5000/a", "ghcr.io/a/b-c_d.e:V1.0-x", "a__b/c--d",
        f"a/b@sha256:{'0' * 64}", f"a/b:1@sha256:{'f' * 64}", "127.0.0.1:80/x",
    ],
)  # fmt: skip
def test_references_are_taken(text: str) -> None:
    """Names with registry, port, tag and digest."""
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "a:",
        "a/",
        "/a",
        "a//b",
        "a@sha256:0",
        "a:b:c/d:e:f",
        "a/B",
        "a\n",
        "-a",
        "a:-x",
        "$(x)",
        "a" * 500,
        "é",
    ],
)
def test_other_texts_are_no_references(text: str) -> None:
    """What no registry would know, and what would be more than one word."""
    assert not is_reference(text)


def test_the_version_is_a_tag_where_there_is_none() -> None:
    """A port is no tag."""
    assert with_version("localhost:5000/a", "43") == "localhost:5000/a:43"
    assert with_version("a:1", "43") == "a:1"
    assert with_version(f"a@sha256:{'0' * 64}", "43") == f"a@sha256:{'0' * 64}"


def test_latest_is_what_moves() -> None:
    """A digest holds it."""
    assert is_latest("quay.io/a/b:latest")
    assert not is_latest(f"quay.io/a/b:latest@sha256:{'0' * 64}")
    assert not is_latest("latest/b:1")

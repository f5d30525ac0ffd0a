"""The parser of `.slipway.yml`."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.pipeline import (
    MAX_BYTES,
    MAX_PROBLEMS,
    Event,
    Pipeline,
    PipelineError,
    Problem,
    Step,
    When,
    parse,
)

DOCUMENTED = """\
image: docker.io/library/python:3.13-slim   # kubernetes provider only; default from settings
timeout: 30m
when:
  event: [push, tag]
  branch: [main, "release/*"]
  path: ["src/**", "!docs/**"]
env: {PYTHONUNBUFFERED: "1"}
secrets: [DEPLOY_TOKEN]
steps:
  - name: test
    run: |
      make test
    timeout: 5m
    state: 70
  - name: lint
    run: make lint
    allow_failure: true
"""


def problems(text: str | bytes) -> tuple[Problem, ...]:
    """Return what is wrong with a text that has to be refused."""
    with pytest.raises(PipelineError) as caught:
        parse(text)
    return caught.value.problems


def complaint(text: str) -> str:
    """Return the only problem of a text as line:column: message."""
    (problem,) = problems(textwrap.dedent(text))
    return f"{problem.line}:{problem.column}: {problem.message}"


def test_the_documented_example_is_read_whole() -> None:
    """Every documented key arrives in the value that it is documented to have."""
    assert parse(DOCUMENTED.encode()) == Pipeline(
        steps=(
            Step(name="test", run="make test\n", timeout_s=300, state=70, allow_failure=False),
            Step(name="lint", run="make lint", timeout_s=300, state=100, allow_failure=True),
        ),
        timeout_s=1800,
        image="docker.io/library/python:3.13-slim",
        when=When(event=("push", "tag"), branch=("main", "release/*"), path=("src/**", "!docs/**")),
        env={"PYTHONUNBUFFERED": "1"},
        secrets=("DEPLOY_TOKEN",),
    )


def test_a_pipeline_needs_steps_only() -> None:
    """Everything but steps, name and run has a default."""
    assert parse("steps: [{name: a, run: b}]") == Pipeline(
        steps=(Step(name="a", run="b", timeout_s=300, state=100, allow_failure=False),)
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.10", "1.10"),
        ("0x1F", "0x1F"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", "true"),
        ("2026-01-02", "2026-01-02"),
        ('""', ""),
        ("'a b'", "a b"),
        ("|-\n    two\n    lines", "two\nlines"),
        ("!!str 7", "7"),
    ],
)
def test_variables_are_texts_as_they_are_written(written: str, read: str) -> None:
    """YAML's idea of numbers, booleans and dates does not change a variable's text."""
    assert parse(f"env:\n  A: {written}\nsteps: [{{name: a, run: b}}]").env == {"A": read}


def test_an_alias_is_read() -> None:
    """A node may be used twice by an alias."""
    pipeline = parse("steps: [{name: a, run: &script make}, {name: b, run: *script}]")
    assert [step.run for step in pipeline.steps] == ["make", "make"]


@pytest.mark.parametrize(
    ("given", "states"),
    [
        ([None], [100]),
        ([None, None, None], [30, 65, 100]),
        ([None, 60, None, None], [30, 60, 80, 100]),
        ([70, None], [70, 100]),
        ([None, 50], [25, 50]),
        ([0, 0, 5], [0, 0, 5]),
        ([None] * 40, [0, *(code for code in range(5, 100, 5) for _ in range(2)), 100]),
    ],
)  # fmt: skip
def test_progress_codes_spread_evenly_between_those_written(given: list[int | None], states: list[int]) -> None:
    """A step without a code gets a multiple of 5 between its neighbours', the last one 100."""
    steps = "".join(
        f"- name: s{at}\n  run: x\n" + (f"  state: {state}\n" if state is not None else "")
        for at, state in enumerate(given)
    )
    assert [step.state for step in parse(f"steps:\n{steps}").steps] == states


@pytest.mark.parametrize(("written", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1800), ("2h", 7200), ("6h", 21600)])
def test_durations_are_numbers_with_a_unit(written: str, seconds: int) -> None:
    """90s, 30m and 2h are durations."""
    assert parse(f"timeout: {written}\nsteps: [{{name: a, run: b}}]").timeout_s == seconds


ONE = "steps: [{name: a, run: b}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a\n", "1:1: expected the pipeline to be a mapping with the keys image, timeout"),
        ("timeout: 5m\n", "1:1: the key steps is missing"),
        ("steps: []\n", "1:8: expected a list with at least one step"),
        ("steps: make\n", "1:8: expected a list with at least one step"),
        ("steps: [make]\n", "1:9: expected a step to be a mapping with the keys name, run"),
        ("steps: [{name: a}]\n", "1:9: the step has no run"),
        ("steps: [{run: a}]\n", "1:9: the step has no name"),
        ("steps: [{name: a, run: ' '}]\n", "1:24: the script is empty"),
        ("steps: [{name: a, run: [b]}]\n", "1:24: expected a shell script"),
        ('steps: [{name: "a\\nb", run: c}]\n', "1:16: expected a name: one line"),
        ("steps: [{name: a, run: b}, {name: a, run: c}]\n", "1:28: a second step named 'a'"),
        ("steps: [{name: a, script: b, run: c}]\n", "1:19: unknown key 'script'; expected name, run, timeout"),
        ("steps: [{name: a, run: b, timout: 5m}]\n", "did you mean timeout?"),
        ("on: [push]\n" + ONE, "when, env, secrets, steps; did you mean when?"),
        ("<<: {}\n" + ONE, "merge keys are not supported"),
        (ONE + "\n" + ONE, "2:1: the key 'steps' stands here twice"),
        ("[a]: b\n" + ONE, "1:1: expected a key of plain text"),
        ("timeout: 30\n" + ONE, "1:10: '30' does not fit; expected a duration such as 90s, 30m or 2h, from 1s to 6h"),
        ("timeout: 7h\n" + ONE, "1:10: '7h' does not fit"),
        ("timeout: 0s\n" + ONE, "1:10: '0s' does not fit"),
        ("steps: [{name: a, run: b, allow_failure: yes}]", "1:42: 'yes' is ambiguous in YAML; expected true or false"),
        ("steps: [{name: a, run: b, state: 7}]", "1:34: '7' does not fit; expected a progress code from 0 to 100"),
        ("steps: [{name: a, run: b, state: 50}, {name: c, run: d, state: 45}]", "1:39: state 45 comes after 50"),
        ("steps: [{name: a, run: b, state: 100}, {name: c, run: d, state: 100}]", "1:9: state 100 is for the last"),
        ("env: {A: }\n" + ONE, 'A has no value; expected text ("" for an empty one)'),
        ("env: {A: [b]}\n" + ONE, "1:10: expected text, a number or true/false"),
        ("env: {A: !!binary aGk=}\n" + ONE, "1:10: expected text"),
        ("env: {A: !!python/object/apply:os.system [id]}\n" + ONE, "1:10: expected text"),
        ("env: {a-b: c}\n" + ONE, "1:7: 'a-b' is no name of a variable"),
        ("env: {CI: c}\n" + ONE, "1:7: CI is set by Slipway"),
        ("env: {SLIPWAY_JOB_ID: c}\n" + ONE, "1:7: SLIPWAY_JOB_ID is set by Slipway"),
        ("env: [A]\n" + ONE, "1:6: expected env to be a mapping"),
        ("secrets: [SLIPWAY_X]\n" + ONE, "SLIPWAY_X is set by Slipway"),
        ("secrets: {A: b}\n" + ONE, "1:10: expected a list of names"),
        ("when: push\n" + ONE, "1:7: expected when to be a mapping with the keys event, branch, path"),
        ("when: {event: [pull-request]}\n" + ONE, "release, manual; did you mean pull_request?"),
        ("when: {branch: []}\n" + ONE, "1:16: expected a list of branch names or globs, from 1"),
        ("when: {branches: [a]}\n" + ONE, "did you mean branch?"),
        (ONE + "\n---\n" + ONE, "2:1: not valid YAML: expected a single document"),
        ("steps: [\n", "2:1: not valid YAML: while parsing a flow node"),
        ("steps:\n\t- a\n", "2:1: not valid YAML"),
        ("a: *b\n", "1:4: not valid YAML: found undefined alias"),
        ("steps: \x00", "1:1: the character U+0000 is not allowed in YAML"),
        ("[" * 50, "1:21: not valid YAML: nested deeper than 20 levels"),
        ("steps: [" + "a," * 20_001 + "]", "not valid YAML: more than 20000 values"),
        ("steps: [" + "{name: a, run: b}," * 101 + "]", "1:8: 101 steps; expected at most 100"),
        ("#" * (MAX_BYTES + 1), "1:1: the file is larger than 1000000 bytes"),
        ('a: "\\UFFFFFFFF"', "not valid YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_the_place_and_what_was_expected(text: str, expected: str) -> None:
    """Each mistake is named by line and column, with what should stand there."""
    assert expected in complaint(text)


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    """A person sees every mistake of a file, not one per push."""
    text = "timeout: soon\nsteps:\n  - name: a\n    run: b\n    state: 3\n  - run: c\nimag: x\n"
    with pytest.raises(PipelineError) as caught:
        parse(text, "ci/build.yml")
    assert str(caught.value).splitlines() == [
        "ci/build.yml:1:10: 'soon' does not fit; expected a duration such as 90s, 30m or 2h, from 1s to 6h",
        "ci/build.yml:5:12: '3' does not fit; expected a progress code from 0 to 100 in steps of 5",
        "ci/build.yml:6:5: the step has no name",
        "ci/build.yml:7:1: unknown key 'imag'; expected image, timeout, when, env, secrets, steps; did you mean image?",
    ]


def test_problems_are_bounded_in_number_and_length() -> None:
    """A hostile file makes no hostile log."""
    text = "steps:\n" + "".join(f"- {{{'x' * 1000}{at}: 1, name: n{at}, run: r}}\n" for at in range(90))
    found = problems(text)
    assert len(found) == MAX_PROBLEMS
    assert max(len(problem.message) for problem in found) <= 300


def test_text_that_is_not_utf8_is_refused_with_its_line() -> None:
    """A file in another encoding is refused where it stops being UTF-8."""
    assert problems(b"# ok\nenv: {A: \xff}\n") == (Problem(2, 1, "not UTF-8 text"),)


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    """Files saved by Windows editors work."""
    assert parse(b"\xef\xbb\xbfsteps:\r\n- name: a\r\n  run: b\r\n").steps[0].run == "b"


@pytest.mark.parametrize(
    ("when", "event", "reason"),
    [
        ("{}", Event("push", "main"), None),
        ("{event: push}", Event("push", "main"), None),
        ("{event: [push]}", Event("tag"), "the event is tag, the pipeline runs for push"),
        ("{branch: [main, 'release/*']}", Event("push", "release/1"), None),
        ("{branch: [main, 'release/*']}", Event("push", "dev"), "branch dev does not match main, release/*"),
        ("{branch: main}", Event("tag"), None),
        ("{path: ['src/**']}", Event("push", "main", None), None),
        ("{path: ['src/**']}", Event("push", "main", ()), None),
        ("{path: ['src/**']}", Event("push", "main", ("a", "src/x/y.c")), None),
        ("{path: ['src/**']}", Event("push", "main", ("a", "b")), "none of the 2 changed files matches src/**"),
        ("{path: ['**', '!docs/**']}", Event("push", "main", ("docs/a.md",)), "none of the 1 changed files matches"),
        ("{path: ['**', '!docs/**']}", Event("push", "main", ("docs/a.md", "b.c")), None),
    ],
)
def test_when_judges_what_is_known_of_the_event(when: str, event: Event, reason: str | None) -> None:
    """A filter skips an event that it knows not to match; what is unknown passes."""
    found = parse(f"when: {when}\n{ONE}").when.mismatch(event)
    assert found is None if reason is None else reason in (found or "")


WORDS = [
    "steps",
    "name",
    "run",
    "when",
    "env",
    "- ",
    "&a",
    "*a",
    "!!str",
    "!x",
    "<<",
    "%YAML",
    "---",
    "...",
    "30m",
    "yes",
]
PIECES = st.sampled_from([*WORDS, *"-:[]{},'\"|>?#~\\ \n\t\x85é"])


@settings(deadline=None)
@given(
    st.binary() | st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(lambda p: DOCUMENTED + "".join(p))
)
def test_any_text_is_a_pipeline_or_an_error(text: bytes | str) -> None:
    """No input raises anything but PipelineError."""
    try:
        found: object = parse(text).steps
    except PipelineError as error:
        found = error.problems
    assert found

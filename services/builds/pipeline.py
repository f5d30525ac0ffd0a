"""The pipeline file of a repository (`.slipway.yml`): bytes in, a `Pipeline` or a `PipelineError` out.

Pure and bounded: the file comes from strangers. Values are read from YAML's nodes, as they are written, and never
constructed: `version: 1.10` stays "1.10", `on` stays "on", and no tag can make an object. The bounds: 1 MB of text (the
limit of GitHub and GitLab for theirs), 20 levels and 20,000 nodes (a real file has under 5 and 500; PyYAML in pure
Python reads 20,000 nodes in 0.3 s and recurses once per level). Aliases are read, since a node used twice costs nothing
here; merge keys (`<<`) are not.

Runs inside the runner, in any image with python3: imports PyYAML and the standard library only.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import yaml

from services.builds.globs import matches

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 20_000
MAX_STEPS = 100  # more is a generated file that wants a script; keeps the state history readable
MAX_PATTERNS = 100  # globs of a `when`, names of secrets; each glob is tried on each changed file
MAX_LINE = 255  # characters of a name, glob or image reference
MAX_PROBLEMS = 50  # a person fixes the first few and tries again
MAX_TIMEOUT_S = 6 * 3600  # the longest run; the same as GitHub's hosted runners give one job
DEFAULT_TIMEOUT_S = 30 * 60
DEFAULT_STEP_TIMEOUT_S = 5 * 60

EVENTS = ("push", "tag", "pull_request", "release", "manual")

# What people carry over from other systems, and what it is called here.
_FOREIGN = {
    "on": "when", "only": "when", "jobs": "steps", "stages": "steps", "pipeline": "steps", "script": "run",
    "commands": "run", "command": "run", "environment": "env", "variables": "env", "continue-on-error": "allow_failure",
    "timeout-minutes": "timeout", "branches": "branch", "paths": "path", "events": "event",
}  # fmt: skip
_DURATION = re.compile(r"([0-9]{1,9})([smh])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp"))
_NULL_TAG = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the file; line and column count from 1."""

    line: int
    column: int
    message: str


class PipelineError(ValueError):
    """The file cannot be used. `problems` holds what was found, in the order of the file; str() is fit for a log."""

    def __init__(self, filename: str, problems: Sequence[Problem]) -> None:
        self.filename = filename
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(f"{filename}:{p.line}:{p.column}: {p.message}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Event:
    """What made the build. None: the event has no such thing (a tag has no branch) or the forge did not tell it."""

    name: str
    branch: str | None = None
    changed_files: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class When:
    """The pipeline's own filters. None: no such filter."""

    event: tuple[str, ...] | None = None
    branch: tuple[str, ...] | None = None
    path: tuple[str, ...] | None = None

    def mismatch(self, event: Event) -> str | None:
        """Say why a build of this event is to be skipped; None when it is to run.

        A filter judges only what is known: an event without a branch passes the branch filter (else the documented
        `event: [push, tag]` with `branch: [main]` would never build a tag), and so does an unknown or empty list of
        files the path filter (a branch made at an existing commit changes no file).
        """
        if self.event is not None and event.name not in self.event:
            return f"the event is {event.name}, the pipeline runs for {', '.join(self.event)}"
        if self.branch is not None and event.branch is not None and not matches(self.branch, event.branch):
            return f"branch {event.branch} does not match {', '.join(self.branch)}"
        if self.path is not None and event.changed_files:
            patterns = self.path
            if not any(matches(patterns, name) for name in event.changed_files):
                return f"none of the {len(event.changed_files)} changed files matches {', '.join(patterns)}"
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """One shell script. `state` is the progress code (0..100, a multiple of 5) once the step is behind us."""

    name: str
    run: str
    timeout_s: int
    state: int
    allow_failure: bool


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A valid pipeline file. `image` None: the setting's default (the kubernetes provider's only)."""

    steps: tuple[Step, ...]
    timeout_s: int = DEFAULT_TIMEOUT_S
    image: str | None = None
    when: When = field(default_factory=When)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


def parse(text: bytes | str, filename: str = ".slipway.yml") -> Pipeline:
    """Read a pipeline file.

    Raises PipelineError with every problem found (only the first where the text is not YAML at all), and nothing else.
    """
    reader = _Reader()
    root = _compose(text, filename)
    pipeline = reader.pipeline(root)
    if reader.problems or pipeline is None:
        raise PipelineError(filename, reader.problems[:MAX_PROBLEMS])
    return pipeline


# --- YAML text -> nodes ---


class _TooMuch(yaml.MarkedYAMLError):
    """One of the bounds on depth and number of nodes."""


class _Loader(yaml.SafeLoader):
    """Composes nodes within the bounds; PyYAML alone would recurse as deep as the text says."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooMuch(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)
        if self._nodes > MAX_NODES:
            raise _TooMuch(problem=f"more than {MAX_NODES} values", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]  # stubs want a dict
        self._depth -= 1
        return node


def _compose(text: bytes | str, filename: str) -> yaml.Node | None:
    """Return the root node, None for an empty file."""
    if len(text) > MAX_BYTES:
        raise PipelineError(filename, [Problem(1, 1, f"the file is larger than {MAX_BYTES} bytes")])
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise PipelineError(filename, [Problem(line, 1, "not UTF-8 text")]) from error
    try:
        loader = _Loader(text.removeprefix("\ufeff"))
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = " ".join(filter(None, (error.context, error.problem)))
        raise PipelineError(filename, [Problem(line, column, f"not valid YAML: {message}")]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise PipelineError(filename, [Problem(line, 1, message)]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # chr() of an absurd \U escape, a %YAML 9…9 directive
        raise PipelineError(filename, [Problem(1, 1, f"not valid YAML: {error}")]) from error


# --- nodes -> values ---


class _Reader:
    """Turns nodes into values and collects problems; a method returns None after it has noted one."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, node: yaml.Node | None, message: str) -> None:
        mark = node.start_mark if node is not None else None
        # 300 characters are enough to know a value by; the file may hold one of a megabyte.
        message = message if len(message) <= 300 else message[:297] + "..."
        self.problems.append(Problem(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, message))

    def pipeline(self, root: yaml.Node | None) -> Pipeline | None:
        if root is None:
            self.problem(None, "the file is empty; expected a mapping with the key steps")
            return None
        keys = self.mapping(root, ("image", "timeout", "when", "env", "secrets", "steps"), what="the pipeline")
        if keys is None:
            return None
        timeout_s = self.duration(keys["timeout"]) if "timeout" in keys else DEFAULT_TIMEOUT_S
        image = self.line(keys["image"], "an image reference") if "image" in keys else None
        when = self.when(keys["when"]) if "when" in keys else When()
        env = self.env(keys["env"]) if "env" in keys else {}
        secrets = self.secrets(keys["secrets"]) if "secrets" in keys else ()
        steps: tuple[Step, ...] = ()
        if "steps" in keys:
            steps = self.steps(keys["steps"])
        else:
            self.problem(root, "the key steps is missing; expected a list of steps")
        return Pipeline(steps, timeout_s or DEFAULT_TIMEOUT_S, image, when, env, secrets)

    def when(self, node: yaml.Node) -> When:
        keys = self.mapping(node, ("event", "branch", "path"), what="when") or {}
        lists = {name: self.lines(value, f"{name} names or globs") for name, value in keys.items()}
        for name in lists.get("event", ()):
            if name not in EVENTS:
                near = _near(name, EVENTS)
                self.problem(keys["event"], f"unknown event {name!r}; expected {', '.join(EVENTS)}{near}")
        return When(event=lists.get("event"), branch=lists.get("branch"), path=lists.get("path"))

    def env(self, node: yaml.Node) -> dict[str, str]:
        """Read variables: a scalar's value is its text, so 1.10, yes and 0x1F arrive in the step as written."""
        values: dict[str, str] = {}
        for key, value in self.items(node, "env"):
            self.variable(key, key.value)
            if value.tag == _NULL_TAG:
                self.problem(value, f'{key.value} has no value; expected text ("" for an empty one)')
            else:
                text = self.scalar(value, "text, a number or true/false")
                if text is not None:
                    values[key.value] = text
        return values

    def secrets(self, node: yaml.Node) -> tuple[str, ...]:
        names = self.lines(node, "names of the repository's secrets")
        for name in names:
            self.variable(node, name)
        return tuple(dict.fromkeys(names))

    def variable(self, node: yaml.Node, name: str) -> None:
        if not _VARIABLE.fullmatch(name):
            self.problem(node, f"{name!r} is no name of a variable; expected letters, digits and _")
        elif name == "CI" or name.startswith("SLIPWAY_"):
            self.problem(node, f"{name} is set by Slipway; expected another name")

    def steps(self, node: yaml.Node) -> tuple[Step, ...]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.problem(node, "expected a list with at least one step, each with name and run")
            return ()
        if len(node.value) > MAX_STEPS:
            self.problem(node, f"{len(node.value)} steps; expected at most {MAX_STEPS}")
            return ()
        drafts = [draft for child in node.value if (draft := self.step(child)) is not None]
        seen: set[str] = set()
        for draft in drafts:
            if draft.name in seen:
                self.problem(draft.node, f"a second step named {draft.name!r}; expected names that differ")
            seen.add(draft.name)
        states = self.states(drafts)
        return tuple(
            Step(draft.name, draft.run, draft.timeout_s, state, draft.allow_failure)
            for draft, state in zip(drafts, states, strict=True)
        )

    def step(self, node: yaml.Node) -> "_Draft | None":
        keys = self.mapping(node, ("name", "run", "timeout", "state", "allow_failure"), what="a step")
        if keys is None:
            return None
        for required in ("name", "run"):
            if required not in keys:
                self.problem(node, f"the step has no {required}")
        name = self.line(keys["name"], "a name") if "name" in keys else None
        run = self.scalar(keys["run"], "a shell script") if "run" in keys else None
        if run is not None and not run.strip():
            self.problem(keys["run"], "the script is empty")
        timeout_s = self.duration(keys["timeout"]) if "timeout" in keys else DEFAULT_STEP_TIMEOUT_S
        allow_failure = self.boolean(keys["allow_failure"]) if "allow_failure" in keys else False
        state = self.state(keys["state"]) if "state" in keys else None
        if name is None or run is None:
            return None
        return _Draft(node, name, run, timeout_s or DEFAULT_STEP_TIMEOUT_S, state, bool(allow_failure))

    def states(self, drafts: Sequence["_Draft"]) -> list[int]:
        """Fill in the progress codes: those written stay, the rest spreads evenly between its neighbours, 100 last."""
        if not drafts:
            return []
        anchors = [(-1, 0)] + [(at, draft.state) for at, draft in enumerate(drafts) if draft.state is not None]
        for (_, before), (at, after) in pairwise(anchors):
            if after < before:
                self.problem(drafts[at].node, f"state {after} comes after {before}; expected codes that do not fall")
        last = len(drafts) - 1
        if anchors[-1][0] != last:
            anchors.append((last, 100))
        states: list[int] = []
        for (left, low), (right, high) in pairwise(anchors):
            spread = ((high - low) * (at - left) / (right - left) for at in range(left + 1, right + 1))
            states += [low + int(share // 5) * 5 for share in spread]
            states[-1] = high
        for at, state in enumerate(states[:-1]):
            if state == 100:
                self.problem(drafts[at].node, "state 100 is for the last step; expected at most 95")
        return states

    # --- leaves ---

    def mapping(self, node: yaml.Node, known: Sequence[str], *, what: str) -> dict[str, yaml.Node] | None:
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"expected {what} to be a mapping with the keys {', '.join(known)}")
            return None
        keys: dict[str, yaml.Node] = {}
        for key, value in self.items(node, what):
            if key.value in known:
                keys[key.value] = value
            else:
                self.problem(key, f"unknown key {key.value!r}; expected {', '.join(known)}{_near(key.value, known)}")
        return keys

    def items(self, node: yaml.Node, what: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"expected {what} to be a mapping")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, "expected a key of plain text")
            elif key.value in seen:
                self.problem(key, f"the key {key.value!r} stands here twice")
            else:
                seen.add(key.value)
                yield key, value

    def scalar(self, node: yaml.Node, expected: str) -> str | None:
        """Return a scalar's text as it is written."""
        if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN_TAGS:
            return str(node.value)
        self.problem(node, f"expected {expected}")
        return None

    def line(self, node: yaml.Node, expected: str) -> str | None:
        """Return a text of one line that is not empty."""
        text = self.scalar(node, expected)
        if text is not None and (not text.strip() or not text.isprintable() or len(text) > MAX_LINE):
            self.problem(node, f"expected {expected}: one line, not empty, at most {MAX_LINE} characters")
            return None
        return text

    def lines(self, node: yaml.Node, expected: str) -> tuple[str, ...]:
        """Return a list of one-line texts; one text alone counts as a list of one."""
        children = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not 1 <= len(children) <= MAX_PATTERNS:
            self.problem(node, f"expected a list of {expected}, from 1 to {MAX_PATTERNS} of them")
            return ()
        return tuple(text for child in children if (text := self.line(child, f"a list of {expected}")) is not None)

    def duration(self, node: yaml.Node) -> int | None:
        """Return seconds."""
        expected = f"a duration such as 90s, 30m or 2h, from 1s to {MAX_TIMEOUT_S // 3600}h"
        text = self.scalar(node, expected)
        if text is None:
            return None
        found = _DURATION.fullmatch(text)
        seconds = int(found[1]) * _UNIT_S[found[2]] if found else 0
        if not 1 <= seconds <= MAX_TIMEOUT_S:
            self.problem(node, f"{text!r} does not fit; expected {expected}")
            return None
        return seconds

    def boolean(self, node: yaml.Node) -> bool | None:
        """Return true or false; yes, on and off, which mean other things to YAML 1.1 and 1.2, are refused."""
        text = self.scalar(node, "true or false")
        if text in ("true", "false"):
            return text == "true"
        if text is not None:
            self.problem(node, f"{text!r} is ambiguous in YAML; expected true or false")
        return None

    def state(self, node: yaml.Node) -> int | None:
        expected = "a progress code from 0 to 100 in steps of 5"
        text = self.scalar(node, expected)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 100 or int(text) % 5:
            self.problem(node, f"{text!r} does not fit; expected {expected}")
            return None
        return int(text)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step before its progress code is settled; `node` is where a later problem points to."""

    node: yaml.Node
    name: str
    run: str
    timeout_s: int
    state: int | None
    allow_failure: bool


def _near(word: str, known: Sequence[str]) -> str:
    """Return "; did you mean ...?" or nothing."""
    if word == "<<":
        return "; merge keys are not supported"
    foreign = _FOREIGN.get(word.lower())
    close = [foreign] if foreign in known else difflib.get_close_matches(word[:50].lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""

"""A forge's own description of its API, by which the fake finds operations and checks requests and its own answers.

It is OpenAPI 3.0, cut down to some operations: {"paths", "components", "examples": {operationId: body}}.
"""

import copy
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

DATA: Final = Path(__file__).parents[1] / "data"

# RFC 3339; jsonschema's own check of it needs another package.
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_FORMATS: Final = FormatChecker(formats=())
_PROBLEMS_MAX: Final = 3  # of one body: the first says what to mend


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _MOMENT.fullmatch(value) is not None


_FORMATS.checks("date-time")(_is_moment)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method of one path; `id` is the forge's operationId."""

    id: str
    method: str
    path: re.Pattern[str]
    parameters: Mapping[tuple[str, str], Mapping[str, Any]]
    """(in, name) -> the parameter with its schema."""
    body: Draft202012Validator | None
    body_required: bool
    answers: Mapping[int, Draft202012Validator | None]
    """Documented status -> what its JSON has to be; None: no JSON is promised."""


class Description:
    """The operations of one version of a forge's API."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._components = _as_json_schema(document["components"])
        self._examples = document["examples"]
        self.operations = [
            self._operation(path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a request with the values in its path; None when the forge has no such operation."""
        for operation in self.operations:
            found = operation.path.fullmatch(path)
            if found is not None and operation.method == method:
                return operation, found.groupdict()
        return None

    def example(self, operation_id: str) -> Any:
        """A copy of the forge's example of an operation's answer."""
        return copy.deepcopy(self._examples[operation_id])

    # --- checks: each answers what is wrong, in words ---------------------------------------------------------------

    def request_problems(
        self, operation: Operation, path: Mapping[str, str], query: Mapping[str, str], body: Any
    ) -> list[str]:
        """Check a request; `body` is the JSON value, None when nothing was sent."""
        problems = []
        for place, values in (("path", path), ("query", query)):
            for name, value in values.items():
                parameter = operation.parameters.get((place, name))
                if parameter is None:
                    problems.append(f"unknown {place} parameter {name}={value}")
                else:
                    schema = parameter.get("schema", parameter)
                    problems += [
                        f"{place} parameter {name}: {why}" for why in self._wrong(schema, _typed(schema, value))
                    ]
        if body is None:
            return [*problems, "the body is missing"] if operation.body_required else problems
        if operation.body is None:
            return [*problems, "no body is expected"]
        return problems + _errors(operation.body, body)

    def answer_problems(self, operation: Operation, status: int, body: Any) -> list[str]:
        """Check an answer of our own; a refusal may have a status that is not documented, a success may not."""
        if status not in operation.answers:
            return [f"status {status} is not documented"] if 200 <= status < 300 else []
        schema = operation.answers[status]
        return [] if schema is None else _errors(schema, body)

    # --- reading the document ---------------------------------------------------------------------------------------

    def _operation(self, path: str, method: str, operation: Mapping[str, Any]) -> Operation:
        parameters = [self._resolved(one) for one in operation.get("parameters", [])]
        body = self._resolved(operation.get("requestBody", {}))
        return Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=_pattern(path),
            parameters={(one["in"], one["name"]): _as_json_schema(one) for one in parameters},
            body=self._json_of(body),
            body_required=body.get("required", False),
            answers={
                int(status): self._json_of(self._resolved(answer))
                for status, answer in operation["responses"].items()
                if status.isdigit()
            },
        )

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        found: Mapping[str, Any] = self._components[kind][name]
        return found

    def _json_of(self, node: Mapping[str, Any]) -> Draft202012Validator | None:
        schema = node.get("content", {}).get("application/json", {}).get("schema")
        return None if schema is None else self._validator(_as_json_schema(schema))

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": self._components}, format_checker=_FORMATS)

    def _wrong(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        """Check a parameter, but not its format: GitHub calls `created` a date-time, and reads `>=2026-11-21`."""
        return _errors(Draft202012Validator({**schema, "components": self._components}), value)


@cache
def load(file: str, name: str) -> Description:
    """Read the description `name` of tests/data/<file>: {"descriptions": {name: document}}, JSON, perhaps in gzip."""
    raw = (DATA / file).read_bytes()
    whole = json.loads(gzip.decompress(raw) if file.endswith(".gz") else raw)
    return Description(whole["descriptions"][name])


def _errors(validator: Draft202012Validator, value: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message[:300]}"
        for error, _ in zip(validator.iter_errors(value), range(_PROBLEMS_MAX), strict=False)
    ]


def _pattern(path: str) -> re.Pattern[str]:
    """`{path}` is the one parameter that may hold slashes."""
    parts = re.split(r"\{(\w+)\}", path)
    written = [re.escape(part) if number % 2 == 0 else _group(part) for number, part in enumerate(parts)]
    return re.compile("".join(written))


def _group(name: str) -> str:
    return f"(?P<{name}>.+)" if name == "path" else f"(?P<{name}>[^/]+)"


def _typed(schema: Mapping[str, Any], value: str) -> Any:
    """A parameter's text as the type that its schema asks for, where it can be read so."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema 2020-12."""
    if isinstance(node, list):
        return [_as_json_schema(value) for value in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        if isinstance(plain.get("type"), str):
            plain["type"] = [plain["type"], "null"]
            if "enum" in plain:
                plain["enum"] = [*plain["enum"], None]
        else:
            plain = {"anyOf": [plain, {"type": "null"}]}
    return plain

"""`python -m tests.fakegithub.cut FOLDER`: cut what the fake needs out of GitHub's published OpenAPI.

FOLDER is `generated/` of the npm package `@octokit/openapi`. Writes tests/data/github/rest.json.gz; see the README
there.
"""

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

WRITTEN: Final = Path(__file__).parents[1] / "data" / "github" / "rest.json.gz"

OPERATIONS: Final = (
    "actions/cancel-workflow-run",
    "actions/create-workflow-dispatch",
    "actions/download-job-logs-for-workflow-run",
    "actions/download-workflow-run-attempt-logs",
    "actions/download-workflow-run-logs",
    "actions/force-cancel-workflow-run",
    "actions/get-job-for-workflow-run",
    "actions/get-workflow",
    "actions/get-workflow-run",
    "actions/get-workflow-run-attempt",
    "actions/list-jobs-for-workflow-run",
    "actions/list-jobs-for-workflow-run-attempt",
    "actions/list-repo-workflows",
    "actions/list-workflow-runs",
    "actions/list-workflow-runs-for-repo",
    "actions/re-run-workflow",
    "actions/re-run-workflow-failed-jobs",
    "apps/create-installation-access-token",
    "apps/get-authenticated",
    "apps/get-repo-installation",
    "meta/root",
    "rate-limit/get",
    "repos/create-commit-status",
    "repos/get",
    "repos/get-content",
    "repos/list-commit-statuses-for-ref",
    "users/get-authenticated",
)
"""What Slipway uses, or might for a try-out."""

# Which file, and the version whose breaking changes are applied to it; None: as it is.
_SOURCES: Final = {
    "2026-03-10": ("api.github.com.json", "2026-03-10"),
    "2022-11-28": ("api.github.com.json", None),
    "ghes-3.17": ("ghes-3.17.json", None),
}
_PROSE: Final = frozenset({"description", "summary", "title", "externalDocs", "tags", "example", "examples"})


def cut(published: dict[str, Any], version: str | None) -> dict[str, Any]:
    """Return the operations with all that they refer to, and an example for each JSON answer that has one.

    {"paths": {path: {method: operation}}, "components": ..., "examples": {operationId: body}}
    """
    if version is not None:
        _apply_changes(published, version)
    paths: dict[str, Any] = {}
    examples = {}
    for path, methods in published["paths"].items():
        for method, operation in methods.items():
            if operation.get("operationId") in OPERATIONS:
                paths.setdefault(path, {})[method] = _bare(operation)
                examples[operation["operationId"]] = _example(published, operation)
    components: dict[str, Any] = {}
    for _, kind, name in _refer_to(published, paths):
        components.setdefault(kind, {})[name] = _bare(published["components"][kind][name])
    return {
        "paths": paths,
        "components": components,
        "examples": {name: body for name, body in examples.items() if body is not None},
    }


def _apply_changes(node: Any, version: str) -> None:
    """Apply GitHub's own patches, each relative to the object that holds it: lists are RFC 6902, objects RFC 7396."""
    if isinstance(node, dict):
        for change in node.pop("x-github-breaking-changes", []):
            patch = change["patch"] if change["version"] == version else []
            if isinstance(patch, dict):
                _merge(node, patch)
            else:
                for step in patch:
                    _apply(node, step)
        for value in node.values():
            _apply_changes(value, version)
    elif isinstance(node, list):
        for value in node:
            _apply_changes(value, version)


def _apply(node: Any, step: dict[str, Any]) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    for part in way:
        node = node[int(part) if isinstance(node, list) else part]
    key: Any = int(last) if isinstance(node, list) else last
    if step["op"] == "remove":
        del node[key]
    else:
        node[key] = step["value"]


def _merge(node: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            node.pop(key, None)
        elif isinstance(value, dict):
            below = node.setdefault(key, {})
            _merge(below, value)
        else:
            node[key] = value


def _bare(node: Any, *, names: bool = False) -> Any:
    """Leave out prose and extensions; `names`: the keys of this object are names that somebody chose."""
    if isinstance(node, dict):
        return {
            key: _bare(value, names=not names and key in {"properties", "parameters", "schemas"})
            for key, value in node.items()
            if names or not (key in _PROSE or key.startswith("x-"))
        }
    return [_bare(value) for value in node] if isinstance(node, list) else node


def _example(published: dict[str, Any], operation: dict[str, Any]) -> Any:
    for status, answer in operation["responses"].items():
        if status.startswith("2") and "content" in answer:
            for example in answer["content"].get("application/json", {}).get("examples", {}).values():
                reference = example.get("$ref")
                return published["components"]["examples"][_name(reference)]["value"] if reference else example["value"]
    return None


def _refer_to(published: dict[str, Any], node: Any) -> Iterator[tuple[str, str, str]]:
    waiting, seen = list(_references(node)), set()
    while waiting:
        reference = waiting.pop()
        if reference not in seen:
            seen.add(reference)
            _, _, kind, name = reference.split("/")
            yield reference, kind, name
            waiting += _references(_bare(published["components"][kind][name]))


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def main(folder: Path) -> None:
    package = json.loads((folder.parent / "package.json").read_text())
    descriptions = {
        ours: cut(json.loads((folder / file).read_text()), version) for ours, (file, version) in _SOURCES.items()
    }
    whole = {"package": package["name"], "version": package["version"], "descriptions": descriptions}
    text = json.dumps(whole, separators=(",", ":"), sort_keys=True)
    WRITTEN.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{WRITTEN}: {len(text)} bytes of JSON")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))

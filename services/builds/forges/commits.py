"""A push's list of commits, which the forges agree on: `{id, message, author, added, removed, modified}`."""

from collections.abc import Iterable

from services.builds.forges.fields import at, items, text

CHANGED_FILES_MAX_CHARS = 256 * 1024  # about 5,000 paths; they travel in the job's row, and a longer list says "much"
PATH_MAX_CHARS = 4096  # Linux' PATH_MAX
_FILE_LISTS = ("added", "removed", "modified")


def commit_with_id(commits: object, sha: str | None) -> object:
    """Return the commit of that id. Order tells nothing: GitHub and GitLab put the newest last, Gitea first."""
    return next((commit for commit in items(commits) if sha is not None and at(commit, "id") == sha), None)


def changed_files(commits: object, *, per_commit_max: int | None = None) -> tuple[str, ...] | None:
    """Collect the paths that the commits touch, sorted, each once.

    None (unknown) when a commit has no file lists, when one has `per_commit_max` files or more (the forge cuts there),
    or when the paths together are too long to be carried along. A null list beside others is an empty one: Go writes
    empty lists so.
    """
    found: set[str] = set()
    chars = 0
    for commit in items(commits):
        lists = [at(commit, key) for key in _FILE_LISTS]
        if not any(isinstance(paths, list) for paths in lists):
            return None
        if per_commit_max is not None and sum(len(items(paths)) for paths in lists) >= per_commit_max:
            return None
        for path in _texts(lists):
            if path not in found:
                found.add(path)
                chars += len(path)
        if chars > CHANGED_FILES_MAX_CHARS:
            return None
    return tuple(sorted(found))


def _texts(lists: Iterable[object]) -> Iterable[str]:
    for paths in lists:
        for path in items(paths):
            if (found := text(path, PATH_MAX_CHARS)) is not None:
                yield found

"""Modules that take what they install from git repositories: git-clone and github-install."""

from collections.abc import Iterator, Sequence

from services.builds.recipes.commands import words, write
from services.builds.recipes.containerfile import run
from services.builds.recipes.document import List, Map
from services.builds.recipes.exousia.commands import need
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of, name_of, path_of
from services.builds.recipes.exousia.modules.copies import MODE, mode_doubts, mode_of
from services.builds.recipes.shapes import Finding, Many, Record, Text

_CLONE = '"$work/source"'
_INSIDE = Text(
    "A path in the repository.",
    pattern=r"(?!/)(?!(?:[^/]*/)*\.\.(?:/|$))[^\x00-\x1f\x7f]+",
    expected="a path inside of the repository",
)
_URL = Text(
    "Address of the repository.",
    pattern=r"(https?|ssh|git)://[^\x00-\x20\x7f]+|[A-Za-z0-9_.-]+@[^\x00-\x20\x7f-][^\x00-\x20\x7f]*",
    expected="the address of a git repository",
)
_PREFIX = "/usr"  # /usr/local is no part of the image on ostree systems: it leads into /var


def _clone(repo: Keys) -> list[str]:
    branch = f"--branch {words([repo['branch']])} " if "branch" in repo else ""
    return ['work="$(mktemp -d)"', f"git clone --depth 1 {branch}-- {words([repo['url']])} {_CLONE}"]


def _with_clones(repos: Sequence[tuple[Keys, list[str]]], tools: Sequence[str]) -> Iterator[str]:
    """Run the commands of each repository beside a clone of it, which does not stay in the image."""
    commands = list(dict.fromkeys([need("git", "git-core"), *tools]))
    for repo, own in repos:
        commands += [*_clone(repo), *own, 'rm -rf "$work"']
    if repos and (instruction := run(commands)):
        yield instruction


def _listed(module: Map) -> Iterator[tuple[int, Map]]:
    repos = module.get("repos")
    for at, repo in enumerate(repos.items if isinstance(repos, List) else ()):
        if isinstance(repo, Map):
            yield at, repo


# --- git-clone ---


def _git_clone(keys: Keys, _: Image) -> Iterator[str]:
    repos = keys.get("repos", ())
    yield from _with_clones(
        [(repo, [line for file in repo.get("files", ()) for line in _copied(file)]) for repo in repos], []
    )


def _copied(file: Keys) -> Iterator[str]:
    """Copy a file, or what a folder with a slash at its end holds; a mode is for files, folders keep theirs."""
    source, destination = file["src"], file["dst"]
    to = words([destination])
    if source.endswith("/"):
        yield f"mkdir -p {to}"
        yield f"cp -a {_CLONE}/{words([source + '.'])} {to}"
        target = to
    else:
        yield f"mkdir -p {words([destination.rpartition('/')[0] or '/'])}"
        yield f"cp -a {_CLONE}/{words([source])} {to}"
        target = words([destination + source.rpartition("/")[2]]) if destination.endswith("/") else to
    if "mode" in file:
        yield f"find {target} -type f -exec chmod {mode_of(file['mode'])} {{}} +"


def _git_clone_doubts(module: Map) -> Iterator[Finding]:
    for at, repo in _listed(module):
        files = repo.get("files")
        for number, entry in enumerate(files.items if isinstance(files, List) else ()):
            if isinstance(entry, Map):
                yield from mode_doubts(entry, f"repos[{at}].files[{number}].mode")


GIT_CLONE = ModuleType(
    "git-clone",
    keys_of(
        "git-clone",
        "Copies files of git repositories into the image.",
        {
            "repos": Many(
                Record(
                    {
                        "url": _URL,
                        "branch": name_of("A branch or tag; the repository's own choice where there is none."),
                        "files": Many(
                            Record(
                                {"src": _INSIDE, "dst": path_of("Where it goes."), "mode": MODE},
                                required=("src", "dst"),
                                open=True,
                            ),
                            "What is copied.",
                        ),
                    },
                    required=("url",),
                    open=True,
                ),
                "Repositories.",
            )
        },
    ),
    _git_clone,
    _git_clone_doubts,
)


# --- github-install ---


def _github_install(keys: Keys, _: Image) -> Iterator[str]:
    repos = keys.get("repos", ())
    tools = {"python": [need("pip3", "python3-pip")], "make": [need("make", "make")], "script": []}
    yield from _with_clones(
        [(repo, list(_installed(repo))) for repo in repos], [tool for repo in repos for tool in tools[repo["type"]]]
    )


def _installed(repo: Keys) -> Iterator[str]:
    prefix = repo.get("prefix", _PREFIX)
    match repo["type"]:
        case "python":
            yield f"python3 -m pip install --no-cache-dir --prefix={words([prefix])} {_CLONE}"
            if "module" in repo:
                command = f"{prefix}/bin/{repo.get('bin', repo['module'])}"
                yield from write(command, ["#!/bin/sh", f'exec python3 -m {words([repo["module"]])} "$@"'])
                yield f"chmod 0755 {words([command])}"
        case "make":
            yield f"make -C {_CLONE}"
            yield f"make -C {_CLONE} install {words(['PREFIX=' + prefix])}"
        case "script":
            name = repo.get("bin", repo.get("name", ""))
            source = repo.get("src", name)
            target = repo.get("dst", f"{prefix}/bin/{name or source.rpartition('/')[2]}")
            yield f"install -D -m 0755 {_CLONE}/{words([source])} {words([target])}"


def _github_doubts(module: Map) -> Iterator[Finding]:
    for at, repo in _listed(module):
        kind = repo.get("type")
        if getattr(kind, "text", None) == "script" and not any(key in repo for key in ("src", "bin", "name")):
            yield Finding(repo, f"repos[{at}]", "names no script: give src, bin or name")


_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
GITHUB_INSTALL = ModuleType(
    "github-install",
    keys_of(
        "github-install",
        "Installs programs from their git repositories.",
        {
            "repos": Many(
                Record(
                    {
                        "url": _URL,
                        "branch": name_of("A branch or tag; the repository's own choice where there is none."),
                        "type": Text(
                            "`python`: pip. `make`: make, then make install. `script`: one file is copied.",
                            choices=("python", "script", "make"),
                        ),
                        "name": Text("What it is called.", pattern=_WORD, expected="a name"),
                        "bin": Text("Name of the command.", pattern=_WORD, expected="the name of a command"),
                        "module": Text("Python's module that it runs.", pattern=_WORD, expected="a module"),
                        "src": _INSIDE,
                        "dst": path_of("Where a script goes; below the prefix's bin where this is absent."),
                        "prefix": path_of("Where it is installed.", default=_PREFIX),
                    },
                    required=("url", "type"),
                    open=True,
                ),
                "Repositories.",
            )
        },
    ),
    _github_install,
    _github_doubts,
)

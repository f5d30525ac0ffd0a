"""Modules that put files into the image: files, copy, containerfile."""

from collections.abc import Sequence

from services.builds.recipes.bluebuild.module import (
    A_PATH,
    PATH,
    CannotTranspile,
    Module,
    ModuleType,
    keys_of,
    versions,
)
from services.builds.recipes.containerfile import copy
from services.builds.recipes.shapes import ByKey, Many, Record, Table, Text

_ABSOLUTE = r"/[^\x00-\x1f\x7f\x22$\\<>]*"
_SOURCE = Text("A file or folder below `files/` of the repository.", pattern=PATH, expected=A_PATH)
_DESTINATION = Text(
    "The folder of the image that it goes to; what a folder holds is copied, not the folder itself.",
    pattern=_ABSOLUTE,
    expected="an absolute path without quotes, `$`, `\\`, `<` or `>`",
)
_PAIR = Record({"source": _SOURCE, "destination": _DESTINATION}, required=("source", "destination"))
_SHORT = Table(_DESTINATION, "The short form: `source: destination`.", keys=PATH, expected=A_PATH)
_COPY_PATH = r"[^\x00-\x1f\x7f\x22$\\<>-][^\x00-\x1f\x7f\x22$\\<>]*"


def _files(module: Module) -> list[str]:
    """Copy with a slash behind the destination: a folder's content goes there, and a file under its own name."""
    return [
        copy(f"files/{source.strip('/')}", destination.rstrip("/") + "/")
        for entry in module.keys["files"]
        for source, destination in (
            [(entry["source"], entry["destination"])] if "source" in entry else list(entry.items())
        )
    ]


def _copied(module: Module) -> list[str]:
    return [copy(module.keys["src"], module.keys["dest"], stage=module.keys.get("from"))]


def _containerfile(module: Module) -> Sequence[str]:
    """Take instructions over as they are, files first, as BlueBuild does."""
    texts = []
    for name in module.list("containerfiles"):
        text = module.image.files.read(f"containerfiles/{name}/Containerfile")
        if text is None:
            raise CannotTranspile(f"containerfiles/{name}/Containerfile is in the repository and cannot be read here")
        texts.append(text)
    texts += module.list("snippets")
    for text in texts:
        if text.rstrip().endswith("\\"):
            raise CannotTranspile("an instruction ends in a backslash, and would swallow what follows")
    return [text.strip("\n") for text in texts if text.strip()]


FILES = ModuleType(
    "files",
    versions(
        "files",
        keys_of(
            "files",
            "Copies files and folders of the repository into the image.",
            {
                "files": Many(
                    ByKey({"source": _PAIR, "destination": _PAIR}, otherwise=_SHORT), "What goes where.", at_least=1
                )
            },
            required=("files",),
        ),
        "v2",
    ),
    needs="`COPY` from `files/` of the repository",
    emit=_files,
)
COPY = ModuleType(
    "copy",
    versions(
        "copy",
        keys_of(
            "copy",
            "One COPY instruction, also from a stage or another image.",
            {
                "from": Text(
                    "The stage or image that it is copied from; the repository where there is none.",
                    pattern=r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*",
                    expected="the name of a stage or an image",
                ),
                "src": Text("What is copied.", pattern=_COPY_PATH, expected=A_PATH),
                "dest": Text("Where it goes.", pattern=_COPY_PATH, expected=A_PATH),
            },
            required=("src", "dest"),
        ),
    ),
    needs="`COPY`",
    emit=_copied,
)
CONTAINERFILE = ModuleType(
    "containerfile",
    versions(
        "containerfile",
        keys_of(
            "containerfile",
            "Instructions of a Containerfile, taken over as they are.",
            {
                "snippets": Many(Text(), "Instructions."),
                "containerfiles": Many(
                    Text(pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]*", expected="the name of a folder"),
                    "Folders below `containerfiles/` of the repository, each with a `Containerfile`.",
                ),
            },
        ),
    ),
    needs="nothing; `containerfiles` only where Slipway can read them",
    emit=_containerfile,
)

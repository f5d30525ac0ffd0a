"""The shape of a recipe of BlueBuild's dialect, version 1 (https://blue-build.org/reference/recipe/).

Closed: keys that it does not know are errors.
"""

from services.builds.recipes.bluebuild.module import COMMON
from services.builds.recipes.bluebuild.modules import TYPES
from services.builds.recipes.shapes import ONE_LINE, ByKey, ByValue, Either, Many, Record, Table, Text

PLATFORMS = (
    "linux/amd64",
    "linux/amd64/v2",
    "linux/arm64",
    "linux/arm",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/386",
    "linux/loong64",
    "linux/mips",
    "linux/mipsle",
    "linux/mips64",
    "linux/mips64le",
    "linux/ppc64",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
)
_FILE = r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*){0,7}"  # what files.is_path takes
_IMAGE = r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(?:@sha256:[0-9a-f]{64})?"
_VERSION = r"[A-Za-z0-9_][A-Za-z0-9._-]*"

INCLUDE = Record(
    {
        "from-file": Text(
            "A file below `recipes/` whose modules or stages stand here.",
            pattern=_FILE,
            expected="a plain relative path",
        )
    },
    "What another file holds. Stands alone.",
    required=("from-file",),
    name="from-file",
)
_CUSTOM = Record(
    {
        "type": Text("The name of the module.", pattern=ONE_LINE, expected="one line"),
        "source": Text("The image that the module is in, or `local`.", pattern=ONE_LINE, expected="an image"),
        **COMMON,
    },
    "A module that does not come with BlueBuild.",
    required=("type", "source"),
    open=True,
    name="custom-module",
)
MODULE = ByKey(
    {"from-file": INCLUDE, "source": _CUSTOM},
    otherwise=ByValue(
        "type",
        {spelling: shape for kind in TYPES.values() for spelling, shape in kind.shapes.items()},
        key_doc="What the module does.",
    ),
)
MODULES = Many(MODULE, "What is done to the image, in this order.")
_STAGE = Record(
    {
        "name": Text(
            "What `copy` calls it in `from`.",
            pattern=r"[a-z][a-z0-9_.-]*",
            expected="a name of small letters, digits, `-`, `_` and `.`, a letter first",
        ),
        "from": Text("The image that it starts from, with its tag.", pattern=_IMAGE, expected="an image"),
        "platform": Text("The platform that it runs on.", choices=PLATFORMS),
        "shell": Either(
            (
                Text(
                    pattern=r"[^\x00-\x20\x22'\\\x7f][^\x00-\x1f\x22'\\\x7f]*", expected="a command line without quotes"
                ),
                Many(Text(pattern=ONE_LINE, expected="one line"), at_least=1),
            ),
            "The shell that its commands run in: a command line, or a list of its words.",
        ),
        "modules": MODULES,
    },
    "An image that is made on the way, for others to copy from.",
    required=("name", "from", "modules"),
    name="stage",
)
STAGE = ByKey({"from-file": INCLUDE}, otherwise=_STAGE)
STAGES = Many(STAGE, "Images that are made before the image itself.")

_LISTS = Record({"modules": MODULES, "stages": STAGES}, "Modules and stages for other files.")
MODULES_FILE = ByKey({"modules": _LISTS, "stages": _LISTS}, otherwise=MODULE)
STAGES_FILE = ByKey({"stages": _LISTS, "name": _STAGE}, otherwise=_LISTS)

RECIPE = Record(
    {
        "name": Text("The name of the image.", pattern=ONE_LINE, expected="one line"),
        "description": Text("What the image is for."),
        "base-image": Text("The image that it is built on, without a tag.", pattern=_IMAGE, expected="an image"),
        "image-version": Text(
            "The tag of the base image, such as 43; a digest may follow (`43@sha256:...`).",
            pattern=_TAG,
            expected="the tag of an image",
            numbers=True,
        ),
        "modules": MODULES,
        "stages": STAGES,
        "labels": Table(
            Text(),
            "Labels of the image.",
            keys=r"[^\x00-\x20\x7f\x22'\\=$]+",
            expected="one word without quotes, `=`, `$` or `\\`",
        ),
        "alt-tags": Many(
            Text(pattern=_VERSION, expected="the tag of an image"),
            "Tags to publish the image under. They are for the command that publishes.",
        ),
        "platforms": Many(Text(choices=PLATFORMS), "Platforms to build for. They are for the command that builds."),
        "blue-build-tag": Text(
            "BlueBuild's own version. Slipway puts none into the image.", pattern=_VERSION, expected="a version"
        ),
        "cosign-version": Text(
            "The version of cosign. Slipway puts none into the image.", pattern=_VERSION, expected="a version"
        ),
        "nushell-version": Text(
            "The version of nushell. Slipway puts none into the image.", pattern=_VERSION, expected="a version"
        ),
    },
    "A recipe of an image, version 1 of BlueBuild's format.",
    required=("name", "description", "base-image", "image-version", "modules"),
)

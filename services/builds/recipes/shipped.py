"""The example recipes that come with Slipway, in `definitions/`; the package lists that they use are below that."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.builds.recipes.document import Map, Scalar, parse
from services.builds.recipes.files import SHIPPED, is_path
from services.builds.recipes.images import DEFAULT_IMAGE_TYPE

_FOLDER = Path(__file__).parent / "definitions"


@dataclass(frozen=True, slots=True)
class Definition:
    """One example. `path` is relative to the root of the recipes; `image_type` is one of images.IMAGE_TYPES."""

    filename: str
    name: str
    description: str
    image_type: str
    path: str


@cache  # the files do not change while a process runs
def definitions() -> tuple[Definition, ...]:
    """Return the examples by their file names."""
    return tuple(_read(file) for file in sorted(_FOLDER.glob("*.yml")))


def definition(filename: str) -> str | None:
    """Return the text of an example; None for a name that is not one of them, whatever it holds."""
    return SHIPPED.read(filename) if is_path(filename) and "/" not in filename else None


def _read(file: Path) -> Definition:
    root = parse(file.read_text(encoding="utf-8")).root
    assert isinstance(root, Map)
    image_type = _text(root, "image-type") or DEFAULT_IMAGE_TYPE
    return Definition(
        file.name, _text(root, "name"), _text(root, "description"), image_type, f"definitions/{file.name}"
    )


def _text(root: Map, key: str) -> str:
    value = root.get(key)
    return value.text if isinstance(value, Scalar) else ""

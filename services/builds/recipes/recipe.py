"""What goes into the work on a recipe and what comes out of it, in both dialects."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.builds.recipes.problem import Problem, errors_of


class Dialect(StrEnum):
    """The two languages that recipes are written in."""

    EXOUSIA = "exousia"
    BLUEBUILD = "bluebuild"


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says about the image; it wins over the recipe. None: the recipe decides, else the default.

    `image_type` is one of images.IMAGE_TYPES, `fedora_version` a tag of the base image such as "43" or "rawhide".
    BlueBuild's recipes name their base image themselves and know none of the three. `lint` ends the Containerfile with
    `bootc container lint`.
    """

    image_type: str | None = None
    fedora_version: str | None = None
    enable_plymouth: bool | None = None
    lint: bool = False


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found in a recipe; `errors` are the messages of the problems that are errors, and none means valid."""

    dialect: Dialect
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[str]:
        return errors_of(self.problems)

    @property
    def valid(self) -> bool:
        return not self.errors


@dataclass(frozen=True, slots=True)
class ResolvedModule:
    """One module once includes are expanded.

    `number` counts from 1 over all modules, dropped ones too, as in the Containerfile. `from_file` is the path of the
    file that it stands in, None for the recipe itself. `why` says why it is dropped, None when it is kept. `body` is
    the plain value of the module without type and condition.
    """

    number: int
    type: str
    from_file: str | None
    kept: bool
    why: str | None
    condition: str | None
    body: dict[str, object]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe with its includes expanded and its conditions decided. `image_type` is None in BlueBuild's dialect."""

    dialect: Dialect
    image_type: str | None
    base_image: str
    modules: tuple[ResolvedModule, ...]


class TranspilationFailed(ValueError):
    """There is no Containerfile for this recipe; `problems` holds at least one error, str() is fit for one line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(errors_of(problems)))

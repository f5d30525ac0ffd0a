"""What is said to a person about a recipe: one sentence, and where in the text it belongs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

_MAX_MESSAGE = 300  # characters; enough to know a value by, and a text may hold one of a megabyte


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    An error keeps the recipe from being used, a warning does not. `line` and `column` count from 1; both are None where
    the finding belongs to no place (a key that is missing from an empty document). `module` is the index in `modules`
    from 0, as the specified messages count; None outside of them.
    """

    severity: Severity
    message: str
    line: int | None = None
    column: int | None = None
    module: int | None = None

    def __post_init__(self) -> None:
        if len(self.message) > _MAX_MESSAGE:
            object.__setattr__(self, "message", self.message[: _MAX_MESSAGE - 3] + "...")


def errors_of(problems: Iterable[Problem]) -> list[str]:
    """Return the messages of the errors, in their order."""
    return [problem.message for problem in problems if problem.severity == "error"]

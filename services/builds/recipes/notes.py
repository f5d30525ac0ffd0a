"""Problems as they are found, bounded: a text of a megabyte can hold a hundred thousand mistakes."""

from services.builds.recipes.document import Node
from services.builds.recipes.problem import Problem, Severity

MAX_OF_EACH = 200  # errors and as many warnings; a person mends the first few and tries again


class Notes:
    """Collects problems in the order in which they are found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._counts: dict[Severity, int] = {"error": 0, "warning": 0}

    @property
    def has_errors(self) -> bool:
        """Whether there was an error, kept or not."""
        return self._counts["error"] > 0

    @property
    def has_enough_warnings(self) -> bool:
        """Whether another warning would not be kept, so that it need not be looked for."""
        return self._counts["warning"] >= MAX_OF_EACH

    def error(self, message: str, at: Node | None = None, *, module: int | None = None) -> None:
        """Note what keeps the recipe from being used. `at` None: it belongs to no place."""
        self._note("error", message, at, module)

    def warning(self, message: str, at: Node | None = None, *, module: int | None = None) -> None:
        """Note what is allowed and most likely not meant."""
        self._note("warning", message, at, module)

    def _note(self, severity: Severity, message: str, at: Node | None, module: int | None) -> None:
        self._counts[severity] += 1
        if self._counts[severity] <= MAX_OF_EACH:
            line, column = (at.line, at.column) if at else (None, None)
            self.problems.append(Problem(severity, message, line, column, module))

"""Conditions of Exousia's modules: `image-type == "fedora-bootc" && enable_plymouth == true`.

    condition := clause { " && " clause }
    clause    := term { " || " term }
    term      := left " == " right

` && ` is split first, so `a || b && c` means `(a || b) && c`. There is no negation and there are no parentheses. A term
that is malformed, or whose left side is unknown, is false. The right side may stand in ' or ".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.builds.recipes.images import IMAGE_TYPES

BOOLEANS = ("enable_plymouth", "enable_rke2", "use_upstream_sway_config", "enable_zfs")
_TRUTHS = ("true", "false")
# What each left side may be; None: any text.
_VALUES: Mapping[str, tuple[str, ...] | None] = {
    "image-type": IMAGE_TYPES,
    "distro": ("fedora",),
    **dict.fromkeys(BOOLEANS, _TRUTHS),
    "desktop_environment": None,
    "window_manager": None,
}
LEFT_SIDES = tuple(_VALUES)
MAX_LENGTH = 1_000  # characters; ten times the longest one seen

_TERM = re.compile(r"\s*(?P<left>[^\s=!]+)\s*==\s*(?P<right>'[^']*'|\"[^\"]*\"|[^'\"\s=]+)\s*")


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison; `left` None: it is malformed and `written` is all that there is."""

    written: str
    left: str | None = None
    right: str = ""

    def holds(self, facts: Mapping[str, str]) -> bool:
        """Say whether the fact of that name has this value."""
        return self.left is not None and facts.get(self.left) == self.right


@dataclass(frozen=True, slots=True)
class Condition:
    """All clauses have to hold; of each clause one term."""

    clauses: tuple[tuple[Term, ...], ...]

    def failing(self, facts: Mapping[str, str]) -> tuple[Term, ...] | None:
        """Return the first clause that does not hold; None when the condition does."""
        return next((clause for clause in self.clauses if not any(term.holds(facts) for term in clause)), None)


def parse(text: str) -> Condition:
    """Read a condition; any text is one, and one that is too long is false."""
    if len(text) > MAX_LENGTH:
        return Condition(((Term(text),),))
    return Condition(tuple(tuple(map(_term, clause.split(" || "))) for clause in text.split(" && ")))


def why_dropped(condition: Condition, facts: Mapping[str, str]) -> str | None:
    """Say in words which part does not hold and what the facts are; None when the condition holds."""
    clause = condition.failing(facts)
    if clause is None:
        return None
    return ", ".join(dict.fromkeys(_why(term, facts) for term in clause))


def doubts(condition: Condition) -> Iterator[str]:
    """Yield what makes a term, or the whole condition, impossible whatever the recipe and its options say."""
    for clause in condition.clauses:
        for term in clause:
            if doubt := _doubt(term):
                yield doubt
    if contradiction := _contradiction(condition):
        yield contradiction


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        return Term(text.strip())
    right = found["right"]
    return Term(text.strip(), found["left"], right[1:-1] if right[0] in "'\"" else right)


def _why(term: Term, facts: Mapping[str, str]) -> str:
    if term.left is None:
        return f"{_short(term.written)!r} is no comparison"
    if term.left not in _VALUES:
        return f"{_short(term.left)} is nothing that conditions know"
    return f"{term.left} is {facts[term.left]}" if facts.get(term.left) else f"{term.left} is not set"


def _doubt(term: Term) -> str | None:
    if term.left is None:
        return f'{_short(term.written)!r} is never true; expected a comparison such as image-type == "fedora-bootc"'
    if term.left not in _VALUES:
        return f"{_short(term.left)!r} is never equal to anything; expected one of {', '.join(LEFT_SIDES)}"
    values = _VALUES[term.left]
    if values is not None and term.right not in values:
        return f"{term.left} is never {_short(term.right)!r}; expected one of {', '.join(values)}"
    return None


def _contradiction(condition: Condition) -> str | None:
    """Find a left side that has to be two things at once.

    The shortest clauses are looked at first: those of one term settle a value, later ones may settle another. A
    contradiction that shows only by trying is not found; this is a hint, and its cost has to stay small.
    """
    settled: dict[str, str] = {}
    for clause in sorted(condition.clauses, key=len):
        terms = [(term.left, term.right) for term in clause if term.left in _VALUES and term.left]
        possible = {(left, right) for left, right in terms if settled.get(left, right) == right}
        if terms and not possible:
            left = terms[0][0]
            return f"{left} would have to be {_short(settled[left])!r} and something else at once: this is never true"
        if len(possible) == 1 and len(terms) == len(clause):
            settled.update(possible)
    return None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."

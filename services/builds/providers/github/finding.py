"""Which run is the one that a dispatch started, when GitHub did not say. Pure.

A run's number tells its age: numbers grow, on one server, so no clock has to agree with another. What was there before
the dispatch is ruled out by that; what is left is told apart by our mark, else by who dispatched what on which ref.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.builds.providers.github.shapes import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The run that is looked for.

    `after` is the newest run before the dispatch (0: there was none). `actor` None: unknown. `others` are the marks of
    builds that look for theirs too, `taken` the runs that other builds have.
    """

    after: int
    workflow_file: str
    ref: str
    actor: str | None
    others: Collection[str] = ()
    taken: Collection[int] = ()


def marked(runs: Sequence[Run], mark: str, *, after: int) -> Run | None:
    """The run newer than `after` that shows a build's mark in its title; the first, should there be several."""
    found = [run for run in runs if run.id > after and _shows(run, mark)]
    return min(found, key=lambda run: run.id, default=None)


def candidates(runs: Sequence[Run], wanted: Wanted) -> list[Run]:
    """The runs that may be the wanted one, oldest first, when none shows its mark."""
    possible = [run for run in runs if run.id > wanted.after and run.id not in wanted.taken and _fits(run, wanted)]
    return sorted(possible, key=lambda run: run.id)


def _fits(run: Run, wanted: Wanted) -> bool:
    same_workflow = not run.path or run.path.partition("@")[0].endswith(f"/{wanted.workflow_file}")
    same_ref = run.head_branch in (None, wanted.ref)
    actor = run.actor.login if run.actor else None
    same_actor = wanted.actor is None or actor is None or actor.lower() == wanted.actor.lower()
    anothers = any(_shows(run, mark) for mark in wanted.others)
    return run.event == "workflow_dispatch" and same_workflow and same_ref and same_actor and not anothers


def _shows(run: Run, mark: str) -> bool:
    return mark in run.display_title or mark in (run.name or "")

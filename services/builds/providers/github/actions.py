"""What we ask of GitHub Actions, one function per operation of its REST API (docs.github.com/rest/actions).

Each raises what Client raises; `repository` is owner/name.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

from services.builds.providers.github.client import Client, decoded, path_of
from services.builds.providers.github.errors import Missing, Refused, Unreachable
from services.builds.providers.github.shapes import Dispatched, NamedRepository, Run, Runs, WorkflowJob, WorkflowJobs

INPUT: Final = "slipway_build"
"""The input by which a run is found again; a workflow that declares it shows it in its `run-name`."""

_PAGE: Final = 100  # GitHub's largest
# Runs of one listing: more than any repository has under way that we follow; one is some 10 KB of JSON.
_RUNS: Final = 50
# A matrix has 256 jobs at most, and a run several of them; whoever has more sees the first thousand.
_JOB_PAGES: Final = 10
# Runs whose jobs are remembered with their ETag, so that asking again costs none of the rate limit.
_REMEMBERED: Final = 200


async def dispatch(
    client: Client, repository: str, workflow_file: str, ref: str, inputs: Mapping[str, str], *, mark: str
) -> Dispatched | None:
    """Start a run of a workflow; None when GitHub did so without telling which run it is.

    `mark` goes with it as the input INPUT where the workflow declares that. Any Waits but Unreachable with `sent`
    False leaves it open whether a run was started; a Refused says that none was.
    """
    marked = {**inputs, INPUT: mark} if len(inputs) < 25 else dict(inputs)  # as many as GitHub takes
    try:
        return await _dispatch(client, repository, workflow_file, ref, marked)
    except Refused as error:
        if not (error.status == 422 and INPUT in error.said and INPUT in marked):
            raise _explained(error, repository, workflow_file, ref) from error
    try:
        return await _dispatch(client, repository, workflow_file, ref, inputs)
    except Refused as error:
        raise _explained(error, repository, workflow_file, ref) from error


async def _dispatch(
    client: Client, repository: str, workflow_file: str, ref: str, inputs: Mapping[str, str]
) -> Dispatched | None:
    """Dispatch once; again only where a server refused the flag that asks for the run's id.

    REST version 2026-03-10 answers the id by itself and does not know the flag, 2022-11-28 does when it is asked to,
    Enterprise Servers from before 2026 know nothing of it.
    """
    path = f"{path_of(repository)}/actions/workflows/{quote(workflow_file, safe='')}/dispatches"
    body: dict[str, Any] = {"ref": ref, "inputs": dict(inputs)} if inputs else {"ref": ref}
    flag = {"return_run_details": True} if client.server.wants_run_details_flag else {}
    try:
        answer = await client.send("POST", path, json=body | flag)
    except Refused as error:
        if not (flag and error.status in (400, 422) and "return_run_details" in error.said):
            raise
        client.server.refuse_run_details_flag()
        answer = await client.send("POST", path, json=body)
    if answer.status_code == 204 or not answer.content:
        return None
    return decoded(answer, Dispatched)


def _explained(error: Refused, repository: str, workflow_file: str, ref: str) -> Refused:
    """The refusal of a dispatch in words that say what to mend."""
    said = error.said.lower()
    found: tuple[str, str] | None = None
    if isinstance(error, Missing):
        what = f"{repository} has no workflow {workflow_file} on its default branch, or the token may not see it"
        found = ("WORKFLOW_NOT_FOUND", what)
    elif "no ref found" in said or ("ref" in said and "not found" in said):
        found = ("REF_NOT_FOUND", f"{repository} has no branch or tag {ref}")
    elif "disabled" in said:
        found = ("WORKFLOW_DISABLED", f"The workflow {workflow_file} is switched off on GitHub")
    elif "workflow_dispatch" in said:
        found = (
            "WORKFLOW_NOT_DISPATCHABLE",
            f"{workflow_file} has no `workflow_dispatch:` among its triggers on {ref}",
        )
    elif "input" in said:
        found = ("INPUTS_REFUSED", f"{workflow_file} does not take these inputs: {error.said}")
    if found is None:
        return error
    kind = Missing if isinstance(error, Missing) else Refused
    return kind(*found, status=error.status, said=error.said)


async def newest_runs(client: Client, repository: str, etag: str | None = None) -> tuple[list[Run], str | None] | None:
    """The newest dispatched runs of a repository, newest first, with the listing's ETag; None: not changed since."""
    asked = {"event": "workflow_dispatch", "per_page": _RUNS}
    known = {"If-None-Match": etag} if etag else None
    try:
        answer = await client.send("GET", f"{path_of(repository)}/actions/runs", params=asked, headers=known)
    except Missing as error:
        hint = f"GitHub has no repository {repository}, or the token may not see it"
        raise Missing("REPOSITORY_NOT_FOUND", hint, status=error.status, said=error.said) from error
    if answer.status_code == 304:
        return None
    return decoded(answer, Runs).workflow_runs, answer.headers.get("etag")


async def get_run(client: Client, repository: str, run_id: int) -> Run:
    """Read one run; Refused with RUN_DELETED when the repository is there and the run is not."""
    try:
        return await client.get(f"{_run(repository, run_id)}", Run)
    except Missing as error:
        await client.get(path_of(repository), NamedRepository)  # Missing: it is the repository that is gone
        raise Refused("RUN_DELETED", f"Run {run_id} of {repository} was deleted on GitHub", status=404) from error


async def rerun(client: Client, repository: str, run_id: int, what: Literal["all", "failed"]) -> None:
    """Begin the run's next attempt. Refused with NOT_RERUNNABLE when it runs, or is older than GitHub reruns."""
    operation = "rerun" if what == "all" else "rerun-failed-jobs"
    try:
        await client.send("POST", f"{_run(repository, run_id)}/{operation}")
    except Missing:
        await get_run(client, repository, run_id)  # says what is gone
        raise
    except Refused as error:
        if error.status == 401 or "not accessible" in error.said.lower():
            raise
        hint = f"GitHub does not run run {run_id} again: {error.said}"
        raise Refused("NOT_RERUNNABLE", hint, status=error.status, said=error.said) from error


async def cancel(client: Client, repository: str, run_id: int, *, force: bool = False) -> None:
    """Ask GitHub to cancel a run, with `force` without its `always()` steps; a run that has ended is left alone."""
    try:
        await client.send("POST", f"{_run(repository, run_id)}/{'force-cancel' if force else 'cancel'}")
    except Missing:
        return
    except Refused as error:
        if error.status != 409:  # it has ended, or is about to
            raise


class Jobs:
    """Reads the jobs of runs; what did not change since the last time costs nothing of the rate limit."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], tuple[str, list[WorkflowJob]]] = OrderedDict()

    async def of(self, client: Client, repository: str, run_id: int) -> list[WorkflowJob]:
        """The jobs of a run's newest attempt, in GitHub's order."""
        key = (repository, run_id)
        path = f"{_run(repository, run_id)}/jobs"
        known = self._known.get(key)
        asked = {"filter": "latest", "per_page": _PAGE}
        headers = {"If-None-Match": known[0]} if known else None
        answer = await client.send("GET", path, params=asked, headers=headers)
        if answer.status_code == 304 and known is not None:
            self._known.move_to_end(key)
            return known[1]
        first = decoded(answer, WorkflowJobs)
        jobs, etag = list(first.jobs), answer.headers.get("etag")
        for page in range(2, _JOB_PAGES + 1):
            if len(jobs) >= first.total_count:
                break
            jobs += (await client.get(path, WorkflowJobs, **asked, page=page)).jobs
        if etag and len(jobs) == len(first.jobs):  # it speaks for one page
            self._known[key] = (etag, jobs)
            self._known.move_to_end(key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return jobs

    def forget(self, repository: str, run_id: int) -> None:
        """The run has ended."""
        self._known.pop((repository, run_id), None)


async def archive_address(client: Client, repository: str, run: Run) -> str:
    """Where the logs of a run's attempt can be fetched from, for a minute; raises Missing while there are none."""
    path = f"{_run(repository, run.id)}/attempts/{run.run_attempt}/logs"
    answer = await client.send("GET", path, redirects=True)
    place: str = answer.headers.get("location", "")
    if not re.match(r"https?://", place):
        raise Unreachable("an answer without the log's place", 5.0, sent=True)
    return place


def _run(repository: str, run_id: int) -> str:
    return f"{path_of(repository)}/actions/runs/{run_id}"

"""What each operation of the fake does, by GitHub's operationId; a refusal has the words that GitHub uses."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tests.fakeforge.faults import Answer
from tests.fakeforge.server import Call
from tests.fakegithub.actions import Job, Repository, Run, Status, Workflow, now

if TYPE_CHECKING:
    from tests.fakegithub.forge import FakeGitHub

Perform = Callable[["FakeGitHub", Call, Repository], Answer]
T = TypeVar("T")

PERFORM: Final[dict[str, Perform]] = {}
"""operationId -> what it does; for operations that are about a repository."""

INPUTS_MAX_CHARS: Final = 65_535  # docs.github.com: the largest payload of all inputs together


class Refused(Exception):
    """GitHub does not do this: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message, "documentation_url": "https://docs.github.com/rest"})


def performs(operation_id: str) -> Callable[[Perform], Perform]:
    def note(perform: Perform) -> Perform:
        PERFORM[operation_id] = perform
        return perform

    return note


# --- workflows and their runs ---------------------------------------------------------------------------------------


@performs("actions/create-workflow-dispatch")
def _dispatch(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    workflow, inputs = _workflow(call, repository), call.body.get("inputs") or {}
    _refuse_dispatch(github, call, repository, workflow, inputs)
    run = Run(
        repository.id,
        workflow,
        call.body["ref"].removeprefix("refs/heads/").removeprefix("refs/tags/"),
        {name: str(value) for name, value in inputs.items()},
        actor=github.login_of(call),
        number=len(repository.runs) + 1,
        sha=_sha_of(repository, call.body["ref"]) or "",
    )
    run.changed = github.run_changed
    repository.runs.append(run)
    github.note("dispatch", repository, run)
    run.request()
    if github.version_of(call) == "2022-11-28" and not call.body.get("return_run_details"):
        return Answer(204)
    if github.is_enterprise:
        return Answer(204)
    bodies = github.bodies(call)
    return Answer(
        200,
        {
            "workflow_run_id": run.id,
            "run_url": bodies.run(repository, run)["url"],
            "html_url": bodies.run_page(repository, run),
        },
    )


def _refuse_dispatch(
    github: "FakeGitHub", call: Call, repository: Repository, workflow: Workflow, inputs: dict[str, Any]
) -> None:
    declared = workflow.dispatch
    if github.is_enterprise and "return_run_details" in call.body:
        raise Refused(422, 'Invalid request.\n\n"return_run_details" is not a permitted key.')
    if _sha_of(repository, call.body["ref"]) is None:
        raise Refused(422, f"No ref found for: {call.body['ref']}")
    if workflow.state != "active":
        raise Refused(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    if declared is None:
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    if unexpected := sorted(inputs.keys() - declared.keys()):
        raise Refused(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
    for name, about in declared.items():
        if (about or {}).get("required") and name not in inputs and "default" not in about:
            raise Refused(422, f"Required input '{name}' not provided")
    if sum(len(name) + len(str(value)) for name, value in inputs.items()) > INPUTS_MAX_CHARS:
        raise Refused(422, "inputs are too large.")


def _sha_of(repository: Repository, ref: str) -> str | None:
    return repository.refs.get(ref.removeprefix("refs/heads/").removeprefix("refs/tags/"))


@performs("actions/get-workflow")
def _get_workflow(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return Answer(200, github.bodies(call).workflow(repository, _workflow(call, repository)))


@performs("actions/list-repo-workflows")
def _list_workflows(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    bodies = github.bodies(call)
    found, headers = _page(call, repository.workflows)
    listed = [bodies.workflow(repository, one) for one in found]
    return Answer(200, {"total_count": len(repository.workflows), "workflows": listed}, headers)


@performs("actions/list-workflow-runs")
def _list_runs_of_workflow(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    workflow = _workflow(call, repository)
    return _runs(github, call, repository, [run for run in repository.runs if run.workflow is workflow])


@performs("actions/list-workflow-runs-for-repo")
def _list_runs(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return _runs(github, call, repository, repository.runs)


def _runs(github: "FakeGitHub", call: Call, repository: Repository, runs: Sequence[Run]) -> Answer:
    wanted = [run for run in reversed(runs) if _matches(run, call)]
    found, headers = _page(call, wanted)
    bodies = github.bodies(call)
    listed = [bodies.run(repository, run) for run in found]
    return Answer(200, {"total_count": len(wanted), "workflow_runs": listed}, headers)


def _matches(run: Run, call: Call) -> bool:
    asked = call.query
    same = {"actor": run.actor, "branch": run.ref, "event": run.event, "head_sha": run.sha}
    if any(asked.get(name, value) != value for name, value in same.items()):
        return False
    if "status" in asked and asked["status"] not in {run.status, run.conclusion}:
        return False
    return _created_within(run.created_at.replace(microsecond=0), asked.get("created", "*"))


def _created_within(at: datetime, asked: str) -> bool:
    """GitHub's search syntax: `>=T`, `>T`, `<=T`, `<T`, `T..T`, a day, with `*` for no bound."""
    if ".." in asked:
        first, last = asked.split("..", 1)
        return (first == "*" or at >= _instant(first)) and (last == "*" or at <= _instant(last))
    if asked == "*":
        return True
    found = re.fullmatch(r"(>=|<=|>|<|)(.+)", asked)
    assert found is not None
    bound = _instant(found[2])
    compared = {">=": at >= bound, "<=": at <= bound, ">": at > bound, "<": at < bound}
    return compared[found[1]] if found[1] else bound <= at < bound + timedelta(days=1)


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=now().tzinfo)


@performs("actions/get-workflow-run")
def _get_run(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return Answer(200, github.bodies(call).run(repository, _run(call, repository)))


@performs("actions/get-workflow-run-attempt")
def _get_attempt(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    if int(call.parameters["attempt_number"]) != run.attempt:
        raise Refused(404, "Not Found")  # earlier attempts are not kept here, their jobs are
    return Answer(200, github.bodies(call).run(repository, run))


# --- jobs and logs --------------------------------------------------------------------------------------------------


@performs("actions/list-jobs-for-workflow-run")
def _list_jobs(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    every = [job for jobs in run.attempts.values() for job in jobs]
    return _jobs(github, call, repository, run, every if call.query.get("filter") == "all" else run.jobs)


@performs("actions/list-jobs-for-workflow-run-attempt")
def _list_jobs_of_attempt(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    jobs = run.attempts.get(int(call.parameters["attempt_number"]))
    if jobs is None:
        raise Refused(404, "Not Found")
    return _jobs(github, call, repository, run, jobs)


def _jobs(github: "FakeGitHub", call: Call, repository: Repository, run: Run, jobs: Sequence[Job]) -> Answer:
    found, headers = _page(call, jobs)
    bodies = github.bodies(call)
    listed = [bodies.job(repository, run, job) for job in found]
    return Answer(200, {"total_count": len(jobs), "jobs": listed}, headers)


@performs("actions/get-job-for-workflow-run")
def _get_job(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run, job = _job(call, repository)
    return Answer(200, github.bodies(call).job(repository, run, job))


@performs("actions/download-workflow-run-logs")
def _logs(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    return _stored_log(github, run, run.log_zip(run.jobs) if run.is_completed else None)


@performs("actions/download-workflow-run-attempt-logs")
def _logs_of_attempt(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run, attempt = _run(call, repository), int(call.parameters["attempt_number"])
    jobs = run.attempts.get(attempt)
    is_over = jobs is not None and (attempt < run.attempt or run.is_completed)
    return _stored_log(github, run, run.log_zip(jobs) if jobs and is_over else None)


@performs("actions/download-job-logs-for-workflow-run")
def _job_logs(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run, job = _job(call, repository)
    text = "\ufeff" + "".join(job.log(step) for step in job.steps)
    return _stored_log(github, run, text.encode() if job.status == "completed" else None)


def _stored_log(github: "FakeGitHub", run: Run, content: bytes | None) -> Answer:
    if run.logs_deleted:
        raise Refused(410, "Server Error")  # GitHub's word for logs that are gone
    if content is None:
        raise Refused(404, "Not Found")
    return Answer(302, None, {"Location": github.store(content)})


# --- changing runs --------------------------------------------------------------------------------------------------


@performs("actions/cancel-workflow-run")
def _cancel(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    if run.is_completed:
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    github.note("cancel", repository, run)
    if github.obeys_cancel:
        run.finish("cancelled")
    return Answer(202, {})


@performs("actions/force-cancel-workflow-run")
def _force_cancel(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    run = _run(call, repository)
    if run.is_completed:
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    github.note("force_cancel", repository, run)
    run.finish("cancelled")
    return Answer(202, {})


@performs("actions/re-run-workflow")
def _rerun(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return _run_again(github, call, repository, failed_only=False)


@performs("actions/re-run-workflow-failed-jobs")
def _rerun_failed(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return _run_again(github, call, repository, failed_only=True)


def _run_again(github: "FakeGitHub", call: Call, repository: Repository, *, failed_only: bool) -> Answer:
    run = _run(call, repository)
    if not run.is_completed:
        raise Refused(403, "This workflow is already running")
    if failed_only and run.conclusion == "success":
        raise Refused(403, "This workflow run cannot be retried: it has no failed jobs")
    run.again(failed_only=failed_only)
    github.note("rerun_failed" if failed_only else "rerun", repository, run)
    return Answer(201, {})


# --- the repository -------------------------------------------------------------------------------------------------


@performs("repos/get")
def _get_repository(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    return Answer(200, github.bodies(call).repository(repository))


@performs("repos/get-content")
def _get_content(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    path = call.parameters["path"]
    if "ref" in call.query and _sha_of(repository, call.query["ref"]) is None:
        raise Refused(404, f"No commit found for the ref {call.query['ref']}")
    for workflow in repository.workflows:
        if workflow.path == path:
            body = github.bodies(call).file(repository, path, workflow.text)
            if "raw" in call.headers.get("accept", ""):
                return Answer(200, base64.b64decode(body["content"]))
            return Answer(200, body)
    raise Refused(404, "Not Found")


@performs("repos/create-commit-status")
def _post_status(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    body, sha = call.body, call.parameters["sha"]
    if not re.fullmatch("[0-9a-f]{40}", sha) or sha not in repository.refs.values():
        raise Refused(422, f"No commit found for SHA: {sha}")
    if len(body.get("description") or "") > 140:
        raise Refused(422, "Validation Failed: description is too long (maximum is 140 characters)")
    status = Status(
        sha,
        body["state"],
        body.get("context", "default"),
        body.get("target_url"),
        body.get("description"),
        github.login_of(call),
    )
    repository.statuses.append(status)
    github.note("status", repository, None)
    return Answer(201, github.bodies(call).status(repository, status))


@performs("repos/list-commit-statuses-for-ref")
def _list_statuses(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    ref = call.parameters["ref"]
    sha = _sha_of(repository, ref) or ref
    found, headers = _page(call, [one for one in reversed(repository.statuses) if one.sha == sha])
    bodies = github.bodies(call)
    return Answer(200, [bodies.status(repository, status) for status in found], headers)


@performs("apps/get-repo-installation")
def _installation(github: "FakeGitHub", call: Call, repository: Repository) -> Answer:
    if github.app is None:
        raise Refused(404, "Not Found")
    body = github.bodies(call).description.example("apps/get-repo-installation")
    body |= {"id": github.app.installation_id, "app_id": github.app.id, "app_slug": github.app.slug}
    return Answer(200, body)


# --- finding things -------------------------------------------------------------------------------------------------


def _workflow(call: Call, repository: Repository) -> Workflow:
    found = repository.workflow(call.parameters["workflow_id"])
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _run(call: Call, repository: Repository) -> Run:
    found = repository.run(int(call.parameters["run_id"]))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _job(call: Call, repository: Repository) -> tuple[Run, Job]:
    job_id = int(call.parameters["job_id"])
    for run in repository.runs:
        for jobs in run.attempts.values():
            for job in jobs:
                if job.id == job_id:
                    return run, job
    raise Refused(404, "Not Found")


def _page(call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """One page, with the Link header when there is another one."""
    size, number = min(int(call.query.get("per_page", 30)), 100), int(call.query.get("page", 1))
    start = (number - 1) * size
    headers = {}
    if len(items) > start + size:
        headers["Link"] = f'<{call.path}?page={number + 1}&per_page={size}>; rel="next"'
    return items[start : start + size], headers

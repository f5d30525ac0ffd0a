"""GitHub's JSON of what the fake holds: its own examples, with ours laid over them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakeforge.description import Description
from tests.fakegithub.actions import Job, Repository, Run, Status, Workflow, moment

_EXAMPLE_NAMES = ("octo-org/octo-repo", "octocat/Hello-World", "octocat/hello-world", "github/hello-world")


@dataclass(frozen=True, slots=True)
class Bodies:
    """Writes bodies for one version of the API; `api` and `web` are base addresses."""

    description: Description
    api: str
    web: str

    def repository(self, repository: Repository) -> dict[str, Any]:
        example = self._example("repos/get", repository)
        for other in ("parent", "source", "template_repository"):  # ours is no fork
            example.pop(other, None)
        return example | self._names(repository) | {"default_branch": repository.default_branch, "language": None}

    def run(self, repository: Repository, run: Run) -> dict[str, Any]:
        where = f"{self._api_of(repository)}/actions/runs/{run.id}"
        example = self._example("actions/get-workflow-run", repository)
        people = {key: self._user(example[key], run.actor) for key in ("actor", "triggering_actor")}
        here = {key: example[key] | self._names(repository) for key in ("repository", "head_repository")}
        return (
            example
            | people
            | here
            | {
                "id": run.id,
                "name": run.workflow.name,
                "display_title": run.title,
                "head_branch": run.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
                "head_sha": run.sha,
                "head_commit": example["head_commit"] | {"id": run.sha},
                "path": run.workflow.path,
                "event": run.event,
                "status": run.status,
                "conclusion": run.conclusion,
                "workflow_id": run.workflow.id,
                "run_number": run.number,
                "run_attempt": run.attempt,
                "created_at": moment(run.created_at),
                "updated_at": moment(run.updated_at),
                "run_started_at": moment(run.started_at),
                "url": where,
                "html_url": self.run_page(repository, run),
                "jobs_url": f"{where}/jobs",
                "logs_url": f"{where}/logs",
                "cancel_url": f"{where}/cancel",
                "rerun_url": f"{where}/rerun",
                "artifacts_url": f"{where}/artifacts",
                "previous_attempt_url": f"{where}/attempts/{run.attempt - 1}" if run.attempt > 1 else None,
                "workflow_url": f"{self._api_of(repository)}/actions/workflows/{run.workflow.id}",
                "pull_requests": [],
            }
        )

    def job(self, repository: Repository, run: Run, job: Job) -> dict[str, Any]:
        steps = [
            {
                "name": step.name,
                "number": step.number,
                "status": step.status,
                "conclusion": step.conclusion,
                "started_at": moment(step.started_at) if step.started_at else None,
                "completed_at": moment(step.completed_at) if step.completed_at else None,
            }
            for step in job.steps
            if job.status != "queued"
        ]
        return self._example("actions/get-job-for-workflow-run", repository) | {
            "id": job.id,
            "run_id": run.id,
            "run_attempt": job.attempt,
            "run_url": f"{self._api_of(repository)}/actions/runs/{run.id}",
            "url": f"{self._api_of(repository)}/actions/jobs/{job.id}",
            "html_url": f"{self.run_page(repository, run)}/job/{job.id}",
            "head_sha": run.sha,
            "head_branch": run.ref,
            "workflow_name": run.workflow.name,
            "name": job.name,
            "status": job.status,
            "conclusion": job.conclusion,
            "created_at": moment(job.created_at),
            "started_at": moment(job.started_at or job.created_at),
            "completed_at": moment(job.completed_at) if job.completed_at else None,
            "steps": steps,
        }

    def workflow(self, repository: Repository, workflow: Workflow) -> dict[str, Any]:
        return self._example("actions/get-workflow", repository) | {
            "id": workflow.id,
            "name": workflow.name,
            "path": workflow.path,
            "state": workflow.state,
            "created_at": moment(workflow.created_at),
            "updated_at": moment(workflow.created_at),
            "url": f"{self._api_of(repository)}/actions/workflows/{workflow.id}",
            "html_url": f"{self.web}/{repository.full_name}/blob/{repository.default_branch}/{workflow.path}",
        }

    def file(self, repository: Repository, path: str, text: str) -> dict[str, Any]:
        return self._example("repos/get-content", repository) | {
            "type": "file",
            "name": path.rsplit("/", 1)[-1],
            "path": path,
            "size": len(text.encode()),
            "encoding": "base64",
            "content": base64.encodebytes(text.encode()).decode(),
        }

    def status(self, repository: Repository, status: Status) -> dict[str, Any]:
        example = self._example("repos/create-commit-status", repository)
        return example | {
            "id": status.id,
            "url": f"{self._api_of(repository)}/statuses/{status.sha}",
            "state": status.state,
            "context": status.context,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
            "creator": self._user(example["creator"], status.creator),
        }

    def user(self, login: str) -> dict[str, Any]:
        return self._user(self._example("users/get-authenticated", None), login)

    def run_page(self, repository: Repository, run: Run) -> str:
        return f"{self.web}/{repository.full_name}/actions/runs/{run.id}"

    def _api_of(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"

    def _names(self, repository: Repository) -> dict[str, Any]:
        name = repository.full_name.split("/")[1]
        page = f"{self.web}/{repository.full_name}"
        return {"id": repository.id, "name": name, "full_name": repository.full_name, "html_url": page}

    def _user(self, example: Mapping[str, Any], login: str) -> dict[str, Any]:
        moved = json.dumps(example).replace("/octocat", f"/{login}")
        found: dict[str, Any] = json.loads(moved)
        return found | {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}

    def _example(self, operation_id: str, repository: Repository | None) -> dict[str, Any]:
        text = json.dumps(self.description.example(operation_id))
        for name in _EXAMPLE_NAMES if repository is not None else ():
            text = text.replace(name, repository.full_name if repository else name)
        text = text.replace("https://api.github.com", self.api).replace("https://github.com", self.web)
        found: dict[str, Any] = json.loads(text)
        return found

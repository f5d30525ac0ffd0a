"""Queue in, by kind: what the builds worker does for each kind of job."""

from services.builds.tasks.pipelines import handlers
from services.builds.tasks.statuses import handler as status_handler
from services.builds.tasks.workflows import workflow_handler

__all__ = ["handlers", "status_handler", "workflow_handler"]

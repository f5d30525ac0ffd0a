"""Queue in, by kind: what the builds worker does for each kind of job."""

from services.builds.tasks.pipelines import handlers

__all__ = ["handlers"]

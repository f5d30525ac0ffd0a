"""The deployer worker: `python -m workers.deployer`. Its kinds of jobs come with their slice."""

from libs.common.worker.context import Handler
from libs.common.worker.main import Resources, main


def handlers(_: Resources) -> list[Handler]:
    """No kinds yet: jobs of newer versions are handed back (see runtime, unknown kinds)."""
    return []


if __name__ == "__main__":
    main("deployer", handlers)

"""Background tasks that outlive their errors."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


async def supervise(part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `part()` until cancelled; when it raises or returns, start it again after a growing wait.

    What a part can expect (Redis or SQL away) it handles itself; this is for the surprise that must not silently end a
    publisher or an intake for the rest of the process's life.
    """
    wait_s = _FIRST_WAIT_S
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await part()
        except Exception:
            log.exception("background_task_failed", task=part.__qualname__)
        if asyncio.get_running_loop().time() - started > _LONGEST_WAIT_S:
            wait_s = _FIRST_WAIT_S
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, whatever their ends are.

    Cancels again every half second: a cancellation that meets a database driver in the middle of a rollback can come
    out as another error, which a loop that outlives errors takes for an outage and goes on.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)

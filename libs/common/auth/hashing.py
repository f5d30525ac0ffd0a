"""Passwords: argon2id with OWASP's minimum cost, in threads of their own."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs.common.errors import TooManyRequests

T = TypeVar("T")

# 31 ms on 2 cores; the library's own default takes 229 ms, which a login flood would turn into an outage.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# The hash of a password that nobody has: checking an unknown user's takes as long as checking a known one's.
_NOBODY: Final = _HASHER.hash("an unknown user")
# Two at once leave the event loop its share of the processor; 40 MB of memory at most.
_THREADS: Final = 2
# These threads run when the event loop and its neighbours leave the processor free: while passwords are guessed, logins
# get slow and nothing else does. 10 gives them a tenth of it at least.
_NICENESS: Final = 10
_NICENESS_MAX: Final = 19  # Linux has no more
# About a second and a half of work; whoever comes behind that waits longer than a person would.
_MAX_WAITING: Final = 100


class Passwords:
    """Hashes and checks passwords without blocking the event loop; one per process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2", initializer=_give_way)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a new password; the result names its parameters and salt. Raises TooManyRequests."""
        return await self._run(_HASHER.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Tell whether the password fits the stored hash; None (no such user) takes the same time and is False.

        Raises TooManyRequests when too many logins wait already.
        """
        return await self._run(_verify, password, _NOBODY if stored is None else stored) and stored is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= _MAX_WAITING:
            raise TooManyRequests("Too many logins at once; try again", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1


def _give_way() -> None:
    """Lower the calling thread's priority; only Linux has one for each thread (setpriority(2), notes).

    By as much as is left below the process's own, which `nice` may have lowered: raising it needs root.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness + _NICENESS, _NICENESS_MAX))


def _verify(password: str, stored: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False

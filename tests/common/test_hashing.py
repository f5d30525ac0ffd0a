"""Passwords are hashed beside the event loop, not instead of it."""

import os
import subprocess
import sys
import threading

import pytest

from libs.common.auth.hashing import Passwords
from tests.servers import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_hashing_gives_way() -> None:
    """The threads that hash have a lower priority than the one that serves, and leave that one its own."""
    passwords = Passwords()
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hashing = await passwords._run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert hashing > before
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    passwords.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_hashing_in_a_process_that_gives_way_itself() -> None:
    """A gateway that was started with `nice` hashes as well, also where it may not raise its priority again."""
    script = (
        "import asyncio, os; from libs.common.auth.hashing import Passwords; "
        "os.getuid() or os.setuid(65534); "
        "print(asyncio.run(Passwords().hash('correct horse')))"
    )
    done = subprocess.run(
        ["nice", "-n", "15", sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("$argon2id$"), done.stderr

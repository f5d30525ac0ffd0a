"""The test servers themselves: what other tests rely on."""

import os
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
import redis as redis_client

from tests.servers import RedisServer, free_port


def test_redis_keeps_its_data_and_address_over_kill_and_restart(redis_server: RedisServer) -> None:
    """A killed Redis comes back at the same address with what it had acknowledged."""
    url = redis_server.url
    with redis_client.Redis.from_url(url) as client:
        client.set("kept", "1")
        client.execute_command("WAITAOF", 1, 0, 0)  # everysec promises nothing younger than a second
    redis_server.kill()
    with redis_client.Redis.from_url(url) as client, pytest.raises(redis_client.ConnectionError):
        client.ping()
    redis_server.start()
    redis_server.stop()
    redis_server.start()
    with redis_client.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"


def test_redis_is_empty_for_each_test(redis: str) -> None:
    """What an earlier test wrote is gone."""
    with redis_client.Redis.from_url(redis) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_a_paused_redis_answers_again_after_resume(redis_server: RedisServer) -> None:
    """`pause` makes connections hang, as a stalled machine does; `resume` ends it."""
    redis_server.pause()
    with redis_client.Redis.from_url(redis_server.url, socket_timeout=0.2) as client:
        with pytest.raises(redis_client.TimeoutError):
            client.ping()
        redis_server.resume()
        assert client.ping()


def test_an_empty_sqlite_database_is_a_file_to_be(empty_database: str, database_kind: str) -> None:
    """Each test has a database of its own, on each kind."""
    if database_kind == "sqlite":
        assert not Path(empty_database.removeprefix("sqlite:///")).exists()
    else:
        assert empty_database.startswith("postgresql://postgres@")


@pytest.mark.databases("postgresql")
async def test_postgres_is_real(empty_database: str) -> None:
    """The marker restricts a test to one kind; the server answers SQL and does not lose time on fsync."""
    connection = await asyncpg.connect(empty_database)
    try:
        assert await connection.fetchval("SELECT 40 + 2") == 42
        fsync = "on" if os.environ.get("SLIPWAY_TEST_FSYNC") == "1" else "off"
        assert await connection.fetchval("SHOW fsync") == fsync
    finally:
        await connection.close()


def test_free_port_can_be_listened_on() -> None:
    """A free port is a port between 1024 and 65535."""
    assert 1024 <= free_port() <= 65535

"""What libs/common/worker/engine.py relies on in arq's insides; a new arq that breaks one of these breaks us."""

import inspect
import re

import arq
import msgspec
from arq import constants
from arq.jobs import deserialize_job_raw, serialize_job
from arq.worker import Retry, Worker

from libs.common.worker.engine import Engine, make_pool


def test_the_version_is_the_pinned_one() -> None:
    """arq is in maintenance mode; another release is looked at by a person before it runs our jobs."""
    assert arq.VERSION == "0.28.0"


def test_the_methods_that_are_replaced_exist_with_these_arguments() -> None:
    """Engine overrides main, start_jobs and finish_job; arq calls them with exactly these arguments."""
    assert list(inspect.signature(Worker.start_jobs).parameters) == ["self", "job_ids"]
    assert list(inspect.signature(Worker.main).parameters) == ["self"]
    theirs = list(inspect.signature(Worker.finish_job).parameters)
    assert theirs == list(inspect.signature(Engine.finish_job).parameters)
    assert list(inspect.signature(Worker.run_job).parameters) == ["self", "job_id", "score"]


def test_the_job_key_is_the_one_that_we_read() -> None:
    """The engine finds the job's id in the key that arq asks for."""
    assert constants.job_key_prefix == "arq:job:"


async def test_what_run_job_asks_redis_at_its_start_is_what_is_answered() -> None:
    """arq begins a job with one transaction of get, incr and expire; the engine answers it without Redis."""
    source = inspect.getsource(Worker.run_job)
    begins = source[: source.index("function_name, enqueue_time_ms")]
    assert re.findall(r"pipe\.(\w+)\(", begins) == ["get", "incr", "expire", "zrem", "execute", "execute"]
    assert source.count("pipeline(") == 1
    async with make_pool("redis://127.0.0.1:1").pipeline(transaction=True) as call:
        call.get("arq:job:light:1")
        call.incr("arq:retry:light:1")
        call.expire("arq:retry:light:1", 88400)
        payload, tries, _ = await call.execute()
    name, args, _, _, _ = deserialize_job_raw(payload, deserializer=msgspec.json.decode)
    assert (name, list(args), tries) == ("step", ["light:1"], 1)


def test_a_job_is_plain_json_on_the_wire() -> None:
    """With msgspec as serializer nothing is ever pickled, so whoever writes to Redis cannot run code in a worker."""
    wire = serialize_job("step", ("light:1",), {}, None, 5, serializer=msgspec.json.encode)
    assert wire.startswith(b"{")
    name, args, kwargs, _, enqueued = deserialize_job_raw(wire, deserializer=msgspec.json.decode)
    assert (name, list(args), kwargs, enqueued) == ("step", ["light:1"], {}, 5)


def test_a_retry_carries_its_wait_in_milliseconds() -> None:
    """The engine raises Retry(defer=seconds) as alarm clock."""
    assert Retry(defer=1.5).defer_score == 1500

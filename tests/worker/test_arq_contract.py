"""What libs/common/worker/engine.py relies on in arq's insides; a new arq that breaks one of these breaks us."""

import inspect

import arq
import msgspec
from arq import constants
from arq.jobs import deserialize_job_raw, serialize_job
from arq.worker import Retry, Worker

from libs.common.worker.engine import Engine


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


def test_the_key_prefixes_are_the_ones_that_we_write() -> None:
    """The engine writes arq's job and in-progress keys itself."""
    assert constants.job_key_prefix == "arq:job:"
    assert constants.in_progress_key_prefix == "arq:in-progress:"
    assert constants.retry_key_prefix == "arq:retry:"


def test_a_job_is_plain_json_on_the_wire() -> None:
    """With msgspec as serializer nothing is ever pickled, so whoever writes to Redis cannot run code in a worker."""
    wire = serialize_job("step", ("light:1",), {}, None, 5, serializer=msgspec.json.encode)
    assert wire.startswith(b"{")
    name, args, kwargs, _, enqueued = deserialize_job_raw(wire, deserializer=msgspec.json.decode)
    assert (name, list(args), kwargs, enqueued) == ("step", ["light:1"], {}, 5)


def test_a_retry_carries_its_wait_in_milliseconds() -> None:
    """The engine raises Retry(defer=seconds) as alarm clock."""
    assert Retry(defer=1.5).defer_score == 1500

"""The threads that compute: what is due first goes first, and lateness refuses new streams."""

import threading
import time

import pytest

from speech_rnn.errors import ConfigurationError
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.capacity import Capacity, measured_streams
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.refusals import RefusalError
from speech_rnn.serving.workers import Workers


@pytest.fixture
def workers():
    found = Workers(1)
    yield found
    found.close()


def test_what_is_due_first_is_computed_first(workers):
    free, order = threading.Event(), []
    first = workers.submit(free.wait)
    now = time.monotonic()
    jobs = [
        workers.submit(lambda delay=delay: order.append(delay), now + delay)
        for delay in (30, 10, 20, 10, 0)
    ]
    free.set()
    for job in (first, *jobs):
        job.result(60)
    assert order == [0, 10, 10, 20, 30]


def test_an_error_of_a_job_comes_back_and_the_thread_lives_on(workers):
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result(60)
    assert workers.submit(lambda: 3).result(60) == 3


@pytest.mark.slow
def test_streams_are_refused_while_jobs_are_late(workers):
    capacity = Capacity(10, workers)
    jobs = [workers.submit(lambda: time.sleep(0.2)) for _ in range(2)]
    for job in jobs:
        job.result(60)
    with pytest.raises(RefusalError, match="at its capacity"), capacity.admitted():
        pass
    time.sleep(2.1)
    with capacity.admitted(10):
        with pytest.raises(RefusalError, match="10 of 10"), capacity.admitted():
            pass
        assert capacity.n_open == 10
    assert capacity.n_open == 0
    capacity.is_stopping = True
    with pytest.raises(RefusalError, match="stops"), capacity.admitted():
        pass


@pytest.mark.slow
def test_the_capacity_is_what_the_threads_compute(workers):
    assert 1 <= measured_streams(Recognizer.load(), workers) < 10_000


@pytest.mark.parametrize("name", ["request_bytes", "seconds", "streams", "idle_seconds"])
def test_a_limit_is_above_zero(name):
    with pytest.raises(ConfigurationError, match=f"{name}=0 must be above 0"):
        Limits(**{name: 0})

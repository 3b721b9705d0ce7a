"""Every item once, whatever process dies: with real processes that are really killed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from speech_rnn.errors import ConfigurationError, MissingExtraError, SpeechRnnError
from speech_rnn.parallel.job import Died
from speech_rnn.parallel.processes import processes
from speech_rnn.parallel.schedule import finished, in_order
from tests.parallel.jobs import Dying, Refusing, Square

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
PARTS = [(number, range(5 * number, 5 * number + 5)) for number in range(8)]
SQUARES = [(number, [item * item for item in items]) for number, items in PARTS]


class Here:
    """A crew in this process that answers in an order of its own: the latest task first."""

    def __init__(self, n_workers, deaths=()):
        self.n_workers, self.deaths = n_workers, list(deaths)
        self.given, self.most = [], 0

    def begin(self, task, items):
        self.given.append((task, items))
        self.most = max(self.most, len(self.given))

    def answers(self):
        task, items = self.given.pop()
        if self.deaths and self.deaths.pop(0):
            return [(task, Died("exit code -9"))]
        return [(task, [item * item for item in items])]


def test_parts_are_finished_in_any_order_and_yielded_in_theirs():
    assert sorted(finished(Here(3), Square(), PARTS)) == SQUARES
    assert list(in_order(Here(3), Square(), PARTS)) == SQUARES
    assert list(in_order(Here(2), Square(), [PARTS[2], PARTS[7]])) == [SQUARES[2], SQUARES[7]]
    assert list(in_order(Here(2), Square(), [])) == []


def test_no_more_tasks_than_workers_and_few_parts_ahead():
    crew, taken = Here(3), []

    def parts():
        for number, items in [(number, [number]) for number in range(100)]:
            taken.append(number)
            yield number, items

    first = next(in_order(crew, Square(), parts()))  # part 0 is answered last
    assert first == (0, [0])
    assert crew.most == 3
    assert len(taken) < 20


@pytest.mark.parametrize("n_deaths", [1, 2, 3, 5])
def test_what_a_dead_process_had_is_done_again(n_deaths):
    deaths = [True, False] * n_deaths
    assert list(in_order(Here(2, deaths), Square(), PARTS)) == SQUARES


def test_a_job_without_end_ends():
    with pytest.raises(SpeechRnnError, match="20 processes ended one after the other"):
        list(finished(Here(2, [True] * 100), Square(), PARTS))


def test_an_item_that_kills_each_process_becomes_its_row():
    with processes(Square(frozenset([12])), 2) as crew:
        found = list(in_order(crew, Square(), PARTS[:4]))
    expected = [row for _, rows in SQUARES[:4] for row in rows]
    expected[12] = "12 is lost: exit code -9"
    assert [row for _, rows in found for row in rows] == expected


@pytest.mark.slow
def test_random_deaths_cost_nothing(tmp_path):
    job = Square(once=str(tmp_path))
    with processes(job, 2) as crew:
        assert list(in_order(crew, job, PARTS)) == SQUARES
    assert len(list(tmp_path.iterdir())) == 40


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [
        (Refusing(), ConfigurationError, "beam=-1 must be above 0"),
        (Refusing(extra=True), MissingExtraError, r"package='kenlm' .*\[kenlm\]"),
        pytest.param(
            Dying(),
            SpeechRnnError,
            "10 processes ended one after the other",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["refused", "missing", "dying"],
)
def test_a_job_that_cannot_start_is_one_error(job, error, message):
    with processes(job, 1) as crew, pytest.raises(error, match=message):
        list(finished(crew, job, PARTS))


def test_a_slow_part_keeps_the_order():
    job = Square(slow=0)
    with processes(job, 2) as crew:
        assert list(in_order(crew, job, PARTS)) == SQUARES


def test_processes_end_with_their_crew_in_the_middle_of_a_task():
    job = Square(slow=0)
    began = time.monotonic()
    with processes(job, 1) as crew:
        crew.begin(1, [0] * 100)
    assert time.monotonic() - began < 20


POOL = """
import multiprocessing, os, signal, time
from concurrent.futures import ProcessPoolExecutor
from speech_rnn.parallel.processes import end_with_parent
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=end_with_parent) as pool:
        first = [pool.submit(os.getpid) for _ in range(20)]
        pool.submit(time.sleep, 100)
        print(*{each.result() for each in first}, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_processes_of_a_killed_program_end(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    workers = [Path("/proc") / number for number in done.stdout.split()]
    deadline = time.monotonic() + 20
    while any(map(Path.exists, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(Path.exists, workers))

"""A crew of Ray's actors. Ray is no part of `.[dev]`: ``pip install -e '.[ray]'`` brings it."""

import socket
import sys

import pytest

from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.parallel.ray_actors import check_address, ray_actors
from speech_rnn.parallel.schedule import in_order
from tests.commands import speech_rnn
from tests.parallel.jobs import Refusing, Square
from tests.parallel.test_schedule import PARTS, SQUARES
from tests.test_clips import CLIPS


def test_an_address_at_which_nothing_answers_is_refused_before_the_start(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = speech_rnn("transcribe", "--ray", f"127.0.0.1:{port}", CLIPS[0], cwd=tmp_path)
    assert began.returncode == 2
    assert f"ray='127.0.0.1:{port}' does not answer" in began.stderr
    assert "ray start --head" in began.stderr


@pytest.mark.parametrize("address", ["", "clips", "host:", "host:99999", "http://host:1", "a b:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigurationError, match="must be HOST:PORT of a Ray cluster"):
        check_address(address)


def test_without_ray_the_line_that_installs_it_is_printed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"\[ray\]"), ray_actors(Square(), "local", 1, 1):
        pass


@pytest.fixture(scope="module")
def _has_ray():
    pytest.importorskip("ray", reason="the extra [ray] is not installed")


@pytest.mark.slow
@pytest.mark.usefixtures("_has_ray")
def test_actors_that_die_cost_nothing_and_a_deadly_item_is_a_row(tmp_path):
    job = Square(frozenset([12]), once=str(tmp_path))
    with ray_actors(job, "local", 2, len(PARTS)) as crew:
        found = [row for _, rows in in_order(crew, job, PARTS) for row in rows]
    with (
        ray_actors(Refusing(), "local", 1, 1) as crew,
        pytest.raises(ConfigurationError, match="beam=-1 must be above 0"),
    ):
        list(in_order(crew, Refusing(), PARTS))
    expected = [row for _, rows in SQUARES for row in rows]
    assert found[12].startswith("12 is lost: ")
    assert [*found[:12], 144, *found[13:]] == expected


@pytest.mark.slow
@pytest.mark.usefixtures("_has_ray")
@pytest.mark.parametrize("verb", ["transcribe", "spot"])
def test_two_actors_print_what_one_process_prints(tmp_path, verb):
    for number in range(60):
        (tmp_path / f"{number:02}.flac").symlink_to(CLIPS[number % len(CLIPS)])
    (tmp_path / "13-empty.wav").touch()
    alone = speech_rnn(verb, "--json", ".", cwd=tmp_path)
    options = ("--json", "--ray", "local", "--jobs", 2)
    several = speech_rnn(verb, *options, ".", cwd=tmp_path, apart=True)
    assert (several.returncode, several.stdout) == (alone.returncode, alone.stdout)

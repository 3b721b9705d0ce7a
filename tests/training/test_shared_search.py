"""Several processes work on one study: each trial is finished once, whatever is killed."""

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.training.search import Choices, Interval, search
from speech_rnn.training.storages import StudyPlace
from tests.commands import speech_rnn
from tests.tones import write_corpus
from tests.training.small import SMALL

pytest.importorskip("optuna", reason="a search needs the extra [search]")

SPACE = {"x": Interval(-4.0, 4.0), "cell": Choices(("gru", "lstm"))}
FIRST = {"x": 1.0, "cell": "gru"}
PATIENCE = 1.5
FORKS = multiprocessing.get_context("fork")


def bowl(values):
    return (values["x"] - 2) ** 2 + (values["cell"] != "lstm")


def work(place, folder, trials, kills=(), seconds=0.05, first=None):
    """Search, and note each trial that begins and ends; SIGKILL this process in trials `kills`."""

    def objective(values, trial):
        note(trial, "begun")
        if int(trial.name) in kills:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(seconds)
        note(trial, "ended")
        return bowl(values)

    def note(trial, what):
        with (folder.parent / "notes").open("a") as notes:
            print(json.dumps([what, int(trial.name), os.getpid()]), file=notes)

    return search(objective, SPACE, folder, trials=trials, first=first, place=place)


def start(*arguments, **options):
    process = FORKS.Process(target=work, args=arguments, kwargs=options)
    process.start()
    return process


def notes(folder, what):
    lines = map(json.loads, (folder / "notes").read_text().splitlines())
    return [(number, process) for kind, number, process in lines if kind == what]


@pytest.fixture(params=["journal", pytest.param("database", marks=pytest.mark.slow)])
def place(request, tmp_path):
    file = tmp_path / "study"
    url = f"sqlite:///{file}" if request.param == "database" else str(file)
    return StudyPlace(url, patience=PATIENCE)


def test_two_processes_finish_each_trial_once(place, tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    processes = [start(place, folder, 9, first=FIRST) for folder in folders]
    for process in processes:
        process.join()
    ended = notes(tmp_path, "ended")
    assert Counter(number for number, _ in ended) == Counter(range(9))
    assert len({process for _, process in ended}) == 2
    found = [json.loads((folder / "search.json").read_text()) for folder in folders]
    assert found[0] == found[1]
    trials = {trial["number"]: trial for trial in found[0]["trials"]}
    assert sorted(trials) == list(range(9))
    assert trials[0]["values"] == FIRST
    assert all(trial["objective"] == bowl(trial["values"]) for trial in trials.values())
    # The first ten are drawn at random, by the seed and the number: one process draws the same.
    alone = work(None, tmp_path / "alone", 9, seconds=0, first=FIRST)
    assert [vars(trial) for trial in alone.trials] == found[0]["trials"]
    # More trials are those of the study, too.
    more = work(place, folders[0], 11, seconds=0, first=FIRST)
    assert len(more.trials) == 11
    assert len(notes(tmp_path, "ended")) == 9 + 9 + 2


@pytest.mark.slow
def test_the_trial_of_a_killed_process_runs_again_in_the_other_one(place, tmp_path):
    folder = tmp_path / "search"
    killed = start(place, folder, 6, kills=range(1, 6))
    other = start(place, folder, 6)
    killed.join()
    other.join()
    assert (killed.exitcode, other.exitcode) == (-signal.SIGKILL, 0)
    begun = Counter(number for number, _ in notes(tmp_path, "begun"))
    ended = [number for number, _ in notes(tmp_path, "ended")]
    assert sorted(ended) == list(range(6))
    assert sorted(begun.values()) == [1, 1, 1, 1, 1, 2]
    trials = json.loads((folder / "search.json").read_text())["trials"]
    assert all(trial["objective"] == bowl(trial["values"]) for trial in trials)


def test_a_trial_that_kills_each_process_is_given_up(tmp_path):
    folder = tmp_path / "search"
    for _ in range(3):
        process = start(None, folder, 3, kills=[1])
        process.join()
        assert process.exitcode == -signal.SIGKILL
    found = work(None, folder, 3, kills=[1])
    assert [trial.number for trial in found.trials][-1] == 1
    assert found.trials[-1].objective is None
    assert [number for number, _ in notes(tmp_path, "begun")] == [0, 1, 1, 1, 2]


def test_a_process_that_is_interrupted_gives_its_trial_back_at_once(tmp_path):
    place = StudyPlace(str(tmp_path / "study"))

    def interrupted(values, folder):
        raise KeyboardInterrupt

    for _ in range(4):  # more often than a trial may lose its process
        with pytest.raises(KeyboardInterrupt):
            search(interrupted, SPACE, tmp_path / "search", trials=1, place=place)
    begun = time.monotonic()
    (trial,) = work(place, tmp_path / "search", 1).trials
    assert trial.objective == bowl(trial.values)
    assert time.monotonic() - begun < place.patience / 2


def test_a_process_that_was_taken_for_dead_keeps_no_second_result(tmp_path):
    place = StudyPlace(str(tmp_path / "study"), patience=PATIENCE)
    taken = []

    def slow(values, folder):
        # Without a sign of life: as if this machine had been suspended.
        taken.append(work(StudyPlace(place.storage, patience=0), tmp_path / "search", 1))
        return math.pi

    found = search(slow, SPACE, tmp_path / "search", trials=1, place=place)
    assert found == taken[0]
    assert found.best.objective == bowl(found.best.values)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("notes.txt", "'notes.txt' cannot be opened as the journal of a study"),
        ("file/study", "cannot be written"),
        (".", "cannot be opened as the journal of a study"),
        ("sqlite:////nowhere/at/all", "cannot be opened .*unable to open"),
        ("magic://anna:secret@host/x", r"'magic://anna:\*\*\*@host/x' cannot be opened"),
        ("://", "cannot be opened"),
    ],
)
def test_a_storage_that_does_not_open_is_reported(storage, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("no journal\n")
    Path("file").touch()
    with pytest.raises(DataError, match=message) as raised:
        work(StudyPlace(storage), tmp_path / "search", 1)
    assert "secret" not in str(raised.value)


def test_a_study_of_other_settings_is_refused(tmp_path):
    storage = str(tmp_path / "study")
    work(StudyPlace(storage, config="seed: 0\nwords: [on, off]"), tmp_path / "search", 1)
    with pytest.raises(ConfigurationError, match=r"'search' .*: seed=0 there, 1 here; give"):
        work(StudyPlace(storage, config="seed: 1\nwords: [on, off]"), tmp_path / "search", 1)
    other = StudyPlace(storage, "other", config="seed: 1")
    assert len(work(other, tmp_path / "search", 1).trials) == 1


def command(folder, *more):
    settings = (*SMALL, "trainer.max_epochs=8", f"data.path={folder}/tones/rows.jsonl")
    arguments = (*settings, "trials=2", "model.dropout=interval(0,0.3)", "storage=study", *more)
    return [sys.executable, "-m", "speech_rnn.search", *arguments]


@pytest.mark.slow(minutes=2)
def test_a_killed_search_is_continued_by_another_on_the_same_storage(tmp_path):
    write_corpus(tmp_path / "tones")
    killed = subprocess.Popen(command(tmp_path, "output_dir=search"), cwd=tmp_path)
    last = time.monotonic() + 120
    while not list(tmp_path.glob("search/trials/0/checkpoints/*")):
        assert time.monotonic() < last
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    arguments = command(tmp_path, "output_dir=search")[3:]
    refused = speech_rnn("search", *arguments, "seed=1", cwd=tmp_path, module=True)
    assert refused.returncode == 2
    assert (
        "storage='study' has a study 'search' with another configuration: seed=" in refused.stderr
    )
    done = speech_rnn("search", *arguments, cwd=tmp_path, module=True)
    assert done.returncode == 0, done.stderr
    trials = json.loads((tmp_path / "search/search.json").read_text())["trials"]
    assert sorted(trial["number"] for trial in trials) == [0, 1]
    assert "trial 1 has lost its process" in done.stderr + done.stdout
    assert "storage" not in done.stdout.splitlines()[-1]

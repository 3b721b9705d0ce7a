"""A search: what it may set, that it goes on as though it had not been cut off, and its door."""

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.config.app import parsed
from speech_rnn.config.ranges import dimension_of
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.training.search import Choices, Interval, search
from tests.commands import speech_rnn
from tests.tones import write_corpus
from tests.training.small import SMALL, assert_same_weights

SPACE = {
    "x": Interval(-4.0, 4.0),
    "rate": Interval(1e-4, 1.0, log=True),
    "n": Interval(0, 9, whole=True, step=3),
    "cell": Choices(("gru", "lstm")),
}


def bowl(values, folder):
    """A valley whose bottom is at x=2, rate=0.01, n=6, cell=lstm."""
    rate = math.log10(values["rate"]) + 2
    return (values["x"] - 2) ** 2 + rate**2 + (values["n"] != 6) + (values["cell"] != "lstm")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=interval(0,0.5)", Interval(0.0, 0.5)),
        ("a=tag(log,interval(1e-4,1e-2))", Interval(1e-4, 1e-2, log=True)),
        ("a=int(interval(2,5))", Interval(2, 5, whole=True)),
        ("a=range(0,4)", Interval(0, 3, whole=True)),
        ("a=range(10,41,10)", Interval(10, 40, whole=True, step=10)),
        ("a=range(9,0,-3)", Interval(3, 9, whole=True, step=3)),
        ("a=range(0,1,0.5)", Choices(("0.0", "0.5"))),
        ("a=choice(gru,lstm)", Choices(("gru", "lstm"))),
        ("a=64,128", Choices(("64", "128"))),
        ("a=[0,1],[0,2]", Choices(("[0,1]", "[0,2]"))),
    ],
)
def test_ranges_are_hydras_own(line, expected):
    (override,) = parsed([line])
    assert dimension_of(override) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a=3", "space='a=3' is not a range; write KEY=interval"),
        ("a=interval(1,0)", r"interval\(1.0,0.0\): the first value must be below"),
        ("a=tag(log,interval(0,1))", "needs a first value above 0"),
    ],
)
def test_an_entry_that_is_not_a_range_is_reported(line, message):
    (override,) = parsed([line])
    with pytest.raises(ConfigurationError, match=message):
        dimension_of(override)


@given(st.floats(1e-5, 10), st.floats(0, 10), st.floats(0, 1))
def test_a_rounded_number_stays_in_its_interval(low, width, place):
    interval = Interval(low, low + width)
    drawn = min(low + place * width, low + width)
    used = interval.used(drawn)
    assert low <= used <= low + width
    assert used == pytest.approx(drawn, rel=0.005)


@pytest.mark.slow
def test_a_search_finds_the_bottom_of_a_valley(tmp_path):
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    found = search(bowl, SPACE, tmp_path, trials=60)
    reached = [trial.objective for trial in found.trials]
    assert reached == sorted(reached)
    assert sorted(trial.number for trial in found.trials) == list(range(60))
    for trial in found.trials:
        assert trial.objective == bowl(trial.values, tmp_path)
        assert trial.values["n"] in (0, 3, 6, 9)
    # better than as many blind draws: the best of those, in the median of 200 such searches
    random = np.random.default_rng(0)

    def drawn():
        cell, n = random.choice(["gru", "lstm"]), random.choice([0, 3, 6, 9])
        rate = 10 ** random.uniform(-4, 0)
        return {"x": random.uniform(-4, 4), "rate": rate, "n": n, "cell": cell}

    blind = [min(bowl(drawn(), None) for _ in range(60)) for _ in range(200)]
    assert found.best.objective < np.median(blind)


class CutError(Exception):
    """Stands for a kill: nothing is tidied up."""


def test_an_interrupted_search_ends_like_an_uninterrupted_one(tmp_path):
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    folders = []

    def cut_at(number):
        def objective(values, folder):
            folders.append(folder.name)
            if folder.name == str(number):
                raise CutError
            return bowl(values, folder)

        return objective

    whole = search(bowl, SPACE, tmp_path / "whole", trials=16, seed=3)
    for number in (0, 12):
        with pytest.raises(CutError):
            search(cut_at(number), SPACE, tmp_path / "cut", trials=16, seed=3)
    resumed = search(cut_at(None), SPACE, tmp_path / "cut", trials=14, seed=3)
    assert len(resumed.trials) == 14
    assert search(cut_at(None), SPACE, tmp_path / "cut", trials=16, seed=3) == whole
    assert folders == list(map(str, [0, *range(13), *range(12, 16)]))
    other = search(bowl, SPACE, tmp_path / "other", trials=16, seed=4)
    assert other != whole


def test_the_first_trial_is_the_recipe_and_one_that_diverges_is_last(tmp_path):
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    first = {"x": 1.0, "rate": 0.1, "n": 3, "cell": "gru"}

    def objective(values, folder):
        return math.nan if values == first else bowl(values, folder)

    found = search(objective, SPACE, tmp_path, trials=3, first=first)
    assert vars(found.trials[-1]) == {"number": 0, "values": first, "objective": None}
    written = json.loads((tmp_path / "search.json").read_text())
    assert written == json.loads(json.dumps(found.to_dict()))
    assert written["objective"] == "validation/loss"
    # A first trial that the space does not hold is left out.
    found = search(bowl, SPACE, tmp_path / "outside", trials=1, first={**first, "n": 4})
    assert found.best.values["n"] % 3 == 0


def test_wrong_use_of_a_search(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[search\]'"):
        search(bowl, SPACE, tmp_path, trials=1)
    monkeypatch.undo()
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    with pytest.raises(ConfigurationError, match="is empty; name"):
        search(bowl, {}, tmp_path, trials=1)
    with pytest.raises(ConfigurationError, match="trials=0 must be 1 or more"):
        search(bowl, SPACE, tmp_path, trials=0)


QUICK = (*SMALL, "trainer.max_epochs=1", "output_dir=search")
RANGES = ("augment=none,basic", "model.dropout=interval(0,0.3)")


@pytest.mark.slow
def test_the_door_searches_on_validation_alone_and_says_how_to_train_the_best(tmp_path):
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    manifest = write_corpus(tmp_path / "tones", clips=(8, 2, 6))
    arguments = (*QUICK, f"data.path={manifest}", "optim.learning_rate=5e-3", "trials=2", *RANGES)
    result = speech_rnn("search", *arguments, cwd=tmp_path, module=True)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "search"
    trials = json.loads((folder / "search.json").read_text())["trials"]
    assert [trial["objective"] for trial in trials] == sorted(t["objective"] for t in trials)
    baseline = next(trial for trial in trials if trial["number"] == 0)
    assert baseline["values"]["augment"] == "basic"
    assert baseline["values"]["model.dropout"] == 0.2  # the class's own
    assert all("optim.learning_rate" not in trial["values"] for trial in trials)  # is given
    for trial in trials:
        metrics = json.loads((folder / f"trials/{trial['number']}/metrics.json").read_text())
        assert metrics["test"] is None
        assert metrics["validation"]["loss"] == trial["objective"]
        assert not (folder / f"trials/{trial['number']}/evaluation.json").exists()
    assert "accuracy" not in result.stdout
    best = result.stdout.splitlines()[-1]
    assert best.startswith("best: python -m speech_rnn.train data=manifest")

    again = speech_rnn("search", *arguments, cwd=tmp_path, module=True)
    assert again.returncode == 2
    assert "holds a run already; add resume=true" in again.stderr
    more = ("resume=true", "trials=3")
    resumed = speech_rnn("search", *arguments, *more, cwd=tmp_path, module=True)
    assert resumed.returncode == 0, resumed.stderr
    found = json.loads((folder / "search.json").read_text())["trials"]
    assert len(found) == 3
    assert [trial for trial in found if trial["number"] < 2] == trials

    words = resumed.stdout.splitlines()[-1].removeprefix("best: python -m speech_rnn.train ")
    trained = speech_rnn("train", *words.split(), "report=false", "output_dir=best", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert_same_weights(tmp_path / "best", folder / f"trials/{found[0]['number']}")
    metrics = json.loads((tmp_path / "best/metrics.json").read_text())
    assert metrics["test"]["accuracy"]["total"] == 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["objective=accuracy"], "objective='accuracy' must be one of"),
        (["model.droput=interval(0,1)"], "unknown key 'model.droput'; did you mean 'dropout'?"),
        (["space=none"], "is empty; name"),
        (
            ["+recipe=language_model", "language_model.text=a.txt"],
            "a search needs a recipe that trains a recogniser",
        ),
        (["model.dropout=interval(0,1"], "error:"),
    ],
)
def test_wrong_use_of_the_door(arguments, message, tmp_path):
    pytest.importorskip("optuna", reason="a search needs the extra [search]")
    result = speech_rnn("search", "output_dir=search", *arguments, cwd=tmp_path, module=True)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr

"""Several trainings side by side: which belong together, their figures, and the page."""

import json
import shutil

import pytest
import yaml

from speech_rnn.errors import ConfigurationError
from speech_rnn.reporting.comparison_page import write_comparison
from speech_rnn.reporting.run_groups import Spread, compared
from tests.commands import speech_rnn
from tests.reporting.test_report import BROWSER, EVIL, assert_alone_and_inert, light, shown

RATE = {"rate": 0.0}


def write_run(folder, seed, accuracy, held_out=(), cell="gru", corpus="c0", **told):
    """Write what a training leaves, as far as it is compared."""
    folder.mkdir(parents=True)
    config = {
        "data": {"held_out_speakers": list(held_out)},
        "model": {"cell": cell},
        "seed": seed,
        "report": bool(seed % 2),  # says nothing of what was trained
    }
    words = [f"model.cell={cell}", f"++seed={seed}", f"output_dir={folder}"]
    words += [f"data.held_out_speakers=[{','.join(held_out)}]"] if held_out else []
    group = {"accuracy": accuracy}
    test = {
        "accuracy": {"accuracy": accuracy, "total": 200},
        "word_error_rate": {"rate": 1 - accuracy},
        "calibration_error": 0.01 * (seed + 1),
        "per_speaker": {"anna": group, EVIL: {"accuracy": 1 - accuracy}},
    }
    metrics = {
        "seed": seed,
        "commit": "abc",
        "command": f"python -m speech_rnn.train +recipe=digits {' '.join(words)}",
        "corpus_sha256": corpus,
        "n_parameters": 1000,
        "training_seconds": 60.0 + seed,
        "config": yaml.safe_dump(config),
        "test": test,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics | told))
    return folder


@pytest.fixture
def runs(tmp_path):
    """Two cells of three seeds each, one with noise."""
    for cell, accuracies in {"gru": (0.90, 0.92, 0.97), "lstm": (0.8, 0.8, 0.8)}.items():
        for seed, accuracy in enumerate(accuracies):
            folder = write_run(tmp_path / "runs" / f"{cell}{seed}", seed, accuracy, cell=cell)
            if cell == "gru":
                rows = [
                    {"condition": "clean", "value": None, "accuracy": {"accuracy": accuracy}},
                    {"condition": "snr_db", "value": -5, "accuracy": {"accuracy": accuracy / 2}},
                    {
                        "condition": "snr_db",
                        "kind": "babble",
                        "value": -5,
                        "accuracy": {"accuracy": accuracy / 3},
                    },
                ]
                (folder / "stress.json").write_text(json.dumps({"rows": rows}))
    return tmp_path / "runs"


def test_mean_and_sample_deviation():
    assert Spread.of([0.9, 0.92, 0.97]) == Spread(
        pytest.approx(0.93), pytest.approx(0.0360555, abs=1e-6), 0.9, 0.97, 3
    )
    assert Spread.of([0.5]) == Spread(0.5, None, 0.5, 0.5, 1)
    assert Spread.of([0.9, 0.92, 0.97]).percent() == "93.00 ± 3.61 %"
    assert Spread.of([0.5]).percent() == "50.00 %"


def test_runs_that_differ_in_the_seed_alone_are_a_group(runs):
    gru, lstm = compared([runs]).groups
    assert (gru.name, lstm.name) == ("model.cell=gru", "model.cell=lstm")
    assert gru.seeds == lstm.seeds == (0, 1, 2)
    assert gru.figures["accuracy"].percent() == "93.00 ± 3.61 %"
    assert lstm.figures["word error rate"].percent() == "20.00 ± 0.00 %"
    assert gru.figures["calibration error"].mean == pytest.approx(0.02)
    assert gru.command == "python -m speech_rnn.train +recipe=digits model.cell=gru"
    assert gru.spread("speakers")["anna"] == gru.figures["accuracy"]
    assert gru.spread("speakers")[EVIL].mean == pytest.approx(0.07)
    assert gru.spread("stress")["snr_db -5"].mean == pytest.approx(0.465)
    assert list(gru.spread("stress")) == ["clean", "snr_db -5", "snr_db babble -5"]
    assert lstm.spread("stress") == {}


def test_runs_may_be_given_one_by_one_and_twice(runs):
    given = [runs / "gru2", runs / "gru0", runs / ".." / "runs" / "gru0"]
    (group,) = compared(given).groups
    assert group.seeds == (0, 2)
    assert group.name == "+recipe=digits"


def test_another_corpus_or_setting_is_another_group(tmp_path):
    write_run(tmp_path / "a", 0, 0.9)
    write_run(tmp_path / "b", 1, 0.9, corpus="c1")
    write_run(tmp_path / "c", 1, 0.9, cell="rnn_tanh")
    found = compared([tmp_path])
    assert [group.seeds for group in found.groups] == [(0,), (1,), (1,)]
    names = [group.name for group in found.groups]
    assert len(set(names)) == 3


def test_runs_in_no_group_are_listed_with_a_reason(tmp_path):
    write_run(tmp_path / "a", 0, 0.9)
    write_run(tmp_path / "again", 0, 0.5)
    write_run(tmp_path / "search", 1, 0.9, test=None)
    write_run(tmp_path / "script", 1, 0.9, config="")
    write_run(tmp_path / "broken", 1, 0.9)
    (tmp_path / "broken/metrics.json").write_text("{")
    write_run(tmp_path / "language", 1, 0.9, test={"perplexity": 2})
    found = compared([tmp_path])
    assert [group.seeds for group in found.groups] == [(0,)]
    assert found.groups[0].figures["accuracy"].mean == 0.9  # of the first, not of both
    why = {path.name: reason for path, reason in found.alone}
    assert why.pop("broken").startswith("not read: JSONDecodeError")
    assert why == {
        "again": f"seed 0 again, as {tmp_path / 'a'}",
        "search": "no figures of a test split",
        "script": "no configuration",
        "language": "no figures of a test split",
    }


def test_an_evaluation_that_came_later_counts(runs):
    evaluation = json.loads((runs / "gru0/metrics.json").read_text())["test"]
    evaluation["accuracy"]["accuracy"] = 0.6
    (runs / "gru0/evaluation.json").write_text(json.dumps(evaluation))
    assert compared([runs]).groups[0].figures["accuracy"].low == 0.6


FOLDS = {"anna": (0.90, 0.80), "bert": (0.70, 0.70), "carl": (0.80, 0.90)}


def write_folds(folder):
    for who, accuracies in FOLDS.items():
        for seed, accuracy in enumerate(accuracies):
            write_run(folder / f"{who}{seed}", seed, accuracy, held_out=[who], corpus=who)


def test_folds_are_averaged_within_each_seed(tmp_path):
    write_folds(tmp_path)
    write_run(tmp_path / "anna7", 7, 0.1, held_out=["anna"], corpus="anna")  # in no other fold
    write_run(tmp_path / "official", 0, 1.0)  # holds nobody out
    write_run(tmp_path / "lstm", 0, 0.2, held_out=["anna"], corpus="anna", cell="lstm")
    found = compared([tmp_path])
    assert len(found.groups) == 5
    (mean,) = found.folds
    assert mean.name == "mean of 3 folds: data.held_out_speakers"
    assert mean.seeds == (0, 1)
    assert mean.n_clips == 600
    # Both seeds have a mean of 0.8: whom one seed finds hard, the other finds easy.
    assert mean.figures["accuracy"].mean == pytest.approx(0.8)
    assert mean.figures["accuracy"].deviation == pytest.approx(0)
    assert mean.figures["calibration error"].deviation == pytest.approx(0.01 / 2**0.5)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no metrics\.json; give the output_dir"):
        compared([tmp_path])


def test_one_command_prints_and_writes_it(runs, tmp_path):
    pytest.importorskip("matplotlib", reason="the page needs the extra [report]")
    shutil.rmtree(runs / "lstm1")
    result = speech_rnn("report", "runs", cwd=tmp_path, module=True)
    assert result.returncode == 0, result.stderr
    assert "93.00 ± 3.61 %" in result.stdout
    assert "46.50 ± 1.80 %" in result.stdout  # in noise
    assert "python -m speech_rnn.train +recipe=digits model.cell=lstm -m seed=0,2" in result.stdout
    told = json.loads((runs / "comparison.json").read_text())
    assert told["groups"][0]["test"]["accuracy"]["mean"] == pytest.approx(0.93)
    assert told["groups"][1]["test"]["accuracy"]["n"] == 2
    assert (runs / "comparison.html").exists()
    several = speech_rnn("report", "runs/gru0", "runs/gru1", "--output", "x.html", cwd=tmp_path)
    assert several.returncode == 0, several.stderr
    assert (tmp_path / "x.html").exists()
    assert json.loads((tmp_path / "x.json").read_text())["groups"][0]["seeds"] == [0, 1]


@pytest.fixture
def page(runs, tmp_path):
    pytest.importorskip("matplotlib", reason="the page needs the extra [report]")
    write_folds(runs)
    write_run(runs / EVIL.replace("/", ""), 9, 0.9, test=None)
    return write_comparison(compared([runs]), tmp_path / "comparison.html")


def test_the_page_is_self_contained_and_names_are_escaped(page):
    text = page.read_text()
    assert_alone_and_inert(text)
    for heading in (
        "Accuracy",
        "Figures",
        "Speakers",
        "Noise, rooms and frequency bands",
        "Runs without a group",
        "Commands",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "93.00 ± 3.61 %" in text
    assert "mean of 3 folds: data.held_out_speakers" in text
    assert text.count("7*7") >= 2
    assert len(text) < 2e5


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_a_browser_shows_the_page(page, tmp_path, width, height, is_dark):
    flag = f"--blink-settings=preferredColorScheme={int(not is_dark)}"
    found = shown(page, tmp_path, width, height, flag)
    assert found["width"] == width
    assert found["overflow"] <= 0
    assert found["pictures"] == 1
    assert found["flat"] == found["requests"] == found["mistakes"] == 0
    assert (light(found["paper"]) < 0.2) == is_dark
    assert abs(light(found["paper"]) - light(found["ink"])) > 0.7

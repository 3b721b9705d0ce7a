"""What follows from counts: one threshold for all conditions, tables, files."""

import csv
import json
import re
from dataclasses import replace

import pytest

from speech_rnn.benchmarking.results import Times
from speech_rnn.benchmarking.wake import Kept, WakeStreams
from speech_rnn.benchmarking.wake.contenders import Other, Own
from speech_rnn.benchmarking.wake.display import draw_wake, print_wake
from speech_rnn.benchmarking.wake.kept import Task
from speech_rnn.benchmarking.wake.results import COLUMNS, Cost, Listened, WakeReport
from speech_rnn.detection.matching import Detections, DetPoint, Quantiles
from speech_rnn.starter import STARTER
from tests.benchmarking.wake.test_streams import write_words

HOURS = 2.0


def listened(contender, condition, counts, word="alexa"):
    """Make results of ten words in two hours from (threshold, hits, false)."""
    curve = tuple(
        DetPoint(threshold, {word: Detections(10, hits, false, HOURS)})
        for threshold, hits, false in counts
    )
    return Listened(contender, condition, dict(curve[1].per_word), curve, Quantiles.of([0.2, 0.3]))


@pytest.fixture
def report():
    rows = (
        listened("ours", "clean", [(0.1, 10, 30), (0.5, 10, 2), (0.9, 9, 0)]),
        listened("ours", "0 dB", [(0.1, 9, 30), (0.5, 8, 2), (0.9, 4, 0)]),
        listened("rival", "clean", [(0.1, 10, 40), (0.5, 10, 20), (0.9, 10, 20)]),
        listened("rival", "0 dB", [(0.1, 10, 40), (0.5, 10, 1), (0.9, 7, 1)]),
    )
    costs = (Cost("ours", ("alexa",), Times((0.01,)), 640_000),)
    return WakeReport(rows, costs, {"third": "it is absent"}, ("a note",), {"command": "wake"})


def test_one_threshold_serves_all_conditions(report):
    (ours,) = report.operations(0.5)  # the rival has 21 false accepts in four hours at best
    assert (ours.contender, ours.threshold) == ("ours", 0.9)
    assert [found.n_hits for found in ours.found.values()] == [9, 4]
    ours, rival = report.operations(5.3)
    assert (ours.threshold, ours.total.n_hits, ours.total.false_per_hour) == (0.5, 18, 1.0)
    assert (rival.threshold, rival.total.n_hits, rival.total.hours) == (0.5, 20, 4.0)


def test_own_thresholds_are_those_that_it_listened_with(report):
    ours, rival = report.operations(None)
    assert ours.threshold is rival.threshold is None
    assert (ours.total.n_hits, rival.total.n_hits) == (18, 20)


def test_an_unknown_word_has_no_curve(report):
    assert report.curves("ours", "jarvis") == {}
    assert report.pooled("ours", "jarvis") == []


def test_files_hold_every_point(report, tmp_path):
    figures, curves = report.write(tmp_path / "new")
    rows = list(csv.DictReader(curves.open()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 12
    assert rows[2] == {
        "contender": "ours",
        "word": "alexa",
        "condition": "clean",
        "threshold": "0.9",
        "said": "10",
        "found": "9",
        "false": "0",
        "hours": "2.0",
    }
    written = json.loads(figures.read_text())
    assert written["missing"] == {"third": "it is absent"}
    assert written["at_false_accepts_per_hour"]["0.5"][0]["total"]["n_hits"] == 13
    assert written["costs"][0]["n_bytes"] == 640_000
    assert written["latency"][0]["seconds"]["median"] == 0.25


def test_tables_show_shares_with_intervals(report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    print_wake(report)
    printed = capsys.readouterr().out
    assert re.search(r"90\.0 %\s+40\.0 %", printed)
    assert "65.0 % (43.3–81.9)" in printed
    assert "0.64 MB" in printed
    assert "note: a note" in printed


def test_a_picture_has_a_panel_for_each_condition(report, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra [report] is absent")
    file = draw_wake(report, tmp_path / "wake.png")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_results_are_reused_only_for_the_same_contender_and_sound(report, tmp_path):
    folder = write_words(tmp_path)
    recipe = WakeStreams(
        str(folder / "words"), ("low",), rooms=(str(folder / "hall.wav"),), hours=0.01
    )
    listened, scenes = report.listened[0], recipe.scenes()
    starter = Own("starter", ("low",), str(STARTER))
    kept = Kept(tmp_path / "out")
    kept.keep(Task(starter, "clean", scenes["clean"]), listened)
    assert kept.find(Task(starter, "clean", recipe.scenes()["clean"])) == listened
    others = [
        Task(starter, "hall", scenes["hall"]),
        Task(starter, "5 dB", scenes["5 dB"]),
        Task(starter, "clean", replace(recipe, seed=1).scenes()["clean"]),
        Task(replace(starter, words=("high",)), "clean", scenes["clean"]),
        Task(replace(starter, path=str(folder / "hall.wav")), "clean", scenes["clean"]),
        Task(Other("wakeforge", ("low",)), "clean", scenes["clean"]),
    ]
    assert [kept.find(task) for task in others] == [None] * 6

"""The benchmark: its laws, its files, and its command from end to end."""

import json
import sys
from importlib import import_module

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.benchmarking import SECTIONS, Benchmark, Row, Section, Settings, run
from speech_rnn.benchmarking.models import SETTLING_SECONDS
from speech_rnn.benchmarking.results import Growth, Times, exponent, readable
from speech_rnn.benchmarking.running import measure
from speech_rnn.benchmarking.settings import MEASURED, OnnxFile
from speech_rnn.benchmarking.stages import stage_of
from speech_rnn.benchmarking.starting import timed
from speech_rnn.benchmarking.subjects import (
    DEFAULT,
    STREAMABLE,
    clips,
    idle,
    one_second,
    untrained,
)
from speech_rnn.benchmarking.timing import Candidates, interleaved, turns
from speech_rnn.config.app import CONF
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.starter import STARTER
from speech_rnn.streaming.gate import Gate, Gating
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared


class Clock:
    """A clock that only what is timed moves on."""

    def __init__(self):
        self.now = 0.0
        self.called = []

    def __call__(self):
        return self.now

    def contender(self, name, *seconds):
        """Return what takes so long, each time it is called the next of `seconds`, in a circle."""

        def run():
            self.now += seconds[self.called.count(name) % len(seconds)]
            self.called.append(name)

        return run


def test_contenders_take_turns_and_every_second_round_goes_backwards():
    clock = Clock()
    contenders = {name: clock.contender(name, 2.0**-i) for i, name in enumerate("abc")}
    took = interleaved(contenders, 3, least_seconds=0.5, clock=clock)
    assert "".join(clock.called[:18]) == 6 * "a" + 6 * "b" + 6 * "c"  # how quick they are
    assert "".join(clock.called[18:]) == "abccc" + "cccba" + "abccc"
    assert {name: times.seconds for name, times in took.items()} == {
        "a": (1.0,) * 3,
        "b": (0.5,) * 3,
        "c": (0.25,) * 3,
    }


def test_all_have_as_many_turns_and_none_a_better_place():
    order = list(turns("abcd", 10))
    places = {name: [i % 4 for i, other in enumerate(order) if other == name] for name in "abcd"}
    assert {len(where) for where in places.values()} == {10}
    assert {sum(where) for where in places.values()} == {15}


def test_a_turn_measures_the_seconds_of_a_call():
    clock = Clock()
    # one call to warm up, five to find the quickest, and turns of four, each after one more
    run = clock.contender("a", 9.0, 30.0, 2.0, 1.0, 3.0, 2.0, 7.0, *range(1, 5), 7.0, *range(5, 9))
    took = interleaved({"a": run}, 2, least_seconds=4.0, clock=clock)
    assert took["a"].seconds == (2.5, 6.5)


def test_no_rounds_and_no_times_are_refused():
    with pytest.raises(ConfigurationError, match="n_rounds=0 must be 1 or more"):
        interleaved({}, 0)
    with pytest.raises(ConfigurationError, match="must hold at least one time"):
        Times(())


def test_median_and_quartiles():
    times = Times((5.0, 1.0, 2.0, 4.0, 3.0))
    assert (times.median, times.quartiles) == (3.0, (2.0, 4.0))
    assert times.per(10).median == 0.3
    assert Times((7.0,)).quartiles == (7.0, 7.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (0.0123, "12.3 ms"), (4.56e-4, "456 µs"), (1e-8, "0.01 µs")],
)
def test_a_time_as_people_say_it(seconds, text):
    assert readable(seconds) == text


@given(
    st.floats(-2, 3),
    st.floats(1e-6, 1e3),
    st.lists(st.integers(1, 10_000), min_size=2, max_size=8, unique=True),
)
def test_the_exponent_of_a_power_law_is_found(power, factor, sizes):
    costs = [factor * size**power for size in sizes]
    assert exponent(sizes, costs) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_withstands_noise(power):
    sizes = 2.0 ** np.arange(8)
    noise = np.random.default_rng(0).lognormal(0, 0.05, size=8)
    assert exponent(sizes, sizes**power * noise) == pytest.approx(power, abs=0.05)


def test_missing_and_failing_contenders_say_so_in_their_rows():
    found = Candidates()
    found.add("here", lambda: list, "quick")
    found.add("absent", lambda: import_module("no_such_package"))
    found.add("broken", lambda: lambda: 1 / 0)
    here, absent, broken = found.rows(2)
    assert len(here.seconds.seconds) == 2
    assert here.note == "quick"
    assert absent.seconds is broken.seconds is None
    assert "no_such_package" in absent.note
    assert "[peers]'" in absent.note
    assert broken.note == "not measured: division by zero"


def test_results_become_json(tmp_path):
    times = Times((1.0, 2.0, 3.0))
    rows = (Row("ours", times), Row("slow", times.per(0.5), {"MB": 2.0}), Row("no", note="absent"))
    growth = Growth("words", (1.0, 2.0, 4.0), (times, times.per(0.5), times.per(0.25)))
    section = Section("peers", "a title", rows, (growth,))
    assert [section.times_first(row) for row in rows] == [1.0, 2.0, None]
    assert growth.exponent == pytest.approx(1)
    file = Benchmark("a chip", 2, {"python": "3"}, "a command", (section,)).write(tmp_path / "new")
    written = json.loads(file.read_text())
    assert written["sections"][0]["title"] == "a title"
    assert written["sections"][0]["n_threads"] == 1
    assert written["sections"][0]["rows"][2] == {
        "name": "no",
        "figures": {},
        "note": "absent",
        "times_first": None,
    }
    assert written["sections"][0]["growths"][0]["median_seconds"] == [2.0, 4.0, 8.0]
    assert written["processor"] == "a chip"
    assert written["sections"][0]["rows"][1]["times_first"] == 2.0
    assert written["sections"][0]["rows"][1]["quartile_seconds"] == [3.0, 5.0]


def test_settings_are_checked():
    with pytest.raises(
        ConfigurationError, match=r"sections=\['speed'\] must be chosen from features"
    ):
        Settings(sections=("speed",))
    with pytest.raises(ConfigurationError, match="n_rounds=0 must be 1 or more"):
        Settings(n_rounds=0)
    with pytest.raises(ConfigurationError, match="give their folder with --data"):
        Settings(sections=("training",))
    assert set(MEASURED) == {*SECTIONS, "training"}


@pytest.mark.parametrize(
    ("name", "model"), [("gru_attention", DEFAULT), ("gru_last_causal", STREAMABLE)]
)
def test_untrained_models_match_their_configurations(name, model):
    configured = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text())
    assert {
        key: configured[key] for key in configured if key != "_target_"
    }.items() <= model.items()
    assert untrained(model=model).can_stream == (name == "gru_last_causal")


def test_a_second_is_cut_or_filled_up(tmp_path):
    for seconds in (0.5, 2):
        sound = clips(1, 16_000, seconds)[0]
        write_audio(tmp_path / "a.wav", sound)
        second = one_second(str(tmp_path / "a.wav"), 16_000)
        n = min(len(sound), 16_000)
        assert second.shape == (16_000,)
        assert np.abs(second[:n] - sound[:n]).max() < 1e-4
        assert not second[n:].any()


def test_a_quiet_room_does_not_open_the_gate():
    gate = Gate(Gating(), 16_000)
    passed = [gate.push(idle(16_000)) for _ in range(SETTLING_SECONDS + 3)]
    assert passed[0]
    assert not any(passed[SETTLING_SECONDS:])


def python(code):
    return timed([sys.executable, "-c", code])


def test_a_process_is_timed_to_its_first_line_and_its_memory_is_its_own():
    held = np.ones(30_000_000)  # what this process holds is not counted
    small = python("import time; print(1, flush=True); time.sleep(0.5)")
    large = python("x = bytearray(100_000_000); print(1)")
    assert small.seconds >= small.first_line_seconds + 0.5
    assert large.peak_bytes > small.peak_bytes + 90e6
    assert small.peak_bytes < held.nbytes / 2
    with pytest.raises(ModelError, match="no such thing"):
        python("raise SystemExit('no such thing')")


def test_a_graph_is_timed_stage_by_stage():
    settings = Settings(sections=("stages",), onnx=(OnnxFile.at(str(STARTER)),), n_rounds=5)
    whole, graph, *stages = measure("stages", settings).rows
    names = [row.name.rpartition(", ")[2] for row in (whole, graph, *stages)]
    assert names[:5] == ["samples to word", "the graph", "features", "front", "network"]
    assert whole.seconds.median > graph.seconds.median > 0
    # What writing down costs aside, the stages are the graph.
    total = sum(row.seconds.median for row in stages)
    assert 0.4 < total / graph.seconds.median < 2.5
    assert stage_of("model/front/Conv_3") == "front"


@pytest.mark.slow
def test_a_section_that_fails_is_reported_and_the_others_run(tmp_path):
    seen = []
    settings = Settings(
        sections=("training", "clip"), data=str(tmp_path), n_rounds=1, quick=True, n_epochs=1
    )
    found = run(settings, "a command", tell=seen.append)
    failed, clip = found.sections
    assert list(found.sections) == seen
    assert failed.rows[0].seconds is None
    assert failed.rows[0].note.startswith("not measured: ")
    assert clip.rows[0].seconds is not None
    assert clip.n_threads == 1


@pytest.mark.slow(minutes=1)
def test_the_command_from_end_to_end(tmp_path):
    write_audio(tmp_path / "clip.wav", clips(1, 16_000)[0])
    untrained(["a", "b"]).save(tmp_path / "r.safetensors")
    wanted = ("model", "stages", "stream", "peers", "decoding", "growth", "start", "files")
    chosen = ("--model", "r.safetensors", "--audio", "clip.wav", "--output", "out")
    effort = ("--quick", "--rounds", "1", "--files", "3")
    result = speech_rnn("benchmark", *wanted, *chosen, *effort, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert written["processor"] in result.stdout
    assert written["n_cores"] >= 1
    assert written["versions"].keys() >= {"python", "torch", "numpy"}
    assert written["command"].startswith("python -m speech_rnn.benchmark model stages")
    assert [section["name"] for section in written["sections"]] == [*wanted]
    for section in written["sections"]:
        assert section["rows"] or section["growths"]
        for row in section["rows"]:
            assert row["note"].startswith("not measured: ") or row["median_seconds"] > 0
        ours = [row for row in section["rows"] if "median_seconds" in row]
        assert ours or section["growths"], section
    (growths,) = [section["growths"] for section in written["sections"] if section["growths"]]
    assert {growth["name"] for growth in growths} >= {"seconds of a clip", "clips of a batch"}
    assert (tmp_path / "out/benchmark.png").stat().st_size > 10_000
    assert "not measured: failed" not in result.stdout


def test_a_wrong_command_is_reported_before_anything_runs(tmp_path):
    for arguments, message in (
        (("speedy",), "sections=['speedy'] must be chosen from"),
        (("model", "--model", "none.safetensors"), "none.safetensors' cannot be read"),
        (("clip", "--audio", "none.wav"), "none.wav"),
    ):
        result = speech_rnn("benchmark", *arguments, cwd=tmp_path, module=True)
        assert result.returncode in (1, 2)
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert not (tmp_path / "benchmark").exists()


@pytest.mark.slow
@needs_shared
def test_both_trainings_learn():
    data = str(SHARED / "digits")
    settings = Settings(sections=("training",), data=data, n_epochs=4, quick=True)
    section = measure("training", settings)
    assert [row.name for row in section.rows] == ["speech_rnn", "plain PyTorch loop"]
    assert all(row.figures["test accuracy (%)"] > 30 for row in section.rows)

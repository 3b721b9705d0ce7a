"""The recogniser of the page, with onnxruntime-web, against Python's, in node."""

import resource

import numpy as np
import pytest
import soxr

from speech_rnn import Recognizer
from speech_rnn.browser.description import for_browser
from tests.browser.node import in_node, needs_node, runtime_or_skip
from tests.browser.sounds import RATE, assert_same, events_of, noise, phrases, talk
from tests.real import needs_shared
from tests.streaming.test_streaming import MODELS, streaming

pytestmark = [pytest.mark.slow, needs_node]


def case(folder, name, found, sound, *, rate=RATE, is_gated=False, size=RATE // 10):
    """Write what node needs to recognise a sound, and say where."""
    sound.astype(np.float32).tofile(folder / f"{name}.sound")
    (folder / f"{name}.onnx").write_bytes(found.content)
    return {
        "model": str(folder / f"{name}.onnx"),
        "file": str(folder / f"{name}.sound"),
        "recogniser": found.description,
        "rate": rate,
        "isGated": is_gated,
        "size": size,
    }


def cpu_seconds_of_children():
    """Return the processor time of the processes that have ended, in s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@needs_shared
@pytest.mark.timeout(900)
def test_minutes_of_real_sound_give_the_events_of_python(tmp_path):
    recognizer = Recognizer.load()
    speech = phrases(30)
    sounds = {
        "phrases": (speech, RATE, False),
        "gated": (speech, RATE, True),
        "telephone": (soxr.resample(speech, RATE, 8_000), 8_000, False),
        "talk": (talk(6), RATE, False),
    }
    found = for_browser(recognizer, "starter")
    cases = [
        case(tmp_path, name, found, sound, rate=rate, is_gated=is_gated, size=rate // 10)
        for name, (sound, rate, is_gated) in sounds.items()
    ]
    before = cpu_seconds_of_children()
    answers = in_node("recognise.mjs", cases, runtime_or_skip())
    seconds = sum(len(sound) / rate for sound, rate, _ in sounds.values())
    assert cpu_seconds_of_children() - before < 0.1 * seconds  # a tenth of real time
    for theirs, (sound, rate, is_gated) in zip(answers, sounds.values(), strict=True):
        mine = events_of(sound, rate, recognizer, is_gated)
        assert_same(theirs["words"], mine, recognizer.step_seconds)
    assert len(answers[0]["words"]) > 20


@pytest.mark.parametrize("unit", ["classes", "words"])
def test_every_kind_of_model_has_the_posteriors_of_python(unit, tmp_path):
    pytest.importorskip("onnx", reason="the extra [export] is not installed")
    kinds = MODELS.keys() - {"chunks of an lstm"}  # which cannot be exported
    recognizers = {name: streaming(unit, **MODELS[name]) for name in sorted(kinds)}
    lengths = (0.0, 0.01, 0.3, 1.7)
    cases, expected = [], []
    for name, recognizer in recognizers.items():
        found = for_browser(recognizer, name)
        for seconds in lengths:
            sound = noise(seconds, level=0.1, seed=round(100 * seconds))
            given = case(tmp_path, f"{name} {seconds}", found, sound, size=1000)
            cases.append(given)
            stream = recognizer.stream(check=False).posteriors
            pieces = [*stream.push(sound), *stream.finish()]
            expected.append(np.concatenate([piece.values for piece in pieces] or [np.zeros(0)]))
    answers = in_node("recognise.mjs", cases, runtime_or_skip())
    for given, theirs, mine in zip(cases, answers, expected, strict=True):
        np.testing.assert_allclose(
            theirs["posteriors"], mine.ravel(), atol=2e-4, err_msg=given["model"]
        )

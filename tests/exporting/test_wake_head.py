"""A word as a head of openWakeWord: what it computes, which programs load it, who is refused."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import onnxruntime
import pytest
import torch

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_wake_head, write_wake_head
from speech_rnn.exporting.wake_word import N_STEPS
from speech_rnn.model.pretrained import speech_embedding
from speech_rnn.streaming.spotter import Spotting
from tests.commands import speech_rnn
from tests.exporting import fronts
from tests.exporting.test_onnx_export import build
from tests.test_recognizer import untrained

MODELS = {
    "attention": {"pooling": "attention", "n_heads": 2, "bidirectional": True},
    "last": {"pooling": "last", "bidirectional": True, "n_layers": 2, "dense": [5]},
    "mean": {"pooling": "mean", "bidirectional": False},
    "ctc": {"head": "ctc", "bidirectional": False},
}
OTHERS = {
    "lstm": {"pooling": "mean", "cell": "lstm"},
    "stacked": {"pooling": "last", "stack": 2},
    "convolutions": {"pooling": "mean", "convolutions": [{"channels": 2, "kernel": 3}]},
}
needs_program = pytest.mark.skipif(
    not find_spec("pyopen_wakeword"), reason="pyopen-wakeword of the extra [pretrained] is absent"
)


@cache
def on_google(name, **settings):
    """Return an untrained recogniser on Google's front, as it is."""
    given = {"n_frozen": 20, "levels_clips": False, "n_layers": 1, "bidirectional": False}
    recognizer = build(
        fronts.features("log_mel_embedding"),
        front="speech_embedding",
        **given | (MODELS | OTHERS)[name] | settings,
    )
    recognizer.model.front.load(speech_embedding().weights)
    return recognizer


def windows(n=5):
    return 8 * np.random.default_rng(1).standard_normal((n, 1, N_STEPS, 96)).astype(np.float32)


def expected(recognizer, word, window):
    """Return the score that PyTorch gives a window of embeddings."""
    with torch.inference_mode():
        lengths = torch.tensor([N_STEPS])
        logits, _ = recognizer.model(torch.from_numpy(window), lengths, embedded=True)
    posteriors = (logits / recognizer.calibration.temperature).softmax(-1)[0]  # (T, C)
    scores = posteriors[:, recognizer.vocabulary.tokens.index(word)].numpy()
    spotting = recognizer.spotting or Spotting.of(recognizer.vocabulary.head)
    last = scores[-round(spotting.smoothing_seconds / 0.08) :]
    if recognizer.vocabulary.head == "classification":
        return scores[0]
    return last.max() if spotting.smoothing == "max" else last.mean()


@pytest.mark.parametrize("name", MODELS | OTHERS)
def test_an_onnx_head_scores_as_the_recogniser(name):
    recognizer = on_google(name)
    for word in recognizer.vocabulary.words[:2]:
        content = export_wake_head(recognizer, word).SerializeToString()
        session = onnxruntime.InferenceSession(content)
        (given,), (score,) = session.get_inputs(), session.get_outputs()
        assert (given.shape, score.shape) == ([1, N_STEPS, 96], [1, 1])
        for window in windows():
            (found,) = session.run(None, {given.name: window})
            np.testing.assert_allclose(found, [[expected(recognizer, word, window)]], atol=1e-5)


@needs_program
@pytest.mark.parametrize("name", MODELS)
def test_pyopen_wakeword_scores_a_tflite_head_as_the_recogniser(name, tmp_path):
    from pyopen_wakeword import OpenWakeWord

    recognizer = on_google(name)
    word = recognizer.vocabulary.words[1]
    size = write_wake_head(recognizer, word, tmp_path / "word.tflite")
    assert size == (tmp_path / "word.tflite").stat().st_size
    program = OpenWakeWord.from_model(tmp_path / "word.tflite")
    assert program.input_windows == N_STEPS
    for window in windows():
        program.reset()
        (found,) = program.process_streaming(window[None])
        assert found == pytest.approx(expected(recognizer, word, window), abs=1e-5)


def test_smoothing_follows_the_spotting(tmp_path):
    recognizer = build(
        fronts.features("log_mel_embedding"),
        front="speech_embedding",
        **{"n_frozen": 20, "levels_clips": False, "n_layers": 1} | MODELS["ctc"],
    )
    recognizer.spotting = Spotting(smoothing="mean", smoothing_seconds=0.4)
    word, window = recognizer.vocabulary.words[0], windows(1)[0]
    content = export_wake_head(recognizer, word).SerializeToString()
    (found,) = onnxruntime.InferenceSession(content).run(None, {"embeddings": window})
    assert found.item() == pytest.approx(expected(recognizer, word, window), abs=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_models_without_a_tflite_head_are_rejected(name, tmp_path):
    given = OTHERS[name]
    wrong = next(key for key in ("cell", "stack", "convolutions") if key in given)
    with pytest.raises(ConfigurationError, match=f"^{wrong}=.*GRU layers only; give --output"):
        write_wake_head(on_google(name), "yes", tmp_path / "word.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n_frozen": 14}, "front='speech_embedding', n_frozen=14, levels_clips=False: "),
        ({"levels_clips": True}, "front='speech_embedding', n_frozen=20, levels_clips=True: "),
    ],
)
def test_a_front_other_than_googles_is_rejected(settings, told, tmp_path):
    with pytest.raises(ConfigurationError) as error:
        write_wake_head(on_google("mean", **settings), "yes", tmp_path / "word.onnx")
    line = str(error.value)
    assert line.startswith(told)
    assert line.endswith(
        "train +recipe=keywords front=speech_embedding model=gru_on_front model.n_frozen=20 "
        "model.levels_clips=false"
    )
    assert "\n" not in line


def test_wrong_words_and_files_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"word='ye' is not a word of the model.*'yes'"):
        export_wake_head(on_google("mean"), "ye")
    with pytest.raises(ConfigurationError, match=r"must end in \.onnx or \.tflite"):
        write_wake_head(on_google("mean"), "yes", tmp_path / "word.bin")


def test_the_command(tmp_path):
    on_google("attention").save(tmp_path / "model.safetensors")
    untrained().save(tmp_path / "other.safetensors")
    given = ("--model", "model.safetensors", "--openwakeword", "yes")
    for ending in ("onnx", "tflite"):
        done = speech_rnn("export", *given, "--output", f"yes.{ending}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"head of openWakeWord: yes.{ending} (yes, ")
        assert (tmp_path / f"yes.{ending}").is_file()
    both = speech_rnn("export", *given, "--int8", "--output", "yes.onnx", cwd=tmp_path)
    assert both.returncode == 2
    assert "cannot be combined with --embedding, --streaming, --int8 or --clips" in both.stderr
    given = ("--model", "other.safetensors", "--openwakeword", "low", "--output", "a.onnx")
    refused = speech_rnn("export", *given, cwd=tmp_path, module=True)
    assert refused.returncode == 2
    assert "front=None" in refused.stderr
    assert "front=speech_embedding" in refused.stderr

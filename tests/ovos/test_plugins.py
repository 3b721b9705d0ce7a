"""The plugins of OpenVoiceOS, found and loaded by its own plugin manager, on real clips.

The plugin manager asks for an older rich than the project has, so that `.[dev]` does not bring it:
``pip install -e '.[ovos]'`` in an environment of its own, then these tests run.
"""

import re

import numpy as np
import pytest

pytest.importorskip("ovos_plugin_manager", reason="the extra [ovos] is not installed")

from ovos_plugin_manager import stt, wakewords
from ovos_plugin_manager.utils.audio import AudioData

from speech_rnn import Recognizer, load_audio
from speech_rnn.audio import resample
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.exporting import export_onnx
from tests.listeners import train_listener
from tests.real import SHARED, needs_shared
from tests.test_architecture import ROOT
from tests.test_clips import CLIPS

RATE = 16_000
WAKE, SPEECH = "ovos-ww-plugin-speech-rnn", "ovos-stt-plugin-speech-rnn"
CLIP = {path.stem: path for path in CLIPS}


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Install the entry points of this checkout, whatever lies in the environment."""
    folder = tmp_path / "installed" / "speech_rnn-0.1.0.dist-info"
    folder.mkdir(parents=True)
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    groups = re.findall(
        r'^\[project\.entry-points\."([^"]+)"\]\n(.+?)(?=\n\n)', declared, re.M | re.S
    )
    lines = [f"[{name}]\n{entries}".replace('"', "") for name, entries in groups]
    (folder / "entry_points.txt").write_text("\n\n".join(lines))
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: speech-rnn\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def wake_word(name="stop", **config):
    """Return a hot word as OpenVoiceOS makes it from its configuration."""
    hotwords = {"hotwords": {name: {"module": WAKE, "listen": True, **config}}}
    return wakewords.OVOSWakeWordFactory.create_hotword(name, hotwords)


def speech_to_text(**config):
    section = {"stt": {"module": SPEECH, SPEECH: config}, "lang": "en-us"}
    return stt.OVOSSTTFactory.create(section)


def pcm(waveform):
    return np.rint(waveform * 32767).astype("<i2").tobytes()


def scene(*words, seed=0):
    """Real clips with a second of faint noise before, between and after them."""
    random = np.random.default_rng(seed)
    pauses = [random.normal(0, 1e-3, RATE).astype(np.float32) for _ in range(len(words) + 1)]
    clips = [load_audio(CLIP[word]) for word in words]
    return np.concatenate([*(part for pair in zip(pauses, clips, strict=False) for part in pair),
                           pauses[-1]])  # fmt: skip


def times_found(engine, waveform, n_bytes=2048):
    """Count how often it wakes, in the calls of OpenVoiceOS's listener."""
    content, found = pcm(waveform), 0
    for first in range(0, len(content), n_bytes):
        engine.update(content[first : first + n_bytes])
        if engine.found_wake_word():
            found += 1
            engine.reset()
    return found


def test_the_plugin_manager_finds_both():
    from speech_rnn.ovos.speech_to_text import SpeechToText
    from speech_rnn.ovos.wake_word import WakeWord

    assert wakewords.find_wake_word_plugins()[WAKE] is WakeWord
    assert stt.find_stt_plugins()[SPEECH] is SpeechToText
    assert SPEECH in stt.get_stt_supported_langs()["en-US"]
    (choice,) = stt.get_stt_module_configs(SPEECH)["en-US"]
    assert choice["offline"]
    for plugin in (SpeechToText, WakeWord):
        needs = plugin.runtime_requirements
        assert not needs.internet_before_load
        assert not needs.network_before_load
        assert not needs.requires_internet
        assert not needs.requires_network


@pytest.mark.parametrize("n_bytes", [2048, 333, 64_000])
def test_it_wakes_once_for_its_word_and_for_no_other(n_bytes):
    sound = scene("yes", "stop", "go", "left")
    assert times_found(wake_word("stop"), sound, n_bytes) == 1
    assert times_found(wake_word("right"), sound, n_bytes) == 0


def test_it_wakes_each_time():
    assert times_found(wake_word("stop"), scene("stop", "stop", "no", "stop")) == 3


def test_several_words_wake():
    engine = wake_word("commands", words=["stop", "go"])
    assert times_found(engine, scene("yes", "stop", "go", "left")) == 2


@pytest.mark.parametrize("level", [0.0, 1e-3, 0.03, 0.3])
def test_noise_does_not_wake(level):
    noise = np.random.default_rng(1).normal(0, level, 20 * RATE).clip(-1, 1)
    engine = wake_word("alexa", words=list(Recognizer.load().vocabulary.words))
    assert times_found(engine, noise) == 0


@needs_shared
@pytest.mark.parametrize("name", ["computer", "view_glass"])
def test_key_phrases_of_people_wake_once_each(name):
    engine = wake_word(name)
    for file in sorted((SHARED / "keywords" / name).glob("*.flac"))[::60]:
        phrase = np.concatenate([load_audio(file), np.zeros(RATE, np.float32)])  # some end with it
        assert times_found(engine, phrase) == 1, file
    assert times_found(engine, load_audio(SHARED / "noise/running_tap.wav")) == 0


def test_the_threshold_decides():
    sound = scene("stop")
    assert times_found(wake_word("stop", threshold=0.999999), sound) == 0
    assert times_found(wake_word("stop", sensitivity=0.000001), sound) == 0
    assert times_found(wake_word("stop", sensitivity=0.5), sound) == 1


def test_after_a_reset_what_was_found_is_forgotten():
    engine = wake_word("stop")
    engine.update(pcm(scene("stop")))
    engine.reset()
    assert not engine.found_wake_word()
    engine.stop()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"words": ["stopp"]}, "word='stopp' is not a word of the recogniser; did you mean 'stop'"),
        ({"threshold": 0.5, "sensitivity": 0.5}, "exclude each other"),
        ({"threshold": 1.5}, r"threshold=1.5 must give a threshold in \(0, 1\]"),
        ({"sensitivity": "high"}, "sensitivity='high' must be a number"),
    ],
)
def test_wrong_settings_are_refused(config, message):
    with pytest.raises(ConfigurationError, match=message):
        wake_word("stop", **config)


def test_a_missing_model_is_refused():
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        wake_word("stop", model="gone.onnx")
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        speech_to_text(model="gone.onnx")


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
def test_a_real_clip_is_transcribed(clip):
    engine = speech_to_text()
    audio = AudioData(pcm(load_audio(clip)), RATE, 2)
    assert engine.execute(audio, "en-us") == clip.stem
    ((text, confidence),) = engine.transcribe(audio, "en-us")
    own = Recognizer.load().transcribe(np.frombuffer(pcm(load_audio(clip)), "<i2") / 32768)
    assert (text, confidence) == (own.text, own.confidence)


def test_other_sample_rates_and_silence():
    engine = speech_to_text()
    slower = AudioData(pcm(resample(load_audio(CLIP["stop"]), RATE, 8_000).clip(-1, 1)), 8_000, 2)
    assert engine.execute(slower) == "stop"
    assert engine.execute(AudioData(bytes(2 * RATE), RATE, 2)) == ""
    assert engine.transcribe(AudioData(b"", RATE, 2)) == [("", 0.0)]


def test_a_recogniser_and_a_grammar_of_ones_own(tmp_path):
    listener = train_listener(bidirectional=False)
    model = tmp_path / "tones.onnx"
    model.write_bytes(export_onnx(listener, streaming=True).SerializeToString())
    grammar = tmp_path / "one.jsgf"
    grammar.write_text("public <said> = low | high;")
    from tests.listeners import scene as tones

    waveform, _ = tones(["low", "high"], seed=1)
    audio = AudioData(pcm(waveform.clip(-1, 1)), RATE, 2)
    assert speech_to_text(model=str(model)).execute(audio) == "low high"
    assert speech_to_text(model=str(model), grammar=str(grammar)).execute(audio) in ("low", "high")
    rejecting = speech_to_text(model=str(model), grammar=str(grammar), reject=0.9)
    assert rejecting.execute(audio) == ""
    assert times_found(wake_word("high", model=str(model)), waveform) == 1

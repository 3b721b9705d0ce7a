"""Neural voices: how they are dealt and drawn; and, where the model is, what is spoken."""

import os
from pathlib import Path

import numpy as np
import pytest

from speech_rnn.audio import load_audio
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis.cached_voices import Clip, put_clip
from speech_rnn.synthesis.kokoro import NeuralVoices, as_trained, blend
from speech_rnn.synthesis.kokoro_files import lacking

WORDS = ("lights on", "stop")
KOKORO = os.environ.get("SPEECH_RNN_KOKORO", "data/kokoro")
needs_kokoro = pytest.mark.skipif(
    bool(lacking(KOKORO)), reason="neither SPEECH_RNN_KOKORO nor the cache has Kokoro's files"
)
VOICES = [f"{accent}{kind}_{number}" for accent in "ab" for kind in "fm" for number in range(10)]


def voices(root="sounds", folder="kokoro", **settings):
    return NeuralVoices(WORDS, str(root), folder=str(folder), **settings)


def test_no_voice_is_in_two_splits():
    clips = list(voices(validation_clips=30, test_clips=30).drawn(VOICES))
    heard = {
        split: {voice for clip in clips if clip.split == split for voice in clip.voice.voices}
        for split in ("train", "validation", "test")
    }
    assert sum(map(len, heard.values())) == len(set.union(*heard.values())) == len(VOICES)
    assert [len(heard[split]) for split in heard] == [28, 4, 8]
    for names in heard.values():
        assert {name[1] for name in names} == {"f", "m"}


def test_splits_without_clips_take_no_voices():
    clips = list(voices().drawn(VOICES))
    assert {voice for clip in clips for voice in clip.voice.voices} == set(VOICES)


@pytest.mark.parametrize(
    ("espeak", "accent", "misaki"),
    [
        ("zˈiəɹoʊ", "en-us", "zˈiəɹO"),
        ("zˈiəɹəʊ", "en-gb", "zˈɪəɹQ"),
        ("tˈuː", "en-us", "tˈu"),
        ("fˈɔː", "en-gb", "fˈɔː"),
        ("ˈeɪt", "en-us", "ˈAt"),
        ("tʃˈɜːtʃ", "en-us", "ʧˈɜɹʧ"),
    ],
)
def test_phonemes_are_those_that_kokoro_learnt(espeak, accent, misaki):
    assert as_trained(espeak, accent) == misaki


def test_a_clip_depends_on_its_name_and_seed_alone():
    few, many = ({clip.path: clip for clip in voices(train_clips=n).drawn(VOICES)} for n in (5, 20))
    assert few.items() <= many.items()
    other = {clip.path: clip for clip in voices(train_clips=5, seed=1).drawn(VOICES)}
    assert not few.keys() & other.keys()


def test_styles_are_mixed_in_halves():
    one, other = np.ones(256, np.float32), np.zeros(256, np.float32)
    style = blend(one, other, 1.2, 0.25)
    assert style[:128] == pytest.approx(1.2)
    assert style[128:] == pytest.approx(0.25)


def test_a_clip_is_cut_to_its_word(tmp_path):
    spoken = np.zeros(24_000, np.float32)
    spoken[6000:12_000] = np.sin(np.arange(6000) / 5)
    clip = Clip(tmp_path / "a/b.wav", "go", "train", "one", None, (0.1, 0.2), peak_db=-6)
    put_clip(clip, spoken, 24_000, 16_000)
    heard = load_audio(tmp_path / "a/b.wav", 16_000)
    assert len(heard) == pytest.approx(0.55 * 16_000, abs=10)
    assert np.abs(heard).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    assert not heard[: int(0.099 * 16_000)].any()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.wav"]


def test_a_missing_model_says_how_to_get_it(tmp_path, monkeypatch):
    pytest.importorskip("kokoro_onnx", reason="needs the extra [neural]")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    told = r"lack kokoro.* and voices.*: add voices=kokoro, which downloads 121 MB, or .* https://"
    with pytest.raises(DataError, match=told):
        voices(folder=tmp_path).prepare()


def test_a_missing_extra_names_itself(monkeypatch):
    monkeypatch.setattr("speech_rnn.synthesis.kokoro.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[neural\]"):
        voices().prepare()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train_clips": -1}, "train_clips=-1 must be 0 or more"),
        ({"speed": (0.1, 1)}, r"speed=\[0.1, 1\] must be .* within 0.5 and 2"),
        ({"silence_seconds": (1, 0)}, "silence_seconds"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        voices(**wrong)
    with pytest.raises(ConfigurationError, match="'go' is given twice"):
        NeuralVoices(["go", "go"], "sounds", folder="kokoro")


@needs_kokoro
def test_kokoro_speaks_and_is_not_asked_twice(tmp_path):
    corpus = voices(tmp_path, KOKORO, train_clips=2, test_clips=1).prepare()
    assert [row.split for row in corpus.utterances] == ["train", "train", "test"] * 2
    clips = [Path(row.audio) for row in corpus.utterances]
    written = [clip.read_bytes() for clip in clips]
    assert all(0.3 < len(load_audio(clip, 16_000)) / 16_000 < 3 for clip in clips)
    clips[0].unlink()
    voices(tmp_path, KOKORO, train_clips=2, test_clips=1).prepare()
    assert [clip.read_bytes() for clip in clips] == written

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import parselmouth
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.corpus import SPLITS
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis.espeak import HIGH, LOW, Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import ENGLISH

needs_espeak = pytest.mark.skipif(
    find_spec("espeakng_loader") is None,
    reason="espeakng_loader is not installed: pip install -e '.[synth]'",
)
FEW = {"train_clips": 6, "validation_clips": 2, "test_clips": 3}
VARIANTS = [variant for family in (*HIGH, *LOW) for variant in family]


def small(root, words=("yes", "lights on"), **options):
    return Synthetic(words=words, root=str(root), **{**FEW, **options})


def files(root):
    """The bytes of all sounds below a folder, by relative path."""
    found = sorted(Path(root).rglob("*.wav"))
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in found}


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic")
    return root, small(root).prepare()


@needs_espeak
class TestEspeak:
    def test_every_voice_is_there(self, espeak):
        assert set(VARIANTS) <= set(espeak.variants)
        assert set(ENGLISH) <= espeak.accents.keys()
        assert len(VARIANTS) == len(set(VARIANTS)) == 82

    def test_a_clip_depends_on_its_parameters_alone(self, espeak):
        first = {variant: espeak.speak("seven", variant=variant) for variant in VARIANTS}
        other = Espeak()
        for variant in reversed(VARIANTS):
            other.speak("something else", variant="m1")
            np.testing.assert_array_equal(other.speak("seven", variant=variant), first[variant])
        assert len({clip.tobytes() for clip in first.values()}) == len(VARIANTS)

    def test_parameters_change_the_sound(self, espeak):
        def pitch_hz(clip):
            sound = parselmouth.Sound(clip / 32768, espeak.sample_rate)
            found = sound.to_pitch(pitch_floor=50, pitch_ceiling=400).selected_array["frequency"]
            return np.median(found[found > 0])

        low, high = (espeak.speak("no", variant="m3", pitch=pitch) for pitch in (20, 80))
        assert pitch_hz(high) > 1.2 * pitch_hz(low)
        slow, fast = (espeak.speak("seven", rate_wpm=rate) for rate in (100, 250))
        assert len(fast) < 0.7 * len(slow)
        american, scottish = (
            espeak.speak("go", accent=code) for code in ("en-us", "en-gb-scotland")
        )
        assert american.tobytes() != scottish.tobytes()

    def test_silence_is_an_error(self, espeak):
        with pytest.raises(DataError, match=r"text='\.\.\.': espeak-ng speaks nothing"):
            espeak.speak("...")

    @pytest.mark.parametrize("voice", [{"variant": "nobody"}, {"accent": "nowhere"}])
    def test_unknown_voice(self, espeak, voice):
        with pytest.raises(
            DataError, match=r"voice='.*no(body|where)' is not a voice of espeak-ng 1"
        ):
            espeak.speak("yes", **voice)

    def test_data_in_too_long_a_path(self, monkeypatch, tmp_path):
        import espeakng_loader

        data = tmp_path / ("long" * 50) / "espeak-ng-data"
        data.parent.mkdir()
        data.symlink_to(espeakng_loader.get_data_path())
        monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(data))
        with pytest.raises(DataError, match=r"data='.*long.*' cannot be read by espeak-ng"):
            Espeak()

    def test_broken_library(self, monkeypatch, tmp_path):
        import espeakng_loader

        library = tmp_path / "libespeak-ng.so"
        library.write_text("none")
        monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(library))
        with pytest.raises(DataError, match=r"library='.*libespeak-ng.so' cannot be loaded"):
            Espeak()


def test_missing_extra_names_itself(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[synth\]'"):
        small(tmp_path).prepare()


@needs_espeak
def test_corpus(made):
    _, corpus = made
    assert corpus.words == ("yes", "lights on")
    counts = Counter((row.text, row.split) for row in corpus.utterances)
    assert counts == {
        (word, split): FEW[f"{split}_clips"] for word in corpus.words for split in SPLITS
    }
    assert {row.speaker for row in corpus.utterances} <= set(VARIANTS)


@needs_espeak
def test_sounds(made):
    _, corpus = made
    for row in corpus.utterances:
        info = soundfile.info(row.audio)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        samples, _ = soundfile.read(row.audio)
        loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
        lead, trail = loud[0] / 16_000, (len(samples) - loud[-1]) / 16_000
        assert 0.049 < lead < 0.4
        assert 0.049 < trail < 0.4
        assert 0.1 < len(samples) / 16_000 - lead - trail < 1.2
        assert -20.1 < 20 * np.log10(np.abs(samples).max()) < -0.9


@given(st.integers(0, 2**32))
def test_voices_of_splits_are_disjoint_and_mixed(seed):
    families = Synthetic(words=["yes"], root="", seed=seed).families()
    assert {split: len(dealt) for split, dealt in families.items()} == {
        "train": 27,
        "validation": 7,
        "test": 12,
    }
    voices = [voice for dealt in families.values() for family in dealt for voice in family]
    assert sorted(voices) == sorted(VARIANTS)
    for dealt in families.values():
        assert set(dealt) & set(HIGH)
        assert set(dealt) & set(LOW)


@needs_espeak
def test_every_family_speaks_every_word_before_one_repeats(tmp_path):
    corpus = small(tmp_path, words=["go"], test_clips=12).prepare()
    families = small(tmp_path).families()["test"]
    voices = {row.speaker for row in corpus.split("test")}
    assert all(voices & set(family) for family in families)


@needs_espeak
def test_cache_is_used_and_heals(made):
    root, corpus = made
    before = files(root)
    times = {row.audio: Path(row.audio).stat().st_mtime_ns for row in corpus.utterances}
    gone = Path(corpus.utterances[3].audio)
    gone.unlink()
    assert small(root).prepare() == corpus
    assert files(root) == before
    changed = {path for path, then in times.items() if Path(path).stat().st_mtime_ns != then}
    assert changed == {str(gone)}


@needs_espeak
def test_same_samples_in_another_process_with_other_words(made, tmp_path):
    root, _ = made
    code = (
        "import sys; from speech_rnn.synthesis.espeak import Synthetic\n"
        "Synthetic(words=['stop', 'lights on', 'yes'], root=sys.argv[1], train_clips=7,\n"
        "          validation_clips=2, test_clips=4).prepare()"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    assert files(root).items() <= files(tmp_path).items()


@pytest.mark.slow
@needs_espeak
def test_killed_in_its_middle(tmp_path):
    code = (
        "import sys; from speech_rnn.synthesis.espeak import Synthetic\n"
        "Synthetic(words=['yes'], root=sys.argv[1]).prepare()"
    )
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", code, str(killed)])
    for _ in range(3000):
        if len([*killed.rglob("*.wav")]) > 20:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 20 < len(files(killed)) < 240
    options = {"words": ["yes"], "train_clips": 60}
    corpus = small(killed, **options).prepare()
    small(whole, **options).prepare()
    remade = files(killed)
    assert {name: remade[name] for name in files(whole)} == files(whole)
    assert all(Path(row.audio).is_file() for row in corpus.utterances)


@needs_espeak
@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"rate_wpm": [120, 220]},
        {"pitch": (30, 75)},
        {"pitch_range": (20, 70)},
        {"silence_seconds": (0, 0)},
        {"peak_db": (-3, -3)},
        {"accents": ["en-us"]},
        {"sample_rate": 8000},
    ],
)
def test_a_change_speaks_anew(tmp_path, change, espeak):
    source = Synthetic(
        words=["yes"], root=str(tmp_path), train_clips=1, validation_clips=1, test_clips=1
    )
    one, other = source.prepare(), replace(source, **change).prepare()
    assert len([*tmp_path.iterdir()]) == 2
    assert (
        Path(one.utterances[0].audio).read_bytes() != Path(other.utterances[0].audio).read_bytes()
    )
    # Lists, as YAML gives them, and numbers written otherwise are no change.
    assert replace(source, rate_wpm=[130.0, 220.0], accents=list(ENGLISH)).prepare() == one


@needs_espeak
def test_other_languages_and_file_names(tmp_path):
    corpus = small(tmp_path, words=["über/unter", "nein"], accents=["de"]).prepare()
    assert corpus.words == ("über/unter", "nein")
    assert len(files(tmp_path)) == 2 * 11


@needs_espeak
def test_unknown_accents_are_named_with_the_nearest(tmp_path):
    message = r"accents='en-uk', '12'.* en-gb-scotland.*; did you mean 'en-us'"
    with pytest.raises(ConfigurationError, match=message):
        small(tmp_path, accents=["en-uk", "en-gb", "12"]).prepare()


@needs_espeak
def test_homophones_are_rejected(tmp_path):
    with pytest.raises(
        ConfigurationError, match="'too' sounds like 'two': they cannot be distinguished"
    ):
        small(tmp_path, words=["two", "too"]).prepare()


@needs_espeak
def test_silent_words(tmp_path):
    words = ["yes", "\N{ARABIC-INDIC DIGIT THREE}", "\N{ARABIC-INDIC DIGIT FOUR}"]
    with pytest.raises(ConfigurationError) as caught:
        small(tmp_path, words=words).prepare()
    silent = [f"  {word!r} is silent in en-us" for word in words[1:]]
    assert str(caught.value).splitlines() == ["words cannot all be spoken:", *silent]


def test_wrong_words_are_listed_all_at_once(tmp_path):
    words = ["yes", "!!!", "", True, ["no"], "_silence_", " go", "Yes", "\N{GRINNING FACE}"]
    with pytest.raises(ConfigurationError, match="words cannot all be spoken") as caught:
        small(tmp_path, words=words)
    assert str(caught.value).splitlines()[1:] == [
        "  '!!!' has no letter",
        "  '' has no letter",
        "  True is no text: in YAML, words such as yes, no, on and off need quotes",
        "  ['no'] is no text: in YAML, words such as yes, no, on and off need quotes",
        "  '_silence_' starts with _, which marks what is not spoken",
        "  ' go' must have single spaces, between words only",
        "  'Yes' is given twice",
        "  '\N{GRINNING FACE}' has no letter",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": []}, r"words=\[\] must be a list of at least one word"),
        ({"words": "yes"}, "words='yes' must be a list"),
        ({"train_clips": -2}, "train_clips=-2 must be 0 or more"),
        ({"test_clips": -1}, "test_clips=-1 must be 0 or more"),
        ({"accents": []}, r"accents=\[\] is empty"),
        ({"rate_wpm": (60, 200)}, r"rate_wpm=\[60, 200\] must be .* within 80 and 450"),
        ({"pitch": (70, 30)}, r"pitch=\[70, 30\] must be the lowest and the highest"),
        ({"peak_db": (-3, 1)}, r"peak_db=\[-3, 1\] must be"),
        ({"silence_seconds": (0.1,)}, r"silence_seconds=\[0.1\] must be"),
        ({"sample_rate": 0}, "sample_rate=0 must be above 0"),
    ],
)
def test_wrong_use(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Synthetic(**{"words": ["yes"], "root": "", **options})


@needs_espeak
def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"root='.*file' cannot be written"):
        small(tmp_path / "file").prepare()


@needs_espeak
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_full_disk(tmp_path):
    code = (
        "import resource, signal, sys; from speech_rnn.synthesis.espeak import Synthetic\n"
        "from speech_rnn.errors import DataError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try: Synthetic(words=['yes'], root=sys.argv[1]).prepare()\n"
        "except DataError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"root='{tmp_path}' cannot be written" in said
    assert "free some space" in said
    # What was cut short is not taken for a clip, now that there is space.
    corpus = small(tmp_path, words=["yes"]).prepare()
    assert all(soundfile.info(row.audio).duration > 0.2 for row in corpus.utterances)

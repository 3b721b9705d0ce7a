import json
from dataclasses import replace

import numpy as np
import pytest

from speech_rnn import Recognizer
from speech_rnn.audio import write_audio
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError, ModelError
from speech_rnn.exporting import export_onnx
from speech_rnn.learning import forget as forgetting
from speech_rnn.learning import learn as learning
from speech_rnn.learning.forget import forget
from speech_rnn.learning.learn import learn
from speech_rnn.learning.record import record_of
from speech_rnn.learning.sounds import Background
from speech_rnn.learning.states import unpacked
from speech_rnn.starter import STARTER
from speech_rnn.streaming.spotter import Spotting
from tests.commands import speech_rnn
from tests.learning.small import framed, new_tone, room, train_classifier
from tests.listeners import RATE, scene, train_listener
from tests.test_recognizer import untrained
from tests.tones import TONES_HZ, tone

WORD = "whistle"


@pytest.fixture(autouse=True, scope="module")
def silent_voices():
    """Nobody speaks here: tones are what a voice does not say."""

    def speak(words, clips, language, rate):
        raise MissingExtraError("espeakng_loader", "synth")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "speak", speak)
        patch.setattr(forgetting, "speak", speak)
        yield


def listener():
    return train_listener(bidirectional=False)


def given(seeds=range(5)):
    return [framed(new_tone(seed), seed) for seed in seeds]


def known(seeds=range(50, 60)):
    return [(word, framed(tone(word, 0.4, seed), seed)) for seed in seeds for word in TONES_HZ]


@pytest.fixture(scope="module", params=["words", "classes"])
def taught(request):
    before = listener() if request.param == "words" else train_classifier()
    return before, learn(before, WORD, given(), background=room(range(12)))


@pytest.mark.slow
def test_a_learnt_word_is_recognised_and_the_others_stay(taught):
    before, learnt = taught
    after = learnt.recognizer
    new = [framed(new_tone(seed), seed) for seed in range(100, 120)]
    assert [after.transcribe(clip).text for clip in new] == [WORD] * len(new)
    assert not [clip for clip in new if before.transcribe(clip).text == WORD]
    for word, clip in known():
        assert before.transcribe(clip).text == after.transcribe(clip).text == word


def test_expected_performance_is_reported(taught):
    before, learnt = taught
    expected = learnt.expected
    assert (expected.given.count, expected.given.total) == (5, 5)
    assert expected.voices is None
    assert expected.others.count <= 0.01 * expected.others.total
    assert [word for word, _ in expected.nearest] != []
    assert {word for word, _ in expected.nearest} <= set(before.vocabulary.words)
    assert expected.background.words.get(WORD, 0) == 0
    assert any("espeak-ng" in note for note in learnt.notes)
    record = record_of(learnt.recognizer)[WORD]
    assert record["expected"]["given"] == {"count": 5, "total": 5}
    assert record["when"].endswith("+00:00")
    assert len(record["clips"]) == 5


def test_the_rows_of_the_other_words_are_as_they_were(taught):
    before, learnt = taught
    first, second = before.engine.last_layer(), learnt.recognizer.engine.last_layer()
    np.testing.assert_array_equal(second.weight[:-1], first.weight)
    np.testing.assert_array_equal(second.bias[:-1], first.bias)


def test_it_survives_its_file(taught, tmp_path):
    _, learnt = taught
    learnt.recognizer.save(tmp_path / "more.safetensors")
    loaded = Recognizer.load(tmp_path / "more.safetensors")
    clip = given([7])[0]
    assert loaded.transcribe(clip) == learnt.recognizer.transcribe(clip)
    assert loaded.provenance == learnt.recognizer.provenance
    assert loaded.calibration == learnt.recognizer.calibration


@pytest.mark.parametrize("int8", [False, True])
def test_it_survives_export(taught, tmp_path, int8):
    _, learnt = taught
    model = export_onnx(learnt.recognizer, int8=int8)
    (tmp_path / "more.onnx").write_bytes(model.SerializeToString())
    exported = Recognizer.load(tmp_path / "more.onnx")
    for clip in [*given([7, 8]), *(clip for _, clip in known([70]))]:
        assert exported.transcribe(clip).text == learnt.recognizer.transcribe(clip).text


def test_an_exported_file_learns_as_its_recogniser_does(tmp_path):
    for streaming in (False, True):
        content = export_onnx(listener(), streaming=streaming).SerializeToString()
        (tmp_path / "words.onnx").write_bytes(content)
        exported = Recognizer.load(tmp_path / "words.onnx")
        found = learn(exported, WORD, given(), background=room(range(12))).recognizer
        found.save(tmp_path / "more.onnx")
        loaded = Recognizer.load(tmp_path / "more.onnx")
        for seed in range(100, 110):
            assert loaded.transcribe(framed(new_tone(seed), seed)).text == WORD
        assert loaded.can_stream == streaming


def test_a_stream_detects_a_learnt_word():
    found = learn(listener(), WORD, given(), background=room(range(12))).recognizer
    waveform, _ = scene(["low", "high"], seed=5)
    whole = np.concatenate([waveform, framed(new_tone(200), 200), waveform])
    stream = found.stream(RATE)
    words = [word.word for word in (*stream.push(whole), *stream.finish())]
    assert words == ["low", "high", WORD, "low", "high"]


def test_clips_that_are_given_later_count_as_if_given_at_once(taught):
    before, _ = taught
    background = room(range(12))
    once = learn(before, WORD, given(range(5)), background=background)
    first = learn(before, WORD, given(range(2)), background=background)
    twice = learn(first.recognizer, WORD, given(range(2, 5)), background=background)
    assert twice.n_clips == once.n_clips == 5
    one, other = (each.recognizer.engine.last_layer() for each in (once, twice))
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-5)
    assert twice.recognizer.vocabulary == once.recognizer.vocabulary


def test_a_forgotten_word_leaves_nothing_behind(taught):
    before, learnt = taught
    after = forget(learnt.recognizer, WORD).recognizer
    assert after.description == before.description
    first, second = before.engine.last_layer(), after.engine.last_layer()
    np.testing.assert_array_equal(first.weight, second.weight)
    np.testing.assert_array_equal(first.bias, second.bias)


@pytest.mark.parametrize("made", [listener, train_classifier])
def test_a_word_of_the_training_can_be_forgotten(made):
    before = made()
    tuned = replace(Spotting.of("ctc"), thresholds={"low": 0.3, "high": 0.4}, lags={"low": (0, 0)})
    before.spotting, before.provenance = tuned, {"synthetic_words": ["low", "high"]}
    found = forget(before, "low", background=room(range(4)))
    after = found.recognizer
    assert after.vocabulary.words == ("middle", "high")
    assert after.spotting.thresholds == {"high": 0.4}
    assert after.spotting.lags == {}
    assert "low" not in after.calibration.ambiguous_below
    assert after.provenance["synthetic_words"] == ["high"]
    assert found.before.words["low"] > 0
    assert "low" not in found.after.words
    for word, clip in known():
        assert word == "low" or after.transcribe(clip).text == word


def test_one_clip_is_enough_to_begin_with():
    found = learn(listener(), WORD, given([1]), background=room(range(12)))
    assert found.expected.given is None
    assert found.recognizer.transcribe(given([30])[0]).text == WORD


def test_the_given_recogniser_is_not_modified():
    before = listener()
    description = json.dumps(before.description)
    learn(before, WORD, given(), background=room(range(4)))
    assert json.dumps(before.description) == description


@pytest.mark.parametrize(
    ("word", "clips", "message"),
    [
        ("low", given([1]), "the recogniser was trained on 'low' already"),
        ("Low", given([1]), "the recogniser was trained on 'low' already"),
        ("_blank_", given([1]), "starts with _"),
        (" ", given([1]), "has no letter"),
        (WORD, [], "give at least one recording"),
        (WORD, [np.zeros(11 * RATE, np.float32)], "a clip lasts 11 s"),
    ],
)
def test_words_that_cannot_be_learnt_are_rejected(word, clips, message):
    with pytest.raises(ConfigurationError, match=message):
        learn(listener(), word, clips, background=room(range(4)))


def test_characters_and_nothing_to_tell_apart_from_are_refused():
    with pytest.raises(ConfigurationError, match="vocabulary=characters: words are spelt"):
        learn(untrained("characters"), WORD, given([1]), background=room(range(4)))
    with pytest.raises(MissingExtraError, match="espeakng_loader"):
        learn(listener(), WORD, given([1]))


def test_words_that_cannot_be_forgotten_are_rejected():
    with pytest.raises(
        DataError, match=r"word='lov' is not a word of the recogniser; did you mean 'low'"
    ):
        forget(listener(), "lov")
    one = forget(forget(listener(), "low").recognizer, "high").recognizer
    with pytest.raises(DataError, match="'middle' is the only word"):
        forget(one, "middle")


@pytest.mark.parametrize(
    "damaged",
    [
        {"shape": [2, 24], "states": "AAAA"},
        {"shape": [1, 2], "states": "AAAAAA=="},
        {"states": "AAAA"},
        {"shape": [1, 24], "states": "no base64"},
    ],
)
def test_damaged_clips_are_refused(damaged):
    with pytest.raises(ModelError, match="of the added word 'a'"):
        unpacked(damaged, "a", 24)


def test_voices_with_another_pronunciation_are_left_out(monkeypatch):
    """espeak-ng says the word "whistle", and the clips are whistles."""

    def speak(words, clips, language, rate):
        return {word: [framed(tone("low", 0.3, seed), seed) for seed in range(6)] for word in words}

    monkeypatch.setattr(learning, "speak", speak)
    monkeypatch.setattr(learning, "other_words", lambda words, language: ["noise"])
    found = learn(listener(), WORD, given(), background=room(range(12)))
    assert any("do not sound like 'whistle'" in note for note in found.notes)
    assert record_of(found.recognizer)[WORD]["voices"] == 0


# The commands


@pytest.fixture
def folder(tmp_path):
    listener().save(tmp_path / "words.safetensors")
    for name, clips in (("clips", given()), ("later", given(range(5, 8)))):
        (tmp_path / name).mkdir()
        for number, clip in enumerate(clips):
            write_audio(tmp_path / name / f"{number}.wav", clip, RATE)
    (tmp_path / "room").mkdir()
    background = room(range(12))
    sound = np.concatenate([*background.learnt, *background.counted])
    write_audio(tmp_path / "room/room.wav", sound, RATE)
    write_audio(tmp_path / "new.wav", given([40])[0], RATE)
    return tmp_path


def test_the_model_itself_is_replaced_by_default(folder):
    model = ("--model", "words.safetensors", "--word", WORD)
    before = (folder / "words.safetensors").read_bytes()
    done = speech_rnn("learn", *model, "clips", "--background", "room", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"added: {WORD}, from 5 clips" in done.stdout
    assert "correct of the given clips, each left out in turn: 5 of 5" in done.stdout
    assert "false accepts in the background: 0 in" in done.stdout
    assert "recognizer: words.safetensors" in done.stdout
    heard = speech_rnn("transcribe", "--model", "words.safetensors", "new.wav", cwd=folder)
    assert heard.stdout.strip() == WORD
    told = speech_rnn("models", "words.safetensors", cwd=folder).stdout
    assert f"added without training: {WORD} (5 clips)" in told
    again = speech_rnn("learn", *model, "later/0.wav", "--background", "room", cwd=folder)
    assert f"added: {WORD}, from 6 clips" in again.stdout
    done = speech_rnn("forget", *model, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"forgotten: {WORD}\n")
    assert (folder / "words.safetensors").read_bytes() == before


def test_an_output_leaves_the_model_alone(folder):
    before = (folder / "words.safetensors").read_bytes()
    model = ("--model", "words.safetensors", "--word", WORD, "--output", "more.safetensors")
    done = speech_rnn("learn", *model, "clips", "--background", "room", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert (found["word"], found["clips"]) == (WORD, 5)
    assert found["recognizer"] == "more.safetensors"
    assert found["background"]["seconds"] > 3
    assert (folder / "words.safetensors").read_bytes() == before
    assert WORD in Recognizer.load(folder / "more.safetensors").vocabulary.words


def test_a_failure_leaves_the_model_unchanged(folder):
    (folder / "clips/bad.wav").write_bytes(b"no sound")
    before = (folder / "words.safetensors").read_bytes()
    model = ("--model", "words.safetensors", "--word", WORD)
    done = speech_rnn("learn", *model, "clips", "--background", "room", cwd=folder)
    assert done.returncode == 1
    assert "bad.wav" in done.stderr
    assert (folder / "words.safetensors").read_bytes() == before
    assert not list(folder.glob(".*part*"))


def test_the_recogniser_of_the_package_is_not_changed(folder):
    before = STARTER.stat().st_mtime
    for line in (["learn", "--word", WORD, "clips"], ["forget", "--word", "seven"]):
        done = speech_rnn(*line, cwd=folder)
        assert done.returncode == 2
        assert "give --output FILE.onnx" in done.stderr
    assert STARTER.stat().st_mtime == before


@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("verb", ["learn", "forget"])
def test_help_ends_with_examples(verb, module, tmp_path):
    told = speech_rnn(verb, "--help", cwd=tmp_path, module=module).stdout
    end = told[told.index("Examples") :]
    assert end.count(f"speech-rnn {verb}") >= 2


def test_a_background_is_cut_into_two_halves(tmp_path):
    for number, seconds in enumerate((25, 4)):
        noise = np.full(seconds * RATE, 0.1 * (number + 1), np.float32)
        write_audio(tmp_path / f"{number}.wav", noise, RATE)
    background = Background.read(str(tmp_path), RATE)
    learnt, counted = (
        sorted(len(block) / RATE for block in half)
        for half in (background.learnt, background.counted)
    )
    assert sum(learnt) + sum(counted) == pytest.approx(29)
    assert abs(sum(learnt) - sum(counted)) <= 10
    assert min(len(learnt), len(counted)) >= 2
    write_audio(tmp_path / "short.wav", np.full(RATE, 0.1, np.float32), RATE)
    with pytest.raises(ConfigurationError, match="less than 3 s of sound"):
        Background.read(str(tmp_path / "short.wav"), RATE)

import io
import json
import math
import pickle
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import speech_rnn
from speech_rnn.audio import write_audio
from speech_rnn.errors import AudioError, ConfigurationError, ModelError
from speech_rnn.features import MFCC, LogMel
from speech_rnn.listening.transcribing import transcribe_files
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import FORMAT_VERSION, Recognizer
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.vocabulary import Vocabulary
from tests.tones import tone

WORDS = ["low", "middle", "high"]


def untrained(unit="classes", features=None, **settings):
    torch.manual_seed(0)
    features = features or MFCC(n_mels=20, n_mfcc=10)
    vocabulary = Vocabulary.of(WORDS, unit)
    model = AcousticModel(
        n_features=features.n_features,
        n_outputs=len(vocabulary),
        head=vocabulary.head,
        **({"hidden_size": 8, "dense": 8, "n_heads": 2} | settings),
    )
    return Recognizer.from_modules(features, model, vocabulary, provenance={"seed": 0})


UNITS = pytest.mark.parametrize("unit", ["classes", "words", "characters"])


def test_samples_after_a_short_clip_are_ignored():
    recognizer = untrained()
    clip = torch.from_numpy(tone("low"))[None, :300]
    expected, _ = recognizer.logits(clip, torch.tensor([300]))
    noise = torch.cat([clip, torch.full((1, 900), math.nan)], dim=1)
    np.testing.assert_allclose(recognizer.logits(noise, torch.tensor([300]))[0], expected)


@UNITS
def test_a_file_is_enough(unit, tmp_path):
    recognizer = untrained(unit)
    recognizer.save(tmp_path / "model.safetensors")
    loaded = Recognizer.load(tmp_path / "model.safetensors")
    clip = tone("low")
    assert loaded.transcribe(clip) == recognizer.transcribe(clip)
    assert loaded.vocabulary == recognizer.vocabulary
    assert loaded.provenance == {"seed": 0}


@pytest.mark.parametrize("features", [LogMel(n_mels=20), MFCC(n_mels=20, n_mfcc=10, deltas=1)])
def test_feature_parameters_travel(features, tmp_path):
    untrained(features=features).save(tmp_path / "model.safetensors")
    loaded = Recognizer.load(tmp_path / "model.safetensors")
    assert loaded.features.hyperparameters == features.hyperparameters
    assert type(loaded.features) is type(features)


def test_the_same_recognizer_is_the_same_file(tmp_path):
    untrained().save(tmp_path / "a")
    untrained().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@UNITS
@settings(max_examples=15)
@given(n_samples=st.lists(st.integers(1, 9000), min_size=2, max_size=5))
def test_a_clip_alone_is_the_clip_in_a_batch(unit, n_samples):
    recognizer = untrained(unit)
    clips = [tone("middle", 1.0, seed)[:n] for seed, n in enumerate(n_samples)]
    for clip, together in zip(clips, recognizer.transcribe(clips), strict=True):
        alone = recognizer.transcribe(clip)
        assert alone.text == together.text
        assert alone.confidence == pytest.approx(together.confidence, abs=1e-5)


def test_every_type_of_sound_source(tmp_path):
    recognizer = untrained()
    clip = np.round(tone("high") * 32768) / 32768
    path = tmp_path / "clip.wav"
    write_audio(path, clip)
    answer = recognizer.transcribe(clip)
    for sound in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert recognizer.transcribe(sound) == answer
    assert recognizer.transcribe([path, path]) == [answer, answer]
    assert recognizer.transcribe(clip.tolist()) == answer


def test_samples_of_another_rate_are_resampled():
    recognizer = untrained()
    wide = recognizer.transcribe(tone("low", sample_rate=48_000), sample_rate=48_000)
    assert wide.words[0].end == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100), np.float32), r"shape=\(2, 100\) .* must be one channel"),
        (np.zeros(100, np.int16), "divide 16-bit integers by 32768"),
        (np.array([0.1, np.nan]), "must be finite"),
        (np.zeros(0), "at least one"),
        ([], r"audio=\[\] is neither a sound nor a list of at least one"),
        (("a.wav", "b.wav"), "give several sounds as a list"),
        ((tone("low"), tone("low", 0.2)), "give several sounds as a list"),
        ([["a.wav"]], "give several sounds as a list"),
        (bytearray(b"RIFF"), r"give bytes\(audio\)"),
        (memoryview(b"RIFF"), r"give bytes\(audio\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_samples_that_cannot_be_used(samples, message):
    with pytest.raises(AudioError, match=message):
        untrained().transcribe(samples)


def test_files_keep_their_order_and_a_bad_one_costs_itself(tmp_path):
    recognizer = untrained()
    files = []
    for number in range(7):
        path = tmp_path / f"{number}.wav"
        write_audio(path, tone("low", 0.1 + 0.3 * (number % 3), number))
        files.append((path.name, path))
    files.insert(2, ("missing.wav", tmp_path / "missing.wav"))
    results = list(transcribe_files(recognizer, files, batch_size=3))
    assert [result.file for result in results] == [name for name, _ in files]
    assert "missing.wav" in results[2].error
    assert results[2].to_dict().keys() == {"file", "error"}
    for (_, path), result in zip(files, results, strict=True):
        if result.hypothesis:
            alone = recognizer.transcribe(path)
            assert result.hypothesis.text == alone.text
            assert result.hypothesis.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_only_features_without_whole_clip_statistics_stream():
    assert not untrained("words", bidirectional=True).can_stream
    assert untrained("words", bidirectional=False, pooling=None).can_stream
    assert untrained("words", chunk=4, look_ahead=2).can_stream
    assert not untrained("classes", bidirectional=False).can_stream
    assert untrained("classes", bidirectional=False, pooling="last").can_stream


def test_parts_that_do_not_fit():
    recognizer = untrained()
    with pytest.raises(ModelError, match="n_outputs=3 does not fit a vocabulary of 2 classes"):
        Recognizer.from_modules(recognizer.features, recognizer.model, Vocabulary.of(["a", "b"]))
    with pytest.raises(ModelError, match="n_features=10 does not fit features of 40"):
        Recognizer.from_modules(MFCC(), recognizer.model, recognizer.vocabulary)


def test_files_that_are_not_recognizers(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match=r"model\.safetensors' cannot be read"):
        Recognizer.load(path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read as a Recognizer"):
        Recognizer.load(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="a safetensors file but not a Recognizer"):
        Recognizer.load(path)
    untrained().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be read as a Recognizer"):
        Recognizer.load(path)


def rewrite(path, change):
    """Save the file at `path` again with its description changed."""
    untrained().save(path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    description = json.loads(header["__metadata__"]["speech_rnn"])
    change(description)
    save_file(load_file(path), path, {"speech_rnn": json.dumps(description)})


def test_a_newer_format_says_so(tmp_path):
    path = tmp_path / "model.safetensors"
    rewrite(path, lambda description: description.update(version=FORMAT_VERSION + 1))
    with pytest.raises(ModelError, match=r"version=2, newer than 1.*install a newer one"):
        Recognizer.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["model"].update(hidden_size=9),
        lambda d: d["model"].update(cell="transformer"),
        lambda d: d["model"].update(surprise=1),
        lambda d: d["features"].update({"class": "os.system"}),
        lambda d: d["vocabulary"].update(tokens=["a", "b"]),
        lambda d: d.pop("model"),
    ],
)
def test_a_description_that_does_not_fit(tmp_path, change):
    path = tmp_path / "model.safetensors"
    rewrite(path, change)
    with pytest.raises(ModelError, match=r"fit"):
        Recognizer.load(path)


def test_loading_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError):
        Recognizer.load(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:²", "cuda:-1"])
def test_an_unknown_device(tmp_path, device):
    untrained().save(tmp_path / "a")
    with pytest.raises(ConfigurationError, match=f"device='{device}' must be"):
        Recognizer.load(tmp_path / "a", device=device)


@UNITS
def test_a_file_is_opened_and_read_once(unit, tmp_path):
    """Python opens it for its header, and libsndfile for its samples."""
    recognizer, opened = untrained(unit), Counter()
    path = tmp_path / "clip.wav"
    write_audio(path, tone("low"))

    def note(event, arguments):
        if event == "open" and isinstance(arguments[0], str):
            opened[arguments[0]] += 1

    sys.addaudithook(note)  # for good: there is no way to take one off
    recognizer.transcribe(path)
    list(transcribe_files(recognizer, [("clip", str(path))]))
    assert opened[str(path)] == 2


PACKAGE = Path(speech_rnn.__file__).parent
TOOLS = {"errors.py", "samples", "storage", "tensors"}


def folders_entered(call):
    """The folders of the package in the order in which a call enters them from elsewhere."""
    entered = []

    def folder(frame):
        while frame is not None and PACKAGE not in Path(frame.f_code.co_filename).parents:
            frame = frame.f_back
        return frame and Path(frame.f_code.co_filename).relative_to(PACKAGE).parts[0]

    def note(frame, event, _):
        if event == "call" and PACKAGE in Path(frame.f_code.co_filename).parents:
            here = folder(frame)
            if here not in TOOLS and here != folder(frame.f_back) and here not in entered[-1:]:
                entered.append(here)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


def test_a_sound_passes_each_folder_once(tmp_path):
    write_audio(tmp_path / "clip.wav", tone("low"))
    for unit in ("classes", "words"):
        recognizer = untrained(unit)
        recognizer.transcribe(tmp_path / "clip.wav")  # imports what it needs
        assert folders_entered(partial(recognizer.transcribe, tmp_path / "clip.wav")) == [
            *("recognizer.py", "audio", "engines", "features", "model"),
            *("decoding", "vocabulary.py"),
        ]


@UNITS
def test_weights_with_nan(unit):
    recognizer = untrained(unit, bidirectional=False, pooling="last")
    with torch.no_grad():
        recognizer.model.output.bias[0] = torch.nan
    ways = [recognizer.transcribe]
    ways += [recognizer.stream().push] if recognizer.can_stream else []
    for answer in ways:
        with pytest.raises(ModelError, match="the model computes NaN"):
            answer(tone("low"))


def test_when_a_word_is_an_event_travels(tmp_path):
    path = tmp_path / "model.safetensors"
    recognizer = untrained("words", bidirectional=False, pooling=None)
    recognizer.spotting = Spotting(threshold=0.25, thresholds={"low": 0.75}, smoothing="max")
    recognizer.save(path)
    loaded = Recognizer.load(path)
    assert loaded.spotting == recognizer.spotting
    sound = np.concatenate([tone(word, 1.0) for word in WORDS])
    own, same = (
        loaded.stream(),
        untrained("words", bidirectional=False, pooling=None).stream(spotting=recognizer.spotting),
    )
    assert [*own.push(sound), *own.finish()] == [*same.push(sound), *same.finish()]


def test_files_from_before_spotting_are_read(tmp_path):
    path = tmp_path / "model.safetensors"
    untrained().save(path)
    with safe_open(str(path), framework="pt") as file:
        description = json.loads(file.metadata()["speech_rnn"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert description.pop("spotting") is None
    save_file(tensors, str(path), {"speech_rnn": json.dumps(description)})
    assert Recognizer.load(path).spotting is None

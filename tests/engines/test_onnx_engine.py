"""A recogniser in ONNX Runtime answers as any other, and a file that it cannot run says why."""

import json
from functools import partial

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn import Recognizer
from speech_rnn.audio import write_audio
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.exporting import export_onnx
from speech_rnn.listening.transcribing import transcribe_files
from speech_rnn.streaming.spotter import Spotting
from tests.commands import speech_rnn
from tests.listeners import scene
from tests.streaming.test_streaming import cut, hear
from tests.test_recognizer import untrained
from tests.tone_graphs import description, write_tone_graph
from tests.tones import TONES_HZ, tone, write_corpus

SAID = ["low", "high", "high", "middle"]
KINDS = pytest.mark.parametrize("kind", ["offline", "streaming"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        kind: write_tone_graph(folder / f"{kind}.onnx", kind) for kind in ("offline", "streaming")
    }


@KINDS
def test_words_and_their_times_are_recognised(files, kind):
    waveform, truth = scene(SAID, seed=1)
    found = Recognizer.load(files[kind]).transcribe(waveform)
    assert found.text == " ".join(SAID)
    for word, (_, start, end) in zip(found.words, truth, strict=True):
        assert (word.start, word.end) == pytest.approx((start, end), abs=0.03)


@KINDS
def test_a_batch_is_its_clips_and_files_of_any_kind_are_read(files, kind, tmp_path):
    recognizer = Recognizer.load(files[kind])
    clips = [tone(word, 0.05 + 0.2 * number, number) for number, word in enumerate(TONES_HZ)]
    clips.append(np.full(3, 0.1, np.float32))
    together = recognizer.transcribe(clips)
    assert [answer.text for answer in together] == [*TONES_HZ, ""]
    for clip, answer in zip(clips, together, strict=True):
        assert recognizer.transcribe(clip) == answer
    names = []
    for number, clip in enumerate(clips):
        names.append((str(number), tmp_path / f"{number}.wav"))
        write_audio(names[-1][1], clip)
    results = list(transcribe_files(recognizer, [*names, ("none", tmp_path / "none.wav")], 2))
    assert [r.hypothesis and r.hypothesis.text for r in results] == [*TONES_HZ, "", None]


@settings(max_examples=20)
@given(
    n_samples=st.integers(1, 40_000),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=9),
)
def test_the_stream_is_the_clip(files, n_samples, sizes):
    offline, streaming = Recognizer.load(files["offline"]), Recognizer.load(files["streaming"])
    waveform = tone("middle", n_samples / 16_000, n_samples)
    expected, _ = offline.logits(waveform[None], [len(waveform)])
    whole, n_steps = streaming.logits(waveform[None], [len(waveform)])
    assert n_steps == [whole.shape[1]]
    np.testing.assert_allclose(whole, expected, atol=1e-4)
    stream = streaming.engine.stream()
    for _ in range(2):  # a flush leaves nothing behind
        pieces = [*map(stream.push, cut(waveform, sizes)), stream.flush()]
        np.testing.assert_allclose(np.concatenate(pieces), expected[0], atol=1e-4)


def test_words_are_reported_in_real_time(files):
    recognizer = Recognizer.load(files["streaming"])
    waveform, truth = scene(SAID, seed=2)
    found = hear(recognizer.stream(), waveform)
    assert [word.word for word in found] == SAID
    for word, (_, start, _) in zip(found, truth, strict=True):
        assert word.start == pytest.approx(start, abs=0.03)
    half = Spotting(**vars(Spotting.of("ctc")) | {"thresholds": {"high": 1.0}})
    assert [w.word for w in hear(recognizer.stream(spotting=half), waveform)] == ["low", "middle"]


def test_a_file_for_clips_does_not_stream(files):
    recognizer = Recognizer.load(files["offline"])
    assert not recognizer.can_stream
    with pytest.raises(ConfigurationError, match=r"exported for whole clips.*--streaming"):
        recognizer.stream()


def test_the_decoders_are_shared(files):
    recognizer = Recognizer.load(files["offline"])
    waveform, _ = scene(SAID, seed=3)
    recognizer.decoder = Decoder(beam_size=8, n_best=3)
    answer = recognizer.transcribe(waveform)
    assert answer.text == " ".join(SAID)
    assert len(answer.alternatives) == 2
    recognizer.decoder = Decoder(grammar=Grammar("public <s> = low high;"))
    assert recognizer.transcribe(waveform).text == "low high"


def test_long_sound_is_read_in_windows(files):
    recognizer = Recognizer.load(files["offline"])
    waveform, _ = scene(SAID * 20, seed=4)
    assert recognizer.is_long(len(waveform) / recognizer.sample_rate)
    as_a_whole = recognizer.recognize(waveform[None], [len(waveform)])[0]
    assert len(as_a_whole.words) >= 80
    assert recognizer.transcribe(waveform).text == as_a_whole.text


def test_missing_weights_are_reported(files):
    recognizer = Recognizer.load(files["offline"])
    with pytest.raises(ModelError, match="holds no model for PyTorch"):
        _ = recognizer.model
    with pytest.raises(ModelError, match="holds no features for PyTorch"):
        _ = recognizer.features
    assert recognizer.to("cpu") is recognizer
    for load in (recognizer.to, partial(Recognizer.load, files["offline"])):
        with pytest.raises(ConfigurationError, match="device='cuda': an ONNX file runs on the CPU"):
            load("cuda")


@pytest.mark.parametrize("unit", ["classes", "words"])
@pytest.mark.parametrize("streaming", [False, True])
def test_both_engines_answer_alike(unit, streaming, tmp_path):
    recognizer = untrained(unit, bidirectional=False, pooling="last", stack=2)
    recognizer.token_bonus = 0.25
    recognizer.spotting = Spotting(threshold=0.05, min_seconds=0.0)
    if unit == "classes":
        recognizer.calibration = Calibration(1.7, 1.1, {"low": 0.4, "high": 0.3})
    exported = export_onnx(recognizer, streaming=streaming)
    (tmp_path / "model.onnx").write_bytes(exported.SerializeToString())
    loaded = Recognizer.load(tmp_path / "model.onnx")
    for name in ("vocabulary", "calibration", "spotting", "token_bonus", "provenance"):
        assert getattr(loaded, name) == getattr(recognizer, name)
    assert (loaded.step_seconds, loaded.sample_rate) == (0.02, 16_000)
    clips = [tone(word, 0.02 + 0.3 * n, n) for n, word in enumerate([*TONES_HZ] * 2)]
    for ours, theirs in zip(loaded.transcribe(clips), recognizer.transcribe(clips), strict=True):
        assert (ours.text, ours.reason) == (theirs.text, theirs.reason)
        assert ours.confidence == pytest.approx(theirs.confidence, abs=1e-4)
        assert ours.evidence == pytest.approx(theirs.evidence, abs=2e-4)
    if streaming:
        waveform, _ = scene(SAID, seed=6)
        ours, theirs = (hear(one.stream(), waveform, [333, 5001]) for one in (loaded, recognizer))
        assert [(w.word, w.start, w.end) for w in ours] == [
            (w.word, w.start, w.end) for w in theirs
        ]


@KINDS
def test_tuned_settings_are_saved_into_the_file(files, kind, tmp_path):
    recognizer = Recognizer.load(files[kind])
    recognizer.spotting = Spotting(threshold=0.25, thresholds={"low": 0.75})
    recognizer.provenance["tuning"] = {"promise": 1}
    recognizer.save(tmp_path / "tuned.onnx")
    onnx.checker.check_model(tmp_path / "tuned.onnx", full_check=True)
    loaded = Recognizer.load(tmp_path / "tuned.onnx")
    assert loaded.spotting == recognizer.spotting
    assert loaded.provenance == recognizer.provenance
    waveform, _ = scene(SAID, seed=5)
    assert loaded.transcribe(waveform) == recognizer.transcribe(waveform)
    with pytest.raises(ConfigurationError, match=r"saved as \.onnx"):
        recognizer.save(tmp_path / "tuned.safetensors")


@KINDS
def test_a_file_that_is_cut_short(files, kind, tmp_path):
    content, path = files[kind].read_bytes(), tmp_path / "cut.onnx"
    for size in range(0, len(content), 17):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match=r"cut\.onnx' (cannot be read|is an ONNX file but)"):
            Recognizer.load(path)


def changed(**entries):
    return description() | entries


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"operator": "Frobnicate"},
            "has the operator Frobnicate, which files of speech-rnn exp",
        ),
        ({"operator": "Mend", "domain": "com.example"}, r"has the operator com\.example:Mend"),
        ({"described": {}}, "is an ONNX file but not a Recognizer"),
        ({"described": {"version": "x"}}, "is an ONNX file but not a Recognizer"),
        (
            {"described": changed(version=2)},
            "has format version=2, newer than 1.*install a newer one",
        ),
        ({"described": description(version=9)}, "has ONNX format version=9, newer than 1"),
        ({"described": {"version": 1}}, "does not fit its description: 'onnx'"),
        ({"described": description(surprise=1)}, "does not fit its description: .*surprise"),
        ({"described": description("streaming")}, r"does not fit its description: inputs are \["),
        ({"described": changed(vocabulary={"tokens": ["_blank_", "a"], "unit": "words"})}, "fit"),
    ],
)
def test_a_file_that_cannot_be_used(written, message, tmp_path):
    path = write_tone_graph(tmp_path / "model.onnx", **written)
    with pytest.raises(ModelError, match=message) as caught:
        Recognizer.load(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_models(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match="is no file"):
        Recognizer.load(path)
    path.write_bytes(b"RIFF of no kind" * 99)
    with pytest.raises(ModelError, match="cut short, or none"):
        Recognizer.load(path)
    model = onnx.load(write_tone_graph(path))
    for field, value in (("ir_version", 99), ("opset", 99)):
        newer = onnx.ModelProto()
        newer.CopyFrom(model)
        if field == "opset":
            newer.opset_import[0].version = value
        else:
            newer.ir_version = value
        path.write_bytes(newer.SerializeToString())
        with pytest.raises(ModelError, match=r"runtime=\S+: (Unsupp|ONNX Runtime only).* upgrade"):
            Recognizer.load(path)


@KINDS
def test_evaluate_takes_one(files, kind, tmp_path):
    rows = write_corpus(tmp_path / "corpus", clips=(1, 1, 4))
    done = speech_rnn(
        "evaluate", f"model={files[kind]}", "data=manifest", f"data.path={rows}", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy 100.00 % (12 of 12" in done.stdout


def test_every_answer_as_json(files, tmp_path):
    write_audio(tmp_path / "clip.wav", tone("low"))
    done = speech_rnn(
        "transcribe", "--json", "--model", files["offline"], "clip.wav", cwd=tmp_path, module=True
    )
    assert json.loads(done.stdout)["text"] == "low"

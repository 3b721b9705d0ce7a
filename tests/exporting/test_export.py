"""From a Recognizer's file to an ONNX file that has shown what it answers: the door and int8."""

import numpy as np
import onnx
import pytest
import torch

from speech_rnn.audio import write_audio
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.manifest import write_manifest
from speech_rnn.errors import ConfigurationError, DataError, ModelError
from speech_rnn.exporting import export_onnx, read_clips, write_onnx
from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.onnx_runs import Runs
from tests.test_recognizer import untrained
from tests.tones import TONES_HZ, tone


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A manifest of tones that says what `opinionated` hears in them."""
    folder = tmp_path_factory.mktemp("tones")
    rows = []
    for number, word in enumerate([*TONES_HZ] * 4):
        path = folder / f"{number}.wav"
        write_audio(path, tone(word, 0.3, number))
        answer = opinionated().transcribe(path).text
        rows.append(Utterance(path.name, answer, split="test"))
    assert len({row.text for row in rows}) > 1
    write_manifest(folder / "rows.jsonl", rows)
    return folder / "rows.jsonl"


def opinionated(cell="gru", deaf=False, **settings):
    """Untrained, but words are told apart; if deaf, the first feature is always 0."""
    recognizer = untrained(**{"hidden_size": 48, "cell": cell, "pooling": "mean"} | settings)
    if deaf:
        torch.nn.init.zeros_(recognizer.model.normalization.weight[:1])
    clips = np.stack([tone(word, 0.3, number) for number, word in enumerate(TONES_HZ)])
    logits, _ = recognizer.logits(clips, [clips.shape[1]] * len(clips))
    with torch.no_grad():
        recognizer.model.output.bias -= torch.from_numpy(logits.mean((0, 1)))
    return recognizer


@pytest.mark.parametrize(("cell", "factor"), [("gru", 1.7), ("lstm", 1.8), ("rnn_tanh", 1.25)])
@pytest.mark.parametrize("streaming", [False, True])
def test_int8_is_smaller_with_nearly_the_same_answers(cell, factor, streaming):
    moving = {"bidirectional": False, "pooling": "last"} if streaming else {}
    recognizer = opinionated(cell, **moving)
    large, small = (
        export_onnx(recognizer, streaming=streaming, int8=int8) for int8 in (False, True)
    )
    assert factor * small.ByteSize() < large.ByteSize()
    kinds = {node.op_type for node in small.graph.node}
    assert ("DynamicQuantizeLSTM" in kinds) == (cell == "lstm")
    for weights in small.graph.initializer:  # two products with a byte fit into 16 bits
        if cell == "lstm" and weights.data_type == onnx.TensorProto.INT8:
            assert np.abs(onnx.numpy_helper.to_array(weights)).max(initial=0) <= 64
    sound = tone("middle", 0.5)
    answers = []
    for model in (large, small):
        runs = Runs(model)
        if streaming:
            answers.append(np.concatenate([runs.push(sound), runs.flush()]))
        else:
            answers.append(runs.whole(sound[None], [len(sound)])[0])
    spread = np.abs(answers[0]).max()
    np.testing.assert_allclose(answers[0], answers[1], atol=0.05 * spread)
    assert runs.graph.precision == "int8"


def test_a_file_answers_as_the_recogniser(corpus, tmp_path):
    found = write_onnx(opinionated(), tmp_path / "a.onnx", int8=True, clips=read_clips(corpus))
    assert found.fidelity.before.value == found.fidelity.after.value == 1
    assert found.n_bytes == (tmp_path / "a.onnx").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert Recognizer.load(tmp_path / "a.onnx").description["onnx"]["precision"] == "int8"


def test_int8_that_loses_more_than_the_limit_is_refused(corpus, tmp_path):
    recognizer = opinionated(deaf=True)
    labels = [
        Utterance(row.audio, recognizer.transcribe(row.audio).text) for row in read_clips(corpus)
    ]
    assert len({row.text for row in labels}) > 1
    with torch.no_grad():  # weights of what is always 0 leave the others no bits
        for layer in (recognizer.model.layers[0].forwards, recognizer.model.layers[0].backwards):
            layer.weight_ih_l0[:, 0] = 1e4
    with pytest.raises(ModelError, match=r"points\s+lost are over limit=0.3; export without int8"):
        write_onnx(recognizer, tmp_path / "a.onnx", int8=True, clips=labels)
    assert not list(tmp_path.iterdir())
    write_onnx(recognizer, tmp_path / "a.onnx", int8=True, clips=labels, limit=100)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"int8": True}, "int8=True needs clips to measure"),
        ({"limit": -1}, "limit=-1 must be 0 points or more"),
    ],
)
def test_wrong_use_is_reported(settings, error, tmp_path):
    with pytest.raises(ConfigurationError, match=error):
        write_onnx(untrained(), tmp_path / "a.onnx", **settings)


def test_wrong_files_are_reported(corpus, tmp_path):
    with pytest.raises(ConfigurationError, match=r"must end in \.onnx"):
        write_onnx(untrained(), tmp_path / "a.bin")
    with pytest.raises(DataError, match="does not exist; give a folder"):
        read_clips(tmp_path / "none")
    foreign = [Utterance(row.audio, "elsewhere") for row in read_clips(corpus)]
    with pytest.raises(DataError, match="none of the 12 clips is recognised"):
        write_onnx(opinionated(), tmp_path / "a.onnx", clips=foreign)
    write_onnx(untrained(), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"recognizer\.safetensors that it was exported from"):
        write_onnx(Recognizer.load(tmp_path / "a.onnx"), tmp_path / "b.onnx")


def test_clips_are_the_test_rows_or_a_folder_of_words(tmp_path):
    rows = [Utterance("a.wav", "low"), Utterance("b.wav", "low", split="test")]
    write_manifest(tmp_path / "rows.csv", rows)
    assert [row.audio for row in read_clips(tmp_path / "rows.csv")] == [str(tmp_path / "b.wav")]
    for word in TONES_HZ:
        (tmp_path / "words" / word).mkdir(parents=True)
        write_audio(tmp_path / "words" / word / "1.wav", tone(word))
    assert {row.text for row in read_clips(tmp_path / "words")} == set(TONES_HZ)


def test_the_door(corpus, tmp_path):
    opinionated().save(tmp_path / "model.safetensors")
    given = ("--model", "model.safetensors", "--output", "words.onnx")
    done = speech_rnn("export", *given, "--int8", "--clips", corpus, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "accuracy of 12 clips: 100.00 % before, 100.00 % after (int8)" in done.stdout
    assert "onnx: words.onnx (offline, int8, opset 18, " in done.stdout
    heard = speech_rnn("transcribe", "--model", "words.onnx", corpus.parent / "0.wav", cwd=tmp_path)
    assert heard.stdout.strip() == read_clips(corpus)[0].text
    refused = speech_rnn("export", *given, "--streaming", cwd=tmp_path, module=True)
    assert refused.returncode == 2
    assert "bidirectional=True" in refused.stderr

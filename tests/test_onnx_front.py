"""The front that others have trained, exported: over clips, as a stream, listening for words."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from typer.testing import CliRunner

from speech_rnn import Recognizer, cli
from speech_rnn.audio import write_audio
from speech_rnn.config import CONF
from speech_rnn.decoding.spotting import Spotting
from speech_rnn.events import Event
from speech_rnn.exporting import export_onnx
from speech_rnn.pretrained import speech_embedding
from tests.listeners import RATE, WORDS, scene
from tests.onnx_runs import Runs
from tests.test_onnx_export import build, check_clips, check_stream
from tests.test_recognizer import untrained
from tests.test_streaming import hear, is_right

SAID = ["low", "high", "high", "middle", "low"]
MODELS = {
    "carried": {},
    "levelled": {"levels_clips": True},
    "last": {"head": "classification", "pooling": "last", "cell": "lstm"},
    "stacked": {"stack": 2, "convolutions": [{"channels": 2, "kernel": 3, "stride": 2}]},
    "chunks": {"bidirectional": True, "chunk": 2, "look_ahead": 3, "n_layers": 2},
}
STREAMS = [name for name in MODELS if name != "levelled"]


def log_mel():
    """The features that the front was taught."""
    return instantiate(OmegaConf.load(CONF / "features" / "log_mel_embedding.yaml"))


@cache
def exported(name, streaming, int8=False):
    given = {"head": "ctc", "levels_clips": False, "bidirectional": False, "n_layers": 1}
    recognizer = build(log_mel(), front="speech_embedding", **given | MODELS[name])
    recognizer.model.front.load(speech_embedding().weights)
    return recognizer, Runs(export_onnx(recognizer, streaming=streaming, int8=int8))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=6)
@given(
    lengths=st.lists(st.integers(1, 24_000), min_size=1, max_size=3),
    extra=st.integers(0, 3000),
    seed=st.integers(0, 100),
)
def test_clips(name, lengths, extra, seed):
    check_clips(*exported(name, False), lengths, max(lengths) + extra, seed)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=10)
@given(
    n_samples=st.integers(1, 40_000),
    sizes=st.lists(st.integers(100, 12_000), min_size=1, max_size=4),
    seed=st.integers(0, 100),
)
def test_a_stream(name, n_samples, sizes, seed):
    check_stream(*exported(name, True), n_samples, sizes, seed)


def test_each_frame_of_a_stream_is_embedded_once():
    _, runs = exported("carried", True)
    stream = runs.graph.stream
    assert stream.block_samples == 8 * 160
    assert stream.first_samples == 42 * 160 + 40  # 8 frames, 34 after them, half a window
    sound = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    assert len(runs.push(sound[: stream.first_samples - 1])) == 0
    kept = set()
    for first in range(stream.first_samples - 1, len(sound) - 1280, 1280):
        assert len(runs.push(sound[first : first + 1280])) == 1
        front = [state for name, state in runs.states.items() if "front" in name]
        assert {state.shape[2] for state in front} == {2}
        kept.add(sum(state.size for state in runs.states.values()))
    assert len(kept) == 1
    runs.begin()


@pytest.mark.parametrize("streaming", [False, True])
def test_int8_takes_less_than_a_megabyte(streaming):
    recognizer, large = exported("carried", streaming)
    _, small = exported("carried", streaming, int8=True)
    sizes = [
        export_onnx(recognizer, streaming=streaming, int8=int8).ByteSize() for int8 in (True, False)
    ]
    assert 3 * sizes[0] < sizes[1]
    assert sizes[0] < 1_000_000
    sound = scene(SAID[:2], seed=3)[0]
    logits = [
        np.concatenate([runs.push(sound), runs.flush()])
        if streaming
        else runs.whole(sound[None], [len(sound)])[0][0]
        for runs in (large, small)
    ]
    np.testing.assert_allclose(*logits, atol=0.05 * np.abs(logits[0]).max())


def train_listener():
    """Return a recogniser that hears tones by the front as it is, trained in seconds."""
    model_of = {"front": "speech_embedding", "levels_clips": False, "bidirectional": False}
    sizes = {"n_layers": 1, "hidden_size": 24, "dense": None, "dropout": 0.0, "blank_bias": 0.0}
    torch.manual_seed(0)
    recognizer = untrained("words", log_mel(), **model_of, **sizes)
    model = recognizer.model
    model.front.load(speech_embedding().weights)
    random = np.random.default_rng(1)
    embedded, targets = [], []
    for seed in range(100, 124):
        words, noise = random.choice(WORDS, size=3).tolist(), 0.02 * random.random()
        waveform, truth = scene(words, noise=noise, seed=seed)
        lengths = torch.tensor([len(waveform)])
        frames, lengths = recognizer.features(torch.from_numpy(waveform)[None], lengths)
        with torch.no_grad():  # once: the front is not trained
            embedded.append(model.front(frames, lengths)[0][0])
        target = torch.zeros(len(embedded[-1]), dtype=torch.long)
        for word, start, end in truth:
            first, last = round(start / 0.08), round(end / 0.08)
            target[first:last] = recognizer.vocabulary.encode(word)[0]
        targets.append(target)
    steps, wanted = (pad_sequence(each, batch_first=True) for each in (embedded, targets))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(80):
        hidden, _ = model.recurrence[0].forwards(steps)
        loss = cross_entropy(model.score(hidden).flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    recognizer.spotting = Spotting.of("ctc")
    return recognizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scene, and a listener as either kind of file: one for PyTorch, one that streams."""
    folder = tmp_path_factory.mktemp("room")
    listener = train_listener()
    listener.save(folder / "model.safetensors")
    content = export_onnx(listener, streaming=True).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    write_audio(folder / "scene.wav", scene(SAID, seed=5)[0])
    return folder


def test_both_engines_hear_the_same_words_and_take_known_lags_off(folder):
    waveform, truth = scene(SAID, seed=5)
    lags = {"low": (0.25, 0.0625), "high": (-0.125, 60.0)}
    spottings = [Spotting.of("ctc"), Spotting(**vars(Spotting.of("ctc")) | {"lags": lags})]
    answers = []
    for name in ("model.safetensors", "model.onnx"):
        recognizer = Recognizer.load(folder / name)
        recognizer.spotting = spottings[1]
        recognizer.save(folder / f"late {name}")
        late = Recognizer.load(folder / f"late {name}")
        for stream in (recognizer.stream(spotting=spottings[0]), late.stream()):
            found = hear(stream, waveform, [333, 5001])
            answers.append([(word.word, word.start, word.end) for word in found])
    plain, lagged = answers[:2]
    step = 0.081  # where a posterior lies at the release, rounding decides
    for answer, expected in zip(answers[2:], (plain, lagged), strict=True):
        assert [word for word, *_ in answer] == [word for word, *_ in expected]
        for (_, *times), (_, *before) in zip(answer, expected, strict=True):
            assert times == pytest.approx(before, abs=step)
    assert is_right(hear(Recognizer.load(folder / "model.onnx").stream(), waveform), truth)
    for (word, start, end), late in zip(plain, lagged, strict=True):
        first, last = lags.get(word, (0, 0))
        assert late == (word, start - first, max(start - first, end - last))


def test_a_streaming_file_hears_through_both_doors(folder, monkeypatch):
    monkeypatch.chdir(folder)
    truth = scene(SAID, seed=5)[1]
    for verb, source in (("spot", ["scene.wav"]), ("listen", ["--input", "scene.wav", "--fast"])):
        command = [verb, "--model", "model.onnx", "--json", *source]
        done = CliRunner().invoke(cli.app, command, env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output
        events = [Event(**json.loads(line)) for line in done.stdout.splitlines()]
        assert is_right(events, truth)

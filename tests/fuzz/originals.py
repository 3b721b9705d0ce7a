"""Whole files of each kind that strangers hand over, and what is done with them."""

import io
import json
import shutil
import tarfile

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import save_file

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio, write_audio
from speech_rnn.config.app import as_typed, building, compose, primary
from speech_rnn.config.build import kept_config, recipe_of, run_of
from speech_rnn.config.keys import check
from speech_rnn.config.quoting import quoted
from speech_rnn.data.download import extract
from speech_rnn.data.manifest import read_manifest
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.detection.labels import check_labels, read_labels
from speech_rnn.exporting import export_onnx
from speech_rnn.features.embedding import SETTINGS, trained_encoder
from speech_rnn.features.encoder import RecurrentEncoder
from speech_rnn.language.loading import load_language_model
from speech_rnn.language.ngram import NGram
from speech_rnn.language.recurrent import RecurrentLanguageModel
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.piped import piped_source
from speech_rnn.model.whisper import SIZES, Size, WhisperEncoder
from speech_rnn.model.whisper_weights import whisper
from speech_rnn.training.checkpoints import read_checkpoint
from speech_rnn.training.parts import check_parts
from speech_rnn.vocabulary import Vocabulary
from tests.model.test_whisper import network, write
from tests.test_recognizer import untrained
from tests.tone_graphs import write_tone_graph
from tests.tones import tone

WORDS = Vocabulary.of(["left", "right", "stop"], "words")
GRAMMAR = "#JSGF V1.0;\ngrammar g;\npublic <s> = [<d>] (left | right)+ stop*; <d> = stop; // x\n"
COMMAND_LINES = (
    "+recipe=keywords\ndata.root=~/clips\ntrainer.max_epochs=3\nseed=1\nwords=[tür auf,stop]",
    "+recipe=digits_ctc\ndata.root=a/b=1\nmodel.hidden_size=32\noptim.learning_rate=1e-3",
    "+recipe=custom\nwords=[lights on,lights off]\naugment=far_field\naugment.tempo=[0.9,1.1]",
    "data=manifest\ndata.path=rows.csv\nfeatures=log_mel\nfeatures.n_mels=20\nmodel=crnn\nkeep=0.9",
)
RECIPE = """\
# @package _global_
defaults:
  - override /data: folder
  - override /model: gru_ctc
data:
  root: clips
  words: [left, right, "no"]
  speaker_pattern: (.*)_nohash
  test_percentage: 20
trainer:
  max_epochs: 3
  batch_size: 8
model:
  hidden_size: 16
  n_layers: 1
augment:
  tempo: [0.9, 1.1]
vocabulary: words
seed: 1
"""
LABELS = {
    "labels.csv": "file,word,start,end\na.wav,left,0.5,1.0\na.wav,right,1.5,2\n",
    "labels.jsonl": '{"file": "a.wav", "word": "left", "start": 0.5, "end": 1.0, "score": 1}\n',
    "labels.txt": "0.5\t1.0\tleft\n\\\t100.0\t200.0\n1.5\t2.0\tstop\n",
}


def originals(folder):
    """Write whole files of each kind, and return by their names what they are used for."""
    return {
        **models(folder),
        **sounds(folder),
        **texts(folder),
        "archive": archives(folder),
        "weights": weights(folder),
        "settings": settings(folder),
    }


def sounds(folder):
    for name in ("a.wav", "a.flac"):
        write_audio(folder / name, tone("low", 0.3))
    return {
        "audio": {"a.wav": load_audio, "a.flac": load_audio},
        "stream": {"a.wav": hear, "a.flac": hear},
    }


def models(folder):
    untrained().save(folder / "a.safetensors")
    exported = export_onnx(untrained("words", bidirectional=False), streaming=True)
    (folder / "a.onnx").write_bytes(exported.SerializeToString())
    write_tone_graph(folder / "b.onnx", "streaming")
    return {
        "safetensors": {"a.safetensors": answer},
        "onnx": {"a.onnx": answer, "b.onnx": answer},
    }


def texts(folder):
    (folder / "a.jsgf").write_text(GRAMMAR)
    NGram.estimate([["left", "right"], ["stop", "left"]], order=3).save(folder / "a.arpa")
    (folder / "a.csv").write_text("audio,text,split\na.wav,left,train\nb.wav,right,test\n")
    (folder / "a.jsonl").write_text('{"audio": "a.wav", "text": "left", "speaker": "x"}\n')
    for name, text in LABELS.items():
        (folder / name).write_text(text)
    return {
        "grammar": {"a.jsgf": sentences},
        "arpa": {"a.arpa": score},
        "manifest": {"a.csv": read_manifest, "a.jsonl": read_manifest},
        "labels": dict.fromkeys(LABELS, match),
    }


def archives(folder):
    """Write a corpus as it is fetched."""
    names = {"a.tar": "w", "a.tar.gz": "w:gz"}
    write_audio(folder / "clip.wav", tone("low", 0.05))
    for name, mode in names.items():
        with tarfile.open(folder / name, mode) as tar:
            for word in ("left", "right"):
                tar.add(folder / "clip.wav", f"{word}/0a_nohash_0.wav")
    return dict.fromkeys(names, unpack)


def weights(folder):
    """Write what others have trained: a language model, front ends, a checkpoint."""
    RecurrentLanguageModel(["left", "right"], hidden_size=8, embedding_size=4).save(
        folder / "lm.safetensors"
    )
    sizes = {"n_mels": 8, "channels": [2, 2, 2], "projection": 4, "size": 4}
    save_file(
        RecurrentEncoder(**sizes).state_dict(),
        folder / "front.safetensors",
        {SETTINGS: json.dumps(sizes)},
    )
    SIZES["whisper_tiny"] = Size(64, 2)  # small enough to be quick
    encoder = network(WhisperEncoder())
    write(folder, "ctranslate2", encoder)
    write(folder, "openai", encoder)
    torch.save({"epoch": 3, "state_dict": {"a": torch.ones(4)}, "loops": [1]}, folder / "a.ckpt")
    return {
        "lm.safetensors": score,
        "front.safetensors": trained_encoder,
        "model.bin": whisper,
        "tiny.en.pt": whisper,
        "a.ckpt": read_checkpoint,
    }


def settings(folder):
    """Write command lines, a setting a line, and a recipe of a person's own."""
    names = []
    for number, lines in enumerate(COMMAND_LINES):
        names.append(f"{number}.line")
        (folder / names[-1]).write_text(lines)
    (folder / "a.yaml").write_text(RECIPE)
    return {**dict.fromkeys(names, configure), "a.yaml": configure}


def hear(path):
    """Listen to a file through a pipe, as it is and behind four bytes that are no header."""
    for before in (b"", b"\x01\x02\x03\x04"):
        source = piped_source(
            io.BufferedReader(io.BytesIO(before + path.read_bytes())),
            rate=None,
            preferred_rate=16_000,
            dtype="int16",
            n_channels=1,
            channel=None,
            tell=lambda text: None,
            stop=Stop(),
        )
        for chunk in source.chunks(Stop()):
            assert chunk.ndim == 1
        source.problems()


def answer(path):
    recognizer = Recognizer.load(path)
    sound = tone("low", 0.3)
    json.dumps(recognizer.transcribe(sound).to_dict(), allow_nan=False)
    if recognizer.can_stream:
        stream = recognizer.stream()
        words = [*stream.push(sound), *stream.finish()]
        json.dumps([vars(word) for word in words], allow_nan=False)


def sentences(path):
    grammar = Grammar.load(path)
    grammar.sentences(3)
    grammar.compile(WORDS)


def score(path):
    model = load_language_model(path)
    assert np.isfinite(model.score("left right left")[0])


def match(path):
    check_labels(read_labels(path), 10.0, WORDS.tokens)


def unpack(path):
    folder = path.parent / "unpacked"
    try:
        extract(path, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def configure(path):
    """Compose a command line or a recipe, and build all that a training checks before its data."""
    if path.suffix == ".yaml":
        own = path.parent / "own"
        shutil.rmtree(own, ignore_errors=True)
        (own / "recipe").mkdir(parents=True)
        (own / "recipe" / "mine.yaml").write_bytes(path.read_bytes())
        lines = ["+recipe=mine"]
    else:
        own = None
        lines = path.read_text(errors="surrogateescape").split("\n")
    lines = [quoted(line) for line in lines if line]
    cfg = compose("train", as_typed(lines, own), own)
    check(cfg, primary("train"))
    kept_config(cfg)
    OmegaConf.to_container(cfg.paths, resolve=True)
    with building():
        recipe = recipe_of(instantiate(cfg.data), cfg)
        check_parts(recipe, run_of(cfg, path.parent / "out", ""))

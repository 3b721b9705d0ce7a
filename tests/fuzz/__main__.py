"""Try damaged files: ``python -m tests.fuzz [--kind KIND] [--seed SEED] [--number N]``.

Each comes to a result or a `SpeechRnnError`, within 5 s and 1.5 GB. What does not is printed and
kept in the folder, and the exit code is 1.
"""

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random

import numpy as np

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio, write_audio
from speech_rnn.data.manifest import read_manifest
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.errors import SpeechRnnError
from speech_rnn.exporting import export_onnx
from speech_rnn.language.loading import load_language_model
from speech_rnn.language.ngram import NGram
from speech_rnn.vocabulary import Vocabulary
from tests.fuzz.mutations import bytes_of, described
from tests.test_recognizer import untrained
from tests.tone_graphs import write_tone_graph
from tests.tones import tone

SECONDS, MEGABYTES = 5, 1500
WORDS = Vocabulary.of(["left", "right", "stop"], "words")
GRAMMAR = "#JSGF V1.0;\ngrammar g;\npublic <s> = [<d>] (left | right)+ stop*; <d> = stop; // x\n"


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


def originals(folder):
    """Write whole files, and return what each kind of them is used for."""
    write_audio(folder / "a.wav", tone("low", 0.3))
    write_audio(folder / "a.flac", tone("low", 0.3))
    untrained().save(folder / "a.safetensors")
    exported = export_onnx(untrained("words", bidirectional=False), streaming=True)
    (folder / "a.onnx").write_bytes(exported.SerializeToString())
    write_tone_graph(folder / "b.onnx", "streaming")
    (folder / "a.jsgf").write_text(GRAMMAR)
    NGram.estimate([["left", "right"], ["stop", "left"]], order=3).save(folder / "a.arpa")
    (folder / "a.csv").write_text("audio,text,split\na.wav,left,train\nb.wav,right,test\n")
    (folder / "a.jsonl").write_text('{"audio": "a.wav", "text": "left", "speaker": "x"}\n')
    return {
        "audio": (("a.wav", "a.flac"), load_audio),
        "safetensors": (("a.safetensors",), answer),
        "onnx": (("a.onnx", "b.onnx"), answer),
        "grammar": (("a.jsgf",), sentences),
        "arpa": (("a.arpa",), score),
        "manifest": (("a.csv", "a.jsonl"), read_manifest),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=300)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"over {SECONDS} s: {path}"))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    kinds = originals(folder)
    wrong, slowest = 0, 0.0
    for kind in [given.kind] if given.kind else kinds:
        names, use = kinds[kind]
        outcomes = {"result": 0, "error": 0}
        for number in range(given.number):
            random = Random(f"{kind}/{given.seed}/{number}")
            original = folder / random.choice(names)
            is_model = kind in ("safetensors", "onnx") and random.random() < 0.7
            change = described if is_model else bytes_of
            content = change(random, original if is_model else original.read_bytes())
            path = folder / f"{kind}-{number}{original.suffix}"
            path.write_bytes(content)
            started = time.monotonic()
            signal.alarm(SECONDS)
            try:
                use(path)
                outcomes["result"] += 1
            except SpeechRnnError:
                outcomes["error"] += 1
            except Exception as error:
                wrong += 1
                print(f"{path}: {type(error).__name__}: {str(error)[:200]}")
                continue
            finally:
                signal.alarm(0)
                slowest = max(slowest, time.monotonic() - started)
            path.unlink()
        print(f"{kind}: {outcomes['result']} results, {outcomes['error']} errors")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{wrong} others; slowest {slowest:.2f} s; most memory {megabytes:.0f} MB")
    sys.exit(int(wrong > 0 or megabytes > MEGABYTES))


if __name__ == "__main__":
    main()

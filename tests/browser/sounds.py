"""Real sound for the page, and Python's events in it."""

import numpy as np

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio
from speech_rnn.data.folder import Folder
from speech_rnn.streaming.gate import Gating
from tests.real import SHARED

RATE = 16_000
PHRASES = ("alexa", "computer", "jarvis", "smart_mirror", "snowboy", "view_glass")


def noise(seconds, level=1e-3, seed=0):
    random = np.random.default_rng(seed)
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def phrases(n, gap_seconds=0.5, first=0):
    """Return n of the key phrases one after the other, of a speaker each, over faint noise."""
    pieces = []
    for index in range(first, first + n):
        folder = SHARED / "keywords" / PHRASES[index % len(PHRASES)]
        file = sorted(folder.iterdir())[index // len(PHRASES)]
        pieces += [load_audio(file, RATE), noise(gap_seconds, seed=index)]
    return np.concatenate(pieces)


def minute_of_phrases(first=0):
    """Return a minute of ten key phrases, of clips held out of the training, and the phrases."""
    corpus = Folder(str(SHARED / "keywords")).prepare()  # as conf/recipe/starter.yaml splits them
    held_out = [one for one in corpus.utterances if one.split == "test"]
    clips = {name: [one.audio for one in held_out if one.text == name] for name in corpus.words}
    names = [corpus.words[index % len(corpus.words)] for index in range(first, first + 10)]
    sound = noise(60, seed=first)
    for index, name in enumerate(names):
        clip = load_audio(clips[name][(first + index) // len(corpus.words)], RATE)
        sound[6 * RATE * index :][: len(clip)] += clip
    return sound, names


def twenty_minutes():
    """Return key phrases of many people, eleven minutes of other talk, and more key phrases."""
    sound = np.concatenate([phrases(60), talk(30), phrases(180, first=60)])
    return sound[: 20 * 60 * RATE]


def talk(n):
    """Return n clips of people who say no commands."""
    files = sorted((SHARED / "speech").rglob("*.flac"))[:n]
    return np.concatenate([load_audio(file, RATE) for file in files])


def events_of(sound, rate=RATE, recognizer=None, is_gated=False):
    """Return the words that Python finds in sound that arrives in chunks of 0.1 s."""
    recognizer = recognizer or Recognizer.load()
    stream = recognizer.stream(rate, gating=Gating() if is_gated else None, check=False)
    size = round(0.1 * rate)
    words = []
    for start in range(0, len(sound), size):
        words += stream.push(sound[start : start + size])
    return [*words, *stream.finish()]


def assert_same(theirs, mine, step_seconds):
    """The same events, their times within one step, their confidences within 1e-3."""
    assert [one["word"] for one in theirs] == [one.word for one in mine]
    for other, one in zip(theirs, mine, strict=True):
        assert abs(other["start"] - one.start) <= step_seconds + 1e-9, (other, one)
        assert abs(other["end"] - one.end) <= step_seconds + 1e-9, (other, one)
        assert abs(other["confidence"] - one.confidence) <= 1e-3, (other, one)

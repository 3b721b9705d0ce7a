"""Real sound for the page, and Python's events in it."""

import numpy as np

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio
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
        assert abs(other["start"] - one.start) <= step_seconds + 1e-9
        assert abs(other["end"] - one.end) <= step_seconds + 1e-9
        assert abs(other["confidence"] - one.confidence) <= 1e-3

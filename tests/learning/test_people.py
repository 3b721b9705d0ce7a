"""What is learnt from people, with synthetic voices beside them."""

import time

import pytest

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio
from speech_rnn.learning.forget import forget
from speech_rnn.learning.learn import learn
from tests.real import SHARED, needs_shared

CORPUS = SHARED / "speech_commands_v0.02"
COMMANDS = ["yes", "no", "up", "down", "left", "right", "stop", "go"]
SECONDS = 20.0
"""Of processor time: ten seconds on two cores."""


def clips_of(word, count):
    files = sorted((CORPUS / word).iterdir())[:count]
    return [load_audio(file, 16_000, check=False) for file in files]


@pytest.mark.slow
@needs_shared
def test_the_recogniser_of_the_package_learns_a_word_from_five_people(tmp_path):
    """Of 15 other people 15 were understood, and 4 of 1,326 clips of its words were lost."""
    pytest.importorskip("espeakng_loader")
    before = Recognizer.load()
    clips = clips_of("marvin", 20)
    started = time.process_time()
    learnt = learn(before, "marvin", clips[:5])
    assert time.process_time() - started < SECONDS
    learnt.recognizer.save(tmp_path / "more.onnx")
    after = Recognizer.load(tmp_path / "more.onnx")
    heard = [after.transcribe(clip).text for clip in clips[5:]]
    assert sum("marvin" in text for text in heard) >= 12
    known = [(word, clip) for word in COMMANDS for clip in clips_of(word, 20)]
    right = [
        sum(each.transcribe(clip).text == word for word, clip in known) for each in (before, after)
    ]
    assert right[1] >= right[0] - 2
    assert learnt.expected.given.count >= 4
    assert learnt.expected.voices.count >= 0.8 * learnt.expected.voices.total
    again = forget(after, "marvin")
    assert again.recognizer.vocabulary == before.vocabulary
    for _, clip in known[:10]:
        assert again.recognizer.transcribe(clip) == before.transcribe(clip)

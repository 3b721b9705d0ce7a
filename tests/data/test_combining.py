import json
from pathlib import Path

import pytest

from speech_rnn.data.combining import Merged, joined, merged
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.errors import ConfigurationError
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.vocabulary import UNKNOWN
from tests.commands import speech_rnn

PEOPLE = Corpus(
    (Utterance("a.wav", "stop", "ann"), Utterance("b.wav", "go", "ben", "test")),
    ("stop", "go"),
    (Path("tap.wav"),),
)
VOICES = Corpus(
    (Utterance("c.wav", "go", "m1"), Utterance("d.wav", "up", "m1", "test")),
    ("go", "up"),
    (Path("tap.wav"), Path("pink.wav")),
    synthetic=("go", "up"),
)


def test_words_noise_and_splits_are_those_of_all():
    found = merged([PEOPLE, VOICES])
    assert found.words == ("stop", "go", "up")
    assert found.noise == (Path("tap.wav"), Path("pink.wav"))
    assert [row.audio for row in found.split("train")] == ["a.wav", "c.wav"]
    assert [row.audio for row in found.split("test")] == ["b.wav", "d.wav"]


def test_a_word_is_synthetic_without_recordings_of_people():
    assert merged([PEOPLE, VOICES]).synthetic == ("up",)
    assert merged([VOICES, PEOPLE]).synthetic == ("up",)
    assert merged([VOICES]).synthetic == ("go", "up")
    assert merged([PEOPLE]) == PEOPLE


def test_what_joins_brings_no_new_words():
    found = joined(PEOPLE, VOICES)
    assert found.words == PEOPLE.words
    assert [row.text for row in found.split("train")] == ["stop", "go"]


def test_other_words_that_join_are_unknown_where_that_is_a_class():
    others = Corpus((Utterance("e.wav", "bed", "ann"),), ("bed",))
    known = Corpus((*PEOPLE.utterances, Utterance("f.wav", UNKNOWN)), (UNKNOWN, "stop"))
    found = joined(known, merged([others, VOICES]))
    assert found.words == (UNKNOWN, "stop")
    assert [row.text for row in found.utterances[-3:]] == [UNKNOWN] * 3  # bed, go and up
    assert not found.synthetic


def test_sources_are_prepared_each(tmp_path):
    one = {"train_clips": 2, "validation_clips": 1, "test_clips": 1}
    sources = {
        "some": Synthetic(["up"], str(tmp_path), **one),
        "others": Synthetic(["down"], str(tmp_path), **one, seed=1),
    }
    corpus = Merged(sources).prepare()
    assert corpus.words == corpus.synthetic == ("up", "down")
    assert len(corpus.utterances) == 8
    for nothing in ({}, {"some": None}):
        with pytest.raises(ConfigurationError, match="nothing to learn from"):
            Merged(nothing)


class Given:
    def __init__(self, corpus):
        self.prepare = lambda: corpus


def test_a_source_that_repeats_joins_the_training_alone():
    sources = {"people": Given(PEOPLE), "none": None, "voices": Given(VOICES)}
    found = Merged(sources, repeat={"voices": 2}).prepare()
    assert [row.audio for row in found.split("train")] == ["a.wav", "c.wav", "c.wav"]
    assert [row.audio for row in found.split("test")] == ["b.wav"]
    assert found.words == ("stop", "go", "up")
    with pytest.raises(ConfigurationError, match=r"repeat=\['voice'\] .* mean 'voices'"):
        Merged(sources, repeat={"voice": 2})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("~data.sources.flit", "'data.sources.flit' does not exist"),
        ("data.sources.espeak.train_clip=3", "did you mean 'train_clips'?"),
        ("data.source.espeak.train_clips=3", "did you mean 'sources'?"),
        ("data.root=???", "error: data.root must be given: data.root=VALUE"),
    ],
)
def test_names_of_sources_are_free_and_their_keys_are_checked(tmp_path, line, said):
    result = speech_rnn("train", "+recipe=starter", "data.root=DIR", line, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr


@pytest.mark.slow
def test_a_configuration_names_sources(tmp_path):
    small = "root: voices, train_clips: 1, validation_clips: 1, test_clips: 1"
    one = "{_target_: speech_rnn.synthesis.espeak.Synthetic, words: [%s], " + small + "}"
    values = f"data.sources={{a: {one % 'up'}, b: {one % 'down'}}}"
    result = speech_rnn(
        "train", "data=merged", values, "+debug=fast", "output_dir=run", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["synthetic_words"] == ["up", "down"]

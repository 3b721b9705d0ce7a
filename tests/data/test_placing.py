import logging
import os
import time

import numpy as np
import pytest
import torch

from speech_rnn.audio import write_audio
from speech_rnn.data import placing
from speech_rnn.data.batching import batches
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.kept_clips import ClipsOnDemand, ClipsOnDisk, clips_on_demand, clips_on_disk
from speech_rnn.data.manifest import read_manifest
from speech_rnn.data.placing import Placing, estimated_bytes, free_memory
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.vocabulary import Vocabulary
from tests.tones import TONES_HZ, write_corpus

KINDS = {"memory": AudioCache, "disk": ClipsOnDisk, "none": ClipsOnDemand}
VOCABULARY = Vocabulary.of(list(TONES_HZ))


@pytest.fixture
def rows(tmp_path):
    """Rows with a clip that cannot be read, and one that is silent."""
    found = read_manifest(write_corpus(tmp_path / "tones", clips=(8, 0, 0)))
    (tmp_path / "tones/low_train_3.wav").write_bytes(b"RIFF and no more")
    write_audio(tmp_path / "tones/high_train_1.wav", np.zeros(4000, np.float32))
    return found


def opened(rows, way, folder, workers=None):
    clips = Placing(way, workers, folder).open({"train": rows}, 16_000)["train"]
    assert type(clips) is KINDS[way]
    return clips


def fields(batch):
    return [batch.samples, batch.lengths, batch.targets, batch.target_lengths], [
        batch.indices,
        batch.talkers,
    ]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("way", ["disk", "none"])
def test_batches_are_the_same_wherever_clips_are_kept(rows, tmp_path, way, workers):
    here, there = (opened(rows, one, tmp_path / "cache") for one in ("memory", way))
    first, second = (
        list(batches(clips, VOCABULARY, 5, seed=3, workers=n))
        for clips, n in ((here, 0), (there, workers))
    )
    assert len(first) == len(second) == 5
    for one, other in zip(first, second, strict=True):
        (tensors, plain), (others, words) = fields(one), fields(other)
        assert all(torch.equal(*pair) for pair in zip(tensors, others, strict=True))
        assert plain == words


@pytest.mark.parametrize("way", ["disk", "none"])
def test_all_that_is_known_of_clips_is_the_same(rows, tmp_path, way):
    here, there = (opened(rows, one, tmp_path / "cache") for one in ("memory", way))
    again = opened(rows, way, tmp_path / "cache")
    for other in (there, again):
        assert other.failures == here.failures
        assert len(other.failures) == 1
        assert other.oddities == here.oddities
        assert len(other.oddities) == 1
        assert other.utterances == here.utterances
        assert other.sha256() == here.sha256()
        assert np.array_equal(other.n_samples, here.n_samples)
        assert [*map(other.is_silent, range(23))] == [*map(here.is_silent, range(23))]
        assert [*map(other.digest, range(23))] == [*map(here.digest, range(23))]


def test_a_file_of_clips_is_used_again_until_its_origin_changes(rows, tmp_path):
    folder = tmp_path / "cache"

    def made():
        clips_on_disk(rows, 16_000, folder, "train")
        return {file.name: file.stat().st_ino for file in folder.glob("*.int16")}

    first = made()
    assert made() == first
    os.utime(rows[0].audio, ns=(time.time_ns(), time.time_ns()))
    second = made()
    assert second.keys() - first.keys()
    clips_on_disk(rows, 8_000, folder, "train")
    assert len([*folder.glob("*.int16")]) == 3


@pytest.mark.parametrize("harm", ["flip", "cut", "index"])
def test_a_damaged_file_of_clips_is_made_again(rows, tmp_path, harm, caplog):
    folder = tmp_path / "cache"
    right = clips_on_disk(rows, 16_000, folder, "train")
    clips = [np.array(right[index]) for index in range(len(right))]
    (file,) = folder.glob("*.npz" if harm == "index" else "*.int16")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content[:-2] if harm == "cut" else content)
    again = clips_on_disk(rows, 16_000, folder, "train")
    assert all(np.array_equal(again[index], clip) for index, clip in enumerate(clips))
    assert ("is damaged and is made again" in caplog.text) == (harm == "flip")


def test_no_half_file_remains_of_a_build_that_ends(rows, tmp_path, monkeypatch):
    def ended(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("speech_rnn.data.survey.sound_digest", ended)
        with pytest.raises(KeyboardInterrupt):
            clips_on_disk(rows, 16_000, tmp_path / "cache", "train")
    assert {file.suffix for file in (tmp_path / "cache").iterdir()} == {".lock"}


def test_a_file_that_changes_during_a_training_is_one_plain_error(rows, tmp_path):
    clips = clips_on_demand(rows, 16_000, tmp_path / "cache", "train")
    write_audio(clips.utterances[0].audio, np.zeros(99, np.float32))
    for workers in (0, 2):
        with pytest.raises(DataError) as told:
            list(batches(clips, VOCABULARY, 5, workers=workers))
        assert str(told.value).startswith(f"{clips.utterances[0].audio}: has 99 samples, and it")


def test_no_clip_that_can_be_read_is_an_error(tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    for way in KINDS:
        with pytest.raises(DataError, match="no clip can be read; the first: "):
            Placing(way, None, tmp_path / "cache").open(
                {"train": [Utterance(str(tmp_path / "bad.wav"), "low")]}, 16_000
            )


@pytest.mark.parametrize(
    ("memory", "space", "way", "line"),
    [
        (1e9, 1e9, "memory", "cache=memory: clips take about 0 MB of memory, of 1 GB that are"),
        (10, 1e9, "disk", "more than 50% of the 0 MB of memory that are free; they are kept in"),
        (10, 10, "none", "has 0 MB; each epoch reads them again"),
    ],
)
def test_auto_takes_the_first_place_with_room_and_says_so(
    rows, tmp_path, monkeypatch, caplog, memory, space, way, line
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(placing, "free_memory", lambda: memory)
    monkeypatch.setattr(placing, "_free_space", lambda folder: space)
    clips = Placing("auto", None, tmp_path / "cache").open({"train": rows}, 16_000)
    assert type(clips["train"]) is KINDS[way]
    assert len(caplog.messages) == 1
    assert line in caplog.messages[0]


def test_the_size_of_a_corpus_is_estimated_from_durations(rows):
    readable = AudioCache(rows, 16_000)
    there = 2 * readable.n_samples.sum()
    assert 0.9 * there < estimated_bytes(readable.utterances, 16_000) < 1.1 * there
    assert estimated_bytes([Utterance("x", "", duration_seconds=2.0)] * 10**6, 8_000) == 32 * 10**9


def test_free_memory_is_positive():
    assert 2**20 < free_memory() < 2**50


def test_workers_read_clips_that_are_decoded(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert (Placing().workers_of(True), Placing().workers_of(False)) == (3, 0)
    assert (Placing(workers=5).workers_of(True), Placing(workers=5).workers_of(False)) == (5, 5)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"cache": "memry"}, "cache='memry' does not exist; did you mean 'memory'"),
        ({"workers": -1}, "workers=-1 must be 0 or more"),
    ],
)
def test_wrong_settings_are_refused(given, line):
    with pytest.raises(ConfigurationError, match=line):
        Placing(**given)

import hashlib
import json
import tarfile

import numpy as np
import pytest

from speech_rnn.audio import write_audio
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.shards.index import Index
from speech_rnn.data.shards.writing import write_shards
from speech_rnn.errors import ConfigurationError, DataError
from tests.commands import speech_rnn
from tests.data.shards.small import source, written
from tests.tones import write_corpus


def test_shards_hold_the_samples_to_the_bit(tmp_path):
    corpus, _ = written(tmp_path)
    again = source(tmp_path).prepare()
    for split in ("train", "validation", "test"):
        clips = [AudioCache(one.split(split), 16_000) for one in (corpus, again)]
        contents = [
            sorted((row.text, row.speaker, clip.tobytes()) for row, clip in zip(
                one.utterances, map(one.__getitem__, range(len(one))), strict=True))
            for one in clips
        ]  # fmt: skip
        assert contents[0] == contents[1]
    assert (again.words, again.sentences) == (corpus.words, corpus.sentences)


def test_members_are_named_as_webdataset_names_them(tmp_path):
    written(tmp_path)
    with tarfile.open(tmp_path / "shards/train-000.tar") as archive:
        names = archive.getnames()
        about = json.load(archive.extractfile("00000000.json"))
    assert names[:4] == ["00000000.flac", "00000000.json", "00000001.flac", "00000001.json"]
    assert about.keys() == {"text", "speaker", "split", "duration", "source"}
    assert (about["split"], about["source"][:6]) == ("train", "tones/")
    assert 0.2 <= about["duration"] <= 0.4


def test_the_index_counts_clips_durations_and_classes(tmp_path):
    corpus, index = written(tmp_path)
    assert Index.read(tmp_path / "shards/index.json") == index
    train = index.splits["train"]
    assert (train.clips, index.splits["validation"].clips) == (60, 12)
    assert train.path == f"train-{{000..{len(train.shards) - 1:03}}}.tar"
    assert len(train.shards) > 3
    assert sum(one.clips for one in train.shards) == 60
    assert index.corpus_sha256 == corpus.fingerprint()
    for one in train.shards:
        content = (tmp_path / "shards" / one.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one.sha256
        assert 100_000 <= len(content) == one.bytes < 130_000 or one is train.shards[-1]


def test_the_same_seed_writes_the_same_shards(tmp_path):
    hashes = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        _, index = written(tmp_path / name, seed=seed)
        hashes.append([one.sha256 for one in index.splits["train"].shards])
    assert hashes[0] == hashes[1] != hashes[2]


def test_noise_is_written_and_a_clip_that_cannot_be_read_is_left_out(tmp_path):
    (tmp_path / "kitchen").mkdir()
    write_audio(tmp_path / "kitchen/tap.wav", np.full(800, 0.25, np.float32))
    write_audio(tmp_path / "a.wav", np.full(800, 0.5, np.float32))
    (tmp_path / "bad.wav").write_text("no sound")
    rows = tuple(
        Utterance(str(tmp_path / name), "lights on", split=split)
        for name, split in (("a.wav", "train"), ("bad.wav", "train"), ("a.wav", "validation"))
    )
    corpus = Corpus(rows, ("lights on",), (tmp_path / "kitchen/tap.wav",), sentences=True)
    (tmp_path / "shards").mkdir()
    index = write_shards(corpus, tmp_path / "shards")
    assert index.splits["train"].classes == {"lights on": 1}
    again = source(tmp_path).prepare()
    assert [file.name for file in again.noise] == ["kitchen-tap.flac"]
    assert again.sentences


def test_what_cannot_be_written_is_an_error(tmp_path):
    corpus, _ = written(tmp_path)
    with pytest.raises(ConfigurationError, match="holds shards already"):
        write_shards(corpus, tmp_path / "shards")
    with pytest.raises(ConfigurationError, match="shard_mb=0 must be above 0"):
        write_shards(corpus, tmp_path, shard_mb=0)
    with pytest.raises(DataError, match="no clips"):
        write_shards(Corpus((), ()), tmp_path)


def test_the_verb_writes_shards_and_prints_what_to_train_on(tmp_path):
    manifest = write_corpus(tmp_path / "tones", (8, 2, 2))
    done = speech_rnn(
        "shard", "data=manifest", f"data.path={manifest}", "output=out", "shard_mb=0.05",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("train: 24 clips, 0.00 h: out/train-{000..00")
    assert (tmp_path / "out/index.json").exists()
    again = speech_rnn(
        "shard", "data=manifest", f"data.path={manifest}", "output=out", cwd=tmp_path
    )
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)

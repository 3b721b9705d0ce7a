import json
import os

import numpy as np
import pytest
import torch

from speech_rnn.audio import load_audio
from speech_rnn.data.batching import batches
from speech_rnn.data.overlap import overlaps
from speech_rnn.data.placing import Placing
from speech_rnn.data.shards import scan
from speech_rnn.data.shards.clips import ShardClips
from speech_rnn.data.shards.source import expanded
from speech_rnn.errors import AudioError, ConfigurationError, DataError
from speech_rnn.vocabulary import Vocabulary
from tests.data.shards.small import flac, source, write_tar, written
from tests.tones import TONES_HZ

VOCABULARY = Vocabulary.of(list(TONES_HZ))


def opened(folder, **settings):
    corpus = source(folder, **settings).prepare()
    rows = {split: corpus.split(split) for split in ("train", "validation")}
    return Placing("none", None, folder / "cache").open(rows, 16_000)


def test_batches_of_an_epoch_hold_each_clip_once(tmp_path):
    written(tmp_path)
    clips = opened(tmp_path, buffer=16)["train"]
    assert isinstance(clips, ShardClips)
    loader = batches(clips, VOCABULARY, 8, seed=0)
    found = []
    for batch in loader:
        for index, samples, length in zip(batch.indices, batch.samples, batch.lengths, strict=True):
            row = clips.utterances[index]
            alone = load_audio(row.audio, 16_000)
            assert np.array_equal(np.rint(alone * 32768), samples[:length].numpy())
            assert clips.n_samples[index] == length
            found.append(index)
        texts = [clips.utterances[index].text for index in batch.indices]
        assert batch.targets[:, 0].tolist() == [VOCABULARY.encode(text)[0] for text in texts]
    assert sorted(found) == list(range(60))


def test_workers_change_no_batch_and_an_epoch_goes_on_in_its_middle(tmp_path):
    written(tmp_path)
    clips = opened(tmp_path, buffer=16)["train"]
    whole = list(batches(clips, VOCABULARY, 8, seed=0))
    shared = batches(clips, VOCABULARY, 8, seed=0, workers=2)
    shared.order.begin(0, 3)
    rest = list(shared)
    assert len(rest) == len(whole) - 3
    for one, other in zip(whole[3:], rest, strict=True):
        assert one.indices == other.indices
        assert torch.equal(one.samples, other.samples)


def test_rows_of_shards_are_those_of_a_sequence(tmp_path):
    _, index = written(tmp_path)
    rows = source(tmp_path).prepare().split("train")
    assert len(rows) == 60
    assert rows[59] == list(rows)[-1] == rows[57:60][-1]
    assert rows.texts() == index.splits["train"].classes
    with pytest.raises(IndexError):
        rows[60]


def test_shards_are_scanned_once_until_they_change(tmp_path, monkeypatch):
    written(tmp_path)
    first = source(tmp_path).prepare()
    with monkeypatch.context() as patch:
        patch.setattr(scan, "scan", lambda *given: pytest.fail("scanned again"))
        assert source(tmp_path).prepare().fingerprint() == first.fingerprint()
    for file in (tmp_path / "cache").glob("*.npz"):
        file.write_bytes(b"damaged")
    assert source(tmp_path).prepare().fingerprint() == first.fingerprint()


def test_a_clip_in_two_splits_is_found(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    both = [("a.flac", flac("low")), ("a.txt", b"low")]
    other = [("b.flac", flac("high")), ("b.txt", b"high")]
    write_tar(shards / "t.tar", [*both, *other])
    write_tar(tmp_path / "v.tar", both)
    (line,) = overlaps(opened(tmp_path, validation=str(tmp_path / "v.tar")))
    assert line.startswith("1 of 1 clips of the validation split are in the train split")


def harmed(folder, name, change):
    file = folder / "shards" / name
    content = bytearray(file.read_bytes())
    file.write_bytes(change(content))


def flipped(content):
    content[3000] ^= 1
    return content


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("train-001.tar", lambda content: content[:5000], "it is cut short, or belongs to other"),
        ("train-001.tar", lambda content: b"", "has 0 bytes, and .*index.json says"),
        ("train-001.tar", flipped, "has a SHA-256 of .* and .*index.json says"),
        ("index.json", lambda content: b"{}", "is no index of shards"),
    ],
)
def test_shards_that_their_index_contradicts_are_refused(tmp_path, name, change, line):
    written(tmp_path)
    harmed(tmp_path, name, change)
    with pytest.raises(DataError, match=line) as told:
        source(tmp_path).prepare()
    assert name in str(told.value)


def test_a_missing_shard_is_named(tmp_path):
    written(tmp_path)
    (tmp_path / "shards/train-001.tar").unlink()
    with pytest.raises(DataError, match=r"shards are missing: .*train-001\.tar"):
        source(tmp_path).prepare()
    (tmp_path / "shards/validation-000.tar").unlink()
    with pytest.raises(DataError, match=r"shards are missing: .*validation-000\.tar"):
        source(tmp_path, tmp_path / "shards/train-000.tar").prepare()


def test_two_indices_that_disagree_are_refused(tmp_path):
    written(tmp_path)
    written(tmp_path / "other")
    index = tmp_path / "other/shards/index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"words": ["yes"]}))
    with pytest.raises(DataError, match=r"disagree: words is .* there, \['yes'\] here"):
        source(tmp_path, validation=str(tmp_path / "other/shards/validation-000.tar")).prepare()


GOOD = [("a.flac", flac("low")), ("a.txt", b"low")]


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([], "holds no clip with a text"),
        ([GOOD[0], ("b.flac", GOOD[0][1]), GOOD[1]], "has no text"),
        ([*GOOD, ("b.flac", GOOD[0][1]), ("b.txt", b"b"), ("a.json", b"{}")], "is unsorted"),
        (
            [*GOOD, ("b.flac", flac("low", rate=8_000)), ("b.txt", b"b")],
            "mixes sample rates: a.flac has 16000 Hz and b.flac has 8000 Hz",
        ),
        ([GOOD[0], ("a.json", b"{broken")], r"t\.tar/a\.flac: Expecting"),
        ([GOOD[0], ("a.json", b'{"text": "a", "split": "tomorrow"}')], "split='tomorrow' must"),
        ([("a.wav", b"RIFF"), GOOD[1]], r"t\.tar/a\.wav: is no sound"),
    ],
)
def test_wrong_shards_are_refused_before_the_start(tmp_path, members, line):
    write_tar(tmp_path / "t.tar", members)
    with pytest.raises(DataError, match=line):
        source(tmp_path, tmp_path / "t.tar").prepare()


@pytest.mark.parametrize(
    ("keep", "line"), [(0, "is empty"), (700, "is cut short"), (2100, "is cut short")]
)
def test_torn_archives_without_an_index_are_refused(tmp_path, keep, line):
    file = write_tar(tmp_path / "t.tar", GOOD)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=line):
        source(tmp_path, file).prepare()


def test_shards_of_two_rates_are_refused(tmp_path):
    write_tar(tmp_path / "s0.tar", GOOD)
    write_tar(tmp_path / "s1.tar", [("b.flac", flac("low", rate=8_000)), ("b.txt", b"b")])
    with pytest.raises(DataError, match="shards mix sample rates"):
        source(tmp_path, tmp_path / "s{0..1}.tar").prepare()


def test_a_shard_in_two_splits_is_refused(tmp_path):
    file = write_tar(tmp_path / "t.tar", GOOD)
    with pytest.raises(DataError, match="is in two splits"):
        source(tmp_path, file, validation=str(file)).prepare()


def test_a_shard_that_goes_during_a_training_is_one_plain_error(tmp_path):
    written(tmp_path)
    clips = opened(tmp_path)["train"]
    for file in (tmp_path / "shards").glob("train*"):
        os.truncate(file, 1000)
    with pytest.raises(DataError, match="is cut short since the training began"):
        list(batches(clips, VOCABULARY, 8, seed=0, workers=1))


def test_clips_of_shards_cannot_be_balanced(tmp_path):
    written(tmp_path)
    with pytest.raises(ConfigurationError, match=r"trainer\.balance=1\.0 draws clips in any order"):
        batches(opened(tmp_path)["train"], VOCABULARY, 8, seed=0, balance=1.0)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("s-{008..011}.tar", ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"]),
        ("{0..1}-{2..3}.tar", ["0-2.tar", "0-3.tar", "1-2.tar", "1-3.tar"]),
        ("{9..10}.tar", ["9.tar", "10.tar"]),
        ("{09..100}.tar", [f"{number:03}.tar" for number in range(9, 101)]),
        ("audio__OP_0..1_CL_.tar", ["audio_0.tar", "audio_1.tar"]),
        ("one.tar", ["one.tar"]),
    ],
)
def test_ranges_are_those_of_shells(pattern, names):
    assert [path.name for path in expanded(pattern, "data.path")] == names


def test_a_range_that_falls_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.path='\{3\.\.1\}\.tar': in \{3\.\.1\}, the first"):
        expanded("{3..1}.tar", "data.path")
    with pytest.raises(DataError, match="holds no shard"):
        expanded(str(tmp_path), "data.path")


def test_a_member_of_an_archive_is_read_like_a_file(tmp_path):
    file = write_tar(tmp_path / "t.tar", GOOD)
    assert len(load_audio(f"{file}/a.flac")) == 3200
    with pytest.raises(AudioError, match=r"b\.flac: cannot be opened \(the archive has no such"):
        load_audio(f"{file}/b.flac")
    file.write_bytes(b"")
    with pytest.raises(AudioError, match=r"t\.tar: is empty"):
        load_audio(f"{file}/a.flac")

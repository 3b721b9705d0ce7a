"""Shards that other programs wrote."""

import gzip
import json

import numpy as np
import pytest
import soundfile

from speech_rnn.errors import DataError
from tests.data.shards.small import flac, source, write_tar


@pytest.fixture
def webdataset():
    return pytest.importorskip("webdataset", reason="it comes with the extra [dev]")


def rows_of(corpus):
    return sorted(
        (row.text, row.speaker, split)
        for split in ("train", "validation", "test")
        for row in corpus.split(split)
    )


def test_shards_of_webdataset_are_read(tmp_path, webdataset):
    pattern = str(tmp_path / "wds-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=4, verbose=0) as writer:
        for number in range(8):
            split = ("train", "dev", "test", "train")[number % 4]
            about = {"transcript": f"word {number % 2}", "speaker_id": "anna", "subset": split}
            writer.write({"__key__": f"part/{number:04}", "flac": flac("low"), "json": about})
    corpus = source(tmp_path, tmp_path / "wds-{000000..000001}.tar").prepare()
    splits = {"train": 4, "validation": 2, "test": 2}
    assert {split: len(corpus.split(split)) for split in splits} == splits
    assert {row[:2] for row in rows_of(corpus)} == {("word 0", "anna"), ("word 1", "anna")}
    assert corpus.words == ("word 0", "word 1")


def test_texts_and_classes_beside_clips_are_read(tmp_path, webdataset):
    path = tmp_path / "t.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "a", "flac": flac("low"), "txt": "lights  on"})
        writer.write({"__key__": "b", "flac": flac("low"), "cls": 7})
    validation = write_tar(tmp_path / "v.tar", [("c.flac", flac("low")), ("c.txt", b"7\n")])
    corpus = source(tmp_path, path, validation=str(validation)).prepare()
    assert rows_of(corpus) == [
        ("7", "", "train"), ("7", "", "validation"), ("lights on", "", "train")
    ]  # fmt: skip


def test_clips_without_splits_are_split_by_hash(tmp_path):
    members = [
        (f"{number}.{end}", content)
        for number in range(200)
        for end, content in (("flac", flac("low", 0.05)), ("txt", b"low"))
    ]
    corpus = source(tmp_path, write_tar(tmp_path / "t.tar", members)).prepare()
    sizes = [len(corpus.split(split)) for split in ("train", "validation", "test")]
    assert sum(sizes) == 200
    assert np.allclose(sizes, [140, 20, 40], atol=20)


def test_nemos_tarred_manifest_is_read(tmp_path):
    lines = []
    for shard in range(2):
        members = []
        for number in range(3):
            name = f"{shard}_{number}.wav"
            soundfile.write(tmp_path / name, np.zeros(1600), 16_000)
            members.append((name, (tmp_path / name).read_bytes()))
            line = {"audio_filepath": name, "duration": 0.1, "text": name[0], "shard_id": shard}
            if number < 2:  # a clip that the manifest leaves out is left out
                lines.append(json.dumps(line))
        write_tar(tmp_path / f"audio_{shard}.tar", members)
    manifest = tmp_path / "tarred_audio_manifest.json"
    manifest.write_text("\n".join(lines))
    path = tmp_path / "audio__OP_0..1_CL_.tar"
    corpus = source(tmp_path, path, manifest=str(manifest)).prepare()
    assert sorted(row[0] for row in rows_of(corpus)) == ["0", "0", "1", "1"]
    manifest.write_text('{"audio_filepath": "0_0.wav"}')
    with pytest.raises(DataError, match="line 1 needs audio_filepath and text"):
        source(tmp_path, path, manifest=str(manifest)).prepare()


def test_lhotse_shar_is_read(tmp_path):
    """The layout of Lhotse's SharWriter: recordings and cuts in files of their own."""
    for number in range(2):
        members, cuts = [], []
        for name in ("x", "y"):
            recording = {"id": name, "sampling_rate": 16_000, "num_samples": 3200}
            key = f"{number}-{name}"
            members += [
                (f"{key}.flac", flac("low")),
                (f"{key}.json", json.dumps(recording).encode()),
            ]
            spoken = {"id": key, "text": f"word {name}", "speaker": "bert"}
            cuts.append(json.dumps({"id": key, "duration": 0.2, "supervisions": [spoken]}))
        write_tar(tmp_path / f"recording.{number:06}.tar", members)
        with gzip.open(tmp_path / f"cuts.{number:06}.jsonl.gz", "wt") as file:
            file.write("\n".join(cuts))
    corpus = source(tmp_path, tmp_path).prepare()
    assert [row[:2] for row in rows_of(corpus)] == [("word x", "bert")] * 2 + [
        ("word y", "bert")
    ] * 2
    (tmp_path / "cuts.000000.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read as Lhotse's cuts"):
        source(tmp_path, tmp_path).prepare()

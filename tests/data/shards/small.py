"""Shards of a few tones, and shards as other programs write them."""

import io
import tarfile

from speech_rnn.audio import encode_flac
from speech_rnn.data.manifest import Manifest
from speech_rnn.data.shards.source import Shards
from speech_rnn.data.shards.writing import write_shards
from tests.tones import tone, write_corpus


def written(folder, clips=(20, 4, 3), **settings):
    """Write shards of tones into folder/shards, and return their corpus and their index."""
    corpus = Manifest(str(write_corpus(folder / "tones", clips))).prepare()
    (folder / "shards").mkdir()
    return corpus, write_shards(corpus, folder / "shards", **{"shard_mb": 0.1, **settings})


def source(folder, path=None, **settings):
    """Return the shards below a folder as a source."""
    return Shards(str(path or folder / "shards"), folder=folder / "cache", **settings)


def flac(word, seconds=0.2, seed=0, rate=16_000):
    """Return the tone of a word as a FLAC file."""
    return encode_flac(tone(word, seconds, seed, rate), rate)


def write_tar(path, members):
    """Write an archive of names and contents."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path

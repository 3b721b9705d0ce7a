"""Measure the processor time of each stage per clip, and how a corpus of shards grows.

python recipes/ten_million/costs.py stages CLIPS
python recipes/ten_million/costs.py growth CLIPS N_CLIPS

CLIPS is a folder with one folder of one-second recordings for each word. Processor time (user and
system) of this process is measured, with one thread, because other work may run on the machine.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from hydra.utils import instantiate
from torch.nn import functional as F

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.audio.finding import sounds_below
from speech_rnn.config.app import as_typed, compose
from speech_rnn.data.batching import pad
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.shards.clips import ShardClips
from speech_rnn.data.shards.order import ShardOrder
from speech_rnn.data.shards.rows import ShardRows
from speech_rnn.data.shards.source import Shards
from speech_rnn.data.shards.writing import write_shards
from speech_rnn.features import Embedding
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.starter import STARTER

RATE = 16_000
BATCH = 64
N_WORDS = 12
IN_SHARD = 1000
"""Number of clips in the shard that is linked under many names."""

app = typer.Typer(add_completion=False)


@app.command()
def stages(
    clips: Annotated[Path, typer.Argument(help="Folder with a folder of recordings a word.")],
    rounds: Annotated[int, typer.Option(help="Number of batches that each stage gets.")] = 7,
) -> None:
    """Print the processor time of each stage, in ms a clip: the median of several batches."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        for stage, work in _stages(_recordings(clips, BATCH), Path(name)):
            work()  # libraries load, caches fill
            took = [_seconds(work) / BATCH for _ in range(rounds)]
            print(f"{stage:40}{1000 * statistics.median(took):8.3f}"
                  f"{1000 * min(took):8.3f}{1000 * max(took):8.3f}", flush=True)  # fmt: skip


def _stages(files: list[Path], folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each stage with a function that does it for a batch."""
    samples = [load_audio(file, RATE) for file in files]
    for ending in ("wav", "flac"):
        written = [folder / f"{number}.{ending}" for number in range(BATCH)]
        for path, clip in zip(written, samples, strict=True):
            write_audio(path, clip, RATE)
        size = sum(path.stat().st_size for path in written) / BATCH
        yield (
            f"{ending} file ({size / 1000:.1f} kB)",
            partial(_read, written),
        )
    shard = ShardClips(_shards(files, folder), RATE)
    yield "clip of a shard (FLAC)", lambda: [shard[index] for index in range(len(shard))]

    given = ["+recipe=speech_commands_12", "data.root=none", "front=none", "features=mfcc"]
    cfg = compose("train", as_typed(given))
    augment, features = instantiate(cfg.augment), instantiate(cfg.features)
    batch, lengths = pad([(clip * FULL_SCALE).astype(np.int16) for clip in samples])
    yield "batch of 16-bit samples", lambda: pad([row.numpy() for row in batch])
    waveform = batch / FULL_SCALE
    generator = torch.Generator().manual_seed(0)
    yield "augmentation (basic)", lambda: augment.waveform(waveform, lengths, generator)
    frames, n_frames = features(waveform, lengths)
    yield "features (MFCC)", lambda: features(waveform, lengths)
    embedding = Embedding()
    yield "front (embedding of the package)", lambda: embedding(waveform, lengths)

    model = instantiate(cfg.model, _partial_=True)(features.n_features, N_WORDS)
    optimizer = torch.optim.AdamW(model.parameters())
    targets = torch.arange(BATCH) % N_WORDS

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(frames, n_frames)[0][:, 0], targets).backward()
        optimizer.step()

    yield f"step ({sum(p.numel() for p in model.parameters()):,} weights)", step
    starter = Recognizer.load(STARTER)
    yield "recognition (starter, ONNX)", lambda: [starter.transcribe(clip) for clip in samples]


@app.command()
def growth(
    clips: Annotated[Path, typer.Argument(help="Folder with a folder of recordings a word.")],
    n_clips: Annotated[int, typer.Argument(help="Size of the corpus: a multiple of 1,000.")],
) -> None:
    """Print time and memory of a corpus: one shard of 1,000 clips, linked under many names."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        shard = _shards(_recordings(clips, IN_SHARD), folder).place(0).shard.path
        many = folder / "many"
        many.mkdir()
        for number in range(n_clips // IN_SHARD):
            os.link(shard, many / f"train-{number:06}.tar")
        source = Shards(str(many), validation=shard, folder=folder / "cache")
        print(f"clips {n_clips}")
        before = _resident_mb()
        with _told("check of all shards, first time"):
            source.prepare()
        with _told("check of all shards, again"):
            rows = source.prepare().split("train")
        with _told("order of an epoch"):
            order = ShardOrder(ShardClips(rows, RATE), BATCH, seed=0)
            n_drawn = sum(map(len, order))
        assert n_drawn == n_clips
        kept = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
        print(f"memory {before:.0f} MB before, {_resident_mb():.0f} MB at the end")
        print(f"what is kept of the shards: {kept / 1e6:.1f} MB")


@contextmanager
def _told(what: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    print(f"{what}: {time.process_time() - begun:.2f} s, peak {_peak_mb():.0f} MB", flush=True)


def _shards(files: list[Path], folder: Path) -> ShardRows:
    """Write recordings into a shard, and return its rows."""
    rows = [Utterance(str(file), file.parent.name, file.stem, "train") for file in files]
    words = tuple(sorted({row.text for row in rows}))
    (folder / "shards").mkdir()
    write_shards(Corpus(rows, words), folder / "shards", sample_rate=RATE)
    return Shards(str(folder / "shards"), folder=folder / "cache").prepare().split("train")


def _recordings(folder: Path, number: int) -> list[Path]:
    """Return recordings of all words, of one second each."""
    files = [Path(file) for file in sounds_below(folder)]
    return files[:: max(1, len(files) // number)][:number]


def _read(files: list[Path]) -> None:
    for file in files:
        load_audio(file, RATE)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _peak_mb() -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


if __name__ == "__main__":
    app()

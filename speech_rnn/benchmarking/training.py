"""A training of digits beside a plain loop in PyTorch: same split, network, optimiser and epochs.

The plain loop is what an example of PyTorch does: a data set that reads a file, resamples it and
takes torchaudio's MFCC, workers that load, random batches that are padded, and no frame stacking.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from speech_rnn.benchmarking.results import Row, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.subjects import DEFAULT
from speech_rnn.benchmarking.timing import Times
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.free_spoken_digits import DIGITS, FreeSpokenDigits
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.training import AdamWCosine, Recipe, Run, Trainer, train

__all__ = ["of_digits"]

WORKERS = 2
RATE = 16_000
Batch = tuple[Tensor, Tensor, Tensor]


def of_digits(settings: Settings) -> Section:
    """Train both ways, one after the other, and score both on the test split."""
    source = FreeSpokenDigits(str(settings.data), train_clips=20 if settings.quick else None)
    corpus, n_epochs = source.prepare(), settings.n_epochs
    ways: dict[str, Callable[[], Callable[[], float]]] = {
        "speech_rnn": lambda: _ours(source, corpus, n_epochs),
        "plain PyTorch loop": lambda: _plain(corpus, n_epochs),
    }
    rows = []
    for name, way in ways.items():
        begun = time.perf_counter()
        accuracy = way()
        seconds = time.perf_counter() - begun
        figures = {"test accuracy (%)": 100 * accuracy()}
        rows.append(Row(name, Times((seconds,)), figures))
    n_train, n_test = len(corpus.split("train")), len(corpus.split("test"))
    title = f"training on {n_train:,} digits, {n_epochs} epochs ({n_test} test clips)"
    return Section("training", title, THREADS["training"], tuple(rows))


def _ours(source: FreeSpokenDigits, corpus: Corpus, n_epochs: int) -> Callable[[], float]:
    trainer = Trainer(max_epochs=n_epochs, progress=False)
    with TemporaryDirectory() as folder:
        run = Run(trainer=trainer, output_dir=Path(folder))
        recognizer = train(
            Recipe(source, MFCC(), partial(AcousticModel, **DEFAULT)), run, test=False
        ).recognizer
    test = corpus.split("test")
    return lambda: evaluate(recognizer, test).summary()["accuracy"]["accuracy"]


class _Clips(Dataset[tuple[Tensor, int]]):
    """Frames (T, D) and class of each clip, computed when they are asked for."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        import torchaudio

        self._utterances = utterances
        melkwargs = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 80}
        ranged = {"f_min": 20.0, "f_max": 7600.0}
        self._mfcc = torchaudio.transforms.MFCC(RATE, 40, melkwargs=melkwargs | ranged)
        self._resample: dict[int, nn.Module] = {}
        self._resampler = torchaudio.transforms.Resample

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from scipy.io import wavfile

        utterance = self._utterances[index]
        rate, samples = wavfile.read(utterance.audio)
        waveform = torch.from_numpy(samples).float() / 32768
        if rate not in self._resample:
            self._resample[rate] = self._resampler(rate, RATE)
        frames = self._mfcc(self._resample[rate](waveform)).T
        return frames, DIGITS.index(utterance.text)


def _padded(clips: Sequence[tuple[Tensor, int]]) -> Batch:
    frames, targets = zip(*clips, strict=True)
    lengths = torch.tensor([len(one) for one in frames])
    return pad_sequence(list(frames), batch_first=True), lengths, torch.tensor(targets)


def _plain(corpus: Corpus, n_epochs: int) -> Callable[[], float]:
    trainer, optim = Trainer(), AdamWCosine()
    torch.manual_seed(0)
    loaders = {
        split: DataLoader(
            _Clips(corpus.split(split)),
            trainer.batch_size,
            shuffle=split == "train",
            num_workers=WORKERS,
            collate_fn=_padded,
        )
        for split in ("train", "validation", "test")
    }
    model = AcousticModel(40, len(DIGITS), **(DEFAULT | {"stack": 1}))
    optimizer = optim.optimizer(model)
    schedule = optim.schedule(optimizer, n_epochs * len(loaders["train"]))
    loss_of = nn.CrossEntropyLoss()
    lowest, best = float("inf"), model.state_dict()
    for _ in range(n_epochs):
        model.train()
        for frames, lengths, targets in loaders["train"]:
            optimizer.zero_grad()
            loss = loss_of(model(frames, lengths)[0][:, 0], targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), trainer.gradient_clip or torch.inf)
            optimizer.step()
            schedule.step()
        logits, targets = _scored(model, loaders["validation"])
        if (validation := float(loss_of(logits, targets))) < lowest:
            lowest, best = validation, copy.deepcopy(model.state_dict())
    model.load_state_dict(best)

    def accuracy() -> float:
        logits, targets = _scored(model, loaders["test"])
        return float((logits.argmax(1) == targets).float().mean())

    return accuracy


@torch.inference_mode()
def _scored(model: AcousticModel, clips: DataLoader[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Return logits (N, C) and classes (N,)."""
    model.eval()
    logits, classes = [], []
    for frames, lengths, targets in clips:
        logits.append(model(frames, lengths)[0][:, 0])
        classes.append(targets)
    return torch.cat(logits), torch.cat(classes)

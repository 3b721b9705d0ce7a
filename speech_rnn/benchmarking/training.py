"""Training on digits compared with a plain PyTorch loop: same split, network and optimiser.

The plain loop follows PyTorch's examples. Its data set reads a file, resamples it and computes
torchaudio's MFCC; it uses worker processes, random padded batches and no frame stacking.
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

from speech_rnn.benchmarking.results import Row, Section, Times
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.subjects import DEFAULT
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.free_spoken_digits import DIGITS, FreeSpokenDigits
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.training import AdamWCosine, Recipe, Run, Trainer, train

WORKERS = 2
RATE = 16_000
Batch = tuple[Tensor, Tensor, Tensor]


def of_digits(settings: Settings) -> Section:
    """Train both ways, one after the other, and evaluate both on the test split."""
    source = FreeSpokenDigits(str(settings.data), train_clips=20 if settings.quick else None)
    n_epochs = settings.n_epochs
    rows = []
    for name, way in (("speech_rnn", _ours), ("plain PyTorch loop", _plain)):
        begun = time.perf_counter()
        accuracy = way(source, n_epochs)
        times = Times((time.perf_counter() - begun,))
        rows.append(Row(name, times, {"test accuracy (%)": 100 * accuracy()}))
    corpus = source.prepare()
    n_train, n_test = len(corpus.split("train")), len(corpus.split("test"))
    title = f"training on {n_train:,} digits, {n_epochs} epochs ({n_test} test clips)"
    return Section("training", title, tuple(rows))


def _ours(source: FreeSpokenDigits, n_epochs: int) -> Callable[[], float]:
    recipe = Recipe(source, MFCC(), partial(AcousticModel, **DEFAULT))
    with TemporaryDirectory() as folder:
        run = Run(trainer=Trainer(max_epochs=n_epochs, progress=False), output_dir=Path(folder))
        recognizer = train(recipe, run, test=False).recognizer
    test = source.prepare().split("test")
    return lambda: evaluate(recognizer, test).summary()["accuracy"]["accuracy"]


class _Clips(Dataset[tuple[Tensor, int]]):
    """Frames (T, D) and class of each clip, computed on access."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        from torchaudio import transforms

        self._utterances = utterances
        mel = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 80}
        self._mfcc = transforms.MFCC(RATE, 40, melkwargs=mel | {"f_min": 20.0, "f_max": 7600.0})
        self._resample = transforms.Resample(8000, RATE)

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from scipy.io import wavfile

        utterance = self._utterances[index]
        _, samples = wavfile.read(utterance.audio)
        waveform = torch.from_numpy(samples).float() / 32768
        return self._mfcc(self._resample(waveform)).T, DIGITS.index(utterance.text)


def _padded(clips: Sequence[tuple[Tensor, int]]) -> Batch:
    frames, targets = zip(*clips, strict=True)
    lengths = torch.tensor([len(one) for one in frames])
    return pad_sequence(list(frames), batch_first=True), lengths, torch.tensor(targets)


def _plain(source: FreeSpokenDigits, n_epochs: int) -> Callable[[], float]:
    corpus, trainer, optim = source.prepare(), Trainer(), AdamWCosine()
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

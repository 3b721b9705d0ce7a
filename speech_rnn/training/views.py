"""Embeddings of a frozen front, computed once and kept for all epochs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from speech_rnn.data.batching import Batch, BucketSampler
from speech_rnn.data.cache import AudioCache, Lengths
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.training.settings import Trainer

log = logging.getLogger(__name__)

MOST_BYTES = 2 * 2**30
"""Largest memory for the embeddings in bytes; if they need more, each step computes them."""
BYTES = 2
"""Bytes per value: float16."""
PLAIN = -1
"""Index of the view without augmentation."""


class Embed(Protocol):
    """A function that computes the embeddings of a frozen front."""

    def __call__(self, batch: Batch, *drawn: int) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, S, D) and their lengths (B,).

        The clips are augmented with draws that depend on the numbers `drawn`; without numbers they
        are not augmented.
        """


@dataclass(frozen=True)
class EmbeddedBatch:
    """Embeddings of a batch of clips by a frozen front.

    Parameters
    ----------
    steps : (B, S, D) float16, before normalisation; zero beyond the lengths.
    lengths : (B,) int64, number of steps of each clip.
    clips : the batch of the clips with their targets, but without samples.
    """

    steps: Tensor
    lengths: Tensor
    clips: Batch

    def to(self, device: torch.device) -> EmbeddedBatch:
        """Return the batch with its tensors on `device`."""
        return EmbeddedBatch(self.steps.to(device), self.lengths.to(device), self.clips.to(device))


class Views:
    """Makes an `EmbeddedBatch` from indices of clips: the collate function of a `DataLoader`.

    A view is an augmented copy of all clips. Epochs use the views in turn, and the first one that
    needs a view computes it. A view depends only on the seed and its number, so that a resumed run
    has the same views as an uninterrupted one.

    Parameters
    ----------
    loader : batches of the clips; its sampler counts the epochs.
    embed : computes the embeddings of clips.
    trainer : settings with the number of `views` and `copies`; None does not augment.
    """

    def __init__(
        self, loader: DataLoader[Batch], embed: Embed, trainer: Trainer | None = None
    ) -> None:
        self.sampler, self.collate = _sampler(loader), loader.collate_fn
        self.embed, self.trainer = embed, trainer
        self._kept: dict[int, list[Tensor]] = {}

    def __call__(self, indices: list[int]) -> EmbeddedBatch:
        """Return clips in the views of the sampler's epoch, view by view."""
        views = views_of(self.sampler.epoch, self.trainer)
        rows = [self._view(view)[index] for view in views for index in indices]
        clips = self.collate(indices).repeated(len(views))
        return EmbeddedBatch(
            pad_sequence(rows, batch_first=True),  # (B, S, D)
            torch.tensor([len(row) for row in rows]),
            replace(clips, samples=clips.samples[:, :0], spans=None),
        )

    @torch.no_grad()
    def _view(self, view: int) -> list[Tensor]:
        """Return the embeddings (S, D) of all clips in a view."""
        if view not in self._kept:
            kept: dict[int, Tensor] = {}
            by_length = BucketSampler(self.sampler.clips, self.sampler.batch_size)
            for number, indices in enumerate(by_length):
                drawn = () if view == PLAIN else (view, number)
                steps, lengths = self.embed(self.collate(indices), *drawn)
                for index, row, length in zip(indices, steps, lengths.tolist(), strict=True):
                    kept[index] = row[:length].to("cpu", torch.float16, copy=True)
            self._kept[view] = [kept[index] for index in range(len(kept))]
        return self._kept[view]


def views_of(epoch: int, trainer: Trainer | None) -> list[int]:
    """Return the views of an epoch; with `copies`, the original clips come first."""
    if trainer is None:
        return [PLAIN]
    if not trainer.copies:
        return [epoch % trainer.views]
    return [PLAIN, *((epoch * trainer.copies + n) % trainer.views for n in range(trainer.copies))]


def embedded_once(
    training: DataLoader[Batch],
    held_out: DataLoader[Batch],
    features: LogMel,
    model: AcousticModel,
    embed: Embed,
    trainer: Trainer,
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return loaders of `EmbeddedBatch`es if the whole front is frozen, otherwise the given ones.

    A log line gives the memory that the embeddings take, or the reason why they cannot be kept.
    """
    front = model.front
    if front is None or not front.is_frozen or not trainer.views or trainer.limit_batches:
        return training, held_out
    n_views = len({view for n in range(trainer.max_epochs) for view in views_of(n, trainer)})
    clips, others = (_sampler(loader).clips for loader in (training, held_out))
    width = front.n_outputs * BYTES
    n_bytes = width * sum(
        times * -(-features.n_frames(n_samples) // front.subsampling)
        for split, times in ((clips, n_views), (others, 1))
        for n_samples in split.n_samples.tolist()
    )
    if reason := _reason(clips, n_bytes, trainer):
        log.info("the frozen front end is computed in every step: %s", reason)
        return training, held_out
    log.info(
        "the frozen front end is computed once: %d views of %d clips, about %.0f MB of memory",
        n_views,
        len(clips),
        n_bytes / 1e6,
    )
    views = Views(training, embed, trainer), Views(held_out, embed)
    return _loader(training, views[0]), _loader(held_out, views[1])


def _reason(clips: Lengths, n_bytes: int, trainer: Trainer) -> str | None:
    """Return the reason why the embeddings cannot be kept, or None."""
    if not isinstance(clips, AudioCache):
        return "connected words are other utterances in each epoch"
    for name in ("mixup", "frame_weight"):
        if value := getattr(trainer, name):
            return f"trainer.{name}={value} needs the frames of each step"
    if n_bytes > MOST_BYTES:
        return (
            f"its embeddings take {n_bytes / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:g} "
            f"(trainer.views={trainer.views})"
        )
    return None


def _sampler(loader: DataLoader[Batch]) -> BucketSampler:
    assert isinstance(loader.batch_sampler, BucketSampler)
    return loader.batch_sampler


def _loader(given: DataLoader[Batch], collate: Views) -> DataLoader[Any]:
    return DataLoader(given.dataset, batch_sampler=given.batch_sampler, collate_fn=collate)

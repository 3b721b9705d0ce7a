"""Embeddings of a frozen front, computed once and kept for all epochs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speech_rnn.data.batching import Batch, BucketSampler, Collate, Loader
from speech_rnn.data.cache import Lengths
from speech_rnn.data.connected import ConnectedClips
from speech_rnn.data.parts import Part
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.tensors.processes import gathered, process_of
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

    def __call__(self, batch: Batch, *drawn: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return embeddings (B, S, D), their lengths (B,), and the times of their words.

        The times are as in `Batch.spans`. The clips are augmented with draws that depend on the
        numbers `drawn`; without numbers they are not augmented.
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


@dataclass(frozen=True)
class Kept:
    """A clip in a view: its embeddings (S, D), and the times of its words (L, 2) if known."""

    steps: Tensor
    spans: Tensor | None


class Views:
    """Makes an `EmbeddedBatch` from a part of a batch: the collate function of a `Loader`.

    A view is an augmented copy of all clips. Epochs use the views in turn, and the first one that
    needs a view computes it; processes that train together share this work. A view depends only on
    the seed and its number, so that a resumed run has the same views as an uninterrupted one.
    Connected words are joined anew in each view.

    Parameters
    ----------
    loader : batches of the clips; its sampler counts the epochs.
    embed : computes the embeddings of clips.
    trainer : settings with the number of `views` and `copies`; None does not augment.
    threads : number of batches that are computed at the same time, each by one thread.
    """

    def __init__(
        self, loader: Loader, embed: Embed, trainer: Trainer | None = None, threads: int = 1
    ) -> None:
        assert isinstance(loader.order, BucketSampler)
        assert isinstance(loader.collate, Collate)
        self.sampler, self.collate = loader.order, loader.collate
        self.embed, self.trainer, self.threads = embed, trainer, threads
        self._kept: dict[int, list[Kept]] = {}

    def __call__(self, part: Part) -> EmbeddedBatch:
        """Return clips in the views of the sampler's epoch, view by view."""
        views = views_of(self.sampler.epoch, self.trainer)
        rows = [self._view(view)[index] for view in views for index in part.indices]
        clips = self.collate.silent(part).repeated(len(views))
        return EmbeddedBatch(
            pad_sequence([row.steps for row in rows], batch_first=True),  # (B, S, D)
            torch.tensor([len(row.steps) for row in rows]),
            replace(clips, spans=_joined([row.spans for row in rows])),
        )

    def _view(self, view: int) -> list[Kept]:
        """Return all clips in a view."""
        if view not in self._kept:
            by_length = BucketSampler(self.sampler.clips, self.sampler.batch_size)
            process, processes = process_of()
            own = list(enumerate(by_length))[process::processes]
            kept: dict[int, Kept] = {}
            with ThreadPoolExecutor(self.threads) as pool:
                for first in range(0, len(own), self.threads):  # an interruption waits for these
                    batches = own[first : first + self.threads]
                    for clips in pool.map(partial(self._read, view), batches):
                        kept.update(clips)
            whole = {index: clip for part in gathered(kept) for index, clip in part.items()}
            self._kept[view] = _together([whole[index] for index in range(len(whole))])
        return self._kept[view]

    @torch.no_grad()
    def _read(self, view: int, numbered: tuple[int, list[int]]) -> dict[int, Kept]:
        """Return the clips of a batch, which has a number, in a view."""
        number, indices = numbered
        batch = self.collate(Part.whole(indices))
        steps, lengths, spans = self.embed(batch, *(() if view == PLAIN else (view, number)))
        steps = steps.to("cpu", torch.float16)
        kept: dict[int, Kept] = {}
        for row, index in enumerate(indices):
            n_words = int(batch.target_lengths[row])
            kept[index] = Kept(
                steps[row, : lengths[row]].clone(),
                None if spans is None else spans[row, :n_words].cpu(),
            )
        return kept


def _together(clips: Sequence[Kept]) -> list[Kept]:
    """Return the clips with their embeddings in one block of memory.

    Small blocks would lie between those of the augmentation, which could not be used again: the
    memory of a training would grow by much more than the embeddings in each view.
    """
    parts = torch.cat([clip.steps for clip in clips]).split([len(clip.steps) for clip in clips])
    return [replace(clip, steps=part) for clip, part in zip(clips, parts, strict=True)]


def _joined(rows: Sequence[Tensor | None]) -> Tensor | None:
    """Return the times of words (B, L, 2), as in `Batch.spans`."""
    known = [row for row in rows if row is not None]
    if len(known) < len(rows):
        return None
    return pad_sequence(known, batch_first=True, padding_value=-torch.inf)


def views_of(epoch: int, trainer: Trainer | None) -> list[int]:
    """Return the views of an epoch; with `copies`, the original clips come first."""
    if trainer is None:
        return [PLAIN]
    if not trainer.copies:
        return [epoch % trainer.views]
    return [PLAIN, *((epoch * trainer.copies + n) % trainer.views for n in range(trainer.copies))]


def embedded_once(
    training: Loader,
    held_out: Loader,
    features: LogMel,
    model: AcousticModel,
    embed: Embed,
    trainer: Trainer,
    threads: int = 1,
) -> tuple[Loader, Loader]:
    """Return loaders of `EmbeddedBatch`es if the whole front is frozen, otherwise the given ones.

    The embeddings of as many batches as there are `threads` are computed at the same time. A log
    line gives the memory that they take, or the reason why they cannot be kept.
    """
    front = model.front
    if front is None or not front.is_frozen or not trainer.views or trainer.limit_batches:
        return training, held_out
    n_views = len({view for n in range(trainer.max_epochs) for view in views_of(n, trainer)})
    if not isinstance(training.order, BucketSampler):
        log.info("the frozen front end is computed in every step: clips are read from shards")
        return training, held_out
    clips, others = training.order.clips, held_out.order.clips
    lengths = [*_lengths(clips, n_views), *_lengths(others, 1)]
    n_steps = (-(-features.n_frames(length) // front.subsampling) for length in lengths)
    n_bytes = front.n_outputs * BYTES * sum(n_steps)
    if reason := _reason(clips, n_bytes, trainer):
        log.info("the frozen front end is computed in every step: %s", reason)
        return training, held_out
    log.info(
        "the frozen front end is computed once: %d views of %d clips, about %.0f MB of memory",
        n_views,
        len(clips),
        n_bytes / 1e6,
    )
    if isinstance(clips, ConnectedClips):
        clips.n_epochs = trainer.views
    views = Views(training, embed, trainer, threads), Views(held_out, embed, threads=threads)
    turns = training.turns
    return Loader(training.order, views[0], turns=turns), Loader(held_out.order, views[1])


def _lengths(clips: Lengths, n_epochs: int) -> Iterator[int]:
    """Yield the samples of each clip in the first epochs."""
    for epoch in reversed(range(n_epochs)):  # which ends with the first, ready for the training
        clips.set_epoch(epoch)
        yield from clips.n_samples.tolist()


def _reason(clips: Lengths, n_bytes: int, trainer: Trainer) -> str | None:
    """Return the reason why the embeddings cannot be kept, or None."""
    if trainer.mixup:
        return f"trainer.mixup={trainer.mixup} needs the frames of each step"
    if trainer.copies and isinstance(clips, ConnectedClips):
        return f"trainer.copies={trainer.copies} needs the same utterances in each epoch"
    if n_bytes > MOST_BYTES:
        return (
            f"its embeddings take {n_bytes / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:g} "
            f"(trainer.views={trainer.views})"
        )
    return None

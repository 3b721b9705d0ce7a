"""Make the parts of a training from its recipe: the untrained model, its augmentation, checks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import torch

from speech_rnn.audio import load_audio
from speech_rnn.augment import Augment
from speech_rnn.data.babble import clips_by_talker, sides_of
from speech_rnn.data.batching import Batch
from speech_rnn.data.cache import Clips, KnownClips
from speech_rnn.data.corpus import Corpus
from speech_rnn.decoding.alignment import steps_needed
from speech_rnn.engines.device import check_precision, choose_device
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.model.front import Pretrained
from speech_rnn.model.pretrained import pretrained
from speech_rnn.tensors.processes import gathered
from speech_rnn.training.processes import check_number
from speech_rnn.training.recipe import Recipe
from speech_rnn.training.settings import Run
from speech_rnn.vocabulary import Vocabulary, head_of

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Number of files that a message names."""


def check_parts(recipe: Recipe, run: Run) -> Pretrained | None:
    """Check that the parts fit before data is downloaded; return the weights of a front.

    Raises
    ------
    ConfigurationError, ModelError
        if values are out of range, parts do not fit each other, or weights cannot be read.
    """
    check_number(run.trainer)
    check_precision(choose_device(run.device), run.trainer.precision)
    head = head_of(recipe.unit)
    if head == "ctc" or recipe.connected is not None:
        run.trainer.check_sequences()
    try:
        with torch.device("meta"):  # check the values without allocating weights
            plan = recipe.model(n_features=recipe.features.n_features, n_outputs=2, head=head)
    except RuntimeError as error:
        raise ConfigurationError(f"the model cannot have these sizes: {error}") from error
    front = plan.hyperparameters["front"]
    if front is None and recipe.front_weights is not None:
        raise ConfigurationError(
            f"front_weights={str(recipe.front_weights)!r} need a front end; choose a front, "
            "such as front=embedding"
        )
    return None if front is None else pretrained(front, recipe.front_weights)


def untrained(
    recipe: Recipe, vocabulary: Vocabulary, seed: int, front_weights: Pretrained | None
) -> AcousticModel:
    """Return the model with weights initialised from the seed, and its front's weights."""
    torch.manual_seed(seed)
    model = recipe.model(
        n_features=recipe.features.n_features, n_outputs=len(vocabulary), head=vocabulary.head
    )
    if model.front is not None and front_weights is not None:
        model.front.load(front_weights.weights)
    return model


def augmentation(recipe: Recipe, corpus: Corpus, training: KnownClips) -> Augment:
    """Return the augmentation with its noise: by kinds, or the corpus's noise recordings."""
    sample_rate = recipe.features.sample_rate
    augment = recipe.augment or Augment(sample_rate)
    if augment.noise is not None and augment.noise_probability:
        clips = clips_by_talker(training)
        kinds = augment.noise.draw(sample_rate, files=corpus.noise, clips=clips)
        log.info("noise of %d kinds: %s", len(kinds), ", ".join(kinds))
        augment.set_kinds(kinds, sides_of(clips))
        return augment
    augment.set_noise([torch.from_numpy(load_audio(file, sample_rate)) for file in corpus.noise])
    return augment


def check_room(
    splits: Sequence[Clips], vocabulary: Vocabulary, features: LogMel, model: AcousticModel
) -> None:
    """Raise for clips with fewer steps than CTC needs for their texts."""
    wrong = []
    for clips in splits:
        for row, n_samples in zip(clips.utterances, clips.n_samples.tolist(), strict=True):
            needed = steps_needed(vocabulary.encode(row.text))
            n_steps = -(-features.n_frames(n_samples) // model.subsampling)
            if n_steps < needed:
                wrong.append(
                    f"  {row.audio}: {row.text!r} needs {needed} steps, and it has {n_steps}"
                )
    if wrong:
        step = features.hop_length * model.subsampling
        raise DataError(
            f"{len(wrong)} clips are too short for their texts (a step is {step} samples; "
            "equal neighbours need one more): correct or leave them out, or lower model.stack\n"
            + "\n".join(wrong[:MOST_NAMED])
        )


def set_statistics(features: LogMel, clips: Iterable[Batch]) -> None:
    """Set the mean and deviation of the features from the training frames."""
    plain = type(features)(**features.hyperparameters | {"normalization": None, "deltas": 0}).eval()
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for batch in clips:
        if not batch.weight:
            continue  # another process counts these clips
        frames, lengths = plain(batch.waveform, batch.lengths)  # zero beyond the lengths
        count += int(lengths.sum())
        total = total + frames.double().sum(dim=(0, 1))
        square = square + frames.double().square().sum(dim=(0, 1))
    found = gathered((count, total, square))
    count, total, square = (sum(each) for each in zip(*found, strict=True))
    mean = total / count
    features.set_statistics(mean.float(), (square / count - mean**2).clamp(min=1e-8).sqrt().float())

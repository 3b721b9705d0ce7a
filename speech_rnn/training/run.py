"""A corpus becomes a Recognizer: what is read, trained, calibrated, evaluated and written."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import speech_rnn
from speech_rnn.audio import load_audio
from speech_rnn.augment import Augment
from speech_rnn.data.batching import Batch, batches
from speech_rnn.data.cache import AudioCache, Clips
from speech_rnn.data.combining import exclude as excluded
from speech_rnn.data.combining import merged
from speech_rnn.data.connected import Connected, ConnectedClips
from speech_rnn.data.corpus import SPLITS, Corpus, Source
from speech_rnn.data.negatives import Negatives
from speech_rnn.decoding.alignment import steps_needed
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.engines.device import choose_device
from speech_rnn.errors import DataError
from speech_rnn.evaluation.cost import cost_of
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.model.pretrained import speech_embedding
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.training.calibration import calibrate
from speech_rnn.training.fitting import claim, fit, validated
from speech_rnn.training.module import SpeechModule
from speech_rnn.training.settings import AdamWCosine, Trainer
from speech_rnn.vocabulary import Vocabulary, head_of

__all__ = ["TrainingResult", "current_commit", "train"]

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Files that a message names."""

ModelFactory = Callable[..., AcousticModel]


@dataclass(frozen=True)
class TrainingResult:
    """Where the Recognizer is, and how it did on the test split (None where it was not asked)."""

    recognizer: Path
    evaluation: Evaluation | None
    metrics: dict[str, Any]


def train(
    source: Source,
    features: LogMel,
    model: ModelFactory,
    *,
    extra: Source | None = None,
    exclude: str | Path | None = None,
    negatives: Negatives | None = None,
    connected: Connected | None = None,
    augment: Augment | None = None,
    optim: AdamWCosine | None = None,
    trainer: Trainer | None = None,
    unit: str = "classes",
    token_bonus: float = 0.0,
    keep: float | None = None,
    spotting: Spotting | None = None,
    seed: int = 0,
    device: str = "auto",
    output_dir: str | Path = "outputs",
    resume: bool = False,
    test: bool = True,
    config: str = "",
    command: str = "",
) -> TrainingResult:
    """Train on a corpus, evaluate on its test split, and write the Recognizer.

    Parameters
    ----------
    source : of the corpus.
    features : waveform to frames.
    model : called with ``n_features``, ``n_outputs`` and ``head``, returns the untrained model.
    extra : another source of the same words, whose training clips join those of `source`.
    exclude : a CSV file of clips of `source` that are left out, see `data.exclusion.exclude`.
    negatives : what is none of the words; None adds nothing.
    connected : how isolated words are joined into utterances; None leaves them alone.
    unit : ``classes`` for one answer a clip; ``words`` or ``characters`` for CTC.
    token_bonus : what each token of a sequence adds to its score when it is decoded.
    keep : share of the validation clips with a right answer that a classifier's thresholds let
        pass; None: every clip is answered.
    spotting : when a word of a stream is an event, unless `speech_rnn.tune` finds better; None is
        what suits the head.
    seed : of weights, order, dropout and augmentation.
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    output_dir : gets ``recognizer.safetensors``, ``metrics.json``, ``evaluation.json``,
        ``hypotheses.jsonl``, ``config.yaml``, ``checkpoints/`` and ``logs/``.
    resume : go on from the last checkpoint in `output_dir`, if there is one.
    test : whether the test split is scored: what is chosen by many trainings is not chosen by it.
    config : the run's configuration as YAML, kept beside the Recognizer.
    command : the line that started it, for ``metrics.json``.

    Raises
    ------
    ConfigurationError
        if `output_dir` holds another run, or the parts do not fit.
    DataError
        if the corpus cannot be had, or its texts do not fit the vocabulary.
    """
    augment = augment or Augment(features.sample_rate)
    optim, trainer = optim or AdamWCosine(), trainer or Trainer()
    chosen = choose_device(device)
    # What does not fit is told before data is fetched or read.
    tried = model(n_features=features.n_features, n_outputs=2, head=head_of(unit))
    pretrained = speech_embedding() if tried.front is not None else None
    if head_of(unit) == "ctc" or connected is not None:
        trainer.check_sequences()
    output_dir = claim(Path(output_dir), config, resume)
    corpus = source.prepare()
    if exclude is not None:
        corpus = excluded(corpus, exclude)
    if extra is not None:
        added = extra.prepare()
        joined = merged([corpus, replace(added, utterances=added.split("train"))])
        corpus = replace(joined, words=corpus.words)
    if negatives is not None:
        corpus = negatives.join(corpus, to_train=True)
    if connected is not None:
        corpus = connected.join(corpus)
    vocabulary = corpus.vocabulary(unit)
    caches = _read(corpus, features.sample_rate)
    augment.set_noise(
        [torch.from_numpy(load_audio(file, features.sample_rate)) for file in corpus.noise]
    )

    clips: Clips = caches["train"]
    if connected is not None:
        clips = ConnectedClips(caches["train"], connected, corpus)
    if features.normalization == "global":
        _set_statistics(features, batches(clips, vocabulary, trainer.batch_size))

    torch.manual_seed(seed)
    acoustic_model = model(
        n_features=features.n_features, n_outputs=len(vocabulary), head=vocabulary.head
    )
    if acoustic_model.front is not None and pretrained is not None:
        acoustic_model.front.load(pretrained.weights)
    if vocabulary.head == "ctc":
        step = features.hop_length * acoustic_model.subsampling
        _check_room([clips, caches["validation"]], vocabulary, step)
    module = SpeechModule(
        features,
        acoustic_model,
        vocabulary,
        augment,
        optim,
        trainer,
        seed,
    )
    held = batches(caches["validation"], vocabulary, trainer.batch_size)
    started = time.monotonic()
    epochs = fit(
        module,
        batches(clips, vocabulary, trainer.batch_size, seed=seed, balance=trainer.balance),
        held,
        trainer,
        output_dir,
        device=chosen,
        resume=resume,
    )
    seconds = time.monotonic() - started
    validation = validated(module, held, trainer, chosen)

    provenance = _provenance(source, corpus, caches, seed, config) | {
        "epochs": epochs,
        "n_parameters": acoustic_model.n_parameters,
        "training_seconds": round(seconds, 1),
    }
    if pretrained is not None:
        provenance["pretrained_sha256"] = pretrained.sha256
    recognizer = Recognizer.from_modules(
        features,
        acoustic_model,
        vocabulary,
        provenance=provenance,
        token_bonus=token_bonus,
        spotting=spotting,
    )
    recognizer.to(chosen)
    if vocabulary.head == "classification":
        recognizer.calibration = calibrated(recognizer, held, keep)
    evaluation = None
    if test and (clips_of_test := corpus.split("test")):
        evaluation = evaluate(recognizer, clips_of_test, batch_size=trainer.batch_size)
        recognizer.provenance["test"] = evaluation.summary()
        evaluation.write(output_dir)
    file = output_dir / "recognizer.safetensors"
    recognizer.save(file)
    metrics = provenance | {
        "command": command,
        "validation": validation,
        "test": evaluation.to_dict() if evaluation else None,
        "cost": cost_of(file).to_dict(),
    }
    (output_dir / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return TrainingResult(file, evaluation, metrics)


def calibrated(
    recognizer: Recognizer, clips: Iterable[Batch], keep: float | None = None
) -> Calibration:
    """Return the calibration of a classifier on clips that it was not trained on."""
    logits, targets = [], []
    for batch in clips:
        found, _ = recognizer.logits(batch.waveform.numpy(), batch.lengths.numpy())
        logits.append(found[:, 0])
        targets.append(batch.targets[:, 0].numpy())
    tokens = recognizer.vocabulary.tokens
    return calibrate(np.concatenate(logits), np.concatenate(targets), tokens, keep=keep)


def _read(corpus: Corpus, sample_rate: int) -> dict[str, AudioCache]:
    """Read what training needs into memory; say which files are left out."""
    caches = {}
    for split in ("train", "validation"):
        rows = corpus.split(split)
        if not rows:
            raise DataError(f"split={split!r} has no clips; give the corpus some")
        caches[split] = AudioCache(rows, sample_rate)
        for failure in caches[split].failures:
            log.warning("left out of %s: %s", split, failure.error)
    sizes = {split: len(corpus.split(split)) for split in SPLITS}
    log.info("%d words; clips: %s", len(corpus.words), sizes)
    return caches


def _check_room(splits: Sequence[Clips], vocabulary: Vocabulary, step: int) -> None:
    """Refuse clips that have fewer steps than CTC needs for their texts."""
    wrong = []
    for clips in splits:
        for row, n_samples in zip(clips.utterances, clips.n_samples.tolist(), strict=True):
            needed = steps_needed(vocabulary.encode(row.text))
            if n_samples // step + 1 < needed:
                wrong.append(
                    f"  {row.audio}: {row.text!r} needs {needed} steps, and it has "
                    f"{n_samples // step + 1}"
                )
    if wrong:
        raise DataError(
            "\n".join(
                [
                    f"{len(wrong)} clips are too short for their texts (a step is {step} samples; "
                    "between two tokens alike comes one more): correct or leave them out, or lower "
                    "model.stack",
                    *wrong[:MOST_NAMED],
                ]
            )
        )


def _set_statistics(features: LogMel, clips: Iterable[Batch]) -> None:
    """Give the features the mean and deviation of the training frames."""
    plain = type(features)(**features.hyperparameters | {"normalization": None, "deltas": 0}).eval()
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for batch in clips:
        frames, lengths = plain(batch.waveform, batch.lengths)  # zero beyond the lengths
        count += int(lengths.sum())
        total = total + frames.double().sum(dim=(0, 1))
        square = square + frames.double().square().sum(dim=(0, 1))
    mean = total / count
    features.set_statistics(mean.float(), (square / count - mean**2).clamp(min=1e-8).sqrt().float())


def _provenance(
    source: Source, corpus: Corpus, caches: dict[str, AudioCache], seed: int, config: str
) -> dict[str, Any]:
    """Say where a Recognizer came from."""
    return {
        "speech_rnn": speech_rnn.__version__,
        "torch": torch.__version__,
        "commit": current_commit(),
        "seed": seed,
        "source": type(source).__name__,
        "corpus_sha256": corpus.fingerprint(),
        "audio_sha256": {split: cache.sha256() for split, cache in caches.items()},
        "n_clips": {split: len(corpus.split(split)) for split in SPLITS},
        "synthetic_words": list(corpus.synthetic),
        "config": config,
    }


def current_commit() -> str | None:
    """The commit of a source checkout; None for an installed wheel."""
    here = Path(speech_rnn.__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None

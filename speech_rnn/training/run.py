"""Train a Recognizer: read a corpus, fit a model, calibrate and evaluate it, write the files."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import speech_rnn
from speech_rnn.data.batching import Batch, Loader, batches
from speech_rnn.data.cache import AudioCache, Clips, KnownClips
from speech_rnn.data.connected import ConnectedClips
from speech_rnn.data.corpus import SPLITS, Corpus
from speech_rnn.data.kept_clips import ClipsOnDisk
from speech_rnn.data.oddities import tell_oddities
from speech_rnn.data.overlap import overlaps
from speech_rnn.data.placing import Placing
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.engines.device import choose_device
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.evaluation.cost import cost_of
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.model import AcousticModel
from speech_rnn.model.front import Pretrained
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.atomic import write_json
from speech_rnn.tensors.processes import from_first, process_of
from speech_rnn.tensors.threads import one_thread
from speech_rnn.training.calibration import calibrate
from speech_rnn.training.checks import check_corpus
from speech_rnn.training.claiming import claimed
from speech_rnn.training.clip_threshold import SILENCE_SECONDS, clip_threshold
from speech_rnn.training.fitting import fit, validated
from speech_rnn.training.module import SpeechModule
from speech_rnn.training.parts import (
    augmentation,
    check_parts,
    check_room,
    set_statistics,
    untrained,
)
from speech_rnn.training.processes import agree, first_on_machine
from speech_rnn.training.recipe import Recipe
from speech_rnn.training.settings import Run
from speech_rnn.training.views import embedded_once
from speech_rnn.vocabulary import Vocabulary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """The Recognizer, its file, and its evaluation on the test split (None unless requested)."""

    recognizer: Recognizer
    file: Path
    evaluation: Evaluation | None
    metrics: dict[str, Any]


def train(recipe: Recipe, run: Run, *, test: bool = True, command: str = "") -> TrainingResult:
    """Train on a corpus, evaluate on its test split, and write the Recognizer.

    Parameters
    ----------
    recipe : the data and the parts.
    run : optimizer, epochs, seed, device and folder, which receives ``recognizer.safetensors``,
        ``metrics.json``, ``evaluation.json``, ``hypotheses.jsonl``, ``config.yaml``,
        ``checkpoints/`` and ``logs/``, and ``audio.csv`` if sounds have problems.
    test : whether to evaluate on the test split; leave it out to compare many trainings.
    command : command line of the training, for ``metrics.json``.

    Raises
    ------
    ConfigurationError
        if `run.output_dir` holds another run, the parts do not fit, or processes that train
        together have different clips.
    DataError
        if the corpus is not available, its texts do not fit the vocabulary, or `run.output_dir`
        cannot be written.
    Stopped
        if the training is interrupted.
    """
    front_weights = check_parts(recipe, run)
    with _writing(run):
        return _trained(recipe, run, front_weights, test=test, command=command)


def _writing(run: Run) -> AbstractContextManager[object]:
    """Lock the folder in the first process, which is the one that writes."""
    if process_of()[0]:
        return nullcontext()
    return claimed(run.output_dir, run.config, run.resume)


def _trained(
    recipe: Recipe, run: Run, front_weights: Pretrained | None, *, test: bool, command: str
) -> TrainingResult:
    """Train, calibrate and evaluate in a folder that is locked for the run."""
    with first_on_machine():
        isolated = recipe.isolated()
        corpus = recipe.connect(isolated)
    vocabulary = corpus.vocabulary(recipe.unit)
    check_corpus(corpus, vocabulary, connected=recipe.connected is not None, test=test)
    caches = _read(corpus, recipe.features.sample_rate, test, run.placing)
    agree(
        {"corpus": corpus.fingerprint()}
        | {f"clips of {split}": clips.sha256() for split, clips in caches.items()}
    )
    from_first(lambda: tell_oddities(caches, run.output_dir / "audio.csv"))
    clips: Clips = caches["train"]
    if recipe.connected is not None:
        clips = ConnectedClips(caches["train"], recipe.connected, corpus)
    batch_size = run.trainer.batch_size
    if recipe.features.normalization == "global":
        workers = workers_for(clips, run.placing)
        loader = batches(clips, vocabulary, batch_size, workers=workers)
        set_statistics(recipe.features, loader)
    model = untrained(recipe, vocabulary, run.seed, front_weights)
    if vocabulary.head == "ctc":
        check_room([clips, caches["validation"]], vocabulary, recipe.features, model)

    training, held_out = _loaders(clips, caches["validation"], vocabulary, run)
    augment = augmentation(recipe, corpus, caches["train"])
    module = SpeechModule(recipe.features, model, vocabulary, augment, run)
    loaders = embedded_once(
        training, held_out, recipe.features, model, module.embed, run.trainer, _threads(run)
    )
    started = time.monotonic()
    with nullcontext() if loaders[0] is training else one_thread():
        epochs = fit(module, *loaders, run)
    seconds = time.monotonic() - started
    validation = validated(module, loaders[1], run)

    provenance = _provenance(recipe, corpus, caches, run) | {
        "epochs": epochs,
        "n_parameters": model.n_parameters,
        "training_seconds": round(seconds, 1),
    }
    if front_weights is not None:
        provenance["pretrained_sha256"] = front_weights.sha256
    recognizer = _recognizer(recipe, model, vocabulary, provenance).to(choose_device(run.device))
    _calibrate(recognizer, recipe, held_out, isolated)
    evaluation = None
    if tested := caches.get("test"):
        rows = corpus.split("test")
        evaluation = evaluate(recognizer, rows, batch_size=batch_size, cache=tested)
    return _written(recognizer, evaluation, run, {"command": command, "validation": validation})


def _threads(run: Run) -> int:
    """Return how many batches a front reads at the same time: a GPU reads one."""
    return torch.get_num_threads() if choose_device(run.device).type == "cpu" else 1


def _loaders(
    clips: Clips, validation: KnownClips, vocabulary: Vocabulary, run: Run
) -> tuple[Loader, Loader]:
    """Return the batches of training, in the order of its settings, and those of validation."""
    trainer = run.trainer
    training = batches(
        clips,
        vocabulary,
        trainer.batch_size,
        seed=run.seed,
        balance=trainer.balance,
        passes=trainer.passes(len(clips)),
        workers=workers_for(clips, run.placing),
        turns=trainer.accumulate,
    )
    workers = workers_for(validation, run.placing)
    return training, batches(validation, vocabulary, trainer.batch_size, workers=workers)


def _recognizer(
    recipe: Recipe, model: AcousticModel, vocabulary: Vocabulary, provenance: dict[str, Any]
) -> Recognizer:
    """Return the trained recogniser, not yet calibrated."""
    return Recognizer.from_modules(
        recipe.features,
        model,
        vocabulary,
        provenance=provenance,
        token_bonus=recipe.token_bonus,
        spotting=recipe.spotting,
    )


def _calibrate(
    recognizer: Recognizer, recipe: Recipe, held_out: Iterable[Batch], isolated: Corpus
) -> None:
    """Set the calibration of a classifier, or how a CTC model reads clips if it has a threshold."""
    if recognizer.vocabulary.head == "classification":
        recognizer.calibration = calibrated(
            recognizer, held_out, keep=recipe.keep, false_accepts=recipe.false_accepts
        )
    elif recipe.false_accepts is not None:
        in_silence = replace(recognizer.calibration, silence_seconds=SILENCE_SECONDS)
        recognizer.calibration = in_silence
        threshold = clip_threshold(recognizer, isolated, recipe.false_accepts)
        recognizer.calibration = replace(in_silence, unknown_below=threshold)


def calibrated(
    recognizer: Recognizer, clips: Iterable[Batch], **shares: float | None
) -> Calibration:
    """Return the calibration of a classifier, fitted on clips that were not used for training.

    Parameters
    ----------
    shares : the shares that `calibrate` accepts.
    """
    logits, targets = [], []
    for batch in clips:
        found, _ = recognizer.logits(batch.waveform.numpy(), batch.lengths.numpy())
        logits.append(found[:, 0])
        targets.append(batch.targets[:, 0].numpy())
    tokens = recognizer.vocabulary.tokens
    return calibrate(np.concatenate(logits), np.concatenate(targets), tokens, **shares)


def workers_for(clips: Clips, placing: Placing) -> int:
    """Return the number of processes that read clips ahead of the step."""
    if isinstance(clips, (AudioCache, ConnectedClips)):
        return 0
    return placing.workers_of(is_decoded=not isinstance(clips, ClipsOnDisk))


def _read(corpus: Corpus, sample_rate: int, test: bool, placing: Placing) -> dict[str, KnownClips]:
    """Read the clips of each split; log skipped files, and clips that are in two splits."""
    rows = {split: corpus.split(split) for split in SPLITS}
    if not (test and rows["test"]):
        del rows["test"]
    caches = placing.open(rows, sample_rate)
    for split in caches:
        for error in caches[split].failures.values():
            log.warning("left out of %s: %s", split, error)
    for line in overlaps(caches):
        log.warning("%s", line)
    log.info("%d words; clips: %s", len(corpus.words), _sizes(corpus, caches))
    return caches


def _sizes(corpus: Corpus, caches: dict[str, KnownClips]) -> dict[str, int]:
    """Return the number of clips of each split, without those that could not be read."""
    return {
        split: len(caches[split] if split in caches else corpus.split(split)) for split in SPLITS
    }


def _provenance(
    recipe: Recipe, corpus: Corpus, caches: dict[str, KnownClips], run: Run
) -> dict[str, Any]:
    """Return the provenance of a Recognizer as plain values for JSON."""
    return {
        "speech_rnn": speech_rnn.__version__,
        "torch": torch.__version__,
        **run.provenance(),
        "source": type(recipe.source).__name__,
        "corpus_sha256": corpus.fingerprint(),
        "audio_sha256": {split: caches[split].sha256() for split in ("train", "validation")},
        "n_clips": _sizes(corpus, caches),
        "synthetic_words": list(corpus.synthetic),
    }


def _written(
    recognizer: Recognizer, evaluation: Evaluation | None, run: Run, figures: dict[str, Any]
) -> TrainingResult:
    """Write the Recognizer, its scores and its cost, and return them."""
    if evaluation is not None:
        recognizer.provenance["test"] = evaluation.summary()
        evaluation.write(run.output_dir)
    file = run.output_dir / RUN_FILE
    recognizer.save(file)
    metrics = recognizer.provenance | figures
    metrics["test"] = evaluation.to_dict() if evaluation else None
    metrics["cost"] = cost_of(recognizer.to("cpu"), file.stat().st_size).to_dict()
    write_json(run.output_dir / "metrics.json", metrics)
    return TrainingResult(recognizer, file, evaluation, metrics)

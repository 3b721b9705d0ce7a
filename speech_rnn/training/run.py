"""Train a Recognizer: read a corpus, fit a model, calibrate and evaluate it, write the files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import speech_rnn
from speech_rnn.audio import load_audio
from speech_rnn.augment import Augment
from speech_rnn.data.babble import clips_by_talker, sides_of
from speech_rnn.data.batching import Batch, Loader, batches
from speech_rnn.data.cache import AudioCache, Clips, KnownClips
from speech_rnn.data.combining import exclude, joined, to_train
from speech_rnn.data.connected import Connected, ConnectedClips
from speech_rnn.data.corpus import SPLITS, Corpus, PartedRows, Source
from speech_rnn.data.kept_clips import ClipsOnDisk
from speech_rnn.data.negatives import Negatives
from speech_rnn.data.oddities import tell_oddities
from speech_rnn.data.overlap import overlaps
from speech_rnn.data.placing import Placing
from speech_rnn.decoding.alignment import steps_needed
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.engines.device import check_precision, choose_device
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.cost import cost_of
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.model.front import Pretrained
from speech_rnn.model.pretrained import pretrained
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.atomic import write_json
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.tensors.processes import from_first, gathered, process_of
from speech_rnn.tensors.threads import one_thread
from speech_rnn.training.calibration import calibrate
from speech_rnn.training.checks import check_corpus
from speech_rnn.training.claiming import claimed
from speech_rnn.training.clip_threshold import SILENCE_SECONDS, clip_threshold
from speech_rnn.training.fitting import fit, validated
from speech_rnn.training.module import SpeechModule
from speech_rnn.training.processes import agree, check_number, first_on_machine
from speech_rnn.training.settings import Run
from speech_rnn.training.views import embedded_once
from speech_rnn.vocabulary import UNKNOWN, Vocabulary, head_of

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Number of files that a message names."""


@dataclass(frozen=True)
class Recipe:
    """The data and the parts from which a Recognizer is trained.

    Parameters
    ----------
    source : source of the corpus.
    features : feature extractor, waveform to frames.
    model : function that returns the untrained model; it is called with ``n_features``,
        ``n_outputs`` and ``head``.
    front_weights : file of a front's weights, see `model.pretrained.pretrained`; None takes them
        from an installed package.
    extra : another source of the same words, whose training clips are added; its other words become
        ``_unknown_`` if that is a class.
    exclude : CSV file of clips of `source` to leave out, see `data.combining.exclude`.
    negatives : sounds that are none of the words; None adds nothing.
    connected : how isolated words are joined into utterances; None keeps them isolated.
    augment : augmentation of the training clips; None changes nothing.
    unit : ``classes`` for one answer per clip; ``words`` or ``characters`` for CTC.
    token_bonus : added to the score of a decoded sequence for each of its tokens.
    keep : share of the correct validation answers that a classifier's thresholds keep, in (0, 1];
        None sets no thresholds: every clip is answered.
    false_accepts : share of the validation clips of other words that may be answered with a word,
        in [0, 1). It replaces `keep` for a classifier, and sets the threshold of clips for spotted
        words.
    spotting : settings with which words of a stream are detected, unless `speech_rnn.tune` finds
        better ones; None uses the defaults of the head.
    """

    source: Source
    features: LogMel
    model: Callable[..., AcousticModel]
    front_weights: str | Path | None = None
    extra: Source | None = None
    exclude: str | Path | None = None
    negatives: Negatives | None = None
    connected: Connected | None = None
    augment: Augment | None = None
    unit: str = "classes"
    token_bonus: float = 0.0
    keep: float | None = None
    false_accepts: float | None = None
    spotting: Spotting | None = None

    def corpus(self) -> Corpus:
        """Prepare the corpus, with added and without excluded clips."""
        return self.connect(self.isolated())

    def connect(self, corpus: Corpus) -> Corpus:
        """Put utterances in the place of isolated words, if they are to be joined."""
        return corpus if self.connected is None else self.connected.join(corpus)

    def isolated(self) -> Corpus:
        """Prepare the corpus before its words are joined into utterances."""
        corpus = self.source.prepare()
        if isinstance(corpus.utterances, PartedRows):
            self._check_shards()
        if self.exclude is not None:
            corpus = exclude(corpus, self.exclude)
        if self.extra is not None:
            corpus = joined(corpus, to_train(self.extra.prepare()))
        if self.negatives is not None:
            corpus = self.negatives.join(corpus, to_train=True)
        return corpus

    def _check_shards(self) -> None:
        """Raise for clips that would join those of shards, or leave them."""
        for name, no in (("exclude", "null"), ("extra", "null"), ("negatives", "none")):
            if getattr(self, name) is not None:
                raise ConfigurationError(
                    f"{name} changes the clips of a corpus, and shards are read as they are: write "
                    f"shards with it (speech-rnn shard), and train with {name}={no}"
                )


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
        _set_statistics(recipe.features, loader)
    model = _untrained(recipe, vocabulary, run.seed, front_weights)
    if vocabulary.head == "ctc":
        _check_room([clips, caches["validation"]], vocabulary, recipe.features, model)

    training, held_out = _loaders(clips, caches["validation"], vocabulary, run)
    augment = _augment(recipe, corpus, caches["train"])
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
        others = [row for row in isolated.split("validation") if row.text == UNKNOWN]
        in_silence = replace(recognizer.calibration, silence_seconds=SILENCE_SECONDS)
        recognizer.calibration = in_silence
        threshold = clip_threshold(recognizer, others, recipe.false_accepts)
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


def _untrained(
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


def _augment(recipe: Recipe, corpus: Corpus, training: KnownClips) -> Augment:
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


def _check_room(
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


def _set_statistics(features: LogMel, clips: Iterable[Batch]) -> None:
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

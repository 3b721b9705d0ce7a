"""The description of a model: what it is, its origin, and the command that trains it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.model import AcousticModel
from speech_rnn.model.complexity import multiply_adds
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.origins import ORIGINS
from speech_rnn.reporting.run_folder import RunFolder

MOST_WORDS = 40


@dataclass(frozen=True)
class ModelCard:
    """The texts at the start and the end of a report."""

    title: str
    subtitle: str
    rows: tuple[tuple[str, str], ...]
    command: str


def model_card(run: RunFolder) -> ModelCard:
    """Describe the Recognizer of a run."""
    facts = run.metrics
    file = run.path / RUN_FILE
    when = datetime.fromtimestamp(file.stat().st_mtime, tz=timezone.utc)
    size = f"{file.stat().st_size / 1e6:.2f} MB"
    rows = {
        **_model(run.recognizer, facts),
        "speed": _speed(facts.get("cost")),
        "file": f"{file.name}, {size}, {when:%Y-%m-%d %H:%M} UTC",
        **_sound(run.recognizer),
        **_training(facts),
    }
    command = str(facts.get("command") or "")
    recipe = next((part[8:] for part in command.split() if part.startswith("+recipe=")), "")
    return ModelCard(
        f"{recipe or run.path.resolve().name}: results",
        f"{when:%Y-%m-%d %H:%M} UTC · commit {facts.get('commit')} · seed {facts.get('seed')} · "
        f"{run.recognizer.model.n_parameters:,} parameters",
        tuple((name, value) for name, value in rows.items() if value),
        command,
    )


def _model(recognizer: Recognizer, facts: Mapping[str, Any]) -> dict[str, str]:
    """Describe the answers and the network."""
    model, given = recognizer.model, recognizer.model.hyperparameters
    is_classifier = model.head == "classification"
    words = recognizer.vocabulary.words
    more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
    kind = ("bidirectional " if given["bidirectional"] else "") + given["cell"].upper()
    if model.chunk is not None:
        kind += f" (chunks of {model.chunk} and {model.look_ahead} steps ahead)"
    pooled = f", pooled by {model.pooling}" if is_classifier else ""
    operations = multiply_adds(model, round(1 / recognizer.features.hop_seconds)) / 1e6
    return {
        "words": ", ".join(words[:MOST_WORDS]) + more,
        "answers": "one for each clip" if is_classifier else "sequences (CTC)",
        "model": f"{given['n_layers']} × {kind} of {given['hidden_size']} units{pooled}",
        "front": _front(model, facts),
        "parameters": f"{model.n_parameters:,}",
        "multiply-adds": f"{operations:.2f} million for a second of sound",
    }


def _front(model: AcousticModel, facts: Mapping[str, Any]) -> str:
    """Describe the origin of the front, and how much of it training has not changed."""
    if model.front is None:
        return ""
    weights = [each for name, each in model.front.named_parameters() if "normalization" not in name]
    kept = sum(each.numel() for each in weights if not each.requires_grad)
    total = sum(each.numel() for each in weights)
    return (
        f"{ORIGINS[model.hyperparameters['front']]}; {kept:,} of {total:,} weights as published, "
        f"SHA-256 {facts.get('pretrained_sha256', '')}"
    )


def _sound(recognizer: Recognizer) -> dict[str, str]:
    """Describe the features and the calibration."""
    features = recognizer.features
    return {
        "features": f"{type(features).__name__}, {features.n_features} in each frame, one frame "
        f"every {1000 * features.hop_seconds:g} ms at {features.sample_rate:,} Hz",
        "calibration": _calibrated(recognizer),
    }


def _calibrated(recognizer: Recognizer) -> str:
    """Describe which clips get an answer."""
    calibration = recognizer.calibration
    threshold = calibration.unknown_below
    if recognizer.model.head == "classification":
        answered = "every clip gets an answer"
        if threshold is not None:
            answered = f"no answer if the evidence is below {threshold:.2f}"
        return f"temperature {calibration.temperature:.3f}; {answered}"
    if threshold is None:
        return ""
    return (
        f"words of clips need a score of {threshold:.2f}; a clip is read with "
        f"{calibration.silence_seconds:g} s of silence before and after it"
    )


def _training(facts: Mapping[str, Any]) -> dict[str, str]:
    """Describe the training data, and how to train again."""
    hashes = facts.get("audio_sha256", {})
    return {
        "corpus": f"{facts.get('source', '')}, SHA-256 {facts.get('corpus_sha256', '')}",
        "clips": ", ".join(f"{split} {n:,}" for split, n in facts.get("n_clips", {}).items()),
        "sounds": ", ".join(f"{split} SHA-256 {digest}" for split, digest in hashes.items()),
        "training": f"{facts.get('epochs')} epochs, {facts.get('training_seconds')} s",
        "seed": str(facts.get("seed")),
        "commit": str(facts.get("commit")),
        "versions": f"speech_rnn {facts.get('speech_rnn')}, torch {facts.get('torch')}",
    }


def _speed(cost: Mapping[str, Any] | None) -> str:
    if not cost:  # older runs did not measure costs
        return ""
    return (
        f"real-time factor {cost['real_time_factor']:.4f} on one thread (a second of sound takes "
        f"{1000 * cost['real_time_factor']:.1f} ms), {cost['processor']}, {cost['n_cores']} cores"
    )

"""Where gradients vanish: how much of the loss's gradient reaches a step that lies long ago.

The task has nothing else in it: a tone of one of four pitches, then noise, and at the end of the
noise the question which tone it was. The answer depends on the first steps alone, so whatever a
network learns about the tone came back through every step of the noise.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from speech_rnn.data.batching import bucketed
from speech_rnn.errors import ConfigurationError
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.reporting import pictures
from speech_rnn.training import (
    AdamWCosine,
    SeededModule,
    Trainer,
    claim,
    current_commit,
    fit,
)

__all__ = ["Flow", "GradientStudy", "gradient_norms", "study_gradients", "write_picture"]

log = logging.getLogger(__name__)

NAMES = {"rnn_tanh": "Elman", "rnn_relu": "Elman, ReLU", "gru": "GRU", "lstm": "LSTM"}
TONES_HZ = (300.0, 700.0, 1500.0, 3000.0)
TONE_SECONDS = 0.1
TONE_LEVEL, NOISE_LEVEL = 0.3, 0.1
N_MELS = 20
N_VALIDATION = 256
N_MEASURED = 64
"""Clips whose gradients are looked at."""

TRAINING, VALIDATION, STATISTICS = range(3)
"""Streams of clips, none of which has a clip of another."""


@dataclass(frozen=True)
class Flow:
    """How a cell hands the gradient back, from the last step to the first.

    Parameters
    ----------
    cell : its name.
    n_parameters : weights of the whole network.
    accuracy : share of right answers after training, where the noise is longest.
    before, after : of training. ``hidden``: |dL/dh_t| over |dL/dh_T| for each step t, the median
        clip; ``memory``, of an LSTM: |dL/dc_t| over |dL/dh_T| for each step but the last.
    """

    cell: str
    n_parameters: int
    accuracy: float
    before: dict[str, tuple[float, ...]]
    after: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class GradientStudy:
    """The same task learned with one cell after another.

    Parameters
    ----------
    flows : of the cells.
    step_seconds : from one step to the next.
    tone_seconds : how long the tone lasts, at the start.
    """

    flows: tuple[Flow, ...]
    step_seconds: float
    tone_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def gradient_norms(
    recurrence: nn.RNNBase, steps: Tensor, loss: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return the norm of the loss's gradient with respect to the state at each step.

    Parameters
    ----------
    recurrence : one layer in one direction, batch first.
    steps : (B, T, D).
    loss : of the last hidden state (B, H), summed over clips, so that each clip's is its own.

    Returns
    -------
    ``hidden``: |dL/dh_t|, (B, T), by every way from h_t to the loss. ``memory``, of an LSTM:
    |dL/dc_t|, (B, T - 1); the last c is no state that any step reads.
    """
    state, states = None, []
    for step in steps.split(1, dim=1):  # (B, 1, D): a layer's fused run shows no state's gradient
        _, state = recurrence(step, state)
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            part.retain_grad()
        states.append(parts)
    loss(states[-1][0][0]).backward()

    def norms(part: int, until: int | None = None) -> Tensor:
        return torch.stack([parts[part].grad[0].norm(dim=1) for parts in states[:until]], dim=1)

    found = {"hidden": norms(0)}
    return found | {"memory": norms(1, -1)} if len(states[0]) > 1 else found


def study_gradients(
    cells: Sequence[str] = ("rnn_tanh", "gru", "lstm"),
    *,
    hidden_size: int = 32,
    shortest_noise_seconds: float = 0.0,
    longest_noise_seconds: float = 1.0,
    n_clips: int = 1920,
    optim: AdamWCosine | None = None,
    trainer: Trainer | None = None,
    seed: int = 0,
    output_dir: str | Path = "outputs",
    resume: bool = False,
    config: str = "",
) -> GradientStudy:
    """Teach each cell the task, and look at its gradients before and after.

    Parameters
    ----------
    cells : of `AcousticModel`, each of one layer that reads forward.
    hidden_size : units of a cell.
    shortest_noise_seconds, longest_noise_seconds : the noise of a training clip lasts anything in
        between; validation and the gradients are of clips with the longest.
    n_clips : clips of an epoch, drawn anew for each.
    output_dir : gets ``gradients.json``, and a folder a cell with its checkpoints and logs.
    resume : go on from the last checkpoints in `output_dir`, where there are any.
    config : the run's configuration as YAML, kept beside the checkpoints.

    Raises
    ------
    ConfigurationError
        for cells that are unknown, none or named twice, for numbers out of their range, and if
        `output_dir` holds another run.
    """
    optim, trainer, output_dir = optim or AdamWCosine(), trainer or Trainer(), Path(output_dir)
    _check(cells, shortest_noise_seconds, longest_noise_seconds, n_clips)
    longest = (longest_noise_seconds, longest_noise_seconds)
    models = {cell: _model(cell, hidden_size, seed) for cell in cells}
    folders = {cell: claim(output_dir / cell, config, resume) for cell in cells}
    features = _features(_Clips(STATISTICS, N_VALIDATION, longest, seed))
    validation = _Clips(VALIDATION, N_VALIDATION, longest, seed, features)
    frames, _, targets = validation.collate(list(range(N_MEASURED)))
    flows = []
    for cell, model in models.items():
        before = _flow(model, frames, targets)
        noise = (shortest_noise_seconds, longest_noise_seconds)
        training = _Clips(TRAINING, n_clips, noise, seed, features)
        log.info("%s: %s weights", cell, f"{model.n_parameters:,}")
        model = _trained(model, training, validation, optim, trainer, seed, folders[cell], resume)
        with torch.inference_mode():
            every, lengths, wanted = validation.collate(list(range(N_VALIDATION)))
            answers = model(every, lengths)[0][:, 0].argmax(dim=1)
        accuracy = float((answers == wanted).double().mean())
        after = _flow(model, frames, targets)
        flows.append(Flow(cell, model.n_parameters, accuracy, before, after))
    study = GradientStudy(tuple(flows), features.hop_seconds, TONE_SECONDS)
    told = study.to_dict() | {"commit": current_commit(), "seed": seed, "config": config}
    (output_dir / "gradients.json").write_text(json.dumps(told, indent=2) + "\n")
    return study


def write_picture(study: GradientStudy, path: str | Path) -> Path:
    """Draw how much of the gradient is left at each step, as an SVG of its own.

    Raises
    ------
    MissingExtraError
        without matplotlib.
    """
    lines: list[dict[str, pictures.Line]] = [{}, {}]
    for place, flow in enumerate(study.flows):
        for panel, shares in zip(lines, (flow.before, flow.after), strict=True):
            for part, values in shares.items():
                name = f"{NAMES[flow.cell]}{', its memory c' * (part == 'memory')}"
                count = len(shares["hidden"])
                seconds = [(step + 1 - count) * study.step_seconds for step in range(len(values))]
                panel[name] = pictures.Line(seconds, values, place, part == "memory")
    panels = dict(zip(("before training", "after training"), lines, strict=True))
    path = Path(path)
    svg = pictures.on_its_own(pictures.gradients(panels, study.tone_seconds))
    path.write_text(svg, encoding="utf-8")
    return path


def _check(cells: Sequence[str], shortest: float, longest: float, n_clips: int) -> None:
    if not cells or len(set(cells)) < len(cells):
        raise ConfigurationError(f"cells={list(cells)} must name one or more, each once")
    if not 0 <= shortest <= longest or longest == 0:
        raise ConfigurationError(
            f"shortest_noise_seconds={shortest} and longest_noise_seconds={longest} must be 0 or "
            "more, the longest above 0 and no shorter than the shortest"
        )
    if n_clips < 1:
        raise ConfigurationError(f"n_clips={n_clips} must be 1 or more")


def _model(cell: str, hidden_size: int, seed: int) -> AcousticModel:
    torch.manual_seed(seed)
    return AcousticModel(
        N_MELS,
        len(TONES_HZ),
        cell=cell,
        hidden_size=hidden_size,
        n_layers=1,
        bidirectional=False,
        dropout=0.0,
        input_normalization=False,
        pooling="last",
        dense=None,
    )


def _flow(model: AcousticModel, frames: Tensor, targets: Tensor) -> dict[str, tuple[float, ...]]:
    """Return what is left of the last step's gradient at each step, the median clip."""
    precise = deepcopy(model).double().eval()  # in float32 nothing below 1e-45 is seen
    (recurrence,) = (part for part in precise.modules() if isinstance(part, nn.RNNBase))

    def loss(hidden: Tensor) -> Tensor:
        return F.cross_entropy(precise.output(hidden), targets, reduction="sum")

    norms = gradient_norms(recurrence, frames.double(), loss)
    last = norms["hidden"][:, -1:]  # (B, 1)
    return {name: tuple((n / last).median(dim=0).values.tolist()) for name, n in norms.items()}


def _trained(
    model: AcousticModel,
    training: _Clips,
    validation: _Clips,
    optim: AdamWCosine,
    trainer: Trainer,
    seed: int,
    folder: Path,
    resume: bool,
) -> AcousticModel:
    module = _ToneModule(model, optim, seed)
    fit(
        module,
        bucketed(training, training.collate, trainer.batch_size, seed=seed),
        bucketed(validation, validation.collate, trainer.batch_size),
        trainer,
        folder,
        device=torch.device("cpu"),
        resume=resume,
    )
    return model.eval()


class _Clips:
    """Tones and the noise after them; each clip is drawn by its number, epoch and stream."""

    def __init__(
        self,
        stream: int,
        n_clips: int,
        noise_seconds: tuple[float, float],
        seed: int,
        features: LogMel | None = None,
    ) -> None:
        self.stream, self.seed, self.noise_seconds = stream, seed, noise_seconds
        self.features = features or LogMel(n_mels=N_MELS)
        self.n_clips = n_clips
        self.set_epoch(0)

    def __len__(self) -> int:
        return self.n_clips

    def set_epoch(self, epoch: int) -> None:
        """Draw the tones of an epoch, and how long the noise after each is."""
        self.epoch = epoch
        random = np.random.default_rng([self.seed, self.stream, epoch])
        self.tones = random.integers(len(TONES_HZ), size=self.n_clips)
        seconds = TONE_SECONDS + random.uniform(*self.noise_seconds, size=self.n_clips)
        self.n_samples = np.round(seconds * self.features.sample_rate).astype(np.int64)

    def waveform(self, index: int) -> Tensor:
        """Return a clip, (N,)."""
        random = np.random.default_rng([self.seed, self.stream, self.epoch, index])
        samples = NOISE_LEVEL * random.standard_normal(self.n_samples[index])
        time = np.arange(round(TONE_SECONDS * self.features.sample_rate))
        turns = TONES_HZ[self.tones[index]] * time / self.features.sample_rate + random.random()
        samples[: len(time)] += TONE_LEVEL * np.sin(2 * np.pi * turns)
        return torch.from_numpy(samples.astype(np.float32))

    def collate(self, indices: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return frames (B, T, D), their lengths (B,) and the tones (B,)."""
        waveforms = [self.waveform(index) for index in indices]
        lengths = torch.from_numpy(self.n_samples[indices])
        with torch.no_grad():
            frames, lengths = self.features(pad_sequence(waveforms, batch_first=True), lengths)
        return frames, lengths, torch.from_numpy(self.tones[indices])


def _features(clips: _Clips) -> LogMel:
    """Return features whose statistics are those of clips that nothing else sees."""
    frames, _, _ = clips.collate(list(range(len(clips))))  # (B, T, D), of one length
    features = LogMel(n_mels=N_MELS, normalization="global", normalize_variance=True)
    features.set_statistics(frames.mean(dim=(0, 1)), frames.std(dim=(0, 1)))
    return features


class _ToneModule(SeededModule):
    """One step of training and validation."""

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        frames, lengths, tones = batch
        loss = F.cross_entropy(self.model(frames, lengths)[0][:, 0], tones)
        self.log("train/loss", loss, batch_size=len(tones), on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        frames, lengths, tones = batch
        logits = self.model(frames, lengths)[0][:, 0]  # (B, C)
        figures = {
            "validation/loss": F.cross_entropy(logits, tones),
            "validation/error_rate": (logits.argmax(dim=1) != tones).float().mean(),
        }
        self.log_dict(figures, batch_size=len(tones), prog_bar=True)

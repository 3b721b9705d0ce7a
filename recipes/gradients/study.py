"""Measure how gradients vanish: the share of the loss's gradient that reaches early steps.

python recipes/gradients/study.py --output DIR

The task contains nothing else: a tone of one of four pitches, then noise, and at the end of the
noise the network must answer which tone it was. The answer depends on the first steps only, so that
everything a network learns about the tone must come back through every step of the noise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from speech_rnn.data.batching import bucketed
from speech_rnn.errors import ConfigurationError, MissingExtraError, printed_errors
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.storage.atomic import write_json
from speech_rnn.training import AdamWCosine, Run, SeededModule, Trainer, fit

NAMES = {"rnn_tanh": "Elman", "rnn_relu": "Elman, ReLU", "gru": "GRU", "lstm": "LSTM"}
CELLS = ["rnn_tanh", "gru", "lstm"]
TONES_HZ = (300.0, 700.0, 1500.0, 3000.0)
TONE_SECONDS = 0.1
TONE_LEVEL, NOISE_LEVEL = 0.3, 0.1
N_MELS = 20
N_VALIDATION = 256
N_MEASURED = 64
"""Number of clips whose gradients are measured."""

TRAINING, VALIDATION, STATISTICS = range(3)
"""Independent streams of clips."""


@dataclass(frozen=True)
class Flow:
    """How a cell passes the gradient back, from the last step to the first.

    Parameters
    ----------
    cell : name of the cell.
    n_parameters : number of weights of the whole network.
    accuracy : accuracy after training with the longest noise.
    before, after : shares of the gradient before and after training. ``hidden``: |dL/dh_t| /
        |dL/dh_T| at each step t, for the median clip; ``memory``, of an LSTM: |dL/dc_t| / |dL/dh_T|
        at each step except the last.
    """

    cell: str
    n_parameters: int
    accuracy: float
    before: dict[str, tuple[float, ...]]
    after: dict[str, tuple[float, ...]]


def gradient_norms(
    recurrence: nn.RNNBase, steps: Tensor, loss: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return the norm of the loss's gradient with respect to the state at each step.

    Parameters
    ----------
    recurrence : one layer in one direction, batch first.
    steps : (B, T, D).
    loss : function of the last hidden state (B, H), summed over clips, which keeps clips separate.

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


class Clips:
    """Tones and the noise after them; a clip is determined by its number, epoch and stream."""

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
        """Draw the tones of an epoch, and the duration of the noise after each."""
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


class ToneModule(SeededModule):
    """Steps of training and validation."""

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, int]:
        """Return the loss of a batch, and the number of its clips."""
        frames, lengths, tones = batch
        return F.cross_entropy(self.model(frames, lengths)[0][:, 0], tones), len(tones)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and error rate of a batch."""
        frames, lengths, tones = batch
        logits = self.model(frames, lengths)[0][:, 0]  # (B, C)
        figures = {
            "validation/loss": F.cross_entropy(logits, tones),
            "validation/error_rate": (logits.argmax(dim=1) != tones).float().mean(),
        }
        self.log_dict(figures, batch_size=len(tones), prog_bar=True)


def built(cell: str, hidden_size: int, seed: int) -> AcousticModel:
    """Return an untrained network with one forward layer."""
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


def shares(model: AcousticModel, clips: Clips) -> dict[str, tuple[float, ...]]:
    """Return the share of the last step's gradient at each step, for the median clip."""
    frames, _, targets = clips.collate(list(range(N_MEASURED)))
    precise = deepcopy(model).double().eval()  # float32 cannot represent values below 1e-45
    (recurrence,) = (part for part in precise.modules() if isinstance(part, nn.RNNBase))

    def loss(hidden: Tensor) -> Tensor:
        return F.cross_entropy(precise.output(hidden), targets, reduction="sum")

    norms = gradient_norms(recurrence, frames.double(), loss)
    last = norms["hidden"][:, -1:]  # (B, 1)
    return {name: tuple((n / last).median(dim=0).values.tolist()) for name, n in norms.items()}


def flow_of(
    model: AcousticModel, cell: str, training: Clips, validation: Clips, epochs: int, seed: int
) -> Flow:
    """Measure a network's gradients, train it, and measure them again."""
    before = shares(model, validation)
    optim, trainer = AdamWCosine(learning_rate=1e-2), Trainer(max_epochs=epochs, batch_size=32)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(optim, trainer, seed=seed, output_dir=Path(folder))
        batches = bucketed(training, training.collate, trainer.batch_size, seed=seed)
        fit(ToneModule(model, run), batches, bucketed(validation, validation.collate, 32), run)
    model.eval()
    frames, lengths, wanted = validation.collate(list(range(N_VALIDATION)))
    with torch.inference_mode():
        answers = model(frames, lengths)[0][:, 0].argmax(dim=1)
    accuracy = float((answers == wanted).double().mean())
    return Flow(cell, model.n_parameters, accuracy, before, shares(model, validation))


def features_of(clips: Clips) -> LogMel:
    """Return features whose statistics come from separate clips."""
    frames, _, _ = clips.collate(list(range(len(clips))))  # (B, T, D), of one length
    features = LogMel(n_mels=N_MELS, normalization="global", normalize_variance=True)
    features.set_statistics(frames.mean(dim=(0, 1)), frames.std(dim=(0, 1)))
    return features


def draw(flows: list[Flow], step_seconds: float, path: Path) -> None:
    """Draw the share of the gradient at each step, before and after training."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    figure = Figure(figsize=(7.2, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("before", "after"), strict=True):
        for colour, flow in enumerate(flows):
            for part, values in getattr(flow, name).items():
                is_memory = part == "memory"
                count = len(flow.before["hidden"])
                seconds = [(step + 1 - count) * step_seconds for step in range(len(values))]
                label = f"{NAMES[flow.cell]}{', its memory c' * is_memory}"
                style = {"color": f"C{colour}", "linestyle": "--" if is_memory else "-"}
                axes.plot(seconds, values, label=label, **style)
        start = seconds[0]
        axes.axvspan(start, start + TONE_SECONDS, color="0.8")
        axes.set(xlabel="seconds before the answer", xlim=(start, 0), title=f"{name} training")
        axes.set(yscale="log", ylim=(1e-20, 10))
    figure.axes[0].set_ylabel("share of the gradient left")
    figure.axes[0].legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def study(
    output: Annotated[Path, typer.Option(help="Folder for gradients.json and gradients.svg.")],
    cell: Annotated[list[str], typer.Option(help="A cell; may be given several times.")] = CELLS,
    hidden_size: Annotated[int, typer.Option(help="Units of a cell.")] = 32,
    noise_seconds: Annotated[
        tuple[float, float],
        typer.Option(help="Shortest and longest noise; validation has the longest."),
    ] = (0.0, 1.0),
    clips: Annotated[int, typer.Option(help="Clips of an epoch, drawn anew.", min=1)] = 1920,
    epochs: Annotated[int, typer.Option(help="Epochs of training.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of weights and clips.")] = 0,
) -> None:
    """Train each cell on the task, and measure its gradients before and after."""
    with printed_errors():
        shortest, longest = noise_seconds
        if not 0 <= shortest <= longest or longest == 0:
            raise ConfigurationError(f"noise_seconds={noise_seconds} must ascend, to above 0")
        models = {name: built(name, hidden_size, seed) for name in cell}
        features = features_of(Clips(STATISTICS, N_VALIDATION, (longest, longest), seed))
        validation = Clips(VALIDATION, N_VALIDATION, (longest, longest), seed, features)
        flows = []
        for name, model in models.items():
            training = Clips(TRAINING, clips, noise_seconds, seed, features)
            flow = flow_of(model, name, training, validation, epochs, seed)
            flows.append(flow)
            print(f"{name}: {flow.n_parameters:,} weights, {100 * flow.accuracy:.1f} % right")
            for part, (first, *_) in flow.before.items():
                left = f"{first:.1e} before training, {flow.after[part][0]:.1e} after"
                print(f"  gradient left at the first step, {part}: {left}")
        output.mkdir(parents=True, exist_ok=True)
        found = {"flows": [asdict(flow) for flow in flows], "step_seconds": features.hop_seconds}
        found |= {"tone_seconds": TONE_SECONDS, **Run(seed=seed).provenance()}
        write_json(output / "gradients.json", found)
        draw(flows, features.hop_seconds, output / "gradients.svg")
        print(f"picture: {output / 'gradients.svg'}")


if __name__ == "__main__":
    typer.run(study)

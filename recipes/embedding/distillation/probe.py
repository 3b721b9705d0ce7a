"""Evaluate a frozen front with a logistic regression as probe.

Embeddings are pooled to mean, standard deviation and the means of four segments, standardised and
divided by ten; C is 0.01. There is no augmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from distillation.windows import PEAK, SAMPLE_RATE, WINDOW, Waveform, log_mel, trimmed
from speech_rnn.audio import load_audio
from speech_rnn.audio.finding import sounds_below
from speech_rnn.data.speech_commands import COMMANDS, which_set
from speech_rnn.errors import MissingExtraError
from speech_rnn.features.encoder import RecurrentEncoder
from speech_rnn.synthesis.espeak import Synthetic

N_PEOPLE, N_SYNTHETIC = 1000, 1500
PER_WORD, DRAWS = 10, 5
C, SCALE, ITERATIONS = 0.01, 0.1, 300
AT_ONCE = 250

Array = NDArray[Any]
Front = Callable[[Sequence[Waveform]], Sequence[Array]]
"""A function that maps waveforms (N,) at 16 kHz to embeddings (K, D) of each."""


@dataclass(frozen=True)
class Clips:
    """Sounds to classify: waveforms, words, and speakers."""

    waveforms: list[Waveform]
    words: Array
    speakers: Array


@dataclass(frozen=True)
class Figures:
    """Figures of a front, in per cent; None if the sounds are missing.

    Parameters
    ----------
    from_voices : ten commands of people, trained on synthetic clips only.
    by_word : the same for each word.
    from_ten_clips : ten commands of people, trained on ten clips per word of other people, for each
        of five draws.
    unknown : area under the ROC curve between known and unknown words, trained on synthetic clips:
        the mean over five pairs of held-out commands.
    digits : digits of each speaker, trained on the other speakers.
    """

    from_voices: float | None
    by_word: dict[str, float]
    from_ten_clips: tuple[float, ...]
    unknown: float | None
    digits: dict[str, float]

    @property
    def mean_of_digits(self) -> float | None:
        """Mean over the speakers."""
        return float(np.mean([*self.digits.values()])) if self.digits else None

    @property
    def mean_from_ten_clips(self) -> float | None:
        """Mean over the draws."""
        return float(np.mean(self.from_ten_clips)) if self.from_ten_clips else None


class Probe:
    """The sounds of the probe, which are read once, and the evaluation of a front.

    Parameters
    ----------
    data : folder with Speech Commands, whose validation split is the test, and ``digits/`` (FSDD).
    voices : folder of the synthetic clips; missing ones are synthesized with espeak-ng.
    """

    def __init__(self, data: Path, voices: Path) -> None:
        self.people = people(data / "speech_commands_v0.02")
        self.digits = digits(data / "digits")
        self.synthetic = synthetic(voices) if self.people.waveforms else Clips([], *_nothing())

    def __call__(self, front: Front) -> Figures:
        """Evaluate a front.

        Raises
        ------
        MissingExtraError
            if scikit-learn is not installed.
        """
        from_voices = unknown = None
        by_word: dict[str, float] = {}
        drawn: tuple[float, ...] = ()
        if self.people.waveforms:
            people, made = described(front, self.people), described(front, self.synthetic)
            right = answers(made, self.synthetic.words, people) == self.people.words
            from_voices = 100 * float(right.mean())
            words = self.people.words
            by_word = {str(w): 100 * float(right[words == w].mean()) for w in np.unique(words)}
            drawn = from_few(people, self.people)
            unknown = told_apart(made, self.synthetic.words, people, words)
        heard = described(front, self.digits) if self.digits.waveforms else np.empty((0, 0))
        return Figures(from_voices, by_word, drawn, unknown, left_out(heard, self.digits))


def spoken(file: Path) -> Waveform:
    """Read the spoken part of a clip with 50 ms around it, at half of full scale, 1.5 s at most."""
    whole = load_audio(file, SAMPLE_RATE, check=False)
    part = trimmed(whole)
    part = part if len(part) else whole
    return (part / (np.abs(part).max() + 1e-6) * PEAK)[:WINDOW].astype(np.float32)


def people(corpus: Path) -> Clips:
    """Read clips of the ten commands by the validation speakers of Speech Commands."""
    files = [
        file
        for word in COMMANDS
        for file in (sounds_below(corpus / word) if (corpus / word).is_dir() else ())
        if which_set(file.name) == "validation"
    ]
    files = _some(files, N_PEOPLE)
    speakers = [file.name.partition("_nohash_")[0] for file in files]
    return Clips([*map(spoken, files)], _texts(files), np.array(speakers))


def synthetic(folder: Path) -> Clips:
    """Read clips of the ten commands by the voices with which `Synthetic` trains."""
    corpus = Synthetic(COMMANDS, str(folder), validation_clips=1, test_clips=1).prepare()
    files = sorted(Path(row.audio) for row in corpus.split("train"))
    files = _some(files, N_SYNTHETIC)
    return Clips([*map(spoken, files)], _texts(files), np.array([""] * len(files)))


def digits(folder: Path) -> Clips:
    """Read FSDD: `<digit>_<speaker>_<number>.wav`."""
    files = sorted(folder.glob("*.wav")) if folder.is_dir() else []
    said = np.array([file.stem.split("_")[0] for file in files])
    who = np.array([file.stem.split("_")[1] for file in files])
    return Clips([*map(spoken, files)], said, who)


def _some(files: Sequence[Path], count: int) -> list[Path]:
    order = np.random.default_rng(0).permutation(len(files))[:count]
    return [files[index] for index in order]


def _texts(files: Sequence[Path]) -> Array:
    return np.array([file.parent.name for file in files])


def _nothing() -> tuple[Array, Array]:
    return np.array([]), np.array([])


def described(front: Front, clips: Clips) -> Array:
    """Return the pooled embeddings of clips: (n, 6 D)."""
    sounds = clips.waveforms
    batches = (sounds[at : at + AT_ONCE] for at in range(0, len(sounds), AT_ONCE))
    return np.array([pooled(each) for batch in batches for each in front(batch)])


def pooled(embeddings: Array) -> Array:
    """Pool embeddings (K, D) to mean, deviation and means of four segments, (6 D,)."""
    edges = np.linspace(0, len(embeddings), 5).astype(int)
    ends = pairwise(edges)
    parts = [embeddings[low : max(high, low + 1)].mean(0) for low, high in ends]
    return np.concatenate([embeddings.mean(0), embeddings.std(0), *parts])


def classifier(vectors: Array, words: Array) -> Any:
    """Fit a logistic regression on standardised vectors times 0.1."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler
    except ImportError as error:
        raise MissingExtraError("sklearn", "distill") from error
    scaled = FunctionTransformer(lambda each: each * SCALE)
    regression = LogisticRegression(C=C, max_iter=ITERATIONS)
    return make_pipeline(StandardScaler(), scaled, regression).fit(vectors, words)


def answers(learnt: Array, words: Array, asked: Array) -> Array:
    """Train on vectors with their words, and classify others."""
    return np.asarray(classifier(learnt, words).predict(asked))


def from_few(vectors: Array, clips: Clips) -> tuple[float, ...]:
    """Train on ten clips per word; return the accuracy on other speakers for each draw, in %."""
    found = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(vectors))
        few = [order[clips.words[order] == word][:PER_WORD] for word in np.unique(clips.words)]
        learnt = np.concatenate(few)
        asked = np.flatnonzero(~np.isin(clips.speakers, clips.speakers[learnt]))
        if len(asked):
            given = answers(vectors[learnt], clips.words[learnt], vectors[asked])
            found.append(100 * float((given == clips.words[asked]).mean()))
    return tuple(found)


def told_apart(learnt: Array, words: Array, asked: Array, truth: Array) -> float | None:
    """Hold out two words at a time, and rank clips by their highest probability: AUROC in per cent.

    Every command is held out once.
    """
    from sklearn.metrics import roc_auc_score

    areas = []
    for pair in zip(COMMANDS[::2], COMMANDS[1::2], strict=True):
        is_known = ~np.isin(truth, pair)
        if 0 < is_known.sum() < len(truth):
            some = ~np.isin(words, pair)
            sure = classifier(learnt[some], words[some]).predict_proba(asked).max(1)
            areas.append(100 * float(roc_auc_score(is_known, sure)))
    return float(np.mean(areas)) if areas else None


def left_out(vectors: Array, clips: Clips) -> dict[str, float]:
    """Train on all speakers except one, and return the accuracy on that one, in per cent."""
    speakers = np.unique(clips.speakers)
    if len(speakers) < 2:
        return {}
    found = {}
    for speaker in speakers:
        own = clips.speakers == speaker
        given = answers(vectors[~own], clips.words[~own], vectors[own])
        found[str(speaker)] = 100 * float((given == clips.words[own]).mean())
    return found


class EncoderFront(nn.Module):
    """A `RecurrentEncoder` with its log mels as a front for the probe."""

    def __init__(self, encoder: RecurrentEncoder) -> None:
        super().__init__()
        self.log_mel, self.encoder = log_mel(), encoder.eval()

    @torch.inference_mode()
    def forward(self, waveforms: Sequence[Waveform]) -> list[Array]:
        """Embed waveforms as a padded batch."""
        lengths = torch.tensor([len(each) for each in waveforms])
        sounds = [torch.from_numpy(each) for each in waveforms]
        stacked = nn.utils.rnn.pad_sequence(sounds, batch_first=True)
        embeddings, steps = self.encoder(*self.log_mel(stacked, lengths))
        return [each[:n].numpy() for each, n in zip(embeddings, steps.tolist(), strict=True)]

"""All steps from a waveform to a hypothesis, with the vocabulary, in one object and one file.

What computes the logits is an engine: PyTorch, or ONNX Runtime alone. Importing this needs neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speech_rnn.audio import OpenSound, Sound, load_audio, open_audio, waveform_of
from speech_rnn.decoding.confidence import Calibration, log_softmax
from speech_rnn.decoding.decoder import Decoder, answers
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.long_form import LONG_SECONDS, WINDOW_SECONDS, joined, stretches, windows
from speech_rnn.engines.engine import FORMAT_VERSION, Engine
from speech_rnn.engines.loading import load_engine
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.samples.silence import in_silence
from speech_rnn.starter import STARTER
from speech_rnn.storage import atomic
from speech_rnn.storage.typed import fits, typed
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.spotted import spotted
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.streaming.stream import (
    EventStream,
    PosteriorStream,
    WordSpotter,
    reasons_against_streaming,
)
from speech_rnn.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from speech_rnn.features import LogMel
    from speech_rnn.model import AcousticModel

__all__ = ["FORMAT_VERSION", "Clip", "LongFile", "Recognizer"]


class LongFile(NamedTuple):
    """A file of sequences that is read in windows when its turn comes, and then closed."""

    sound: OpenSound
    closing: ExitStack


Clip = NDArray[np.float32] | LongFile
"""The samples of a sound, (n,), or a long file that is open."""


class Recognizer:
    """A recogniser: features, model and vocabulary in one object.

    Parameters
    ----------
    engine : computes the logits; see `from_modules` for modules of PyTorch.
    vocabulary : the meaning of each logit.
    provenance : plain values about its origin: recipe, hashes of the data, seed, commit, figures.
    token_bonus : value added to the score of each token of a sequence, unless the decoder has its
        own.
    calibration : temperature of a classifier, and the thresholds below which its answer is empty.
        If clips are answered with the words that spotting finds (`answers_as_it_listens`),
        ``unknown_below`` is the threshold of the words of a clip.
    spotting : settings with which words are detected in a stream, such as `speech_rnn.tune` chooses
        them; None uses the defaults of the head.

    Attributes
    ----------
    decoder : decoder of log-probabilities; greedy unless set. The file does not store it.
    sample_rate : sample rate of the features, in Hz.
    step_seconds : time between two steps of the log-probabilities, in seconds.

    Raises
    ------
    ModelError
        if the parts do not fit each other.
    """

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        *,
        provenance: dict[str, Any] | None = None,
        token_bonus: float = 0.0,
        calibration: Calibration | None = None,
        spotting: Spotting | None = None,
    ) -> None:
        if engine.n_outputs != len(vocabulary) or engine.head != vocabulary.head:
            raise ModelError(
                f"a {engine.head} model of n_outputs={engine.n_outputs} does not fit a vocabulary "
                f"of {len(vocabulary)} {vocabulary.unit}; train it with this vocabulary"
            )
        self.engine = engine
        self.sample_rate = engine.sample_rate
        self.step_seconds = engine.step_length / engine.sample_rate
        self.vocabulary = vocabulary
        self.provenance = provenance or {}
        self.token_bonus = token_bonus
        self.calibration = calibration or Calibration()
        self.spotting = spotting
        self.decoder = Decoder()

    @classmethod
    def from_modules(
        cls, features: LogMel, model: AcousticModel, vocabulary: Vocabulary, **settings: Any
    ) -> Recognizer:
        """Return a recogniser that is made of PyTorch modules.

        Parameters
        ----------
        features : module that computes frames from a waveform.
        model : module that computes logits from frames.
        vocabulary : meaning of each logit, as in `Recognizer`.
        settings : further parameters of `Recognizer`.

        Raises
        ------
        ModelError
            if the parts do not fit each other.
        """
        from speech_rnn.engines.torch_engine import TorchEngine

        return cls(TorchEngine(features, model), vocabulary, **settings)

    @property
    def features(self) -> LogMel:
        """The features as a module of PyTorch. An ONNX file has none and raises `ModelError`."""
        return self._module("features")

    @property
    def model(self) -> AcousticModel:
        """The model as a module of PyTorch. An ONNX file has none and raises `ModelError`."""
        return self._module("model")

    def _module(self, name: str) -> Any:
        if not hasattr(self.engine, name):
            raise ModelError(
                f"an ONNX file computes logits and holds no {name} for PyTorch; give the "
                "recognizer.safetensors that it was exported from"
            )
        return getattr(self.engine, name)

    @property
    def device(self) -> torch.device | str:
        """Device on which the logits are computed."""
        return self.engine.device

    @property
    def can_stream(self) -> bool:
        """Whether `stream` can report words while the sound is still arriving."""
        return not reasons_against_streaming(self.engine, self.vocabulary)

    def stream(
        self,
        sample_rate: int | None = None,
        *,
        spotting: Spotting | None = None,
        gating: Gating | None = None,
        block_seconds: float = 0.1,
        check: bool = True,
    ) -> EventStream:
        """Return a stream that takes chunks of sound of any size and reports words soon after.

        Parameters
        ----------
        sample_rate : the rate of the chunks, in Hz; None means the recogniser's own.
        spotting : settings of the detection; None uses the recogniser's own.
        gating : settings of the gate; None uses no gate.
        block_seconds : seconds of sound that are computed at once.
        check : whether to warn of levels at which words are missed; see `EventStream`.

        Raises
        ------
        ConfigurationError
            if the recogniser cannot stream, see `can_stream`: the error gives reasons and a
            recipe for one that can.
        """
        posteriors = PosteriorStream(
            self.engine,
            self.vocabulary,
            temperature=self.calibration.temperature,
            sample_rate=self.sample_rate if sample_rate is None else sample_rate,
            gating=gating,
            block_seconds=block_seconds,
        )
        return EventStream(posteriors, spotting or self.own_spotting, check=check)

    @property
    def own_spotting(self) -> Spotting:
        """Settings of the detection: the tuned ones, or the defaults of the head."""
        return self.spotting or Spotting.of(self.vocabulary.head)

    def to(self, device: str | torch.device) -> Recognizer:
        """Compute on `device` from now on, and return the recogniser."""
        self.engine.to(device)
        return self

    def log_probs(
        self, waveform: ArrayLike, lengths: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return log-probabilities (B, T, C) and lengths (B,) of clips (B, N); T is 1 for classes.

        They are calibrated if the recogniser is calibrated.
        """
        logits, steps = self.logits(waveform, lengths)
        return log_softmax(logits / np.float32(self.calibration.temperature)), steps

    def logits(
        self, waveform: ArrayLike, lengths: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and lengths (B,) of clips (B, N); T is 1 for classes.

        Padding never changes them. A clip that is shorter than a window is padded with silence. The
        results are numpy arrays for every type of input.
        """
        return self.engine.logits(
            np.ascontiguousarray(waveform, np.float32), np.ascontiguousarray(lengths, np.int64)
        )

    def recognize(self, waveform: ArrayLike, lengths: ArrayLike) -> list[Hypothesis]:
        """Recognise a batch of clips (B, N) at `sample_rate` with their lengths (B,)."""
        if self.answers_as_it_listens:
            return self._spotted(waveform, lengths)
        logits, steps = self.logits(waveform, lengths)
        durations = (np.asarray(lengths) / self.sample_rate).tolist()
        return answers(
            logits,
            steps.tolist(),
            self.vocabulary,
            decoder=self.decoder,
            calibration=self.calibration,
            step_seconds=self.step_seconds,
            durations=durations,
            token_bonus=self.token_bonus,
        )

    @property
    def answers_as_it_listens(self) -> bool:
        """Whether a clip is recognised as a stream would be: by spotting words.

        This is the case if the calibration has a threshold for the words of clips, unless the
        decoder has a beam, a grammar or several answers.
        """
        has_threshold = self.calibration.unknown_below is not None
        return has_threshold and self.vocabulary.unit == "words" and self.decoder.is_greedy

    def _spotted(self, waveform: ArrayLike, lengths: ArrayLike) -> list[Hypothesis]:
        clips = zip(self.clip_posteriors(waveform, lengths), np.asarray(lengths), strict=True)
        return [
            spotted([posteriors], self._clip_spotter(), int(n_samples), self._n_silent)
            for posteriors, n_samples in clips
        ]

    @property
    def _n_silent(self) -> int:
        """Samples of silence before, and again after a clip whose words are spotted."""
        return round(self.calibration.silence_seconds * self.sample_rate)

    def clip_posteriors(self, waveform: ArrayLike, lengths: ArrayLike) -> list[NDArray[np.float32]]:
        """Return the posteriors (t, C) in which the words of clips (B, N) are spotted.

        They include those of the silence around each clip, see `Calibration`.
        """
        log_probs, steps = self.log_probs(*in_silence(waveform, lengths, self._n_silent))
        rows = zip(log_probs, steps.tolist(), strict=True)
        return [np.exp(row[:n_steps]) for row, n_steps in rows]

    def _clip_spotter(self) -> WordSpotter:
        assert self.calibration.unknown_below is not None
        return self.clip_spotter(self.calibration.unknown_below)

    def clip_spotter(self, threshold: float) -> WordSpotter:
        """Return a spotter for the words of one clip, with one threshold for all words."""
        spotting = replace(self.own_spotting, threshold=threshold, thresholds={})
        tokens, step = self.vocabulary.tokens, self.engine.step_length
        return WordSpotter(spotting, tokens, step, self.sample_rate)

    def is_long(self, duration: float) -> bool:
        """Whether a sound of this many seconds is read in windows. A classifier never does so."""
        return self.engine.head == "ctc" and duration > LONG_SECONDS

    def recognize_long(self, blocks: Iterable[NDArray[np.float32]]) -> Hypothesis:
        """Recognise a sound of any length in constant memory.

        Parameters
        ----------
        blocks : consecutive blocks of the sound, (n,) samples each, at `sample_rate`.
        """
        step = self.step_seconds
        scores = (
            self.log_probs(samples[None], [len(samples)])[0][0, counts]
            for samples, counts in windows(blocks, self.engine.step_length, self.sample_rate)
        )
        if self.answers_as_it_listens:
            return spotted(map(np.exp, scores), self._clip_spotter())
        decode = partial(
            self.decoder,
            vocabulary=self.vocabulary,
            step_seconds=step,
            token_bonus=self.token_bonus,
        )
        return joined(
            (start, decode(found[None], [len(found)], durations=[len(found) * step])[0])
            for start, found in stretches(scores, step)
        )

    @overload
    def transcribe(
        self, audio: Sound | ArrayLike, sample_rate: int | None = None
    ) -> Hypothesis: ...
    @overload
    def transcribe(
        self, audio: list[Sound] | list[NDArray[Any]], sample_rate: int | None = None
    ) -> list[Hypothesis]: ...
    def transcribe(self, audio: Any, sample_rate: int | None = None) -> Any:
        """Recognise a sound or a list of sounds.

        Parameters
        ----------
        audio : a path, the bytes of a file, an open file, or samples (N,) in [-1, 1]; or a list of
            those.
        sample_rate : sample rate of `audio` if it is samples, in Hz; None means the recogniser's
            own. For files it is ignored, because they contain their rate.

        Raises
        ------
        AudioError
            if a sound cannot be read, is empty or contains NaN or infinite values; also for an
            empty list, and for values that are not sounds.
        """
        if isinstance(audio, list) and audio and not isinstance(audio[0], (int, float)):
            return self.answer_all([self._samples(sound, sample_rate) for sound in audio])
        if isinstance(audio, (str, os.PathLike, bytes)) or hasattr(audio, "read"):
            return self.answer(self.read(audio))
        return self.answer(self._samples(audio, sample_rate))

    def read(self, sound: Sound, name: str | None = None, channel: int | None = None) -> Clip:
        """Open a sound, once, and read its samples unless it is long.

        Parameters
        ----------
        sound, name, channel : as in `load_audio`.

        Raises
        ------
        AudioError
            if it cannot be read.
        """
        with ExitStack() as stack:
            opening = open_audio(sound, block_seconds=WINDOW_SECONDS, channel=channel, name=name)
            opened = stack.enter_context(opening)
            if self.is_long(opened.duration or 0.0):
                return LongFile(opened, stack.pop_all())
            return opened.load(self.sample_rate)

    def answer(self, clip: Clip) -> Hypothesis:
        """Recognise what `read` returned. A long file is closed."""
        if isinstance(clip, LongFile):
            with clip.closing:
                return self.recognize_long(clip.sound.resampled(self.sample_rate))
        return self.answer_all([clip])[0]

    def answer_all(self, clips: Sequence[NDArray[np.float32]]) -> list[Hypothesis]:
        """Recognise clips, (n,) samples each, at `sample_rate`.

        Clips at least twice as long as another are not padded together.
        """
        found: dict[int, Hypothesis] = {}
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        while order:
            shortest = clips[order[0]]
            if self.is_long(len(shortest) / self.sample_rate):
                found[order.pop(0)] = self.recognize_long([shortest])
                continue
            alike = [
                index
                for index in order
                if len(clips[index]) <= 2 * len(shortest)
                and not self.is_long(len(clips[index]) / self.sample_rate)
            ]
            order = order[len(alike) :]
            lengths = [len(clips[index]) for index in alike]
            waveform = np.zeros((len(alike), lengths[-1]), np.float32)  # (B, N)
            for row, index in zip(waveform, alike, strict=True):
                row[: len(clips[index])] = clips[index]
            found.update(zip(alike, self.recognize(waveform, lengths), strict=True))
        return [found[index] for index in range(len(clips))]

    def _samples(self, sound: Any, sample_rate: int | None) -> NDArray[np.float32]:
        if isinstance(sound, (str, os.PathLike, bytes)) or hasattr(sound, "read"):
            return load_audio(sound, self.sample_rate)
        return waveform_of(sound, sample_rate or self.sample_rate, self.sample_rate)

    @property
    def description(self) -> dict[str, Any]:
        """The content of a file besides the weights, as plain values for JSON."""
        return {
            "version": FORMAT_VERSION,
            **self.engine.describe(),
            "vocabulary": self.vocabulary.to_dict(),
            "decoding": {"token_bonus": self.token_bonus},
            "calibration": self.calibration.to_dict(),
            "spotting": self.spotting.to_dict() if self.spotting else None,
            "provenance": self.provenance,
        }

    def save(self, path: str | Path) -> None:
        """Write the recogniser as one file. An error leaves no incomplete file behind.

        A recogniser from PyTorch modules is written as a safetensors file, a recogniser from an
        ONNX file as an ONNX file. The latter needs the extra ``[export]``.

        Raises
        ------
        ConfigurationError
            if the path has the ending of the other format.
        MissingExtraError
            if an ONNX file needs the package onnx, which is not installed.
        """
        path = Path(path)
        self.check_can_save(path)
        content = self.engine.serialize(self.description)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content)

    def check_can_save(self, path: str | Path) -> None:
        """Raise the `ConfigurationError` of `save` now, before long work whose result is saved."""
        if (Path(path).suffix == ".onnx") != ("onnx" in self.engine.describe()):
            raise ConfigurationError(
                f"path={str(path)!r}: a recogniser from an ONNX file is saved as .onnx, any "
                "other as .safetensors; speech-rnn export writes an ONNX file"
            )

    @classmethod
    def load(cls, path: str | Path = STARTER, device: str = "cpu") -> Recognizer:
        """Read a recogniser that `save` or `speech_rnn.export` wrote. No code of the file is run.

        Parameters
        ----------
        path : an ``.onnx`` file, which ONNX Runtime runs without PyTorch; or a safetensors file; or
            the folder of a training, which contains one. The default is the recogniser of the
            package.
        device : device of PyTorch, such as ``cpu`` or ``cuda``.

        Raises
        ------
        ModelError
            if the file is missing, incomplete, of a newer format or not a recogniser; or if its
            model does not fit its description, or gives other logits with the installed ONNX
            Runtime.
        MissingExtraError
            if a safetensors file needs PyTorch, which is not installed.
        """
        engine, description = load_engine(path, device)
        try:
            spotting = description.get("spotting")  # earlier files have none of these
            return cls(
                engine,
                Vocabulary.from_dict(description["vocabulary"]),
                provenance=dict(description["provenance"]),
                calibration=typed(Calibration, description.get("calibration", {})),
                spotting=typed(Spotting, spotting) if spotting else None,
                **_decoding(description.get("decoding", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"model={str(path)!r}: its weights do not fit its description: {error}"
            ) from error


def _decoding(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of decoding that a file keeps, checked."""
    if not all(name == "token_bonus" and fits(settings[name], float) for name in settings):
        raise TypeError(f"decoding={settings!r:.80} must be a number, token_bonus")
    return dict(settings)

"""The whole walk, bound to its vocabulary, in one file: waveform to hypothesis.

What computes the logits is an engine: PyTorch, or ONNX Runtime alone. Importing this needs neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speech_rnn.audio import Sound, audio_duration, load_audio, resample
from speech_rnn.decoding.confidence import Calibration, evidence, log_softmax
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.long_form import LONG_SECONDS, recognize_long
from speech_rnn.engines.engine import FORMAT_VERSION, Engine
from speech_rnn.engines.loading import load_engine, torch_engine
from speech_rnn.errors import AudioError, ConfigurationError, ModelError, SpeechRnnError
from speech_rnn.files import atomic
from speech_rnn.starter import STARTER
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.streaming.stream import EventStream, reasons_against_streaming
from speech_rnn.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from speech_rnn.features import LogMel
    from speech_rnn.model import AcousticModel

__all__ = ["FORMAT_VERSION", "FileResult", "Recognizer", "transcribe_files"]


class Recognizer:
    """Features, model and vocabulary as one thing that answers.

    Parameters
    ----------
    features : waveform to frames.
    model : frames to logits.
    vocabulary : what the logits stand for.
    provenance : where it came from: recipe, data hashes, seed, commit, figures; plain values.
    token_bonus : what each token of a sequence adds to its score, unless the decoder says another.
    calibration : of a classifier: its temperature, and when it answers nothing.
    spotting : when a word of a stream is an event, as `speech_rnn.tune` has found it; None is what
        suits the head.

    Attributes
    ----------
    decoder : how log-probabilities become words; greedy unless set. The file does not keep it.

    Raises
    ------
    ModelError
        if the parts do not fit each other.
    """

    def __init__(
        self,
        features: LogMel,
        model: AcousticModel,
        vocabulary: Vocabulary,
        provenance: dict[str, Any] | None = None,
        token_bonus: float = 0.0,
        calibration: Calibration | None = None,
        spotting: Spotting | None = None,
    ) -> None:
        engine = torch_engine(features, model)
        self._bind(engine, vocabulary, provenance, token_bonus, calibration, spotting)

    @classmethod
    def of(
        cls,
        engine: Engine,
        vocabulary: Vocabulary,
        provenance: dict[str, Any] | None = None,
        token_bonus: float = 0.0,
        calibration: Calibration | None = None,
        spotting: Spotting | None = None,
    ) -> Recognizer:
        """Return a recogniser with what computes its logits in place of features and model."""
        recognizer = cls.__new__(cls)
        recognizer._bind(engine, vocabulary, provenance, token_bonus, calibration, spotting)
        return recognizer

    def _bind(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        provenance: dict[str, Any] | None,
        token_bonus: float,
        calibration: Calibration | None,
        spotting: Spotting | None,
    ) -> None:
        if engine.n_outputs != len(vocabulary) or engine.head != vocabulary.head:
            raise ModelError(
                f"a {engine.head} model of n_outputs={engine.n_outputs} does not fit a vocabulary "
                f"of {len(vocabulary)} {vocabulary.unit}; train it with this vocabulary"
            )
        self.engine = engine
        self.vocabulary = vocabulary
        self.provenance = provenance or {}
        self.token_bonus = token_bonus
        self.calibration = calibration or Calibration()
        self.spotting = spotting
        self.decoder = Decoder()

    @property
    def features(self) -> LogMel:
        """The features as a module of PyTorch; `ModelError` for an ONNX file, which has none."""
        return self._module("features")

    @property
    def model(self) -> AcousticModel:
        """The model as a module of PyTorch; `ModelError` for an ONNX file, which has none."""
        return self._module("model")

    def _module(self, name: str) -> Any:
        if not hasattr(self.engine, name):
            raise ModelError(
                f"an ONNX file computes logits and holds no {name} for PyTorch; give the "
                "recognizer.safetensors that it was exported from"
            )
        return getattr(self.engine, name)

    @property
    def sample_rate(self) -> int:
        """Samples a second that the features expect."""
        return self.engine.sample_rate

    @property
    def step_seconds(self) -> float:
        """The time from one step of the log-probabilities to the next."""
        return self.engine.step_length / self.engine.sample_rate

    @property
    def device(self) -> torch.device | str:
        """Where the logits are computed."""
        return self.engine.device

    @property
    def can_stream(self) -> bool:
        """Whether words can be told while the sound is still arriving, by `stream`."""
        return not reasons_against_streaming(self.engine, self.vocabulary)

    def stream(
        self,
        sample_rate: int | None = None,
        *,
        spotting: Spotting | None = None,
        gating: Gating | None = None,
        block_seconds: float = 0.1,
    ) -> EventStream:
        """Return a stream that takes chunks of sound of any size and gives words as they are said.

        Parameters
        ----------
        sample_rate : of the chunks, in Hz; None means the recogniser's own.
        spotting : when a word is an event; None is the recogniser's own.
        gating : when to listen at all; None is always.
        block_seconds : of sound that is worked on at once.

        Raises
        ------
        ConfigurationError
            for a recogniser that cannot stream, see `can_stream`: it names the reasons and a
            recipe for one that can.
        """
        return EventStream(
            self.engine,
            self.vocabulary,
            temperature=self.calibration.temperature,
            sample_rate=self.sample_rate if sample_rate is None else sample_rate,
            spotting=spotting or self.spotting,
            gating=gating,
            block_seconds=block_seconds,
        )

    def to(self, device: str | torch.device) -> Recognizer:
        """Compute on `device` from now on, and return the recogniser."""
        self.engine.to(device)
        return self

    def log_probs(
        self, waveform: ArrayLike, lengths: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return log-probabilities (B, T, C) and lengths (B,) of clips (B, N); T is 1 for classes.

        They are calibrated, where the recogniser is.
        """
        logits, steps = self.logits(waveform, lengths)
        return self._log_probs(logits), steps

    def _log_probs(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return log_softmax(logits / np.float32(self.calibration.temperature))

    def logits(
        self, waveform: ArrayLike, lengths: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and lengths (B,) of clips (B, N); T is 1 for classes.

        Padding never changes them. A clip shorter than a window is padded with silence to one.
        Arrays come back, whatever came in.
        """
        return self.engine.logits(
            np.ascontiguousarray(waveform, np.float32), np.ascontiguousarray(lengths, np.int64)
        )

    def recognize(self, waveform: ArrayLike, lengths: ArrayLike) -> list[Hypothesis]:
        """Answer for a batch of clips (B, N) of `sample_rate` with their lengths (B,)."""
        logits, steps = self.logits(waveform, lengths)
        durations = (np.asarray(lengths) / self.sample_rate).tolist()
        found = self._decode(self._log_probs(logits), steps.tolist(), durations)
        if self.vocabulary.head == "ctc":
            return found
        scores = evidence(logits[:, 0], self.vocabulary.tokens)
        return [
            self.calibration.judge(answer, round(float(score), 4))  # batches differ by 1e-7
            for answer, score in zip(found, scores, strict=True)
        ]

    def _decode(
        self, log_probs: NDArray[np.float32], lengths: Sequence[int], durations: Sequence[float]
    ) -> list[Hypothesis]:
        """Decode log-probabilities (B, T, C)."""
        return self.decoder(
            log_probs,
            lengths,
            self.vocabulary,
            step_seconds=self.step_seconds,
            durations=durations,
            token_bonus=self.token_bonus,
        )

    def is_long(self, duration: float) -> bool:
        """Whether a sound of so many seconds is read in windows. A class needs it as a whole."""
        return self.vocabulary.head == "ctc" and duration > LONG_SECONDS

    def recognize_long(
        self, read: Callable[[float, float], NDArray[np.float32]], duration: float
    ) -> Hypothesis:
        """Answer for a sound of any length in bounded memory; see `long_audio.recognize_long`.

        Parameters
        ----------
        read : returns samples (N,) of `sample_rate` from a second on, for so many seconds.
        duration : of the sound, in seconds.
        """

        def log_probs(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            return self.log_probs(samples[None], [len(samples)])[0][0]

        return recognize_long(
            read,
            duration,
            log_probs=log_probs,
            decode=lambda stretch, seconds: self._decode(stretch[None], [len(stretch)], [seconds])[
                0
            ],
            step_seconds=self.step_seconds,
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
        """Answer for a sound or a list of sounds.

        Parameters
        ----------
        audio : a path, a file's bytes, an open file, or samples (N,) in [-1, 1]; or a list of
            those.
        sample_rate : of samples, in Hz; None means the recogniser's own. Files know theirs.

        Raises
        ------
        AudioError
            if a sound cannot be read, is empty or holds a value that is no number.
        """
        if isinstance(audio, list) and audio and not isinstance(audio[0], (int, float)):
            clips = [self._samples(sound, sample_rate) for sound in audio]
            return self._recognize_clips(clips)
        if isinstance(audio, (str, os.PathLike)):
            duration = audio_duration(audio)
            if self.is_long(duration):
                return self.recognize_long(_reader(audio, self.sample_rate), duration)
        return self._recognize_clips([self._samples(audio, sample_rate)])[0]

    def _recognize_clips(self, clips: Sequence[NDArray[np.float32]]) -> list[Hypothesis]:
        durations = [len(clip) / self.sample_rate for clip in clips]
        if any(self.is_long(duration) for duration in durations):
            return [
                self.recognize_long(_slicer(clip, self.sample_rate), duration)
                if self.is_long(duration)
                else self._recognize_clips([clip])[0]
                for clip, duration in zip(clips, durations, strict=True)
            ]
        lengths = [len(clip) for clip in clips]
        waveform = np.zeros((len(clips), max(lengths, default=0)), np.float32)  # (B, N)
        for row, clip in zip(waveform, clips, strict=True):
            row[: len(clip)] = clip
        return self.recognize(waveform, lengths)

    def _samples(self, sound: Any, sample_rate: int | None) -> NDArray[np.float32]:
        if isinstance(sound, (str, os.PathLike, bytes)) or hasattr(sound, "read"):
            return load_audio(sound, self.sample_rate)
        samples = np.asarray(sound)
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
            raise AudioError(
                f"samples of shape={samples.shape} and dtype={samples.dtype} must be one channel "
                "(N,) of floating point in [-1, 1]; divide 16-bit integers by 32768"
            )
        if not len(samples) or not np.isfinite(samples).all():
            raise AudioError(f"samples of shape={samples.shape} must be finite, and at least one")
        rate = sample_rate or self.sample_rate
        return resample(samples.astype(np.float32), rate, self.sample_rate)

    @property
    def description(self) -> dict[str, Any]:
        """What a file holds beside the weights, as plain values for JSON."""
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
        """Write the recogniser as one file with its description as JSON, all or nothing.

        Features and model become a safetensors file. What came from an ONNX file is written as one,
        which needs the extra ``[export]``.

        Raises
        ------
        ConfigurationError
            for a path with the ending of the other kind.
        MissingExtraError
            for an ONNX file without the package onnx.
        """
        path = Path(path)
        self.check_can_save(path)
        content = self.engine.serialize(self.description)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content)

    def check_can_save(self, path: str | Path) -> None:
        """Raise the `ConfigurationError` of `save` before the work that would be lost."""
        if (Path(path).suffix == ".onnx") != ("onnx" in self.engine.describe()):
            raise ConfigurationError(
                f"path={str(path)!r}: what came from an ONNX file is saved as .onnx, and nothing "
                "else is; python -m speech_rnn.export makes an ONNX file"
            )

    @classmethod
    def load(cls, path: str | Path = STARTER, device: str = "cpu") -> Recognizer:
        """Read a recogniser that `save` or `speech_rnn.export` wrote. No code of the file is run.

        Parameters
        ----------
        path : a file that ends in ``.onnx`` is run by ONNX Runtime, without PyTorch; any other is
            a safetensors file. Without one, it is the recogniser that comes with the package.
        device : of PyTorch.

        Raises
        ------
        ModelError
            if the file is missing, cut short, of a newer format, not a Recognizer, or if what it
            computes does not fit its description or the installed ONNX Runtime.
        MissingExtraError
            without PyTorch, for a safetensors file.
        """
        engine, description = load_engine(path, device)
        try:
            return cls._assemble(engine, description)
        except (KeyError, TypeError, ConfigurationError) as error:
            raise ModelError(
                f"model={str(path)!r}: its weights do not fit its description: {error}"
            ) from error

    @classmethod
    def _assemble(cls, engine: Engine, description: dict[str, Any]) -> Recognizer:
        decoding = description.get("decoding", {})  # earlier files have none of these
        calibration = Calibration(**description.get("calibration", {}))
        spotting = description.get("spotting")
        return cls.of(
            engine,
            Vocabulary.from_dict(description["vocabulary"]),
            description["provenance"],
            calibration=calibration,
            spotting=Spotting(**spotting) if spotting else None,
            **decoding,
        )


@dataclass(frozen=True)
class FileResult:
    """What became of one file: a hypothesis and the duration in seconds, or an error."""

    file: str
    hypothesis: Hypothesis | None
    duration: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for one line of JSON."""
        if self.hypothesis is None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "duration": self.duration, **self.hypothesis.to_dict()}


def transcribe_files(
    recognizer: Recognizer, files: Iterable[tuple[str, Sound]], batch_size: int = 32
) -> Iterator[FileResult]:
    """Transcribe (name, sound) pairs in batches; results come in the same order.

    A file that fails costs itself alone. A batch is read while the one before is recognised, and
    memory holds these two; a file of sequences of over a minute is read in windows.
    """
    pending = iter(files)
    with ThreadPoolExecutor(os.cpu_count()) as readers:

        def read_on() -> list[tuple[str, Future[_Clip]]]:
            return [
                (name, readers.submit(_load, recognizer, sound, name))
                for name, sound in islice(pending, batch_size)
            ]

        ahead = read_on()
        while batch := ahead:
            clips = [clip.result() for _, clip in batch]
            ahead = read_on()
            good = [clip for clip in clips if isinstance(clip, np.ndarray)]
            answers = iter(_in_batches_of_like_length(recognizer, good))
            for (name, _), clip in zip(batch, clips, strict=True):
                if isinstance(clip, str):
                    yield FileResult(name, None, error=clip)
                elif isinstance(clip, _Long):
                    yield _transcribe_long(recognizer, name, clip)
                else:
                    duration = round(len(clip) / recognizer.sample_rate, 4)
                    yield FileResult(name, next(answers), duration)


class _Long(NamedTuple):
    """A file that is read when its turn comes, in windows."""

    path: str | os.PathLike[str]
    duration: float


_Clip = NDArray[np.float32] | _Long | str
"""What reading gives: samples, a file to be read later, or an error."""


def _load(recognizer: Recognizer, sound: Sound, name: str) -> _Clip:
    try:
        if isinstance(sound, (str, os.PathLike)):
            duration = audio_duration(sound, name=name)
            if recognizer.is_long(duration):
                return _Long(sound, duration)
        return load_audio(sound, recognizer.sample_rate, name=name)
    except SpeechRnnError as error:
        return str(error)


def _transcribe_long(recognizer: Recognizer, name: str, sound: _Long) -> FileResult:
    try:
        read = _reader(sound.path, recognizer.sample_rate)
        found = recognizer.recognize_long(read, sound.duration)
    except AudioError as error:
        return FileResult(name, None, error=str(error))
    return FileResult(name, found, round(sound.duration, 4))


def _reader(
    path: str | os.PathLike[str], sample_rate: int
) -> Callable[[float, float], NDArray[np.float32]]:
    """Read stretches of a file."""
    return lambda start, duration: load_audio(
        path, sample_rate, start_seconds=start, duration_seconds=duration
    )


def _slicer(
    samples: NDArray[np.float32], sample_rate: int
) -> Callable[[float, float], NDArray[np.float32]]:
    """Cut stretches out of samples."""
    return lambda start, duration: samples[
        round(start * sample_rate) : round((start + duration) * sample_rate)
    ]


def _in_batches_of_like_length(
    recognizer: Recognizer, clips: Sequence[NDArray[np.float32]]
) -> list[Hypothesis]:
    """Answer for clips; those at least twice as long as another are not padded together."""
    answers: dict[int, Hypothesis] = {}
    order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
    while order:
        alike = [index for index in order if len(clips[index]) <= 2 * len(clips[order[0]])]
        order = order[len(alike) :]
        found = recognizer._recognize_clips([clips[index] for index in alike])
        answers.update(zip(alike, found, strict=True))
    return [answers[index] for index in range(len(clips))]

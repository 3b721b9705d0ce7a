"""LogMel: the logarithm of mel filterbank energies, as a torch module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.features.definitions import (
    add_deltas,
    analysis_window,
    full_precision,
    normalize_sliding,
    normalize_utterance,
    tracing,
)
from speech_rnn.features.framing import Framing
from speech_rnn.features.mel import MelFilters
from speech_rnn.features.parameters import LogMelParameters, dialect_parameters, filters_of
from speech_rnn.features.stream import FeatureStream, OverTime
from speech_rnn.features.workspace import Workspace
from speech_rnn.tensors.lengths import is_inside, zero_beyond

Features = TypeVar("Features", bound="LogMel")

# On a CPU, frames are processed in pieces of this size per thread, which stay in a core's cache.
# For 64 clips of one second, MFCC.like("kaldi") takes 0.45 ms each in this way, and 0.53 ms in
# pieces of 110 or of 3,300 frames (processor time of one thread on a busy machine).
FRAMES_AT_ONCE = 800


class LogMel(LogMelParameters, nn.Module):
    """Log-mel energies of a batch of waveforms: (B, N) samples to (B, T, D) frames.

    A clip's frames do not depend on the padding after it or on other clips of the batch. A clip
    without samples, or shorter than a window with ``framing='snip'``, has no frames.

    Parameters
    ----------
    sample_rate : sample rate of the waveform, in Hz.
    win_length : number of samples of a window.
    hop_length : number of samples from the start of a window to the start of the next.
    n_fft : number of points of the Fourier transform, even; windows are padded with zeros.
    window : ``hann``, ``hamming``, ``povey``, ``blackman`` or ``rectangular``.
    periodic : whether the window is periodic (True) or symmetric (False).
    framing : positions of the T windows in a clip of N samples. ``center``: one window is centred
        at each hop from sample 0, T = 1 + N // hop_length. ``snip``: all windows lie inside the
        clip, T = 1 + (N - win_length) // hop_length (Kaldi). ``edges``: one window is centred in
        the middle of each hop, and the clip is mirrored at its ends, T = (N + hop_length // 2) //
        hop_length (Kaldi without snip_edges).
    pad_mode : padding of a clip with ``center``: ``constant`` (zeros), or ``reflect`` (the clip
        mirrored at its end samples).
    preemphasis : coefficient of the pre-emphasis within each window, from 0 (none) to 1.
    remove_dc_offset : whether to subtract each window's mean.
    dither : standard deviation of the noise added to each window after `scale`, in training only.
    scale : factor on the waveform, which is in [-1, 1].
    power : exponent of the magnitude spectrum.
    n_mels : number of mel filters.
    fmin : lowest frequency of the mel filters, in Hz.
    fmax : highest frequency of the mel filters, in Hz; None is half the sample rate.
    mel_scale : ``htk``, ``slaney`` or ``kaldi``. ``kaldi`` is the scale of HTK with filters that
        are triangles in mel instead of Hz.
    mel_norm : None for filters of height 1, ``slaney`` for filters of equal area.
    log : ``natural``, or ``db`` for 10 log10.
    amin : smallest value of which the logarithm is taken: log(max(energy + log_offset, amin)).
    log_offset : value added to each energy before the logarithm.
    top_db : values that lie more than this below the clip's highest value are raised to it, in the
        unit of `log`; None raises none.
    normalization : frames over which the mean is computed that is subtracted. None subtracts no
        mean. ``utterance``: all frames of the clip. ``sliding``: the frame and the `sliding_window`
        frames before it; the first `min_sliding_window` frames share one mean. ``global``: the
        training data, see `set_statistics`. Deltas are computed afterwards.
    sliding_window : number of earlier frames in the statistics of ``sliding`` normalization.
    min_sliding_window : number of frames in the statistics at the start of a clip.
    normalize_variance : whether to divide by the standard deviation, too.
    deltas : number of time derivatives that are appended to each frame: 0, 1 or 2.
    delta_window : number of frames from which a derivative is computed; odd.
    delta_mode : treatment of the ends of a clip, see `definitions.add_deltas`.
    precise : whether to compute the mel filters in float64, as librosa does, and the cosine
        transform of `MFCC` separately for each frame's mean, which avoids rounding errors of 1e-3.
        False computes both in float32, with the same rounding as torchaudio.
    allow_empty_filters : whether to accept filters that are so narrow that no frequency of `n_fft`
        falls into them; their outputs are constant.

    Raises
    ------
    ConfigurationError
        if parameters are out of range or do not fit each other; the error lists all of them.

    Notes
    -----
    The parameters in which three libraries differ (`like` sets them):

    =====================  ============  ================  ===============
    parameter              torchaudio    librosa           kaldi
    =====================  ============  ================  ===============
    win_length             n_fft: 400    n_fft: 2048       25 ms: 400
    hop_length             half: 200     512               10 ms: 160
    n_fft                  400           2048              power of 2: 512
    window, periodic       hann, True    hann, True        povey, False
    framing, pad_mode      center,       center, constant  snip
                           reflect
    preemphasis            0             0                 0.97
    remove_dc_offset       False         False             True
    scale                  1             1                 32768
    n_mels, fmin, fmax     128, 0, None  128, 0, None      23, 20, None
    mel_scale, mel_norm    htk, None     slaney, slaney    kaldi, None
    log, amin              db, 1e-10     db, 1e-10         natural, 2**-23
    top_db                 80            80                None
    delta_window           5             9                 5
    delta_mode             replicate     interp            convolve
    allow_empty_filters    True          True              False
    n_mfcc                 40            20                13
    lifter, lifter_offset  0, 0          0, 1              22, 0
    precise                False         True              False
    use_energy             False         False             True
    =====================  ============  ================  ===============

    Kaldi dithers by default; ``like("kaldi")`` does not. librosa's default sample rate is 22,050
    Hz, here it is 16,000. torchaudio applies `top_db` to a batch, here it applies to each clip.
    """

    mean: Tensor
    std: Tensor
    window_weights: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        nn.Module.__init__(self)
        self._build()

    @classmethod
    def like(cls: type[Features], dialect: str, **overrides: Any) -> Features:
        """Return features that compute like a library by default, except for `overrides`.

        Parameters
        ----------
        dialect : ``torchaudio``, ``librosa`` or ``kaldi``; the class docstring has their values.
        overrides : parameters of the class.

        Raises
        ------
        ConfigurationError
            if the dialect or a parameter is unknown, and in the cases of the class.
        """
        known = [each.name for each in fields(cls)]
        if unknown := [name for name in overrides if name not in known]:
            raise ConfigurationError(
                "\n".join(
                    f"{name}={overrides[name]!r} is not a parameter of {cls.__name__}"
                    + did_you_mean(name, known)
                    for name in unknown
                )
            )
        given = dialect_parameters(dialect, overrides)
        return cls(**{name: value for name, value in given.items() if name in known})

    @property
    def n_static(self) -> int:
        """Width S of a frame without deltas."""
        return self.n_mels

    @property
    def n_features(self) -> int:
        """Width D of a frame."""
        return self.n_static * (1 + self.deltas)

    @property
    def hop_seconds(self) -> float:
        """Time between two frames, in seconds."""
        return self.hop_length / self.sample_rate

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a clip of `n_samples`."""
        return self.layout.n_frames(n_samples)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the frames of a batch of clips.

        Parameters
        ----------
        waveform : (B, N) floats in [-1, 1], at `sample_rate`.
        lengths : number of samples of each clip, (B,); the rest is padding. None means N for all.
        generator : random generator of the dither; None uses torch's default one.

        Returns
        -------
        (frames, lengths)
            (B, T, D), zero beyond a clip's end, and the number of frames of each clip, (B,).
            Computed in float32, or in float64 after ``.double()``.

        Raises
        ------
        ConfigurationError
            if shapes or types are wrong, lengths are outside 0 to N, or ``global`` normalisation
            has no statistics.
        """
        self._check_input(waveform, lengths)
        self._check_statistics()
        ragged = lengths is not None
        n_samples = waveform.shape[1]
        if lengths is None:
            lengths = torch.full((waveform.shape[0],), n_samples, device=waveform.device)
        lengths = lengths.to(waveform.device, torch.int64)
        if ragged or tracing():
            n_frames = self.layout.count(lengths)
        else:
            n_frames = torch.full_like(lengths, self.n_frames(n_samples))
        if not tracing() and not waveform.shape[0] * self.n_frames(n_samples):
            shape = (waveform.shape[0], 0, self.n_features)
            return waveform.new_zeros(shape, dtype=self._dtype), n_frames
        with full_precision(waveform.device.type):
            frames = self._static_batch(
                waveform.to(self._dtype), lengths, n_frames, ragged, generator
            )
            frames = self._add_deltas(self._normalize(frames, n_frames), n_frames)  # (B, T, D)
        if ragged:
            frames = zero_beyond(frames, n_frames)
        return frames, n_frames

    def set_statistics(
        self, mean: Tensor | Sequence[float], std: Tensor | Sequence[float] | None = None
    ) -> None:
        """Set what ``normalization='global'`` subtracts and divides by; `state_dict` includes it.

        Parameters
        ----------
        mean, std : one value for each feature without deltas; `std` is needed only for
            `normalize_variance`.

        Raises
        ------
        ConfigurationError
            if the normalisation is another one, the number of values is wrong, values are not
            finite, or a required `std` is missing or not above 0.
        """
        if self.normalization != "global":
            raise ConfigurationError(
                f"normalization={self.normalization!r} uses no statistics; set it to 'global'"
            )
        if std is None and self.normalize_variance:
            raise ConfigurationError("std=None, but normalize_variance=True divides by it; give it")
        values = {"mean": torch.as_tensor(mean)}
        values["std"] = torch.ones_like(values["mean"]) if std is None else torch.as_tensor(std)
        for name, value in values.items():
            if value.shape != self.mean.shape or not value.isfinite().all():
                raise ConfigurationError(
                    f"{name} has shape {tuple(value.shape)}; it must be {self.n_static} finite "
                    "values, one for each feature without deltas"
                )
        if not (values["std"] > 0).all():
            raise ConfigurationError("std must be above 0; leave out constant features")
        self.mean.copy_(values["mean"])
        self.std.copy_(values["std"])

    @property
    def can_stream(self) -> bool:
        """Whether `stream` works; otherwise it raises, because the whole clip is needed."""
        return not self.reasons_against_streaming()

    def reasons_against_streaming(self) -> list[str]:
        """Return the parameters that require the whole clip, each with a way out."""
        reasons = []
        if self.normalization == "utterance":
            reasons.append(
                "normalization='utterance' needs the last frame of a clip before the first, "
                "so it cannot stream; use 'sliding', 'global' or None"
            )
        if self.top_db is not None:
            reasons.append(
                f"top_db={self.top_db} needs the greatest value of a clip before the first "
                "frame, so it cannot stream; use top_db=None"
            )
        return reasons

    def stream(self, batch_size: int = 1) -> FeatureStream:
        """Return a stream over `batch_size` waveforms whose frames equal the batch's.

        Raises
        ------
        ConfigurationError
            if the features need the whole clip, see `can_stream`, or `batch_size` is below 1.
        """
        if reasons := self.reasons_against_streaming():
            raise ConfigurationError("\n".join(reasons))
        if batch_size < 1:
            raise ConfigurationError(f"batch_size={batch_size} must be at least 1")
        self._check_statistics()
        no_frames = self.window_weights.new_zeros(batch_size, 0, self.n_features, dtype=self._dtype)
        return FeatureStream(self.layout, self._analyse_alone, self._over_time(), no_frames)

    def _analyse_alone(self, windows: Tensor) -> Tensor:
        return self._static(self._analyse_pieces(windows))  # (B, t, S)

    def _over_time(self) -> list[OverTime]:
        found = []
        if self.normalization is not None:
            slides = self.normalization == "sliding"
            context, minimum = slides * self.sliding_window, slides * self.min_sliding_window
            found.append(OverTime(self._normalize, context, minimum=minimum))
        if self.deltas:
            half, whole = self.delta_window // 2, self.delta_mode == "interp"
            lookahead = half if whole else half * self.deltas
            minimum = whole * self.delta_window
            found.append(OverTime(self._add_deltas, 2 * half, lookahead, minimum))
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self) -> str:
        """Return the parameters that differ from their defaults."""
        return ", ".join(
            f"{each.name}={value!r}"
            for each in fields(self)
            if (value := getattr(self, each.name)) != each.default
        )

    @property
    def _width(self) -> int:
        """Number of samples W that are cut per window.

        If only the window's weights are applied, these are as many samples as the transform takes,
        with weight 0 after the window. This saves the copy that pads with zeros.
        """
        return self.win_length if self.preemphasis or self.remove_dc_offset else self.n_fft

    @property
    def _dtype(self) -> torch.dtype:
        return torch.promote_types(self.window_weights.dtype, torch.float32)

    def _build(self) -> None:
        self.layout = Framing(
            self.framing, self.pad_mode, self.win_length, self.hop_length, self.n_fft, self._width
        )
        window = analysis_window(self.window, self.win_length, self.periodic) * self.scale
        window = F.pad(window, (0, self._width - self.win_length))
        self.register_buffer("window_weights", window, persistent=False)  # (W,)
        self._workspace = Workspace()
        self.mel_filters = MelFilters(filters_of(self), self.power, self._workspace)
        self._has_statistics = self.normalization != "global"
        if not self._has_statistics:  # NaN until they are set
            self.register_buffer("mean", torch.full((self.n_static,), torch.nan))
            self.register_buffer("std", torch.full((self.n_static,), torch.nan))

    def _check_input(self, waveform: Tensor, lengths: Tensor | None) -> None:
        if waveform.ndim != 2:
            raise ConfigurationError(
                f"waveform has shape {tuple(waveform.shape)}; it must be (B, N), clips by samples: "
                "give one clip as waveform[None]"
            )
        if not waveform.is_floating_point():
            raise ConfigurationError(
                f"waveform has type {waveform.dtype}; it must be floats in [-1, 1]: "
                "divide 16-bit samples by 32768"
            )
        if lengths is None:
            return
        if lengths.shape != waveform.shape[:1] or lengths.dtype not in (torch.int64, torch.int32):
            raise ConfigurationError(
                f"lengths has shape {tuple(lengths.shape)} and type {lengths.dtype}; it must be "
                f"({len(waveform)},) of int64, the samples of each clip"
            )
        if tracing() or not len(lengths):
            return
        if lengths.min() < 0 or lengths.max() > waveform.shape[1]:
            raise ConfigurationError(
                f"lengths={lengths.tolist()} must be between 0 and the {waveform.shape[1]} samples "
                "of the waveform"
            )

    def _check_statistics(self) -> None:
        if self._has_statistics or tracing():
            return
        if not (self.mean.isfinite().all() and self.std.isfinite().all()):
            raise ConfigurationError(
                "normalization='global' has no statistics yet; "
                "call set_statistics(mean, std) or load a state_dict that holds them"
            )
        self._has_statistics = True

    def _static_batch(
        self,
        waveform: Tensor,
        lengths: Tensor,
        n_frames: Tensor,
        ragged: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        dither = self.dither / self.scale if self.training else 0.0
        if tracing() or waveform.device.type != "cpu":
            windows = _dithered(self.layout.cut(waveform, lengths, ragged), dither, generator)
            return self._static(self._analyse(windows), n_frames if ragged else None)
        clips = max(1, _frames_at_once() // max(1, self.n_frames(waveform.shape[1])))
        pieces = []
        for some, of, n in zip(
            *(x.split(clips) for x in (waveform, lengths, n_frames)), strict=True
        ):
            padded = ragged and int(of.min()) < some.shape[1]
            windows = self.layout.cut(some, of, padded)
            values = self._analyse_pieces(windows, dither, generator)
            pieces.append(self._static(values, n if padded else None))
        return _joined(pieces, 0)  # (B, T, S)

    def _analyse_pieces(
        self, windows: Tensor, dither: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        pieces = windows.split(_frames_at_once(), dim=1)
        return _joined([self._analyse(_dithered(some, dither, generator)) for some in pieces], 1)

    def _analyse(self, windows: Tensor) -> Tensor:
        """Return the values that depend on each window alone, (B, T, M)."""
        return self._log_mel(self._taper(self._level(windows)))

    def _level(self, windows: Tensor) -> Tensor:
        return windows - windows.mean(-1, keepdim=True) if self.remove_dc_offset else windows

    def _taper(self, windows: Tensor) -> Tensor:
        if self.preemphasis:
            previous = torch.cat([windows[..., :1], windows[..., :-1]], dim=-1)
            windows = windows - self.preemphasis * previous
        window = self.window_weights.to(windows.dtype)
        if not Workspace.suits(windows):
            return windows * window  # (B, T, W)
        room = self._workspace.room("windows", windows.shape, windows.dtype)
        return torch.mul(windows, window, out=room)

    def _log_mel(self, windows: Tensor) -> Tensor:
        mel = self.mel_filters(torch.fft.rfft(windows, n=self.n_fft))  # (B, T, M)
        if self.log_offset:
            mel = mel + self.log_offset
        mel = mel.clamp(min=self.amin)
        return mel.log() if self.log == "natural" else mel.log10().mul_(10)

    def _static(self, values: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Return the features of each clip before normalisation and deltas, (B, T, S).

        `n_frames` (B,) is given if any of the clips is shorter than T.
        """
        return self._floor(values, n_frames)

    def _floor(self, log_mel: Tensor, n_frames: Tensor | None) -> Tensor:
        if self.top_db is None:
            return log_mel
        inside = log_mel
        if n_frames is not None:
            inside = log_mel.where(is_inside(log_mel.shape[1], n_frames)[:, :, None], -torch.inf)
        return torch.maximum(log_mel, inside.amax((1, 2), keepdim=True) - self.top_db)

    def _normalize(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        if self.normalization == "utterance":
            return normalize_utterance(frames, n_frames, self.normalize_variance)
        if self.normalization == "sliding":
            return normalize_sliding(
                frames,
                n_frames,
                self.sliding_window,
                self.min_sliding_window,
                self.normalize_variance,
            )
        if self.normalization == "global":
            frames = frames - self.mean.to(frames.dtype)
            return frames / self.std.to(frames.dtype) if self.normalize_variance else frames
        return frames

    def _add_deltas(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        return add_deltas(frames, n_frames, self.deltas, self.delta_window, self.delta_mode)


def _frames_at_once() -> int:
    return FRAMES_AT_ONCE * torch.get_num_threads()


def _joined(pieces: list[Tensor], dim: int) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def _dithered(windows: Tensor, dither: float, generator: torch.Generator | None) -> Tensor:
    if not dither:
        return windows
    noise = torch.randn(
        windows.shape, generator=generator, device=windows.device, dtype=windows.dtype
    )
    return windows + dither * noise

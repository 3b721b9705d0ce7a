"""The parameters of the features: their ranges, and the values of other libraries."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.features.definitions import mel_filterbank

_WHOLE = {  # name: smallest value
    "sample_rate": 1,
    "win_length": 2,
    "hop_length": 1,
    "n_fft": 2,
    "n_mels": 1,
    "sliding_window": 1,
    "min_sliding_window": 1,
    "deltas": 0,
    "delta_window": 3,
    "n_mfcc": 1,
    "lifter_offset": 0,
}
_REAL = {"preemphasis", "dither", "fmin", "log_offset", "lifter", "energy_floor"}  # 0 or more
_POSITIVE = {"scale", "power", "fmax", "amin", "top_db"}
_OPTIONAL = {"fmax", "top_db", "mel_norm", "normalization"}  # may be None
_CHOICE: dict[str, tuple[str, ...]] = {
    "window": ("hann", "hamming", "povey", "blackman", "rectangular"),
    "framing": ("center", "snip", "edges"),
    "pad_mode": ("constant", "reflect"),
    "mel_scale": ("htk", "slaney", "kaldi"),
    "mel_norm": ("slaney",),
    "log": ("natural", "db"),
    "normalization": ("utterance", "sliding", "global"),
    "delta_mode": ("replicate", "interp", "convolve"),
}


# eq=False, repr=False: the subclass is a torch module, which has its own.
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LogMelParameters:
    """The parameters of `LogMel`, which are described and checked there."""

    sample_rate: int = 16000
    win_length: int = 480
    hop_length: int = 160
    n_fft: int = 512
    window: str = "hann"
    periodic: bool = True
    framing: str = "center"
    pad_mode: str = "constant"
    preemphasis: float = 0.0
    remove_dc_offset: bool = False
    dither: float = 0.0
    scale: float = 1.0
    power: float = 2.0
    n_mels: int = 80
    fmin: float = 20.0
    fmax: float | None = 7600.0
    mel_scale: str = "htk"
    mel_norm: str | None = None
    log: str = "natural"
    amin: float = 1e-10
    log_offset: float = 0.0
    top_db: float | None = None
    normalization: str | None = None
    normalize_variance: bool = False
    sliding_window: int = 600
    min_sliding_window: int = 100
    deltas: int = 0
    delta_window: int = 5
    delta_mode: str = "replicate"
    precise: bool = False
    allow_empty_filters: bool = False

    def __post_init__(self) -> None:
        problems = list(_each_wrong(self.hyperparameters))
        # Check how values fit each other only if each one is valid by itself.
        if problems := problems or list(_do_not_fit(self)):
            raise ConfigurationError("\n".join(problems))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def highest_frequency(self) -> float:
        """``fmax`` in Hz; None stands for half the sample rate."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MFCCParameters(LogMelParameters):
    """The parameters of `MFCC`, which are described and checked there."""

    n_mfcc: int = 40
    lifter: float = 0.0
    lifter_offset: int = 0
    use_energy: bool = False
    raw_energy: bool = True
    energy_floor: float = 0.0


def filters_of(
    given: LogMelParameters, *, n_fft: int | None = None, n_mels: int | None = None
) -> Tensor:
    """Return the mel filters of these parameters, (n_fft // 2 + 1, n_mels)."""
    return mel_filterbank(
        n_fft=n_fft or given.n_fft,
        n_mels=n_mels or given.n_mels,
        sample_rate=given.sample_rate,
        fmin=given.fmin,
        fmax=given.highest_frequency,
        mel_scale=given.mel_scale,
        mel_norm=given.mel_norm,
        precise=given.precise,
    )


def dialect_parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters with which the library `name` computes, except those in `given`.

    Sizes follow from the given ones as they do in that library.
    """
    if name not in _DIALECTS:
        raise ConfigurationError(f"dialect={name!r} is unknown{did_you_mean(str(name), _DIALECTS)}")
    sizes = {key: given[key] for key in ("sample_rate", "n_fft", "win_length") if key in given}
    if problems := list(_each_wrong(sizes)):
        raise ConfigurationError("\n".join(problems))
    return {**_DIALECTS[name](given), **given}


def _torchaudio(given: Mapping[str, Any]) -> dict[str, Any]:
    n_fft = given.get("n_fft", 400)
    win_length = given.get("win_length", n_fft)
    return {
        "n_fft": n_fft,
        "win_length": win_length,
        "hop_length": win_length // 2,
        "pad_mode": "reflect",
        "n_mels": 128,
        "fmin": 0.0,
        "fmax": None,
        "log": "db",
        "top_db": 80.0,
        "allow_empty_filters": True,
    }


def _librosa(given: Mapping[str, Any]) -> dict[str, Any]:
    n_fft = given.get("n_fft", 2048)
    return {
        "n_fft": n_fft,
        "win_length": n_fft,
        "hop_length": 512,
        "n_mels": 128,
        "fmin": 0.0,
        "fmax": None,
        "mel_scale": "slaney",
        "mel_norm": "slaney",
        "log": "db",
        "top_db": 80.0,
        "delta_window": 9,
        "delta_mode": "interp",
        "n_mfcc": 20,
        "lifter_offset": 1,
        "precise": True,
        "allow_empty_filters": True,
    }


def _kaldi(given: Mapping[str, Any]) -> dict[str, Any]:
    sample_rate = given.get("sample_rate", 16000)
    win_length = given.get("win_length", sample_rate * 25 // 1000)
    return {
        "win_length": win_length,
        "hop_length": sample_rate * 10 // 1000,
        "n_fft": 2 ** math.ceil(math.log2(win_length)),
        "window": "povey",
        "periodic": False,
        "framing": "snip",
        "preemphasis": 0.97,
        "remove_dc_offset": True,
        "scale": 32768.0,
        "n_mels": 23,
        "fmin": 20.0,
        "fmax": None,
        "mel_scale": "kaldi",
        "amin": torch.finfo(torch.float32).eps,
        "delta_mode": "convolve",
        "n_mfcc": 13,
        "lifter": 22.0,
        "use_energy": True,
    }


_DIALECTS = {"torchaudio": _torchaudio, "librosa": _librosa, "kaldi": _kaldi}


def _check_one(name: str, value: Any) -> str | None:
    if value is None and name in _OPTIONAL:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name in _WHOLE:
        if not number or isinstance(value, float) or value < _WHOLE[name]:
            return f"{name}={value!r} must be a whole number of at least {_WHOLE[name]}"
    elif name in _POSITIVE:
        if not number or not 0 < value < math.inf:
            return f"{name}={value!r} must be a number above 0"
    elif name in _REAL:
        if not number or not 0 <= value < math.inf:
            return f"{name}={value!r} must be a number of at least 0"
    elif name in _CHOICE:
        if value not in _CHOICE[name]:
            none = " or None" if name in _OPTIONAL else ""
            choices = ", ".join(_CHOICE[name])
            hint = did_you_mean(str(value), _CHOICE[name])
            return f"{name}={value!r} must be one of {choices}{none}{hint}"
    elif not isinstance(value, bool):
        return f"{name}={value!r} must be True or False"
    return None


def _each_wrong(given: Mapping[str, Any]) -> Iterable[str]:
    return (problem for name in given if (problem := _check_one(name, given[name])))


def _do_not_fit(given: LogMelParameters) -> Iterable[str]:
    n_fft, win_length, n_mels = given.n_fft, given.win_length, given.n_mels
    if n_fft < win_length:
        power = 2 ** math.ceil(math.log2(win_length))
        yield f"n_fft={n_fft} is below win_length={win_length}; set n_fft={power}"
    if n_fft % 2:
        yield f"n_fft={n_fft} must be even; set n_fft={n_fft + 1}"
    if given.preemphasis > 1:
        yield f"preemphasis={given.preemphasis} must be between 0 and 1; usual is 0.97"
    if given.deltas > 2:
        yield f"deltas={given.deltas} must be 0, 1 or 2"
    if not given.delta_window % 2:
        yield (
            f"delta_window={given.delta_window} must be odd, a frame and as many on each side; "
            f"set delta_window={given.delta_window + 1}"
        )
    if given.min_sliding_window > given.sliding_window:
        yield (
            f"min_sliding_window={given.min_sliding_window} is above "
            f"sliding_window={given.sliding_window}; set it to that or less"
        )
    if isinstance(given, MFCCParameters) and given.n_mfcc > n_mels:
        yield (
            f"n_mfcc={given.n_mfcc} is above n_mels={n_mels}, which gives no more than {n_mels} "
            f"coefficients; set n_mfcc={n_mels} or more n_mels"
        )
    half, fmax = given.sample_rate / 2, given.highest_frequency
    if fmax > half:
        yield (
            f"fmax={fmax} Hz is above half of sample_rate={given.sample_rate}; "
            f"set fmax={half} or less, or None for that half"
        )
    elif given.fmin >= fmax:
        yield f"fmin={given.fmin} Hz must be below fmax={fmax}"
    elif not given.allow_empty_filters and (empty := _empty(filters_of(given))):
        yield (
            f"n_mels={n_mels} is too many for n_fft={n_fft}: no frequency falls into filters "
            f"{', '.join(map(str, empty))} (of 0 to {n_mels - 1}); set {_way_out(given)}, "
            "or allow_empty_filters=True"
        )


def _empty(filters: Tensor) -> list[int]:
    return (filters.amax(0) == 0).nonzero()[:, 0].tolist()


def _way_out(given: LogMelParameters) -> str:
    def is_too_many(n_mels: int) -> bool:
        return bool(_empty(filters_of(given, n_mels=n_mels)))

    finer = 2 ** math.ceil(math.log2(given.n_fft + 1))
    while finer < 2**16 and _empty(filters_of(given, n_fft=finer)):
        finer *= 2
    fewer = max(0, bisect_left(range(given.n_mels), True, 1, key=is_too_many) - 1)
    return f"n_fft={finer}" + (f" or n_mels={fewer}" if fewer else "")

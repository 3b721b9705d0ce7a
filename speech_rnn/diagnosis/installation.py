"""Examine an installation: versions, extras, audio devices, and whether the recogniser answers."""

from __future__ import annotations

import platform
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import numpy as np

from speech_rnn import __version__
from speech_rnn.audio.ffmpeg import can_convert
from speech_rnn.diagnosis.extras import Extra, find_extras
from speech_rnn.errors import SpeechRnnError, SpeechRnnWarning, install_line
from speech_rnn.listening.microphone import input_devices
from speech_rnn.recognizer import Recognizer

PACKAGE = "speech-rnn"
SHOWN = ("numpy", "onnxruntime", "soundfile", "soxr", "torch", "torchaudio", "hydra-core")
TIMED_SECONDS = 10.0


@dataclass(frozen=True)
class Check:
    """The result of a check of the package's recogniser.

    Parameters
    ----------
    problem : a fault, as a sentence; None without one.
    real_time : computing time as a share of the duration of the sound; None if it cannot compute.
    """

    problem: str | None
    real_time: float | None


@dataclass(frozen=True)
class Installation:
    """An installation of this package.

    Parameters
    ----------
    versions : versions of this package, of Python and of the packages that compute.
    system : operating system and processor.
    extras : the plain install, with an empty name, and each extra.
    recogniser : check of the package's recogniser.
    devices : names of the devices that record; None without the extra ``mic``.
    has_ffmpeg : whether ffmpeg is installed.
    findings : sentences on what is wrong, with what to do.
    """

    versions: dict[str, str]
    system: str
    extras: tuple[Extra, ...]
    recogniser: Check
    devices: tuple[str, ...] | None
    has_ffmpeg: bool
    findings: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether the recogniser of the package answers as it should."""
        return self.recogniser.problem is None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def examine_installation() -> Installation:
    """Examine the installation that runs."""
    extras = find_extras(PACKAGE, _requirements())
    checked = check_recogniser()
    devices, of_devices = _devices()
    has_ffmpeg = can_convert()
    findings = [*([checked.problem] if checked.problem else []), *of_devices]
    if not has_ffmpeg:
        findings.append(
            "The program ffmpeg is missing, so that M4A, WebM and AMR cannot be read: install it, "
            "such as apt install ffmpeg."
        )
    if not extras:
        findings.append(
            "The package is not installed, so that its extras are unknown: run  "
            f"{install_line(None)}"
        )
    return Installation(
        versions=_versions(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        extras=tuple(extras),
        recogniser=checked,
        devices=devices,
        has_ffmpeg=has_ffmpeg,
        findings=tuple(findings),
    )


def check_recogniser() -> Check:
    """Load the recogniser of the package, which computes its probe, and time it.

    The probe is a short sound whose logits the file holds from where it was made; see
    `speech_rnn.engines.probe`. The answer to silence has to be no word.
    """
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always", SpeechRnnWarning)
            recognizer = Recognizer.load()
        silence = np.zeros(round(TIMED_SECONDS * recognizer.sample_rate), np.float32)
        began = time.perf_counter()
        hypothesis = recognizer.transcribe(silence)
        real_time = (time.perf_counter() - began) / TIMED_SECONDS
    except SpeechRnnError as error:
        return Check(str(error), None)
    wrong = [str(each.message) for each in noted if issubclass(each.category, SpeechRnnWarning)]
    if hypothesis.words:
        wrong.append(
            f"The recogniser of the package answers silence with {hypothesis.text!r}: install the "
            f"package again:  {install_line(None)}"
        )
    return Check(wrong[0] if wrong else None, real_time)


def _requirements() -> list[str]:
    try:
        return requires(PACKAGE) or []
    except PackageNotFoundError:
        return []


def _versions() -> dict[str, str]:
    found = {PACKAGE: __version__, "python": platform.python_version()}
    for name in SHOWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _devices() -> tuple[tuple[str, ...] | None, list[str]]:
    """Return the names of the devices that record, and what prevents recording."""
    try:
        names = input_devices()
    except ImportError:  # the extra mic is missing, which the list of extras says
        return None, []
    except SpeechRnnError as error:
        return (), [str(error)]
    if names:
        return tuple(names), []
    where = "in the settings of the system" if sys.platform != "linux" else "with arecord -l"
    return (), [f"There is no device that records: plug in a microphone, and look for it {where}."]

"""What can go wrong, as few kinds: a command catches `SpeechRnnError` and prints no traceback.

Every message reads ``name=value``, the rule that it breaks, and the way out.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "ConfigurationError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "SpeechRnnError",
]


class SpeechRnnError(Exception):
    """Root of the project's errors. `exit_code` is what a command ends with."""

    exit_code = 1


class ConfigurationError(SpeechRnnError, ValueError):
    """Wrong use: an unknown key, a value out of range, parts that do not fit each other."""

    exit_code = 2


class AudioError(SpeechRnnError):
    """A sound that cannot be read or used."""


class DataError(SpeechRnnError):
    """A corpus, manifest or archive that is not what it should be."""


class ModelError(SpeechRnnError):
    """A Recognizer file or checkpoint that cannot be used."""


class MissingExtraError(SpeechRnnError, ImportError):
    """An optional package is not installed; the message gives the line that installs it.

    Parameters
    ----------
    package : the missing import, such as ``espeakng_loader``.
    extra : the extra of this project that brings it, such as ``synth``.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"package={package!r} is not installed: run  pip install 'speech-rnn[{extra}]'"
        )

"""What can go wrong, as few kinds: a command catches `SpeechRnnError` and prints no traceback.

Every message reads ``name=value``, the rule that it breaks, and the way out.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "AudioError",
    "ConfigurationError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "SpeechRnnError",
    "Stopped",
    "spoken_errors",
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


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, told where nothing is cut in two; see `speech_rnn.stopping`."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


@contextmanager
def spoken_errors() -> Iterator[None]:
    """Print the project's errors without a traceback and exit with their code.

    Ctrl-C exits with 130 and, where it is `Stopped`, SIGTERM with 143, as shells have it.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + getattr(error, "signum", signal.SIGINT))
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SpeechRnnError):
            cause = cause.__cause__  # Hydra wraps what a class that it builds raises
        if cause is None:
            raise
        print(f"error: {cause}", file=sys.stderr)
        sys.exit(cause.exit_code)

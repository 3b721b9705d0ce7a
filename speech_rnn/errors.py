"""Errors of the package. Commands catch `SpeechRnnError` and print its message only.

A message says which value is wrong (``name=value``), which rule it breaks, and what to do.
"""

from __future__ import annotations

import io
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any
from unicodedata import category

__all__ = [
    "AudioError",
    "ConfigurationError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "SpeechRnnError",
    "SpeechRnnWarning",
    "Stopped",
    "did_you_mean",
    "install_line",
    "listed",
    "notes",
    "own_error",
    "plain_install",
    "printable",
    "printed_errors",
]

PLAIN = frozenset(
    {
        "hydra",
        "jiwer",
        "omegaconf",
        "pytorch_lightning",
        "rich",
        "safetensors",
        "scipy",
        "torch",
        "torchaudio",
        "yaml",
    }
)
"""Imports that come with the plain install, and not with the light one."""


TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: a name would read otherwise than it is."""
MOST_NAMES = 30
"""Names that a message lists, at most."""


class SpeechRnnError(Exception):
    """Base class of the project's errors. `exit_code` is the exit code of a command."""

    exit_code = 1


class SpeechRnnWarning(UserWarning):
    """Base class of the project's warnings. A command prints a warning as one line, ``note: …``."""


class ConfigurationError(SpeechRnnError, ValueError):
    """Wrong use, such as an unknown key, a value out of range, or parts that do not fit."""

    exit_code = 2


class AudioError(SpeechRnnError):
    """A sound that cannot be read or used."""


class DataError(SpeechRnnError):
    """A corpus, manifest or archive that is missing or wrong."""


class ModelError(SpeechRnnError):
    """A Recognizer file or checkpoint that cannot be used."""


class MissingExtraError(SpeechRnnError, ImportError):
    """A package is not installed. The message has the command that installs it.

    Parameters
    ----------
    package : the missing import, such as ``espeakng_loader``.
    extra : the extra of this project that installs it, such as ``synth``; None if it belongs to the
        installation without extras, and only `light.txt` leaves it out.
    reason : purpose of the package.
    """

    def __init__(self, package: str, extra: str | None, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"package={package!r} is not installed{because}: run  {install_line(extra)}"
        )
        self._given = package, extra, reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error reach another process, with its own parameters."""
        return type(self), self._given


def install_line(extra: str | None) -> str:
    """Return the command that installs this package with an extra, from its present source.

    That is the folder of a checkout, or an index of packages (PEP 610, ``direct_url.json``).
    """
    import json  # here: most commands start without them
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    extras = f"[{extra}]" if extra else ""
    try:
        record = metadata.distribution("speech-rnn").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        record = None
    origin = json.loads(record or "{}")
    if "dir_info" not in origin:
        return f"pip install 'speech-rnn{extras}'"
    option = "-e " if origin["dir_info"].get("editable") else ""
    return f"pip install {option}'{unquote(urlsplit(origin['url']).path)}{extras}'"


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; see `listening.interrupts`.

    Parameters
    ----------
    signum : the signal.
    where : last point of the run, such as ``after epoch 7 of 30``.
    output_dir : the folder in which the run can be continued.
    """

    def __init__(self, signum: int, where: str = "", output_dir: str = "") -> None:
        going_on = f"; resume=true continues (output_dir={output_dir})" if output_dir else ""
        super().__init__(f"interrupted {where}".strip() + going_on)
        self.signum, self.where = signum, where


def printable(text: str) -> str:
    """Return a text that is safe to print on a terminal: control characters are escaped.

    A file name may contain such characters, and bytes that are not UTF-8. Line ends and tabs stay.
    """
    return "".join(
        character if character in "\n\t" or _is_shown(character) else _escape(character)
        for character in text
    )


def _is_shown(character: str) -> bool:
    # Categories: controls, halves of pairs, and marks that turn the direction of writing
    return category(character) not in ("Cc", "Cs") and character not in TURNING


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def did_you_mean(names: str | Iterable[str], known: Iterable[str]) -> str:
    """Return the end of a message about unknown names: the nearest known ones, or all of them.

    Parameters
    ----------
    names : one unknown name, or several.
    known : the names to choose from. Without a near one, the first `MOST_NAMES` are listed.

    Returns
    -------
    Such as ``; did you mean 'gru'?`` or ``; choose one of gru, lstm``, empty without known names.
    """
    known = [str(name) for name in known]
    asked = [names] if isinstance(names, str) else map(str, names)  # YAML reads yes as true
    near = [repr(found) for name in asked for found in get_close_matches(name, known, n=1)]
    if near:
        return f"; did you mean {', '.join(dict.fromkeys(near))}?"
    return f"; choose one of {listed(known)}" if known else ""


def listed(names: Iterable[str]) -> str:
    """Return names with commas between them, at most `MOST_NAMES`."""
    names = list(names)
    return ", ".join([*names[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else [])])


@contextmanager
def plain_install(reason: str = "") -> Iterator[None]:
    """Turn the error of a missing package of the plain install into a `MissingExtraError`.

    Parameters
    ----------
    reason : purpose of the package.

    Raises
    ------
    MissingExtraError
        in place of the `ModuleNotFoundError` of such a package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PLAIN:
            raise
        raise MissingExtraError(package, None, reason) from error


@contextmanager
def notes() -> Iterator[None]:
    """Print each of the project's warnings as one line, ``note: …``."""
    plain = warnings.formatwarning

    def line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, SpeechRnnWarning):
            return f"note: {printable(str(message))}\n"
        return plain(message, category, filename, lineno, line)

    warnings.formatwarning = line
    try:
        yield
    finally:
        warnings.formatwarning = plain


@contextmanager
def printed_errors() -> Iterator[None]:
    """Print the project's errors without a traceback and exit with their code.

    The exit code is 130 after Ctrl-C and 143 after SIGTERM (if it is `Stopped`), as in shells.
    Characters that the terminal or pipe cannot show, such as those of a file name in Latin-1, are
    printed as backslash escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with plain_install(), notes():
            yield
    except KeyboardInterrupt as error:
        print(str(error) or "interrupted", file=sys.stderr)
        sys.exit(128 + getattr(error, "signum", signal.SIGINT))
    except Exception as error:
        own = own_error(error)
        if own is None:
            raise
        print(f"error: {printable(str(own))}", file=sys.stderr)
        sys.exit(own.exit_code)


def own_error(error: BaseException) -> SpeechRnnError | None:
    """Return the project's error that caused another one, because Hydra wraps errors."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, SpeechRnnError):
        cause = cause.__cause__
    return cause

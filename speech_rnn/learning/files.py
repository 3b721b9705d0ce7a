"""The files of learning: clips that are read, and the recogniser that is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from speech_rnn.audio import find_audio, load_audio
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.errors import ConfigurationError
from speech_rnn.learning.sounds import Samples
from speech_rnn.starter import STARTER


def read_clips(
    paths: Sequence[str], sample_rate: int, tell: Callable[[str], None]
) -> list[Samples]:
    """Read sound files and the sound files of folders.

    Parameters
    ----------
    tell : is told once of the files of folders that cannot be read here.

    Raises
    ------
    AudioError
        for a file that cannot be read.
    ConfigurationError
        for a folder without sound files.
    """
    files = find_audio(paths, tell=tell)
    return [load_audio(sound, sample_rate, name=name) for name, sound in files]


def changed_file(model: Path, output: Path | None) -> Path:
    """Return the file that a changed recogniser is written to: `output`, or the model itself.

    A program that loads the file is to know the new word, and `forget` takes it
    back; so the model is replaced, once the new one is whole. The package's own stays as it is.

    Raises
    ------
    ConfigurationError
        for the recogniser of the package without an output.
    """
    if output is None and model == STARTER:
        raise ConfigurationError(
            "the recogniser of the package is not changed: give --output FILE.onnx, and use that "
            "with --model"
        )
    target = output or model
    return target / RUN_FILE if target.is_dir() else target

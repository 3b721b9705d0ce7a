"""Read the clips of a new word, and choose the file that the changed recogniser is written to."""

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
    tell : called once with a message if folders hold sound files that cannot be read here.

    Raises
    ------
    AudioError
        if a file cannot be read.
    ConfigurationError
        if a folder holds no sound files.
    """
    files = find_audio(paths, tell=tell)
    return [load_audio(sound, sample_rate, name=name) for name, sound in files]


def changed_file(model: Path, output: Path | None) -> Path:
    """Return the file that a changed recogniser is written to: `output`, or the model itself.

    Programs that load the model's file then get the new word, and `forget` can remove it again.
    The file is replaced only when the new one is complete. The recogniser that comes with the
    package is never replaced.

    Raises
    ------
    ConfigurationError
        if the recogniser is the package's own and `output` is None.
    """
    if output is None and model == STARTER:
        raise ConfigurationError(
            "the recogniser of the package is not changed: give --output FILE.onnx, and use that "
            "with --model"
        )
    target = output or model
    return target / RUN_FILE if target.is_dir() else target

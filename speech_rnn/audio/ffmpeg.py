"""Decode sounds that libsndfile does not read, with the program ffmpeg if it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO

from speech_rnn.audio.containers import FOREIGN
from speech_rnn.errors import AudioError

PROGRAM = "ffmpeg"
LEAST_SECONDS = 10.0
BYTES_PER_SECOND = 100_000
"""Bytes per second of the time limit: a tenth of the speed of the slowest codec."""


def can_convert() -> bool:
    """Return whether ffmpeg is installed."""
    return shutil.which(PROGRAM) is not None


def converted(file: BinaryIO, kind: str, name: str) -> BinaryIO:
    """Decode the first audio stream of a file into a temporary 16-bit WAV file.

    Parameters
    ----------
    file : a seekable file, open for reading in binary mode.
    kind : one of `FOREIGN`. No other demuxer is tried, because a playlist could name other files.
    name : name of the file in messages.

    Raises
    ------
    AudioError
        if the file cannot be decoded, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="speech-rnn-") as folder:
        copied = Path(folder) / "sound"  # a name without an ending that ffmpeg could interpret
        with copied.open("wb") as target:
            file.seek(0)
            shutil.copyfileobj(file, target)
        seconds = LEAST_SECONDS + copied.stat().st_size / BYTES_PER_SECOND
        decoded = tempfile.TemporaryFile()  # noqa: SIM115  # who reads it closes it
        try:
            result = subprocess.run(
                _command(copied, kind),
                stdin=subprocess.DEVNULL,
                stdout=decoded,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            decoded.close()
            raise AudioError(f"{name}: {PROGRAM} cannot decode it ({error}); convert it") from error
    if result.returncode or not decoded.tell():
        decoded.close()
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason"]
        raise AudioError(
            f"{name}: is {kind} that {PROGRAM} cannot decode ({lines[-1].strip()}); it may hold no "
            "sound or be damaged: fetch or record it again"
        )
    decoded.seek(0)
    return decoded


def _command(file: Path, kind: str) -> list[str]:
    reading = ["-protocol_whitelist", "file", "-f", FOREIGN[kind], "-i", f"file:{file}"]
    first_sound = ["-map", "0:a:0", "-map_metadata", "-1", "-c:a", "pcm_s16le", "-f", "wav"]
    return [PROGRAM, "-nostdin", "-v", "error", "-threads", "1", *reading, *first_sound, "pipe:1"]

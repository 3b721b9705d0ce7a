"""Sound files and samples. This folder alone opens sound files, and it does not need torch."""

from speech_rnn.audio.containers import AUDIO_SUFFIXES
from speech_rnn.audio.files import (
    Check,
    OpenSound,
    audio_duration,
    encode_flac,
    load_audio,
    open_audio,
    write_audio,
)
from speech_rnn.audio.finding import find_audio
from speech_rnn.audio.headers import Sound
from speech_rnn.audio.signal import AudioWarning, check_waveform, resample, waveform_of

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioWarning",
    "Check",
    "OpenSound",
    "Sound",
    "audio_duration",
    "check_waveform",
    "encode_flac",
    "find_audio",
    "load_audio",
    "open_audio",
    "resample",
    "waveform_of",
    "write_audio",
]

"""The sound of Wyoming's events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from wyoming.audio import AudioChunk, AudioStart
from wyoming.event import Event

from speech_rnn.samples.limits import check_channels, check_rate
from speech_rnn.serving.incoming import BY_WIDTH, Samples, as_floats
from speech_rnn.serving.refusals import NO_SOUND, RefusalError


class WyomingSound:
    """Chunks of one format, which the first of them or the start before it names.

    Parameters
    ----------
    event : an event of type audio-start or audio-chunk.

    Attributes
    ----------
    sample_rate : sample rate, in Hz.
    begin : the time stamp of the first sample, in ms.

    Raises
    ------
    RefusalError, ConfigurationError
        for a form that no sound has.
    """

    def __init__(self, event: Event) -> None:
        start = (AudioStart if AudioStart.is_type(event.type) else AudioChunk).from_event(event)
        self._form = (start.rate, start.width, start.channels)
        if not all(isinstance(value, int) for value in self._form) or start.width not in BY_WIDTH:
            raise RefusalError(
                NO_SOUND,
                f"rate={start.rate!r:.20}, width={start.width!r:.20}, "
                f"channels={start.channels!r:.20}: a sample has 1 to 4 bytes",
            )
        check_rate(start.rate)
        check_channels(start.channels)
        self.sample_rate = start.rate
        self._samples = Samples(BY_WIDTH[start.width], start.channels)
        stamp = start.timestamp
        self.begin = round(stamp) if isinstance(stamp, (int, float)) else 0

    def push(self, event: Event) -> NDArray[np.float32]:
        """Return the samples of a chunk, (n,).

        Raises
        ------
        RefusalError
            for a chunk of another form.
        """
        chunk = AudioChunk.from_event(event)
        if (chunk.rate, chunk.width, chunk.channels) != self._form:
            raise RefusalError(NO_SOUND, "the form of the sound changed; begin with audio-start")
        return as_floats(self._samples.push(chunk.audio or b""))

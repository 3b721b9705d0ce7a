"""The bounds of what a client may ask of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from speech_rnn.errors import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """Bounds of sizes, numbers and times; each has an answer of its own when it is passed.

    Parameters
    ----------
    request_bytes : size of a request, and of the sound of one command.
    seconds : duration of a recording, in s.
    connections : open connections of one port.
    streams : streams at once; None measures what the machine computes in real time.
    transcriptions : recordings that wait or are recognised at once.
    message_bytes : size of one message of a stream.
    idle_seconds : time in s that a stream may be silent before it is closed.
    read_seconds : time in s for the rest of a message that has begun.
    body_seconds : time in s for the body of a request.
    write_seconds : time in s that a client may leave an answer unread.
    stop_seconds : time in s that streams have to end when the server stops.

    Raises
    ------
    ConfigurationError
        for a bound that is not above 0.
    """

    request_bytes: int = 25 << 20
    seconds: float = 600.0
    connections: int = 500
    streams: int | None = None
    transcriptions: int = 16
    message_bytes: int = 1 << 20
    idle_seconds: float = 300.0
    read_seconds: float = 10.0
    body_seconds: float = 60.0
    write_seconds: float = 10.0
    stop_seconds: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 < value < np.inf:
                raise ConfigurationError(f"{field.name}={value!r} must be above 0")

"""The reasons for which a request is refused, and the answer that a client gets."""

from __future__ import annotations

from typing import NamedTuple

from speech_rnn.errors import AudioError, SpeechRnnError


class Kind(NamedTuple):
    """A kind of refusal: the status of HTTP, the close code of a WebSocket, a name for programs."""

    status: int
    close_code: int
    code: str


BAD_REQUEST = Kind(400, 1008, "bad_request")
NO_SOUND = Kind(400, 1007, "bad_sound")
WRONG_TOKEN = Kind(401, 1008, "wrong_token")
WRONG_ORIGIN = Kind(403, 1008, "wrong_origin")
UNKNOWN_MODEL = Kind(404, 1008, "model_not_found")
UNKNOWN_WORD = Kind(404, 1008, "word_not_found")
UNKNOWN_TAKE = Kind(404, 1008, "take_not_found")
TOO_SLOW = Kind(408, 1008, "too_slow")
BUSY = Kind(409, 1013, "busy")
TOO_LARGE = Kind(413, 1009, "too_large")
TOO_MANY = Kind(429, 1013, "too_many_requests")
FULL = Kind(503, 1013, "at_capacity")
STOPPING = Kind(503, 1001, "stopping")


class RefusalError(SpeechRnnError):
    """A request that is refused.

    Parameters
    ----------
    kind : how each protocol says so.
    message : the error, and the way out.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def refusal_of(error: SpeechRnnError) -> RefusalError:
    """Return an error of the recogniser as a refusal."""
    if isinstance(error, RefusalError):
        return error
    kind = NO_SOUND if isinstance(error, AudioError) else BAD_REQUEST
    return RefusalError(kind, str(error))

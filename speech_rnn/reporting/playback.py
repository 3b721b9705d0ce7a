"""Sounds that a page plays: the start of an utterance, embedded in the page."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import encode_flac
from speech_rnn.data.cache import read_clip
from speech_rnn.data.corpus import Utterance

LONGEST_SECONDS = 6.0
PLAYED_RATE = 16_000


def played(utterance: Utterance) -> NDArray[np.float32]:
    """Return the samples (N,) of an utterance that a page plays.

    Raises
    ------
    DataError
        if the utterance cannot be read.
    """
    return read_clip(utterance, PLAYED_RATE)[: round(LONGEST_SECONDS * PLAYED_RATE)]


def embedded(samples: NDArray[np.float32]) -> str:
    """Return the result of `played` as a FLAC file in base64."""
    return base64.b64encode(encode_flac(samples, PLAYED_RATE)).decode()

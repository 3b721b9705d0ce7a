"""Augmentation of batches in training, computed on their device.

`Augment` is the whole chain; each effect can also be used alone.
"""

from speech_rnn.augment.chain import Augment, Responses
from speech_rnn.augment.filters import band_limit, equalize, reverberate, shelve
from speech_rnn.augment.frames import mask_spans, mixup
from speech_rnn.augment.noise import NoiseKinds, coloured_noise, mix
from speech_rnn.augment.voice import stretch, time_warp, vocal_tract_warp

__all__ = [
    "Augment",
    "NoiseKinds",
    "Responses",
    "band_limit",
    "coloured_noise",
    "equalize",
    "mask_spans",
    "mix",
    "mixup",
    "reverberate",
    "shelve",
    "stretch",
    "time_warp",
    "vocal_tract_warp",
]

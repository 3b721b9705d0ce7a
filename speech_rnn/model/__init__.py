"""Frames to logits: convolutions over time, a recurrent encoder, pooling and a head.

Padding never changes a result. Values beyond a clip's length are set to zero before any operation
across time, statistics are those of the clips alone, and the backward direction starts at each
clip's own end. H in a shape is the width of the hidden states, of all directions together.
"""

from speech_rnn.model.acoustic import AcousticModel
from speech_rnn.model.stream import ModelStream

__all__ = ["AcousticModel", "ModelStream"]

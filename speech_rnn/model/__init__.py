"""Frames to logits: convolutions over time, a recurrent encoder, pooling, a head.

Padding never changes a result: what lies beyond a clip's length is set to zero before anything
reads across time, statistics are those of the clips alone, and what reads backwards starts at each
clip's own end. H in a shape is the width of the hidden states, of all directions together.
"""

from speech_rnn.model.acoustic import AcousticModel
from speech_rnn.model.stream import ModelStream

__all__ = ["AcousticModel", "ModelStream"]

"""Log-mel energies, MFCCs and embeddings as torch modules: batch with lengths, or as a stream.

``frames`` are (B, T, D), as recurrent networks take them; librosa and torchaudio put D before T.
Usable alone: brings neither Hydra, nor Lightning, nor plotting.
"""

from speech_rnn.features.embedding import Embedding
from speech_rnn.features.log_mel import LogMel
from speech_rnn.features.mfcc import MFCC
from speech_rnn.features.stream import FeatureStream

__all__ = ["MFCC", "Embedding", "FeatureStream", "LogMel"]
